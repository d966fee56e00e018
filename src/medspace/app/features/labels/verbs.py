"""The command for the labels of one's own datasets: what they allow, whatever a contract says."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated

import typer

from medspace.app.doors.cli.confirming import LoosenOption, insist_loosening, tell_looser
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.doors.cli.who import names_of
from medspace.app.features.labels import client
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.instants import BoundError, bound, last_day
from medspace.core.text import Text, msgid

TWO = 2
NONE = "-"
_LISTS = ("purposes", "kinds", "regions")
_REVIEWS = (NONE, msgid("each result"), msgid("each result, by two persons"))
_SOURCES = {
    "configuration": msgid("configuration"),
    "person": msgid("`medspace label`"),
    "restored": msgid("restored backup"),
}


class LabelWishError(InvalidInputError):
    """A label change has contradictory options, or names no dataset."""

    code = "label.wish"
    sentence = msgid("It is not clear how the label should change.")
    next_step = msgid("Name a dataset, and either what it allows, or --nothing, or --as-configured.")


class LabelTimeError(InvalidInputError):
    """A time bound of a label is not an instant."""

    code = "label.time"
    sentence = msgid("{text} is not a valid time.")
    next_step = msgid("Write a day, such as 2026-12-31, or an instant with its zone, such as 2026-12-31T12:00:00Z.")


FromOption = Annotated[
    str | None,
    typer.Option("--from", help="First day, or an instant such as 2026-01-31T12:00:00Z; '' for always."),
]
UntilOption = Annotated[
    str | None,
    typer.Option("--until", help="Last day, or an instant such as 2026-12-31T12:00:00Z; '' for always."),
]
ReviewOption = Annotated[
    bool | None, typer.Option("--review/--no-review", help="A person looks at each result first, or not.")
]
EventOption = Annotated[
    list[str] | None,
    typer.Option("--event", help="What has happened, as terms ask for it; may be repeated; '' for nothing."),
]
StateOption = Annotated[
    list[str] | None,
    typer.Option("--state", help="What is the case, as terms ask for it; may be repeated; '' for nothing."),
]
LawOption = Annotated[
    list[str] | None,
    typer.Option("--law", help="A rule pack that applies (`medspace rulebook laws`); may be repeated; '' for none."),
]


def label(
    dataset: Annotated[str, typer.Argument(help="One of your own datasets; without it, all are listed.")] = "",
    purpose: Annotated[
        list[str] | None, typer.Option("--purpose", help="A purpose that is allowed; may be repeated.")
    ] = None,
    use: Annotated[
        list[str] | None, typer.Option("--use", help="A kind of use that is allowed; may be repeated.")
    ] = None,
    region: Annotated[list[str] | None, typer.Option("--region", help="Where users may be; may be repeated.")] = None,
    begin: FromOption = None,
    until: UntilOption = None,
    review: ReviewOption = None,
    two: Annotated[bool, typer.Option("--two-reviewers", help="Two persons look at each result first.")] = False,
    event: EventOption = None,
    state: StateOption = None,
    law: LawOption = None,
    nothing: Annotated[bool, typer.Option("--nothing", help="Allow nothing from now on.")] = False,
    as_configured: Annotated[
        bool, typer.Option("--as-configured", help="Take back what was said here: the configuration counts again.")
    ] = False,
    loosen: LoosenOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Show or change what your datasets allow; takes effect at once, and ends uses that are allowed no longer."""
    lists = {"events": event, "states": state, "laws": law}
    said = {
        "purposes": purpose,
        "kinds": use,
        "regions": region,
        "valid_from": begin,
        "valid_until": until,
        "review": TWO if two else review,
        **{name: None if given is None else [one for one in given if one] for name, given in lists.items()},
    }
    changes = {name: value for name, value in said.items() if value is not None}
    ways = sum((bool(changes), nothing, as_configured))
    if ways > 1 or (ways and not dataset):
        raise LabelWishError
    for text in filter(None, (begin, until)):
        _check_bound(text)
    with session(client, config, json=json, language=lang) as (space, screen):
        if ways:
            new = {} if nothing else changed(space.label(dataset)["label"], changes)
            put = partial(space.reset_label, dataset) if as_configured else partial(space.set_label, dataset, new)
            before = put(dry=True)
            looser = [one for one in before["changes"] if one["loosens"]]
            told = [Text("{change}", {"change": one["sentence"]}) for one in looser]
            tell_looser(screen, told)
            insist_loosening(screen, told, loosen=loosen)
            found = [put(loosen=[one["term"] for one in looser], seen=before["seen"])]
        else:
            found = [space.label(dataset)] if dataset else space.labels()
        screen.show({"labels": found}, lambda: _show(screen, found))


def _check_bound(text: str) -> None:
    try:
        bound(text, last=True)
    except BoundError as error:
        raise LabelTimeError(text=text) from error


def changed(old: JsonObject, changes: Mapping[str, object]) -> JsonObject:
    """A label with the given options in place of its earlier values; an empty instant removes the bound."""
    new: JsonObject = dict(old) | dict(changes)
    return {name: value for name, value in new.items() if value != ""}


def _show(screen: Screen, found: list[JsonObject]) -> None:
    heads = [Text(msgid("dataset")), Text(msgid("purposes")), Text(msgid("uses")), Text(msgid("regions"))]
    heads += [Text(msgid("from")), Text(msgid("until")), Text(msgid("review")), Text(msgid("set by"))]
    rows = []
    for one in found:
        said = one["label"]
        lists = (screen.typed(*said.get(name, ())) or "-" for name in _LISTS)
        source, who = screen.say(Text(_SOURCES[one["source"]])), names_of(screen, one.get("set_by"))
        source = f"{source} ({who})" if who else source
        review = screen.say(Text(_REVIEWS[int(said.get("review", 0))]))
        rows.append(
            (
                one["dataset"],
                *lists,
                said.get("valid_from", ""),
                last_day(said.get("valid_until", "")),
                review,
                source,
            )
        )
    screen.table(Text(msgid("What your datasets allow, whatever a contract says")), heads, rows)
