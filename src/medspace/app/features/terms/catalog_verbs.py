"""The command that searches what members offer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from medspace.app.doors.cli.listing import MOST, MostOption, tell_more
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption, following
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.terms import client
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, counted, msgid

AWAY = 4
LARGEST_SIZE = 10**12 - 1  # patients
SHOWN = 10  # values of each facet
FACETS: Mapping[str, str] = {
    "holder": msgid("held by"),
    "region": msgid("in the region"),
    "kind": msgid("kind of use"),
    "purpose": msgid("for the purpose"),
    "column": msgid("column"),
    "concept": msgid("concept"),
    "until": msgid("until the year"),
    "size": msgid("patients"),
}


def catalog(
    search: Annotated[
        str, typer.Argument(help="Words that title, description, keywords, columns or the holder's name have.")
    ] = "",
    participant: Annotated[str, typer.Option("--from", help="One provider's DID; default: all members.")] = "",
    region: Annotated[
        list[str] | None, typer.Option("--region", help="Only of holders in this region, such as DE.")
    ] = None,
    use: Annotated[
        list[str] | None, typer.Option("--use", help="Only for this kind of use, such as medspace:train.")
    ] = None,
    purpose: Annotated[
        list[str] | None, typer.Option("--purpose", help="Only what some offer allows for this purpose.")
    ] = None,
    column: Annotated[list[str] | None, typer.Option("--column", help="Only with a column of this name.")] = None,
    concept: Annotated[
        list[str] | None, typer.Option("--concept", help="Only with a column of this concept (its URI).")
    ] = None,
    until: Annotated[
        list[str] | None, typer.Option("--until", help="Only what is offered until this year; open: without an end.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--size-at-least",
            min=1,
            max=LARGEST_SIZE,
            help="Only datasets with at least this many patients, as published.",
        ),
    ] = None,
    facets: Annotated[bool, typer.Option("--facets", help="Show what the datasets have in common.")] = False,
    most: MostOption = MOST,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Search what the members of the space offer. Each of the options may be repeated: one of its values is enough.

    Exit code 4 where a member does not answer: what it offers is not shown. 3 where one refuses, or offers more
    than its share of what is searched.
    """
    chosen = {"region": region, "kind": use, "purpose": purpose, "column": column, "concept": concept, "until": until}
    wanted: dict[str, Sequence[str]] = {name: values for name, values in chosen.items() if values}
    wanted |= {} if size is None else {"size": [str(size)]}
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.find(participant or None, search=search, facets=SHOWN if facets else 0, **wanted)
        shown, more = found["datasets"][:most], len(found["datasets"]) > most

        def people() -> None:
            _datasets(screen, shown, found["problems"], config)
            tell_more(screen, most, more=more)
            if facets:
                _facets(screen, found["facets"])

        screen.show(found | {"datasets": shown, "more": more}, people)
    if found["problems"]:
        raise typer.Exit(_silence(found["problems"]))


def could(
    use: Annotated[str, typer.Argument(help="The kind of use, such as train or medspace:statistics.")],
    search: Annotated[str, typer.Argument(help="Words that title, description, keywords or columns have.")] = "",
    purpose: Annotated[str, typer.Option("--for", "--purpose", help="What for: the purpose, by name or words.")] = "",
    place: Annotated[str, typer.Option("--place", help="Where you would be, such as SG; default: here.")] = "",
    at: Annotated[str, typer.Option("--at", help="When: a day, or an instant with its zone; default: now.")] = "",
    most: MostOption = MOST,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Search by what you may do: the datasets of others of which some offer allows this use. Nothing is asked for.

    The label of the data, which their holder alone knows, may still refuse. Exit codes as those of `catalog`.
    """
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.could(use, purpose=purpose, place=place, at=at, search=search)
        shown, more = found["datasets"][:most], len(found["datasets"]) > most

        def people() -> None:
            _datasets(screen, shown, found["problems"], config)
            tell_more(screen, most, more=more)
            for code, count in found["refused"].items():
                told = counted(int(count), msgid("{count} dataset says no"), msgid("{count} datasets say no"))
                screen.line(Text(msgid("{what}: {code}"), {"what": told, "code": code}))

        screen.show(found | {"datasets": shown, "more": more}, people)
    if found["problems"]:
        raise typer.Exit(_silence(found["problems"]))


def _facets(screen: Screen, facets: Mapping[str, Sequence[JsonObject]]) -> None:
    columns = (Text(msgid("what")), Text(msgid("value")), Text(msgid("datasets")))
    rows = [
        (screen.say(Text(FACETS[name])), _valued(one), str(one["count"]))
        for name, values in facets.items()
        for one in values
    ]
    screen.table(Text(msgid("What they have in common")), columns, rows)


def _valued(one: JsonObject) -> str:
    return str(one["value"] if one["label"] == one["value"] else f"{one['label']} ({one['value']})")


def _silence(problems: list[JsonObject]) -> int:
    """How a search ends to which not everyone answered: the missing datasets may be at those that are away."""
    codes = {int(one["exit_code"]) for one in problems}
    return AWAY if AWAY in codes else max(codes)


def _datasets(screen: Screen, found: list[JsonObject], silent: list[JsonObject], config: Path) -> None:
    screen.table(
        counted(len(found), msgid("{count} dataset on offer"), msgid("{count} datasets on offer")),
        (Text(msgid("dataset")), Text(msgid("title")), Text(msgid("provider")), Text(msgid("uses"))),
        ((d["id"], d["title"], d["participant"], screen.named(*d["formats"])) for d in found),
    )
    for one in found:
        for flaw in one.get("unusable", ()):
            facts = {"dataset": one["id"], "offer": flaw["offer"], "sentence": flaw["sentence"]}
            screen.line(Text(msgid("{dataset}, offer {offer}: {sentence}"), facts))
    for problem in silent:
        screen.line(_silent(problem))
    if found:
        screen.line(following(Text(msgid("medspace negotiate PROVIDER DATASET")), config))


def _silent(problem: JsonObject) -> Text:
    """Whose catalogue is missing, and why; most sentences name the participant themselves."""
    if str(problem["participant"]) in str(problem["sentence"]):
        return Text("{sentence}", problem)
    return Text(msgid("{participant} did not answer: {sentence}"), problem)
