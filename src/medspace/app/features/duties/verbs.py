"""Commands for duties after uses: duties, duties show, duties fulfil, duties waive, duties logs, duties clock."""

from typing import Annotated

import typer

from medspace.app.doors.cli.confirming import YesOption, insist
from medspace.app.doors.cli.listing import MOST, MostOption, listed
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.duties import client
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, counted, msgid

SIDES = {"": "", "others": "provider", "own": "consumer"}
STATES = ("open", "kept", "broken", "late", "waived")

app = typer.Typer(
    help="Duties after uses: what others owe you, what you owe them, what was kept.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
DutyArgument = Annotated[str, typer.Argument(help="The duty's id, as `medspace duties` shows it.")]


class DutyListError(InvalidInputError):
    """A list of duties is requested for an unknown side or state."""

    code = "duty.list"
    sentence = msgid("{said} is neither whose duties are meant nor how they stand.")
    next_step = msgid("Say --whose others or own, and --state open, kept, broken, late or waived.")


@app.callback()
def duties(
    context: typer.Context,
    whose: Annotated[str, typer.Option("--whose", help="`others` (owe you) or `own`; default: both.")] = "",
    state: Annotated[str, typer.Option("--state", help="open, kept, broken, late or waived.")] = "",
    agreement: Annotated[str, typer.Option("--agreement", help="Only those under this agreement.")] = "",
    most: MostOption = MOST,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Duties after uses: what others owe you, what you owe them, what was kept. Without a verb, they are listed."""
    if context.invoked_subcommand is not None:
        return
    if whose not in SIDES or state not in ("", *STATES):
        raise DutyListError(said=whose if whose not in SIDES else state)
    with session(client, config, json=json, language=lang) as (space, screen):
        side = SIDES[whose]
        listed(
            screen,
            "duties",
            lambda n: space.duties(role=side, state=state, agreement=agreement, most=n),
            most,
            lambda found: _list(screen, found),
        )


@app.command("show")
def show(
    duty: DutyArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Say how a duty stands; with --json also the proof that its holder was given."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.duty(duty)
        screen.show(found, lambda: _list(screen, [found]))


@app.command("fulfil")
def fulfil(
    duty: DutyArgument,
    yes: YesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Do now what your connector would do by itself later: delete, report, name the source; and prove it."""
    with session(client, config, json=json, language=lang) as (space, screen):
        asked = space.duty(duty)
        told = Text(msgid("{sentence} It is done now and cannot be undone."), {"sentence": str(asked["sentence"])})
        insist(screen, told, yes=yes)
        found = space.fulfil_duty(duty)
        screen.show(found, lambda: _list(screen, [found]))


@app.command("waive")
def waive(
    duty: DutyArgument,
    yes: YesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Give up what somebody owes you, for good: uses under the agreement are admitted again."""
    with session(client, config, json=json, language=lang) as (space, screen):
        asked = space.duty(duty)
        facts = {"who": str(asked["name"] or asked["counterparty"]), "sentence": str(asked["sentence"])}
        insist(screen, Text(msgid("{who} will not owe you this any more: {sentence}"), facts), yes=yes)
        found = space.waive_duty(duty)
        screen.show(found, lambda: _list(screen, [found]))


@app.command("logs")
def logs(
    forget: Annotated[
        str, typer.Option("--forget", help="Begin anew with the next log that this user (DID) shows (owner).")
    ] = "",
    most: MostOption = MOST,
    yes: YesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """List the logs of users that were seen here, and who signed two histories."""
    with session(client, config, json=json, language=lang) as (space, screen):
        if forget:
            told = msgid(
                "The next log that {user} shows is taken, whatever it showed before; the log here keeps that."
            )
            insist(screen, Text(told, {"user": forget}), yes=yes)
            space.forget_log(forget)
        listed(screen, "logs", lambda n: space.duty_logs(most=n), most, lambda found: _logs(screen, found))


def _logs(screen: Screen, found: list[JsonObject]) -> None:
    said = {False: Text(msgid("it grows from what was shown before")), True: Text(msgid("it has two histories"))}
    head = [Text(msgid("user")), Text(msgid("entries")), Text(msgid("seen")), Text(msgid("state"))]
    rows = [
        (one["name"] or one["user"], str(one["size"]), one["seen"], screen.say(said[one["forked"]])) for one in found
    ]
    screen.table(Text(msgid("Logs of users:")), head, rows)


@app.command("clock")
def clock(
    reset: Annotated[
        bool, typer.Option("--reset", help="It had been wrong: what it says now counts (owner).")
    ] = False,
    yes: YesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Say whether the clock is behind a time that was seen here; what was over then stays over."""
    with session(client, config, json=json, language=lang) as (space, screen):
        if reset:
            told = msgid("What was over by the latest time that was seen may be used again; the log keeps that.")
            insist(screen, Text(told), yes=yes)
        found = space.reset_clock() if reset else space.clock()
        behind = msgid("The clock says {now}, and {latest} was seen here already: what was over then stays over.")
        right = msgid("The clock says {now}; no later time was seen here.")
        facts = {"now": str(found["now"]), "latest": str(found["latest"])}
        screen.show(found, lambda: screen.line(Text(behind if found["set_back"] else right, facts)))


def _list(screen: Screen, found: list[JsonObject]) -> None:
    screen.blocks(
        counted(len(found), msgid("{count} duty"), msgid("{count} duties")), [_of(screen, d) for d in found]
    )


def _of(screen: Screen, one: JsonObject) -> tuple[str, ...]:
    facts = {name: str(one[name]) for name in ("dataset", "due", "said", "done", "agreement")}
    facts |= {"who": str(one["name"] or one["counterparty"])}
    theirs = msgid("{who} owes you this for {dataset}, due {due}: {said}")
    ours = msgid("you owe {who} this for {dataset}, due {due}: {said}")
    lines = [Text(theirs if one["role"] == "provider" else ours, facts), Text(msgid("under {agreement}"), facts)]
    lines += [Text(msgid("done {done}"), facts)] if one["done"] else []
    return (str(one["id"]), *map(screen.say, lines), f"- {one['sentence']}")
