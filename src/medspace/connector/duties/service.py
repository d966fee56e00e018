"""Units of work on duties: they begin, are fulfilled, proven, overdue, waived; each with its entry in the log."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from medspace.connector.duties import rules
from medspace.connector.duties.errors import DutySettledError, DutyUnprovenError, DutyUntimelyError, UnknownDutyError
from medspace.connector.duties.model import AWAIT, DUTIES, OwedDuty, OwedState
from medspace.connector.model import AGREEMENTS, Agreement, Role, Transfer
from medspace.connector.steady import believe, steady
from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.ledger.model import Entry, decode
from medspace.ledger.service import record
from medspace.policy import duties, odrl

PAGE = 200  # duties that one unit of work settles


def begin(tx: Transaction, did: str, transfer: Transfer, agreement: Agreement, now: datetime) -> list[OwedDuty]:
    """Record what is owed after a use that is over; a use that ends twice owes it once."""
    found = []
    for owed in duties.owed(odrl.parse(agreement.policy), transfer.format):
        duty = rules.begun(transfer, agreement, owed, now)
        if tx.get(DUTIES, duty.id) is None:
            tx.insert(DUTIES, duty)
            _note(tx, "duty.owed", did, duty, now, {"counterparty": duty.counterparty, "due": duty.due})
            found.append(duty)
    return found


def fulfil(
    tx: Transaction, did: str, duty_id: str, now: datetime, objects: Sequence[str], said: JsonObject
) -> OwedDuty:
    """As the user: it was done, on the things with these digests; `said` is what the entry says besides.

    Once it was fulfilled, it stays so, and nothing is written again.

    Raises:
        UnknownDutyError: there is none, or it is owed to us.
    """
    duty = _known(tx, duty_id, Role.CONSUMER)
    if duty.entry >= 0:
        return duty
    facts = {"objects": sorted(set(objects)), **said}
    entry = _note(tx, rules.FULFILLED, did, duty, now, facts)
    done = replace(rules.fulfilled(duty, now), done=stamp(now), entry=entry)
    tx.replace(DUTIES, duty, done)
    return done


def delivered(tx: Transaction, duty_id: str, code: str = "") -> None:
    """As the user: the holder has the proof, or refused it with a code for good."""
    duty = _known(tx, duty_id, Role.CONSUMER)
    tx.replace(DUTIES, duty, replace(duty, delivered=True, code=code))


def accept(tx: Transaction, did: str, duty_id: str, user: str, proof: JsonObject, now: datetime) -> OwedDuty:
    """As the holder: take a proof whose signature and place in the user's log were checked.

    When it came decides whether it was in time: the user's own clock proves nothing.

    Raises:
        UnknownDutyError: nothing of that name is owed by this user.
        DutyUnprovenError: the entry does not say that this duty was fulfilled.
        DutyUntimelyError: it is from the future; once the clocks agree, it will do.
    """
    duty = _known(tx, duty_id, Role.PROVIDER)
    if duty.counterparty != user:
        raise UnknownDutyError(duty=duty_id)
    if duty.state not in (OwedState.OPEN, OwedState.BROKEN):
        return duty
    entry = decode(str(proof["entry"]).encode())
    flaw = rules.flaw_of(duty, entry, did)
    if flaw is not None:
        raise DutyUnprovenError(duty=duty_id, reason=flaw)
    if rules.early(entry, steady(tx, now)):
        raise DutyUntimelyError(duty=duty_id)
    settled = replace(rules.fulfilled(duty, now), done=entry.time, proof=proof)
    tx.replace(DUTIES, duty, settled)
    _note(tx, "duty.proven", did, settled, now, {"user": user, "state": settled.state.value})
    return settled


def overdue(tx: Transaction, did: str, now: datetime) -> list[OwedDuty]:
    """As the holder: break what is overdue, at most `PAGE` at a time; whom to tell is the caller's."""
    broken = []
    for duty in tx.find(DUTIES, where={"step": AWAIT}, order_by="due", limit=PAGE):
        if not rules.overdue(duty, now):
            break
        late = replace(duty, state=OwedState.BROKEN, told=stamp(now))
        tx.replace(DUTIES, duty, late)
        _note(tx, "duty.broken", did, late, now, {"user": late.counterparty, "due": late.due})
        broken.append(late)
    return broken


def broken_by(tx: Transaction, user: str, dataset: str) -> bool:
    """As the holder: whether this user owes what is overdue after a use of that dataset, under any agreement."""
    found = each(tx, DUTIES, {"role": Role.PROVIDER, "state": OwedState.BROKEN})
    return any((one.counterparty, one.dataset) == (user, dataset) for one in found)


def broken_before(tx: Transaction, agreement: Agreement) -> frozenset[str]:
    """As the holder: the actions that are overdue under the agreements whose place this one took, one by one."""
    found: set[str] = set()
    seen = {agreement.id}
    before = odrl.parse(agreement.policy).replaces
    while before is not None and before not in seen and (made := tx.get(AGREEMENTS, before)) is not None:
        seen.add(before)
        where = {"role": Role.PROVIDER, "agreement": before, "state": OwedState.BROKEN}
        found |= {duty.action for duty in each(tx, DUTIES, where)}
        before = odrl.parse(made.policy).replaces
    return frozenset(found)


def waive(tx: Transaction, did: str, duty_id: str, now: datetime, by: str) -> OwedDuty:
    """As the holder: give up what is owed.

    Raises:
        UnknownDutyError: there is none.
        DutySettledError: it is not owed to us, or not any more.
    """
    duty = tx.get(DUTIES, duty_id)
    if duty is None:
        raise UnknownDutyError(duty=duty_id)
    if duty.role is not Role.PROVIDER or OwedState.WAIVED not in rules.MOVES[duty.state]:
        raise DutySettledError(duty=duty_id, state=duty.state.value)
    waived = replace(duty, state=OwedState.WAIVED, by=by)
    tx.replace(DUTIES, duty, waived)
    _note(tx, "duty.waived", did, waived, now, {"user": waived.counterparty} | ({"by": by} if by else {}))
    return waived


def with_step(tx: Transaction, step: str) -> Iterator[OwedDuty]:
    """The duties with that next step, the most urgent first."""
    return each(tx, DUTIES, {"step": step}, by="due")


# --- time -----------------------------------------------------------------------------------------------------


def reset(tx: Transaction, did: str, now: datetime, by: str) -> datetime:
    """The owner says that the clock was wrong: what it says now counts. Returns the latest time until then."""
    before = steady(tx, now)
    if before > now:
        believe(tx, now)
        facts = {"latest": stamp(before), "now": stamp(now)} | ({"by": by} if by else {})
        record(tx, Entry("duty.clock", stamp(now), did, facts))
    return before


# --- inside ---------------------------------------------------------------------------------------------------


def _known(tx: Transaction, duty_id: str, role: Role) -> OwedDuty:
    duty = tx.get(DUTIES, duty_id)
    if duty is None or duty.role is not role:
        raise UnknownDutyError(duty=duty_id)
    return duty


def _note(tx: Transaction, kind: str, did: str, duty: OwedDuty, now: datetime, more: JsonObject) -> int:
    return record(tx, Entry(kind, stamp(now), did, rules.facts_of(duty) | more))
