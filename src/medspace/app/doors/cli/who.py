"""Who acted, in lists for people: by name, or by the pseudonym of the log once the name was deleted."""

from collections.abc import Mapping

from medspace.app.doors.cli.screen import Screen
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid

OWNER = msgid("owner")
_SAID = {
    "asked_by": msgid("asked for by {names}"),
    "approved_by": msgid("approved by {names}"),
    "refused_by": msgid("kept back by {names}"),
    "changed_by": msgid("made anew with less in it for {names}"),
    "moved_by": msgid("last moved by {names}"),
    "cancelled_by": msgid("cancelled by {names}"),
}


def who_acted(screen: Screen, one: JsonObject) -> tuple[str, ...]:
    """A line for each part that one of one's own people had in something."""
    said = ((text, names_of(screen, one.get(field))) for field, text in _SAID.items())
    return tuple(screen.say(Text(text, {"names": names})) for text, names in said if names)


def names_of(screen: Screen, shown: Mapping[str, str] | list[Mapping[str, str]] | None) -> str:
    """The names of an actor, or of several; "" of nobody."""
    several = shown if isinstance(shown, list) else [shown]
    return ", ".join(_name(screen, one) for one in several if one)


def _name(screen: Screen, one: Mapping[str, str]) -> str:
    """The owner has no name of its own."""
    return screen.say(Text(OWNER)) if one["name"] == OWNER else one["name"] or one["actor"]
