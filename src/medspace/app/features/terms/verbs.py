"""Commands to agree: negotiate, negotiations, answer, agreements, download."""

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from medspace.app.doors.cli.confirming import YesOption, insist
from medspace.app.doors.cli.listing import MOST, MostOption, listed
from medspace.app.doors.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    LanguageOption,
    WaitOption,
    following,
)
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.doors.cli.who import who_acted
from medspace.app.features.terms import client
from medspace.connector.usage.causes import CAUSES
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.instants import last_day
from medspace.core.text import Text, counted, msgid

ENDED = frozenset({"FINALIZED", "TERMINATED"})
ParticipantArgument = Annotated[str, typer.Argument(help="The provider's DID, as the catalog shows it.")]
DatasetArgument = Annotated[str, typer.Argument(help="The dataset's id, as the catalog shows it.")]
_TRAIN = msgid("medspace train TASK.toml --dataset {dataset}")


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
    with session(client, config, json=json, language=lang) as (space, screen):
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
    screen.line(following(Text(_TRAIN, {"dataset": shlex.quote(str(outcome["dataset"]))}), config))


def renew(
    agreement: Annotated[str, typer.Argument(help="The agreement's id, as `medspace agreements` shows it.")],
    offer: Annotated[str, typer.Option("--offer", help="One of the dataset's offers; default: what differs.")] = "",
    wait: WaitOption = 30.0,
    yes: YesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Renew an agreement: shows what would differ, in words; with your yes, both sign a new one beside it.

    The agreement before stays in force until it ends.
    """
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.renewal(agreement, offer=offer)
        if not json:
            _changes(screen, found)
        insist(screen, Text(msgid("Sign a new agreement on these terms?")), yes=yes)
        outcome = space.renew(agreement, seen=found["seen"], offer=offer, wait=wait)
        screen.show(outcome | {"changes": found["changes"]}, lambda: _outcome(screen, outcome, config))


def amend(
    agreement: Annotated[str, typer.Argument(help="The agreement's id, as `medspace agreements` shows it.")],
    offer: Annotated[str, typer.Option("--offer", help="One of the dataset's offers; default: what differs.")] = "",
    wait: WaitOption = 30.0,
    yes: YesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Propose a new agreement in place of one, as its user or holder: shows what would differ; both sign it.

    The agreement before ends when the new one is signed, and what goes on under it ends then.
    """
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.renewal(agreement, offer=offer)
        if not json:
            _changes(screen, found)
        insist(screen, Text(msgid("Propose an agreement on these terms in place of the one before?")), yes=yes)
        outcome = space.amend(agreement, seen=found["seen"], offer=offer, wait=wait)
        screen.show(outcome | {"changes": found["changes"]}, lambda: _outcome(screen, outcome, config))


def _changes(screen: Screen, found: JsonObject) -> None:
    for change in found["changes"]:
        screen.line(Text("{change}", {"change": change["sentence"]}))


def negotiations(
    most: MostOption = MOST,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """List negotiations: whose move it is, and why the failed ones failed."""
    with session(client, config, json=json, language=lang) as (space, screen):
        listed(
            screen,
            "negotiations",
            lambda n: space.negotiations(most=n),
            most,
            lambda found: _negotiations(screen, found),
        )


def _negotiations(screen: Screen, found: list[JsonObject]) -> None:
    title = counted(len(found), msgid("{count} negotiation"), msgid("{count} negotiations"))
    screen.blocks(title, [_negotiation(screen, one) for one in found])


def _negotiation(screen: Screen, one: JsonObject) -> tuple[str, ...]:
    facts = {name: str(one[name]) for name in ("dataset", "counterparty")}
    facts |= {name: screen.named(str(one[name])) for name in ("state", "owner", "role")}
    waits = "" if one["owner"] == "nobody" else screen.say(Text(msgid("next move: {owner}"), facts))
    second = screen.say(Text(msgid("another person must say yes as well"))) if one.get("second_person") else ""
    terms = () if one["state"] in ENDED else tuple(f"- {sentence}" for sentence in one["contract"])
    return (
        one["id"],
        screen.say(Text(msgid("{dataset}, as {role} with {counterparty}: {state}"), facts)),
        (one["problem"] or one.get("trouble") or {}).get("sentence", ""),
        waits,
        *who_acted(screen, one),
        second,
        *terms,
    )


class UndecidedError(InvalidInputError):
    """A negotiation is to be answered, but neither yes nor no was given."""

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
    with session(client, config, json=json, language=lang) as (space, screen):
        decided = space.answer(negotiation, approve=approve, reason=reason)
        # Its state is still the earlier one: it changes once the other side has acknowledged (DSP 2025-1, states).
        approved = msgid("Approved: the agreement is on its way to {counterparty}; `medspace agreements` shows it.")
        refused = msgid("Refused: {counterparty} is told.")
        waits = msgid("Your yes is kept; another person must say yes as well.")
        one_of_two = approve and decided.get("second_person")
        text = Text(
            waits if one_of_two else approved if approve else refused, {"counterparty": str(decided["counterparty"])}
        )
        screen.show(decided, lambda: screen.line(text))


_SORTS: dict[str, Callable[[JsonObject], Any]] = {
    "user": lambda one: str(one["counterparty"]),
    "dataset": lambda one: str(one["dataset"]),
    "until": lambda one: one["until"] or "9999",
    "used": lambda one: -int(one["used"]),
    "last": lambda one: _backwards(one["last_used"] or ""),
}


class SortError(InvalidInputError):
    """A list of agreements is requested in an unknown order."""

    code = "agreements.sort"
    sentence = msgid("--sort {said} is not an order of agreements.")
    next_step = msgid("Use one of these: {known}. Without it the newest come first.")


def agreements(
    held: Annotated[bool, typer.Option("--held", help="Only those on your own data.")] = False,
    dataset: Annotated[str, typer.Option("--dataset", help="Only those on this dataset.")] = "",
    sort: Annotated[str, typer.Option("--sort", help="By user, dataset, until, used or last; default: newest.")] = "",
    most: MostOption = MOST,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """List agreements with their contracts in words: until when, how often used, what is open, waits or is over."""
    if sort and sort not in _SORTS:
        raise SortError(said=sort, known=", ".join(_SORTS))
    role = "provider" if held else ""
    with session(client, config, json=json, language=lang) as (space, screen):

        def found(most: int) -> list[JsonObject]:
            got = space.agreements(role=role, dataset=dataset, most=most)
            return sorted(got, key=_SORTS[sort]) if sort else got

        listed(screen, "agreements", found, most, lambda shown: _agreements(screen, shown))


def contracts(
    dataset: Annotated[str, typer.Option("--dataset", help="Only those on this dataset.")] = "",
    sort: Annotated[str, typer.Option("--sort", help="By user, dataset, until, used or last; default: newest.")] = "",
    most: MostOption = MOST,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Say who may do what with your own data until when, and how often it was done: `agreements --held`."""
    agreements(True, dataset, sort, most, config, json, lang)


def _agreements(screen: Screen, found: list[JsonObject]) -> None:
    title = counted(len(found), msgid("{count} agreement"), msgid("{count} agreements"))
    screen.blocks(title, [_agreement(screen, one) for one in found])


def _backwards(time: str) -> tuple[int, ...]:
    """A sort key by which the latest instant comes first, and missing ones last."""
    return tuple(-ord(letter) for letter in time) or (0,)


def _agreement(screen: Screen, one: JsonObject) -> tuple[str, ...]:
    facts = {name: str(one[name]) for name in ("dataset", "counterparty")} | {"role": screen.named(str(one["role"]))}
    return (
        one["id"],
        screen.say(Text(_lasting(one), facts)),
        *(screen.say(text) for text in _usage(one)),
        *who_acted(screen, one),
        *(f"- {clause}" for clause in one["contract"]),
    )


def _lasting(one: JsonObject) -> str:
    if one["successor"]:
        return msgid("{dataset}, as {role} with {counterparty}: another agreement took its place")
    if one["ended"]:
        return msgid("{dataset}, as {role} with {counterparty}: ended before its time")
    if not one["in_force"]:
        return msgid("{dataset}, as {role} with {counterparty}: no longer in force")
    if one["used_up"]:
        return msgid("{dataset}, as {role} with {counterparty}: used up; `medspace negotiate` asks for a new one")
    return msgid("{dataset}, as {role} with {counterparty}: in force")


def _usage(one: JsonObject) -> Iterator[Text]:
    """How an agreement was used, what is running under it, and what awaits a person."""
    facts = {"used": int(one["used"]), "allowed": one["allowed"] or 0, "until": last_day(one["until"] or "")}
    if one["allowed"]:
        yield Text(msgid("used {used} of {allowed} times"), facts)
    else:
        yield counted(int(one["used"]), msgid("used once"), msgid("used {count} times"))
    if one["last_used"]:
        yield Text(msgid("last used {last}"), {"last": str(one["last_used"])})
    if one["open_uses"]:
        yield counted(int(one["open_uses"]), msgid("{count} open use"), msgid("{count} open uses"))
    if one["until"]:
        yield Text(msgid("until {until}"), facts)
    if one["review"]:
        yield Text(msgid("a person looks at each result first"))
    if one["waiting"]:
        waits = counted(int(one["waiting"]), msgid("{count} result waits"), msgid("{count} results wait"))
        yield Text(msgid("{what} for you: `medspace steps --state held`"), {"what": waits})
    yield from _end(one)


def _end(one: JsonObject) -> Iterator[Text]:
    """Whether and why an agreement ended early, and which agreements stand before and behind it."""
    if one["ended"]:
        ended = {"time": str(one["ended"]), "reason": one["ended_because"] or "-"}
        yield Text(msgid("ended {time}: {reason}"), ended)
    if one["ended_cause"] in CAUSES:
        yield Text(CAUSES[one["ended_cause"]])
    if one["successor"]:
        yield Text(msgid("in its place: {successor}"), {"successor": str(one["successor"])})
    if one["replaces"]:
        yield Text(msgid("in place of {replaces}"), {"replaces": str(one["replaces"])})


def download(
    participant: ParticipantArgument,
    dataset: DatasetArgument,
    wait: WaitOption = 30.0,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Ask for the rows themselves; refused, with the clause, unless the terms allow it."""
    with session(client, config, json=json, language=lang) as (space, screen):
        outcome = space.download(participant, dataset, wait=wait)
        text = Text(
            msgid("Transfer {id} is {state}."), {"id": outcome["id"], "state": screen.named(str(outcome["state"]))}
        )
        screen.show(outcome, lambda: screen.line(text))
