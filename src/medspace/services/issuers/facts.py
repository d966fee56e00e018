"""What is known of a participant from credentials; read in the transaction that decides, so never stale."""

from dataclasses import replace
from datetime import datetime

from medspace.core.clock import instant
from medspace.core.credentials import Proved
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.services.issuers.model import CURRENT, NARROWED, RECEIVED, STATUSES, TRUST, Narrowed
from medspace.services.issuers.rules import proved
from medspace.trust.model import Facts, MemberList

MOST = 64  # credentials of one participant


def known(tx: Transaction, members: MemberList, facts: Facts) -> Facts:
    """The facts with what the participant has proved here; without a trust list, nothing."""
    del members
    found = proofs(tx, facts.did)
    return replace(facts, credentials=found) if found else facts


def proofs(tx: Transaction, did: str) -> tuple[Proved, ...]:
    """What a participant has proved here, each with its own end, which may be over."""
    held = tx.find(RECEIVED, where={"subject": did}, limit=MOST)
    trust = tx.get(TRUST, CURRENT) if held else None
    if trust is None:
        return ()
    listed = [(one, tx.get(STATUSES, one.list) if one.list else None) for one in held]
    return tuple(proved(listed, trust, narrowing(tx)))


def narrowing(tx: Transaction) -> dict[str, Narrowed]:
    """Whom this participant itself believes, by type."""
    return {one.id: one for one in tx.find(NARROWED, limit=1_000)}


def next_end(tx: Transaction, now: datetime) -> datetime | None:
    """When the next proof of anybody ends; what has ended is left out."""
    subjects = {one.subject for one in each(tx, RECEIVED, {})}
    ends = (one.until for subject in subjects for one in proofs(tx, subject) if one.until > now)
    return min(ends, default=None)


def over(tx: Transaction, did: str, now: datetime) -> None:
    """Make room: drop the credentials of a participant whose own time is over."""
    for one in tx.find(RECEIVED, where={"subject": did}, limit=MOST):
        if one.until and instant(one.until) <= now:
            tx.delete(RECEIVED, one)
