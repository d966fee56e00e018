"""Commands for the privacy budgets of one's own datasets: budget, budget show, budget renew."""

from collections.abc import Sequence
from typing import Annotated

import typer

from medspace.app.doors.cli.listing import MOST, MostOption, listed, tell_more
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.budget import client
from medspace.app.features.budget.clipping import clipping
from medspace.app.features.budget.spending import STATES, bar, budget_left, counted, uncovered
from medspace.core.canonical import Json, JsonObject
from medspace.core.text import Text, msgid
from medspace.core.text import counted as number_of
from medspace.policy.budgets import UNITS

app = typer.Typer(
    help="Privacy budgets: what your datasets may tell, have told, and to whom.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def budgets(
    context: typer.Context,
    most: MostOption = MOST,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Privacy budgets: what your datasets may tell, have told, and to whom. Without a verb, all are listed."""
    if context.invoked_subcommand is not None:
        return
    with session(client, config, json=json, language=lang) as (space, screen):
        listed(screen, "budgets", lambda n: space.budgets(most=n), most, lambda found: _list(screen, found))


@app.command("show")
def show(
    dataset: Annotated[str, typer.Argument(help="One of your own datasets.")],
    most: MostOption = MOST,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Say who has taken how much of a budget, for which task, when, and what came back."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.budget(dataset, most=most + 1)
        found |= {"debits": found["debits"][:most], "more": len(found["debits"]) > most}
        screen.show(found, lambda: _show(screen, found))


@app.command("renew")
def renew(
    dataset: Annotated[str, typer.Argument(help="One of your own datasets.")],
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Although nobody vouches for the time; the log keeps that.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Begin a new period of a budget; refused before the one that runs has ended."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.renew_budget(dataset, anyway=anyway)
        said = msgid("A new period of the privacy budget of {dataset} has begun; it lasts until {until}.")
        screen.show(found, lambda: screen.line(Text(said, {name: found[name] for name in ("dataset", "until")})))


def _list(screen: Screen, found: Sequence[JsonObject]) -> None:
    words = [msgid("dataset"), msgid("protects"), msgid("limit"), msgid("spent"), msgid("of the year"), msgid("left")]
    words += [msgid("period ends"), msgid("exact answers"), msgid("state")]
    title = number_of(len(found), msgid("{count} privacy budget"), msgid("{count} privacy budgets"))
    screen.table(title, [Text(one) for one in words], [_row(screen, one) for one in found])
    for one in found:
        _more(screen, one)
    for said in counted(one["counted"] for one in found):
        screen.line(said)


def _row(screen: Screen, one: JsonObject) -> list[Json]:
    exact = screen.say(Text(msgid("possible") if one["exact"] else msgid("refused")))
    state = screen.say(Text(STATES[one["state"]]))
    if one["state"] == "dropped":
        return [one["dataset"], "", "", "", "", "", "", exact, state]
    unit, limit = screen.say(UNITS[one["unit"]]), f"{one['epsilon']:g} ({one['delta']:g})"
    picture, day = bar(one["share"]), one["until"][:10]
    return [one["dataset"], unit, limit, f"{one['spent']:g}", picture, f"{one['left']:g}", day, exact, state]


def _more(screen: Screen, one: JsonObject) -> None:
    """Details that do not fit into a row."""
    if one["state"] in ("ended", "frozen"):
        screen.line(budget_left(one))
    besides = uncovered(one)
    if besides is not None:
        screen.line(besides)


def _show(screen: Screen, found: JsonObject) -> None:
    screen.line(budget_left(found))
    if found["share"] is not None:
        screen.line(Text("{bar}", {"bar": bar(found["share"])}))
    besides = uncovered(found)
    if besides is not None:
        screen.line(besides)
    words = (msgid("when"), msgid("user"), msgid("task"), msgid("epsilon"), msgid("given back"), msgid("questions"))
    rows = [_debit(one) for one in found["debits"]]
    title = number_of(len(rows), msgid("{count} use has taken of it"), msgid("{count} uses have taken of it"))
    screen.table(title, [Text(one) for one in words], rows)
    tell_more(screen, len(rows), more=found["more"])
    for period in found["earlier"]:
        facts = {"day": period["since"][:10], "count": period["uses"], "epsilon": f"{period['epsilon']:g}"}
        screen.line(Text(msgid("In the period from {day} on, epsilon {epsilon} was taken (uses: {count})."), facts))
    for one in found["clipped"]:
        screen.line(clipping(one))
    for said in counted((found["counted"], *(one["counted"] for one in found["debits"]))):
        screen.line(said)


def _debit(one: JsonObject) -> list[Json]:
    questions = f"{one['asked']}/{one['questions']}"
    task = one["task"].removeprefix("sha256:")[:12]
    back = f"{one['refunded']:g}" if one["refunded"] else ""
    return [one["time"][:19], one["user"], task, f"{one['epsilon']:g}", back, questions]
