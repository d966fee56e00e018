"""Commands for data permits: apply, list, show, ask, answer, withdraw, decide, revoke, register, opt-outs."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from medspace.app.doors.cli.confirming import YesOption, insist
from medspace.app.doors.cli.listing import MOST, MostOption, listed
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.permits import client
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, counted, msgid

LARGEST_FILE = 256 * 1024  # bytes
LARGEST_LIST = 64 << 20

app = typer.Typer(
    help="Data permits: apply for one, decide on applications, read the register of decisions.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
CaseArgument = Annotated[str, typer.Argument(help="The application's id, as `medspace permits list` shows it.")]


class ApplicationFileError(InvalidInputError):
    """A file that holds no application."""

    code = "permits.file"
    sentence = msgid("{file} holds nothing that can be read here.")
    next_step = msgid("Write it as the page docs/permits.md shows, in UTF-8.")


@app.callback()
def permits(
    context: typer.Context,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Data permits; without a verb, the applications are listed."""
    if context.invoked_subcommand is None:
        show_list("", "", MOST, config, json, lang)


@app.command("list")
def show_list(
    side: Annotated[str, typer.Option("--as", help="`applicant` or `body`; default: both.")] = "",
    state: Annotated[str, typer.Option("--state", help="Such as applied, questioned, granted.")] = "",
    most: MostOption = MOST,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """List applications, one's own and those that one decides on."""
    with session(client, config, json=json, language=lang) as (space, screen):
        listed(
            screen,
            "permits",
            lambda n: space.permits(side=side, state=state, most=n),
            most,
            lambda found: screen.blocks(
                counted(len(found), msgid("{count} application"), msgid("{count} applications")),
                [_brief(screen, one) for one in found],
            ),
        )


@app.command("show")
def show(
    case: CaseArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = ""
) -> None:
    """Show an application with its questions, answers and decision."""
    with session(client, config, json=json, language=lang) as (space, screen):
        _say(screen, space.permit(case))


@app.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(help="The application, a TOML file.")],
    body: Annotated[str, typer.Option("--at", help="The access body, by DID.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Apply for a data permit: datasets, people, purposes, days, and words for the public."""
    application = _application(file)
    with session(client, config, json=json, language=lang) as (space, screen):
        _say(screen, space.apply_for_permit(body, application))


@app.command("ask")
def ask(
    case: CaseArgument,
    text: Annotated[str, typer.Argument(help="The question.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As the access body: ask the applicant something."""
    with session(client, config, json=json, language=lang) as (space, screen):
        _say(screen, space.ask_permit(case, text))


@app.command("answer")
def answer(
    case: CaseArgument,
    text: Annotated[str, typer.Argument(help="The answer to the question that is open.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As the applicant: answer the access body."""
    with session(client, config, json=json, language=lang) as (space, screen):
        _say(screen, space.answer_permit(case, text))


@app.command("withdraw")
def withdraw(
    case: CaseArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = ""
) -> None:
    """As the applicant: take an application back."""
    with session(client, config, json=json, language=lang) as (space, screen):
        _say(screen, space.withdraw_permit(case))


@app.command("decide")
def decide(
    case: CaseArgument,
    reasons: Annotated[str, typer.Option("--reasons", help="Why, in words for the public.")],
    grant: Annotated[bool, typer.Option("--grant/--refuse", help="Grant, or refuse.")],
    until: Annotated[str, typer.Option("--until", help="Grant it until then only.")] = "",
    person: Annotated[list[str] | None, typer.Option("--person", help="Grant it to these people only.")] = None,
    purpose: Annotated[list[str] | None, typer.Option("--purpose", help="Grant it for these purposes only.")] = None,
    condition: Annotated[list[str] | None, typer.Option("--condition", help="A condition, in words.")] = None,
    fees: Annotated[str, typer.Option("--fees", help="Such as `1200.00 EUR`.")] = "",
    despite_opt_outs: Annotated[
        str, typer.Option("--despite-opt-outs", help="The law by which persons who opted out are not left out.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As the access body: grant a permit, as it was applied for or less, or refuse it."""
    said = {"until": until, "people": person, "purposes": purpose, "conditions": condition, "fees": fees}
    less = {name: value for name, value in {**said, "opt_outs": despite_opt_outs}.items() if value}
    with session(client, config, json=json, language=lang) as (space, screen):
        _say(screen, space.decide_permit(case, reasons, granted=grant, less=less))


@app.command("revoke")
def revoke(
    case: CaseArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why, in words for the public.")],
    yes: YesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As the access body: revoke a permit; what runs under it ends."""
    with session(client, config, json=json, language=lang) as (space, screen):
        told = msgid("Whatever runs under the permit {case} ends, and it cannot be given back.")
        insist(screen, Text(told, {"case": case}), yes=yes)
        _say(screen, space.revoke_permit(case, reason))


@app.command("register")
def register(
    body: Annotated[str, typer.Argument(help="The access body, by DID; default: this connector.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Read the public register of decisions of an access body."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.permit_register(body)
        title = counted(len(found), msgid("{count} decision"), msgid("{count} decisions"))
        columns = [
            Text(one)
            for one in (msgid("applicant"), msgid("title"), msgid("state"), msgid("until"), msgid("reasons"))
        ]
        rows = [(one["applicant"], one["title"], one["state"], one["until"], one["reasons"]) for one in found]
        screen.show({"decisions": found}, lambda: screen.table(title, columns, rows))


@app.command("opt-outs")
def opt_outs(
    dataset: Annotated[str, typer.Argument(help="One of your own datasets.")],
    column: Annotated[str, typer.Option("--column", help="The column by which rows are known.")] = "",
    file: Annotated[
        Path | None, typer.Option("--file", help="The values of the rows of who opted out, one a line.")
    ] = None,
    value: Annotated[list[str] | None, typer.Option("--value", help="Such a value; may be repeated.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As the data holder: say which rows are of persons who opted out; without --column, what was said."""
    values = [*(value or ()), *(_lines(file) if file is not None else ())]
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.set_opt_outs(dataset, column, values) if column else space.opt_outs(dataset)
        count = found["values"] + found["listed"]  # by hand, and by a registry
        facts = {"dataset": dataset, "count": count, "column": found["column"] or "-"}
        said = msgid("Of {dataset}, the rows with one of {count} values of {column} stay out of what permits open.")
        unsaid = msgid("Nothing was said of opt-outs of {dataset}, so permits open none of it.")
        screen.show(found, lambda: screen.line(Text(said if found["said"] else unsaid, facts)))


def _application(file: Path) -> dict[str, Any]:
    try:
        content = file.read_bytes()
        read = tomllib.loads(content.decode()) if len(content) <= LARGEST_FILE else None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        read = None
    if not read:
        raise ApplicationFileError(file=str(file))
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in read.items()}


def _lines(file: Path) -> list[str]:
    try:
        content = file.read_bytes()
        if len(content) > LARGEST_LIST:
            raise ApplicationFileError(file=str(file))
        return [line.strip() for line in content.decode().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise ApplicationFileError(file=str(file)) from None


def _say(screen: Screen, found: JsonObject) -> None:
    screen.show(
        found,
        lambda: screen.blocks(Text("{title}", {"title": found["application"]["title"]}), [_whole(screen, found)]),
    )


def _brief(screen: Screen, one: JsonObject) -> tuple[str, ...]:
    facts = {
        "title": one["application"]["title"],
        "applicant": one["applicant_name"] or one["applicant"],
        "body": one["body_name"] or one["body"],
        "said": one["said"],
    }
    return (str(one["id"]), screen.say(Text(msgid("{title}: {applicant} at {body}, {said}"), facts)))


def _whole(screen: Screen, one: JsonObject) -> tuple[str, ...]:
    asked, decision = one["application"], one["decision"]
    lines = [
        Text(msgid("purposes: {purposes}"), {"purposes": screen.typed(*one["purposes"])}),
        Text(msgid("from {since} until {until}"), {"since": asked["since"], "until": asked["until"]}),
    ]
    people = asked["people"] if decision is None else decision["people"] or asked["people"]
    lines.append(Text(msgid("people: {people}"), {"people": ", ".join(people)}))
    for turn in one["talk"]:
        lines.append(Text(msgid("asked: {text}"), {"text": turn["question"]}))
        lines += [Text(msgid("answered: {text}"), {"text": turn["answer"]})] if turn["answer"] else []
    if decision is not None:
        lines.append(Text(msgid("reasons: {text}"), {"text": decision["reasons"]}))
    if one["revoked"]:
        lines.append(Text(msgid("revoked: {text}"), {"text": one["revoked"]}))
    return (*_brief(screen, one), *map(screen.say, lines))
