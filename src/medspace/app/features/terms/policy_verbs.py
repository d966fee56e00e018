"""Verbs on policies: try, evaluate, check."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.terms import client
from medspace.app.features.terms.report_lines import show_clashes, show_reports
from medspace.app.node.language import speaker, spoken_language
from medspace.app.node.questions import cells_told, numbers_left, questions_left
from medspace.core.canonical import JsonObject
from medspace.core.engine import COORDINATOR_SEES_SUMS
from medspace.core.text import Text, msgid

DENIED = 3

app = typer.Typer(help="Policies: what would be allowed, and why.", no_args_is_help=True)


@app.callback()
def policies() -> None:
    """Policies: what would be allowed, and why."""


@app.command("try")
def try_policy(
    dataset: Annotated[str, typer.Argument(help="One of your own datasets, or with --from one of a member.")] = "",
    participant: Annotated[str, typer.Option("--from", help="The DID of the member who offers it.")] = "",
    agreement: Annotated[
        str, typer.Option("--agreement", help="An agreement instead, on your data or on those of others.")
    ] = "",
    who: Annotated[str, typer.Option("--as", help="The DID of the user.")] = "",
    purpose: Annotated[
        str, typer.Option("--purpose", help="The purpose of the use, by its name or in the words of contracts.")
    ] = "",
    place: Annotated[str, typer.Option("--place", help="The user's region, such as EU or SG.")] = "",
    use: Annotated[str, typer.Option("--use", help="The kind of use (a transfer format).")] = "medspace:train",
    at: Annotated[str, typer.Option("--at", help="The instant of the use; default: now.")] = "",
    holder: Annotated[
        list[str] | None, typer.Option("--holder", help="The DID of another hospital in the run; may be repeated.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Dry run: would this use be allowed, which clause decides, what would change it. Nothing is written."""
    if bool(dataset) == bool(agreement):
        raise typer.BadParameter("DATASET / --agreement")
    on = {"participant": participant, "agreement": agreement}
    wish = {"user": who, "purpose": purpose, "place": place, "format": use, "at": at, "holders": holder or []}
    with session(client, config, json=json, language=lang) as (space, screen):
        decided = space.try_policy(dataset, **{name: value for name, value in on.items() if value}, **wish)
        screen.show(decided, lambda: _show(screen, decided))
    if decided["verdict"] != "permit":
        raise typer.Exit(DENIED)


@app.command("evaluate")
def evaluate(
    policy: Annotated[Path, typer.Option("--policy", help="Any ODRL policy: JSON-LD, or Turtle in a .ttl file.")],
    request: Annotated[Path, typer.Option("--request", help="What is asked for: an ODRL Request.")],
    state: Annotated[Path | None, typer.Option("--state", help="The state of the world.")] = None,
    at: Annotated[str, typer.Option("--at", help="The instant of the request; default: as the state says.")] = "",
    turtle: Annotated[
        bool, typer.Option("--turtle", help="Print the report in Turtle, in the vocabulary of FORCE.")
    ] = False,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Evaluate any ODRL policy against a request: each rule, each premise, and the values compared."""
    from medspace.app.features.terms import evaluating  # noqa: PLC0415 - read only when it is needed

    screen = Screen(as_json=json, language=spoken_language(lang))
    world = evaluating.of_file(state) if state is not None else None
    found = evaluating.evaluate(evaluating.of_file(policy), evaluating.of_file(request), world, at)
    told = evaluating.told(found)
    if turtle:
        typer.echo(told["turtle"], nl=False)
    else:
        screen.show(told, lambda: show_reports(screen, told["reports"]))
    if not told["permitted"]:
        raise typer.Exit(DENIED)


@app.command("check")
def check(
    policy: Annotated[Path, typer.Argument(help="The terms of an offer, in JSON-LD.")],
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Find what clashes in the terms of an offer before anybody agrees to them: the fewest clauses that do."""
    from medspace.app.features.terms import checking, evaluating  # noqa: PLC0415 - read only when it is needed

    screen = Screen(as_json=json, language=spoken_language(lang))
    found = checking.check(evaluating.of_file(policy), datetime.now(UTC))
    told = checking.told(found, speaker(screen.language))
    screen.show(told, lambda: show_clashes(screen, told["clashes"]))
    if told["clashes"]:
        raise typer.Exit(DENIED)


_VERDICTS = {
    "permit": msgid("Allowed ({code})."),
    "deny": msgid("Denied ({code})."),
    "unenforceable": msgid("Denied, because a clause cannot be enforced ({code})."),
}


_HELD = {True: msgid("holds"), False: msgid("NO"), None: msgid("?")}


def _mark(premise: JsonObject) -> str:
    """What is left to a later point is open; what has a remedy stands against the use, decided or not."""
    return _HELD[False if premise["satisfied"] is None and premise["remedy"] else premise["satisfied"]]


def _show(screen: Screen, decided: JsonObject) -> None:
    screen.line(Text(_VERDICTS[decided["verdict"]], {"code": decided["code"]}))
    for premise in decided["premises"]:
        mark = screen.say(Text(_mark(premise)))
        facts = {"mark": mark, **{name: str(premise[name]) for name in ("clause", "asked", "held", "remedy")}}
        screen.line(Text(msgid("  {mark} {asked}: {held}  [{clause}]"), facts))
        if premise["satisfied"] is not True and premise["remedy"]:
            screen.line(Text(msgid("     To change it: {remedy}"), facts))
    if decided["masks"]:
        screen.line(Text(msgid("Sums are masked. {sentence}"), {"sentence": decided["masks"]["sentence"]}))
    elif decided["protection"] == COORDINATOR_SEES_SUMS:
        screen.line(Text(msgid("Sums are not masked: whoever leads the run sees those of this hospital.")))
    if decided["questions"]:  # only their holder knows those of others
        screen.line(questions_left(decided["questions"]))
        screen.line(numbers_left(decided["numbers"]))
    for line in decided["standing"]:
        screen.line(Text("{line}", {"line": line}))
    if decided["small_cells"]:
        screen.line(cells_told(decided["questions"]["dataset"], decided["small_cells"]))
