"""What becomes of a duty: pure decisions on its record."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from medspace.connector.duties.model import OwedDuty, OwedState
from medspace.connector.model import Agreement, Role, Transfer
from medspace.core.canonical import JsonObject
from medspace.core.clock import instant, stamp
from medspace.core.hashing import digest
from medspace.core.text import Text, msgid
from medspace.ledger.kinds import pseudonym
from medspace.ledger.model import Entry
from medspace.policy.duties import ATTRIBUTE, DELETE, OwedAction

SKEW = timedelta(minutes=5)  # that two clocks may differ by
A_DAY = timedelta(days=1)
FULFILLED = "duty.fulfilled"  # the kind of entry that proves it
_S = OwedState

MOVES: Mapping[OwedState, frozenset[OwedState]] = MappingProxyType(
    {
        _S.OPEN: frozenset({_S.KEPT, _S.BROKEN, _S.WAIVED}),
        _S.BROKEN: frozenset({_S.LATE, _S.WAIVED}),
        _S.KEPT: frozenset(),
        _S.LATE: frozenset(),
        _S.WAIVED: frozenset(),
    }
)


def name_of(agreement: str, ref: str, clause: str) -> str:
    """The identity of a duty, which both parties compute alike."""
    return digest([agreement, ref, clause])


def begun(transfer: Transfer, agreement: Agreement, owed: OwedAction, now: datetime) -> OwedDuty:
    """The duty after a use that is over now."""
    ref = transfer.id if transfer.role is Role.PROVIDER else transfer.peer_pid or ""
    return OwedDuty(
        id=name_of(agreement.id, ref, owed.clause),
        role=transfer.role,
        agreement=agreement.id,
        use=transfer.id,
        ref=ref,
        counterparty=transfer.counterparty,
        dataset=agreement.dataset,
        kind=transfer.format,
        clause=owed.clause,
        action=owed.action,
        since=stamp(now),
        due=stamp(now + owed.within),
    )


def done_at(duty: OwedDuty) -> datetime:
    """When the user's connector does it by itself.

    Nothing is deleted before nine tenths of its time have passed, so that people can work with what they made, and
    not later than a day before it is due.
    """
    since, due = instant(duty.since), instant(duty.due)
    if duty.action != DELETE:
        return since
    return max(since, due - max((due - since) / 10, min(A_DAY, (due - since) / 2)))


def overdue(duty: OwedDuty, now: datetime) -> bool:
    """Whether it should have been fulfilled by now."""
    return duty.state is _S.OPEN and duty.due < stamp(now)


def fulfilled(duty: OwedDuty, now: datetime) -> OwedDuty:
    """The duty once it was done; as the holder, once that is proven."""
    late = duty.state is _S.BROKEN or overdue(duty, now)
    return replace(duty, state=_S.LATE if late else _S.KEPT, code="")


def facts_of(duty: OwedDuty) -> JsonObject:
    """A duty as the log of either party names it."""
    facts = {"duty": duty.id, "agreement": pseudonym(duty.agreement), "transfer": pseudonym(duty.ref)}
    return {**facts, "clause": duty.clause, "action": duty.action}


def early(entry: Entry, now: datetime) -> bool:
    """Whether an entry is from the future."""
    return instant(entry.time) > now + SKEW


def flaw_of(duty: OwedDuty, entry: Entry, holder: str) -> Text | None:
    """Why an entry of the user's log does not prove that the duty was fulfilled; None where it does."""
    if entry.kind != FULFILLED or entry.actor != duty.counterparty:
        return Text(msgid("the entry does not say that its owner fulfilled a duty"))
    if any(entry.facts.get(name) != value for name, value in facts_of(duty).items()):
        return Text(msgid("the entry is about another duty"))
    if instant(entry.time) < instant(duty.since) - SKEW:
        return Text(msgid("the entry is older than the end of the use"))
    if duty.action == ATTRIBUTE and entry.facts["objects"] and holder not in entry.facts.get("sites", ()):
        return Text(msgid("the entry does not name the data holder as a source of the model"))
    return None
