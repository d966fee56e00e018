"""The outbox as a unit of work sees it: each process has at most one message in flight."""

from dataclasses import dataclass, replace
from typing import Generic

from medspace.connector.model import INTENTS, Intent, P, ProcessFailure, Reaction
from medspace.core.decision import Decision
from medspace.core.store import Transaction

LINGERING = 100  # pending messages to one member that only say that processes are over


@dataclass(frozen=True, slots=True)
class ProcessUpdate(Generic[P]):
    """The result of a unit of work: the process as it is now, and the message that is now owed to the counterparty.

    `fresh` is False where a message was a repetition; `refusal` is the decision that kept it from being accepted.
    """

    process: P
    intent: Intent | None = None
    fresh: bool = True
    refusal: Decision | None = None


def stored(tx: Transaction, intent: Intent) -> Intent | None:
    """The stored intent; None where it was answered or replaced meanwhile."""
    kept = tx.get(INTENTS, intent.id)
    return kept if kept is not None and kept.message["@id"] == intent.message["@id"] else None


def follow(tx: Transaction, kept: Intent, reaction: Reaction) -> Intent:
    """Append a reaction to the stored intent, unless one is already queued."""
    if kept.then is not None or not reaction.actions:
        return kept
    return lead(tx, kept, reaction)


def lead(tx: Transaction, kept: Intent, reaction: Reaction) -> Intent:
    """Set the reaction that follows the stored intent, replacing any earlier one."""
    leading = replace(kept, then=reaction)
    tx.replace(INTENTS, kept, leading)
    return leading


def remove(tx: Transaction, kept: Intent | None) -> None:
    """Forget an intent."""
    if kept is not None:
        tx.delete(INTENTS, kept)


def linger(tx: Transaction, kept: Intent) -> None:
    """Keep the message that ends a process which is over here.

    For a member that never answers, only a limited number.
    """
    if len(tx.find(INTENTS, where={"audience": kept.audience}, limit=LINGERING + 1)) > LINGERING:
        tx.delete(INTENTS, kept)


def ending(failure: ProcessFailure) -> Reaction:
    """The reason given to the counterparty of a process that cannot continue."""
    return Reaction(("terminate",), code=failure.code, reason=failure.reason, clause=failure.clause)
