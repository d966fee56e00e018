"""Who is who: pseudonyms are drawn when a name is first heard, found again by it, and left when it is forgotten."""

from dataclasses import replace
from datetime import datetime

from medspace.core.actors import ActorKind, new_actor
from medspace.core.clock import Randomness, instant, stamp
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.services.tokens.model import ACTORS, TOKENS, KnownActor


def found(tx: Transaction, kind: ActorKind, name: str) -> KnownActor | None:
    """The actor of this name."""
    return next(iter(tx.find(ACTORS, where={"kind": kind.value, "named": name}, limit=1)), None)


def known(tx: Transaction, kind: ActorKind, name: str, now: datetime, randomness: Randomness) -> KnownActor:
    """The actor of this name, who becomes one where there is none."""
    actor = found(tx, kind, name)
    if actor is None:
        actor = KnownActor(new_actor(randomness), kind, name, stamp(now))
        tx.insert(ACTORS, actor)
    return actor


def forget(tx: Transaction, actor_id: str, now: datetime) -> bool:
    """Delete the name of an actor, unless one of its tokens counts; whether it was. Entries keep the pseudonym."""
    actor = tx.get(ACTORS, actor_id)
    counts = any(not one.revoked and instant(one.expires) > now for one in each(tx, TOKENS, {"actor": actor_id}))
    if actor is None or counts:
        return False
    tx.replace(ACTORS, actor, replace(actor, name=""))
    return True
