"""`medspace init`: a folder with configuration and keys for a new connector."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medspace.adapters.filenames import absolute
from medspace.app.doors.cli import file_findings
from medspace.app.doors.cli.file_options import with_file_options
from medspace.app.doors.cli.offer_options import (
    CountOption,
    HolderOption,
    MinSitesOption,
    QuestionsOption,
    UntilOption,
)
from medspace.app.doors.cli.options import JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.node.language import spoken_language
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid

if TYPE_CHECKING:
    from medspace.adapters.duckdb.drafting import DraftOptions

PORT = 8100
AnswersOption = Annotated[
    str, typer.Option("--answers", help="manual: a person answers each negotiation (default); automatic.")
]


@with_file_options
def init(
    folder: Annotated[Path, typer.Argument(help="A new folder for configuration, keys and database.")],
    of_file: "DraftOptions",
    name: Annotated[str, typer.Option("--name", help="The participant's name.")] = "",
    port: Annotated[
        int | None, typer.Option("--port", help="Public port; the private one is the next. Default: 8100.")
    ] = None,
    authority: Annotated[
        str, typer.Option("--authority", help="The DID of the space's authority; without it, this is one.")
    ] = "",
    authority_key: Annotated[
        str, typer.Option("--authority-key", help="The authority's public key; default: the one that it shows now.")
    ] = "",
    region: Annotated[
        str, typer.Option("--region", help="Where it is: a country such as DE or CN (ISO 3166-1), EU or EEA.")
    ] = "",
    offer: Annotated[
        str,
        typer.Option("--offer", help="A table to offer for training only; look at it first with medspace draft."),
    ] = "",
    dictionary: Annotated[
        Path | None, typer.Option("--dictionary", help="The table's data dictionary; without one it is drafted.")
    ] = None,
    until: UntilOption = "",
    count: CountOption = None,
    min_sites: MinSitesOption = None,
    holder: HolderOption = None,
    questions: QuestionsOption = None,
    answers: AnswersOption = "",
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: what no option says gets its safe default.")
    ] = False,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Write a configuration and keys for a new connector, with safe permissions; at a terminal it asks the rest."""
    from medspace.app.features.setup.asking import OfferOptions, ask  # noqa: PLC0415 - cryptography is imported only when needed
    from medspace.app.features.setup.service import check_new, set_up  # noqa: PLC0415
    from medspace.app.node.offering.drafting import spoken  # noqa: PLC0415 - as above
    from medspace.app.node.offering.origins import origin  # noqa: PLC0415
    from medspace.app.node.offering.wishes import Wishes, check  # noqa: PLC0415

    screen = Screen(as_json=json, language=spoken_language(lang))
    named = Wishes(
        name or absolute(folder).name, PORT if port is None else port, authority, authority_key, region,
        origin(offer) if offer else None, of_file.person, of_file.rows_are_persons, min_cohort=of_file.least,
        draft=of_file, dictionary=dictionary,
    )  # fmt: skip
    check_new(folder)
    check(named)
    said = OfferOptions(until, count, min_sites, questions, answers, tuple(holder or ()))
    told = {"name": name, "region": region, "port": port, "authority": authority, "offer": offer}
    given = [option for option, value in told.items() if value not in ("", None)]
    made = spoken(set_up(folder, ask(screen, named, said, given, yes=yes)), screen.say)
    screen.show(made, lambda: _made(screen, made))


def _made(screen: Screen, made: JsonObject) -> None:
    screen.line(Text(msgid("{did} is ready in {folder}."), {"did": made["did"], "folder": made["folder"]}))
    if made["did"] == made["authority"]:
        screen.line(Text(msgid("It founds a new space and is its authority; --authority joins another one.")))
    screen.line(Text(msgid("The authority of its space has the key {key}."), {"key": made["authority_key"]}))
    if made["rows"] is not None:
        facts = {"rows": made["rows"], "persons": made["persons"]}
        screen.line(Text(msgid("Rows: {rows}. Persons: {persons}."), facts))
    file_findings.show(screen, made)
    for file in made["to_review"]:
        screen.line(Text(msgid("Review {file}: it was drafted from your data."), {"file": file}))
    if made["questions"] is not None:
        text = msgid(
            "It answers {questions} questions a year, of all users together; a training takes one for each round, "
            "about ten."
        )
        screen.line(Text(text, {"questions": made["questions"]}))
    if made["rows"] is not None and made["answers"] == "manual":
        screen.line(Text(msgid("A person answers each negotiation: see `medspace negotiations`.")))
    for port in made["ports_taken"]:
        text = msgid(
            "Port {port} is in use now: `medspace up` cannot start until that program ends. If it stays, delete the "
            "new folder and make it again with another one: --port NUMBER"
        )
        screen.line(Text(text, {"port": port}))
    screen.line(Text(msgid("Next: {command}"), {"command": f"medspace up {made['config']}"}))
    if made["did"] != made["authority"]:
        screen.line(Text(msgid("Then the authority runs: medspace admit {did}"), {"did": made["did"]}))
