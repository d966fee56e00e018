"""The verb on the labels of one's own datasets: what they allow, whatever a contract says."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import typer

from medspace.app.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.cli.session import session
from medspace.app.screen import Screen
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid

_LISTS = ("purposes", "kinds", "regions")
_SOURCES = {"configuration": msgid("configuration"), "person": msgid("`medspace label`")}


class LabelWishError(InvalidInputError):
    """What should become of a label was said in two ways, or of no dataset."""

    code = "label.wish"
    sentence = msgid("It is not clear how the label should change.")
    next_step = msgid("Name a dataset, and either what it allows, or --nothing, or --as-configured.")


class LabelTimeError(InvalidInputError):
    """A bound of a label is not an instant."""

    code = "label.time"
    sentence = msgid("{text} is not a valid time.")
    next_step = msgid("Write it as 2026-01-31T12:00:00Z.")


def label(
    dataset: Annotated[str, typer.Argument(help="One of your own datasets; without it, all are listed.")] = "",
    purpose: Annotated[
        list[str] | None, typer.Option("--purpose", help="A purpose that is allowed; may be repeated.")
    ] = None,
    use: Annotated[
        list[str] | None, typer.Option("--use", help="A kind of use that is allowed; may be repeated.")
    ] = None,
    region: Annotated[list[str] | None, typer.Option("--region", help="Where users may be; may be repeated.")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="Since when, such as 2026-01-31T12:00:00Z; '' for always.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Until when, such as 2026-01-31T12:00:00Z; '' for always.")
    ] = None,
    review: Annotated[
        bool | None,
        typer.Option("--review/--no-review", help="A person looks at each result first, or not."),
    ] = None,
    nothing: Annotated[bool, typer.Option("--nothing", help="Allow nothing from now on.")] = False,
    as_configured: Annotated[
        bool, typer.Option("--as-configured", help="Take back what was said here: the configuration counts again.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Show or change what your datasets allow; takes effect at once, and ends uses that are allowed no longer."""
    said = {
        "purposes": purpose,
        "kinds": use,
        "regions": region,
        "valid_from": begin,
        "valid_until": until,
        "review": review,
    }
    changes = {name: value for name, value in said.items() if value is not None}
    ways = sum((bool(changes), nothing, as_configured))
    if ways > 1 or (ways and not dataset):
        raise LabelWishError
    for bound in filter(None, (begin, until)):
        _check_instant(bound)
    with session(config, json=json, language=lang) as (space, screen):
        if as_configured:
            found = [space.reset_label(dataset)]
        elif ways:
            old = {} if nothing else space.label(dataset)["label"]
            found = [space.set_label(dataset, changed(old, changes))]
        else:
            found = [space.label(dataset)] if dataset else space.labels()
        screen.show({"labels": found}, lambda: _show(screen, found))


def _check_instant(text: str) -> None:
    try:
        zone = datetime.fromisoformat(text).tzinfo
    except ValueError:
        zone = None
    if zone is None:
        raise LabelTimeError(text=text)


def changed(old: JsonObject, changes: Mapping[str, object]) -> JsonObject:
    """A label with what was said put in place of what it said; an empty instant takes the bound away."""
    new: JsonObject = dict(old) | dict(changes)
    return {name: value for name, value in new.items() if value != ""}


def _show(screen: Screen, found: list[JsonObject]) -> None:
    heads = [Text(msgid("dataset")), Text(msgid("purposes")), Text(msgid("uses")), Text(msgid("regions"))]
    heads += [Text(msgid("from")), Text(msgid("until")), Text(msgid("review")), Text(msgid("set by"))]
    rows = []
    for one in found:
        said = one["label"]
        lists = (", ".join(said.get(name, ())) or "-" for name in _LISTS)
        source = screen.say(Text(_SOURCES[one["source"]]))
        review = screen.say(Text(msgid("each result"))) if said.get("review") else "-"
        rows.append((one["dataset"], *lists, said.get("valid_from", ""), said.get("valid_until", ""), review, source))
    screen.table(Text(msgid("What your datasets allow, whatever a contract says")), heads, rows)
