"""Truncated lists: showing some items, and a note that there are more."""

from collections.abc import Callable
from typing import Annotated

import typer

from medspace.app.doors.cli.screen import Screen
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid

MOST = 100
MostOption = Annotated[
    int, typer.Option("--most", "--limit", min=1, help="How many to show at most; whether there are more is said.")
]


def listed(
    screen: Screen,
    name: str,
    found: Callable[[int], list[JsonObject]],
    most: int,
    people: Callable[[list[JsonObject]], None],
) -> None:
    """Show up to `most` items, as JSON under their name with a flag `more`, or as `people` prints them.

    `found` returns as many items as requested: one extra is requested, so that "more" is known, not guessed.
    """
    got = found(most + 1)
    shown, more = got[:most], len(got) > most

    def told() -> None:
        people(shown)
        tell_more(screen, most, more=more)

    screen.show({name: shown, "more": more}, told)


def tell_more(screen: Screen, count: int, *, more: bool) -> None:
    """If there are more items than were shown, say so."""
    if more:
        text = msgid("There are more than the {count} shown here; --most shows as many as you say.")
        screen.line(Text(text, {"count": count}))
