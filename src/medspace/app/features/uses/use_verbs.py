"""Commands for uses and for what a holder revokes: uses, use suspend, use resume, use end, agreement end."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medspace.app.doors.cli.confirming import YesOption, insist
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.uses import client
from medspace.connector.usage.causes import CAUSES
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Fact, Text, counted, msgid

if TYPE_CHECKING:
    from medspace.app.features.uses.sdk import UsesClient

MOST = 1_000
SIDES = {"": "", "others": "provider", "own": "consumer"}
OVER = ("COMPLETED", "TERMINATED")

use = typer.Typer(help="Stop a use for a while, let it go on, or end it.", no_args_is_help=True)
agreement = typer.Typer(help="End an agreement.", no_args_is_help=True)

UseArgument = Annotated[str, typer.Argument(help="The use's id, as `medspace uses` shows it.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, in words that the other side is told.")]


class UseSideError(InvalidInputError):
    """A list of uses is requested for an unknown side."""

    code = "use.side"
    sentence = msgid("--whose {said} names nobody.")
    next_step = msgid("Say `others` (uses of your data by others) or `own` (your uses of the data of others).")


def uses(
    whose: Annotated[str, typer.Option("--whose", help="`others` (of your data) or `own`; default: both.")] = "",
    agreement: Annotated[str, typer.Option("--agreement", help="Only those under this agreement.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Those that are over as well.")] = False,
    most: Annotated[int, typer.Option("--most", min=1, help="How many, the newest first.")] = MOST,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """List uses: what others do with your data and what you do with theirs, since when, and their state."""
    if whose not in SIDES:
        raise UseSideError(said=whose)
    with session(client, config, json=json, language=lang) as (space, screen):
        listed = space.uses(role=SIDES[whose], agreement=agreement, most=most)
        shown = [one for one in listed if every or one["state"] not in OVER]
        screen.show({"uses": shown}, lambda: _listed(screen, shown))


def _listed(screen: Screen, listed: list[JsonObject]) -> None:
    screen.blocks(
        counted(len(listed), msgid("{count} use"), msgid("{count} uses")), [_block(screen, u) for u in listed]
    )


def _block(screen: Screen, one: JsonObject) -> tuple[str, ...]:
    facts = {name: str(one[name]) for name in ("dataset", "counterparty", "since", "agreement")}
    facts |= {name: screen.named(str(one[name])) for name in ("state", "format")}
    theirs = msgid("{counterparty} uses {dataset} ({format}) since {since}: {state}")
    ours = msgid("you use {dataset} of {counterparty} ({format}) since {since}: {state}")
    said = [Text(theirs if one["role"] == "provider" else ours, facts), Text(msgid("under {agreement}"), facts)]
    if one["steps"] is not None:
        said.append(counted(int(one["steps"]), msgid("{count} step admitted"), msgid("{count} steps admitted")))
    if one["held"]:
        said.append(Text(msgid("you have suspended it: `medspace use resume` lets it go on")))
    if one["problem"]:
        said.append(Text("{code}: {sentence}", {name: one["problem"][name] for name in ("code", "sentence")}))
    return (str(one["id"]), *map(screen.say, said), *(f"! {sentence}" for sentence in one["warnings"]))


@use.callback()
def on_uses() -> None:
    """Stop a use for a while, let it go on, or end it."""


@use.command("suspend")
def suspend(
    use: UseArgument,
    reason: ReasonOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Stop a use for a while: from now on no step of it is admitted."""
    sentence = msgid("From now on no step of this use is admitted; {counterparty} is told.")
    _steered(config, lambda space: space.suspend_use(use, reason=reason), sentence, json=json, lang=lang)


@use.command("resume")
def resume(
    use: UseArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = ""
) -> None:
    """Let a use that was suspended go on."""
    sentence = msgid("The use goes on as soon as {counterparty} has heard of it.")
    _steered(config, lambda space: space.resume_use(use), sentence, json=json, lang=lang)


@use.command("end")
def end(
    use: UseArgument,
    reason: ReasonOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """End a use for good: from now on no step of it is admitted. Its agreement stays."""
    sentence = msgid("The use is over; {counterparty} is told. Its agreement stays.")
    _steered(config, lambda space: space.end_use(use, reason=reason), sentence, json=json, lang=lang)


def _steered(
    config: Path, steer: Callable[["UsesClient"], JsonObject], sentence: str, *, json: bool, lang: str
) -> None:
    """Do something to a use, and say what that means."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = steer(space)
        screen.show(found, lambda: screen.line(Text(sentence, found)))


@agreement.callback()
def on_agreements() -> None:
    """End an agreement."""


@agreement.command("end")
def end_agreement(
    agreement: Annotated[str, typer.Argument(help="The agreement's id, as `medspace agreements` shows it.")],
    reason: ReasonOption = "",
    cause: Annotated[str, typer.Option("--cause", help=f"One of {', '.join(CAUSES)}; both sides keep it.")] = "",
    yes: YesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """End an agreement for good: no new use under it, and its open uses end now.

    What has left already stays with the user, and what it owes stays owed. The other side is told, and keeps the
    cause and the reason as well.
    """
    with session(client, config, json=json, language=lang) as (space, screen):
        before = space.ending_agreement(agreement)
        open_uses = counted(len(before["uses"]), msgid("{count} open use"), msgid("{count} open uses"))
        facts: dict[str, Fact | Text] = {
            "user": str(before["user"]),
            "dataset": str(before["dataset"]),
            "uses": open_uses,
        }
        screen.line(Text(msgid("{user} may use {dataset} under it; it has {uses}, which end with it."), facts))
        insist(screen, Text(msgid("End the agreement? It cannot be taken up again")), yes=yes)
        found = space.end_agreement(agreement, reason=reason, cause=cause)
        text = Text(msgid("The agreement is ended: nothing is admitted under it any more."))
        screen.show(found, lambda: screen.line(text))
