"""The outbox as a unit of work sees it: at most one message of a process is under way."""

from dataclasses import dataclass, replace
from typing import Generic

from medspace.connector.model import INTENTS, Failure, Intent, P, Reaction
from medspace.core.decision import Decision
from medspace.core.store import Transaction

LINGERING = 100  # messages to one member that is only to be told that processes are over


@dataclass(frozen=True, slots=True)
class ProcessUpdate(Generic[P]):
    """What a unit of work came to: the process as it is now, and what it owes the counterparty now.

    `fresh` is False where a message was a repetition; `refusal` is the decision that kept it from being taken.
    """

    process: P
    intent: Intent | None = None
    fresh: bool = True
    refusal: Decision | None = None


def stored(tx: Transaction, intent: Intent) -> Intent | None:
    """The intent as it is kept now; None where it was answered or replaced meanwhile."""
    kept = tx.get(INTENTS, intent.id)
    return kept if kept is not None and kept.message["@id"] == intent.message["@id"] else None


def follow(tx: Transaction, kept: Intent, reaction: Reaction) -> Intent:
    """Let a reaction follow the intent that is kept; one that follows already stays."""
    if kept.then is not None or not reaction.actions:
        return kept
    return lead(tx, kept, reaction)


def lead(tx: Transaction, kept: Intent, reaction: Reaction) -> Intent:
    """Let a reaction follow the intent that is kept, whatever was to follow it before."""
    leading = replace(kept, then=reaction)
    tx.replace(INTENTS, kept, leading)
    return leading


def remove(tx: Transaction, kept: Intent | None) -> None:
    """Forget an intent."""
    if kept is not None:
        tx.delete(INTENTS, kept)


def linger(tx: Transaction, kept: Intent) -> None:
    """Keep the message that ends a process which is over here; of a member that never answers only so many are."""
    if len(tx.find(INTENTS, where={"audience": kept.audience}, limit=LINGERING + 1)) > LINGERING:
        tx.delete(INTENTS, kept)


def ending(failure: Failure) -> Reaction:
    """What is told to the counterparty of a process that cannot go on."""
    return Reaction(("terminate",), code=failure.code, reason=failure.reason, clause=failure.clause)
