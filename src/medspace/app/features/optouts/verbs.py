"""Commands for opt-outs at an authority: out, back, registry, allow; follow, refresh, stop, list."""

import csv
from pathlib import Path
from typing import Annotated

import typer

from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.optouts import client
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, counted, msgid

LARGEST_FILE = 1 << 24  # bytes
BATCH = 5_000  # persons that are sent at once

app = typer.Typer(
    help="Opt-outs at the authority, which hospitals ask about in pseudonyms of their own.", no_args_is_help=True
)
FileOption = Annotated[Path | None, typer.Option("--file", help="Identifiers of persons, one a line.")]
PersonOption = Annotated[list[str] | None, typer.Option("--person", help="An identifier; may be repeated.")]
DatasetArgument = Annotated[str, typer.Argument(help="One of your own datasets.")]


class OptOutFileError(InvalidInputError):
    """A file of persons that cannot be read."""

    code = "optouts.file"
    sentence = msgid("{file} cannot be read as persons.")
    next_step = msgid("Write one identifier a line; or, to follow, a CSV file of two columns: value and identifier.")


@app.command("out")
def out(
    person: PersonOption = None,
    file: FileOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As the authority: have persons opt out."""
    with session(client, config, json=json, language=lang) as (space, screen):
        batches = _batches(person, file)
        _said(screen, [space.opt_persons_out(one) for one in batches])


@app.command("back")
def back(
    person: PersonOption = None,
    file: FileOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As the authority: have persons who opted out back in."""
    with session(client, config, json=json, language=lang) as (space, screen):
        batches = _batches(person, file)
        _said(screen, [space.opt_persons_in(one) for one in batches])


@app.command("registry")
def registry(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As the authority: how many opted out, and which hospitals have asked about how many."""
    with session(client, config, json=json, language=lang) as (space, screen):
        _askers(screen, space.opt_out_registry())


@app.command("allow")
def allow(
    hospital: Annotated[str, typer.Argument(help="The hospital, by its DID.")],
    persons: Annotated[int, typer.Argument(help="About how many persons it may ask in all.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As the authority: say about how many persons a hospital may ask; 100,000 if nothing was said."""
    with session(client, config, json=json, language=lang) as (space, screen):
        _askers(screen, space.allow_opt_out_questions(hospital, persons))


@app.command("follow")
def follow(
    dataset: DatasetArgument,
    column: Annotated[str, typer.Option("--column", help="The column that names the persons.")],
    file: Annotated[Path, typer.Option("--file", help="CSV: a value of the column, the identifier of the person.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As a hospital: leave out who opted out at the authority; identifiers are not kept, and do not leave."""
    with session(client, config, json=json, language=lang) as (space, screen):
        _datasets(screen, [space.follow_opt_outs(dataset, column, _pairs(file))])


@app.command("refresh")
def refresh(
    dataset: DatasetArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As a hospital: ask the authority about a dataset anew; by itself this happens every six hours."""
    with session(client, config, json=json, language=lang) as (space, screen):
        _datasets(screen, [space.refresh_opt_outs(dataset)])


@app.command("stop")
def stop(
    dataset: DatasetArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As a hospital: follow the authority no longer; what was named by hand counts alone."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.stop_opt_outs(dataset)
        said = Text(msgid("{dataset} follows the registry of opt-outs no longer."), {"dataset": dataset})
        screen.show(found, lambda: screen.line(said))


@app.command("list")
def listed(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As a hospital: the datasets that follow the authority, and until when its answers hold."""
    with session(client, config, json=json, language=lang) as (space, screen):
        _datasets(screen, space.followed_opt_outs())


def _said(screen: Screen, found: list[JsonObject]) -> None:
    facts = {"count": sum(one["changed"] for one in found), "version": found[-1]["version"] if found else 0}
    said = Text(msgid("Persons changed: {count}. The registry is at version {version}."), facts)
    screen.show(facts, lambda: screen.line(said))


def _askers(screen: Screen, found: JsonObject) -> None:
    title = Text(msgid("Opted out: {persons}; version {version}"), found)
    heads = [Text(msgid("hospital")), Text(msgid("has asked about")), Text(msgid("may ask about"))]
    rows = [(one["name"] or one["hospital"], str(one["asked"]), str(one["most"])) for one in found["hospitals"]]
    screen.show(found, lambda: screen.table(title, heads, rows))


def _datasets(screen: Screen, found: list[JsonObject]) -> None:
    title = counted(len(found), msgid("{count} dataset follows"), msgid("{count} datasets follow"))
    heads = [Text(one) for one in (msgid("dataset"), msgid("persons"), msgid("opted out"), msgid("holds until"))]
    rows = [(one["dataset"], str(one["persons"]), str(one["out"]), one["expires"] or "-") for one in found]
    screen.show({"datasets": found}, lambda: screen.table(title, heads, rows))


def _batches(persons: list[str] | None, file: Path | None) -> list[list[str]]:
    lines = [] if file is None else [line.strip() for line in _text(file).splitlines()]
    found = [*(persons or ()), *filter(None, lines)]
    return [found[at : at + BATCH] for at in range(0, len(found), BATCH)]


def _pairs(file: Path) -> dict[str, str]:
    rows = [row for row in csv.reader(_text(file).splitlines()) if row]
    if any(len(row) != len(("value", "identifier")) for row in rows):
        raise OptOutFileError(file=str(file))
    found = {value.strip(): identifier.strip() for value, identifier in rows}
    if len(found) != len(rows):  # a value that stands twice may be of two persons
        raise OptOutFileError(file=str(file))
    return found


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise OptOutFileError(file=str(file))
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise OptOutFileError(file=str(file)) from None
