"""Verbs to find and agree: catalog, negotiate, negotiations, answer, agreements, download."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from medspace.app.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    LanguageOption,
    WaitOption,
    following,
)
from medspace.app.cli.session import session
from medspace.app.screen import Screen
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, counted, msgid

ENDED = frozenset({"FINALIZED", "TERMINATED"})
AWAY = 4
ParticipantArgument = Annotated[str, typer.Argument(help="The provider's DID, as the catalog shows it.")]
DatasetArgument = Annotated[str, typer.Argument(help="The dataset's id, as the catalog shows it.")]


def catalog(
    search: Annotated[str, typer.Argument(help="Words that title, description or keywords hold.")] = "",
    participant: Annotated[str, typer.Option("--from", help="One provider's DID; default: all members.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Search what the members of the space offer.

    Exit code 4 where a member does not answer: what it offers is not shown. 3 where one refuses.
    """
    with session(config, json=json, language=lang) as (space, screen):
        found = space.find(participant or None, search=search)
        screen.show(found, lambda: _datasets(screen, found["datasets"], found["problems"], config))
    if found["problems"]:
        raise typer.Exit(_silence(found["problems"]))


def _silence(problems: list[JsonObject]) -> int:
    """How a search ends that not everybody answered: whoever is away may have what is looked for."""
    codes = {int(one["exit_code"]) for one in problems}
    return AWAY if AWAY in codes else max(codes)


def _datasets(screen: Screen, found: list[JsonObject], silent: list[JsonObject], config: Path) -> None:
    screen.table(
        counted(len(found), msgid("{count} dataset on offer"), msgid("{count} datasets on offer")),
        (Text(msgid("dataset")), Text(msgid("title")), Text(msgid("provider")), Text(msgid("uses"))),
        ((d["id"], d["title"], d["participant"], ", ".join(d["formats"])) for d in found),
    )
    for one in found:
        for flaw in one.get("unusable", ()):
            facts = {"dataset": one["id"], "offer": flaw["offer"], "sentence": flaw["sentence"]}
            screen.line(Text(msgid("{dataset}, offer {offer}: {sentence}"), facts))
    for problem in silent:
        screen.line(_silent(problem))
    if found:
        screen.line(following("medspace negotiate PROVIDER DATASET", config))


def _silent(problem: JsonObject) -> Text:
    """Whose catalogue is not here, and why; most sentences name the participant themselves."""
    if str(problem["participant"]) in str(problem["sentence"]):
        return Text("{sentence}", problem)
    return Text(msgid("{participant} did not answer: {sentence}"), problem)


def negotiate(
    participant: ParticipantArgument,
    dataset: DatasetArgument,
    offer: Annotated[str, typer.Option("--offer", help="One of the dataset's offers; default: the first.")] = "",
    wait: WaitOption = 30.0,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Agree on the terms of a dataset: shows the contract in plain words, and binds."""
    with session(config, json=json, language=lang) as (space, screen):
        outcome = space.negotiate(participant, dataset, offer=offer, wait=wait)
        screen.show(outcome, lambda: _outcome(screen, outcome, config))


def _outcome(screen: Screen, outcome: JsonObject, config: Path) -> None:
    screen.line(
        Text(
            msgid("Agreement {agreement} is signed with {counterparty}:"),
            {"agreement": outcome["agreement"], "counterparty": outcome["counterparty"]},
        )
    )
    for sentence in outcome["contract"]:
        screen.line(Text("  - {sentence}", {"sentence": sentence}))
    screen.line(following(f"medspace train TASK.toml --dataset {shlex.quote(str(outcome['dataset']))}", config))


def negotiations(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = "") -> None:
    """List negotiations: whose move it is, and why the failed ones failed."""
    with session(config, json=json, language=lang) as (space, screen):
        listed = space.negotiations()
        title = counted(len(listed), msgid("{count} negotiation"), msgid("{count} negotiations"))
        blocks = [_negotiation(screen, one) for one in listed]
        screen.show({"negotiations": listed}, lambda: screen.blocks(title, blocks))


def _negotiation(screen: Screen, one: JsonObject) -> tuple[str, ...]:
    facts = {name: str(one[name]) for name in ("dataset", "counterparty", "state", "owner", "role")}
    waits = "" if one["owner"] == "nobody" else screen.say(Text(msgid("next move: {owner}"), facts))
    terms = () if one["state"] in ENDED else tuple(f"- {sentence}" for sentence in one["contract"])
    return (
        one["id"],
        screen.say(Text(msgid("{dataset}, as {role} with {counterparty}: {state}"), facts)),
        (one["problem"] or one.get("trouble") or {}).get("sentence", ""),
        waits,
        *terms,
    )


class UndecidedError(InvalidInputError):
    """A negotiation is to be answered, and nobody says how."""

    code = "answer.undecided"
    sentence = msgid("The answer says neither --approve nor --refuse.")
    next_step = msgid("Run it again with one of them; `medspace negotiations` shows what waits for you.")


def answer(
    negotiation: Annotated[str, typer.Argument(help="The negotiation's id.")],
    approve: Annotated[bool | None, typer.Option("--approve/--refuse", help="What you decide; needed.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="A code that the other side is told.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Decide a negotiation that is held for a person."""
    if approve is None:
        raise UndecidedError
    with session(config, json=json, language=lang) as (space, screen):
        decided = space.answer(negotiation, approve=approve, reason=reason)
        # Its state is that of before: it changes once the other side has acknowledged (DSP 2025-1, states).
        approved = msgid("Approved: the agreement is on its way to {counterparty}; `medspace agreements` shows it.")
        refused = msgid("Refused: {counterparty} is told.")
        text = Text(approved if approve else refused, {"counterparty": str(decided["counterparty"])})
        screen.show(decided, lambda: screen.line(text))


def agreements(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = "") -> None:
    """List agreements with their contracts in plain words."""
    with session(config, json=json, language=lang) as (space, screen):
        listed = space.agreements()
        title = counted(len(listed), msgid("{count} agreement"), msgid("{count} agreements"))
        blocks = [_agreement(screen, one) for one in listed]
        screen.show({"agreements": listed}, lambda: screen.blocks(title, blocks))


def _agreement(screen: Screen, one: JsonObject) -> tuple[str, ...]:
    facts = {name: str(one[name]) for name in ("dataset", "counterparty", "role")}
    holds = msgid("{dataset}, as {role} with {counterparty}: in force")
    over = msgid("{dataset}, as {role} with {counterparty}: no longer in force")
    spent = msgid("{dataset}, as {role} with {counterparty}: used up; `medspace negotiate` asks for a new one")
    lasting = spent if one.get("used_up") else holds
    sentence = screen.say(Text(lasting if one["in_force"] else over, facts))
    return (one["id"], sentence, *(f"- {clause}" for clause in one["contract"]))


def download(
    participant: ParticipantArgument,
    dataset: DatasetArgument,
    wait: WaitOption = 30.0,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Ask for the rows themselves; refused, with the clause, unless the terms allow it."""
    with session(config, json=json, language=lang) as (space, screen):
        outcome = space.download(participant, dataset, wait=wait)
        text = Text(msgid("Transfer {id} is {state}."), {"id": outcome["id"], "state": outcome["state"]})
        screen.show(outcome, lambda: screen.line(text))
