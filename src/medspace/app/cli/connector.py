"""Verbs on one's own connector: init, up, doctor, members, admit."""

from pathlib import Path
from typing import Annotated

import typer

from medspace.app.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.cli.session import session
from medspace.app.cycles import unwatched
from medspace.app.language import spoken_language
from medspace.app.screen import Screen
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, counted, msgid

NOT_IN_ORDER = 1


def init(
    folder: Annotated[Path, typer.Argument(help="A new folder for configuration, keys and database.")],
    name: Annotated[str, typer.Option("--name", help="The participant's name.")] = "",
    port: Annotated[int, typer.Option("--port", help="Public port; the private one is the next.")] = 8100,
    authority: Annotated[
        str, typer.Option("--authority", help="The DID of the space's authority; without it, this is one.")
    ] = "",
    authority_key: Annotated[
        str, typer.Option("--authority-key", help="The authority's public key; default: the one that it shows now.")
    ] = "",
    region: Annotated[str, typer.Option("--region", help="Where the participant is, such as EU or US.")] = "",
    offer: Annotated[
        Path | None, typer.Option("--offer", help="A CSV or Parquet file to offer for training only.")
    ] = None,
    person: Annotated[str, typer.Option("--person", help="The column that names the patient; it never leaves.")] = "",
    rows_are_persons: Annotated[
        bool, typer.Option("--rows-are-persons", help="No column names the patients: each row is one.")
    ] = False,
    until: Annotated[str, typer.Option("--until", help="Last day of the offer; default: in a year.")] = "",
    count: Annotated[
        int | None, typer.Option("--count", help="Uses per agreement; default: 20; 0: without bound.")
    ] = None,
    min_sites: Annotated[
        int | None,
        typer.Option(
            "--min-sites", help="Hospitals in each sum, besides one that may tell what it sees; default: 3."
        ),
    ] = None,
    holder: Annotated[
        list[str] | None,
        typer.Option("--holder", help="Train only together with this hospital (DID); may be repeated. Default: any."),
    ] = None,
    questions: Annotated[
        int | None,
        typer.Option("--questions", help="Questions a year, of all users; default: a tenth of the patients."),
    ] = None,
    answers: Annotated[
        str, typer.Option("--answers", help="manual: a person answers each negotiation (default); automatic.")
    ] = "",
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Write a configuration and keys for a new connector, with safe permissions; asks what is not said."""
    from medspace.app.cli.asking import OfferOptions, ask  # noqa: PLC0415 - cryptography is imported only when needed
    from medspace.app.setup import Wishes, set_up  # noqa: PLC0415

    screen = Screen(as_json=json, language=spoken_language(lang))
    named = Wishes(name or folder.resolve().name, port, authority, authority_key, region, offer)
    said = OfferOptions(person, rows_are_persons, until, count, min_sites, questions, answers, tuple(holder or ()))
    made = set_up(folder, ask(screen, named, said))
    made["left_out"] = [each | {"reason": screen.say(each["reason"])} for each in made["left_out"]]
    screen.show(made, lambda: _made(screen, made))


def _made(screen: Screen, made: JsonObject) -> None:
    screen.line(Text(msgid("{did} is ready in {folder}."), {"did": made["did"], "folder": made["folder"]}))
    screen.line(Text(msgid("The authority of its space has the key {key}."), {"key": made["authority_key"]}))
    for each in made["left_out"]:
        screen.line(Text(msgid("Column {column} is left out of the dictionary: {reason}."), each))
    for column in made["unbounded"]:
        text = msgid(
            "Column {column} needs a range that is possible in medicine: few patients lie far from the rest."
        )
        screen.line(Text(text, {"column": column}))
    for file in made["to_review"]:
        screen.line(Text(msgid("Review {file}: it was drafted from your data."), {"file": file}))
    if made["questions"] is not None:
        text = msgid(
            "It answers {questions} questions a year, of all users together; a training takes one for each round, "
            "about ten."
        )
        screen.line(Text(text, {"questions": made["questions"]}))
    if made["to_review"] and made["answers"] == "manual":
        screen.line(Text(msgid("A person answers each negotiation: see `medspace negotiations`.")))
    screen.line(Text(msgid("Next: {command}"), {"command": f"medspace up {made['config']}"}))
    if made["did"] != made["authority"]:
        screen.line(Text(msgid("Then the authority runs: medspace admit {did}"), {"did": made["did"]}))


def up(
    config: Annotated[Path, typer.Argument(help="The configuration file.")] = DEFAULT_CONFIG,
    lang: LanguageOption = "",
) -> None:
    """Run a connector until Ctrl-C; brings its database up to date first, and says so."""
    with unwatched():
        from medspace.app.serve import run_connector  # noqa: PLC0415 - the server side is heavy

        screen = Screen(as_json=False, language=spoken_language(lang))
        run_connector(config, announce=screen.line)


def doctor(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = "") -> None:
    """Check keys, permissions, listeners, authority, database and extras; say what to do about each."""
    from medspace.app.doctor import examine  # noqa: PLC0415

    screen = Screen(as_json=json, language=spoken_language(lang))
    found = examine(config, screen.language)
    rows = [("ok" if c["ok"] else "!!", c["name"], c["sentence"], c["next_step"]) for c in found["checks"]]
    columns = [Text(c) for c in ("", msgid("check"), msgid("found"), msgid("next step"))]
    screen.show(found, lambda: screen.table(Text(msgid("medspace doctor")), columns, rows))
    if not found["ok"]:
        raise typer.Exit(NOT_IN_ORDER)


def members(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = "") -> None:
    """List who belongs to the space, as its authority signed it."""
    with session(config, json=json, language=lang) as (space, screen):
        listed = space.members()
        columns = [Text(c) for c in (msgid("name"), msgid("region"), msgid("roles"), "DID")]
        rows = [(m["name"], m["region"], ", ".join(m["roles"]), m["did"]) for m in listed]
        title = counted(len(listed), msgid("{count} member"), msgid("{count} members"))
        screen.show({"members": listed}, lambda: screen.table(title, columns, rows))


def admit(
    did: Annotated[str, typer.Argument(help="The DID of the participant.")],
    name: Annotated[str, typer.Option("--name", help="Its name; default: its DID.")] = "",
    region: Annotated[str, typer.Option("--region", help="Where it is, such as EU or US.")] = "",
    role: Annotated[list[str] | None, typer.Option("--role", help="Such as holder or user; may be repeated.")] = None,
    operator: Annotated[str, typer.Option("--operator", help="Who runs it, by DID; default: itself.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As the authority: put a running participant on the signed members list."""
    with session(config, json=json, language=lang) as (space, screen):
        member = space.admit(did, name=name or did, region=region, roles=role or (), operator=operator)
        text = Text(
            msgid("{name} is a member now; its key is {key}."),
            {"name": member["name"], "key": member["public_key"]},
        )
        screen.show(member, lambda: screen.line(text))


def remove(
    did: Annotated[str, typer.Argument(help="The DID of the member.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As the authority: take a member off the signed list; the others hear of it within an hour."""
    with session(config, json=json, language=lang) as (space, screen):
        removed = space.remove(did)
        screen.show(removed, lambda: screen.line(Text(msgid("{did} is no longer a member."), {"did": did})))
