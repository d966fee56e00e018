"""A user keeps two logs: one in which it did what it owes, to show the holder, and another for everybody else."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.app.features.duties.door import Claim, DutyDoor
from medspace.connector.duties import heads, rules
from medspace.connector.duties.errors import LogForkedError, LogUnprovenError, UnknownLogError
from medspace.connector.duties.model import DUTIES, OwedState
from medspace.core.clock import stamp
from medspace.ledger.entry_proof import prove
from medspace.ledger.model import Entry
from medspace.ledger.note import parse, read_checkpoint
from medspace.ledger.service import checkpoint, prove_consistency, record
from tests.attacks.test_duty_claimed import DONE, MODEL, owed
from tests.runs import signer_of
from tests.unit.connector.uses import HOLDER, USER, House

OTHER = "duty.owed"


class UserLog:
    """The log of a user, with as many entries before as it likes."""

    def __init__(self):
        self.house = House()

    async def grow(self, entries, mark="a"):
        def unit(tx):
            for at in range(entries):
                record(tx, Entry("offer.withdrawn", stamp(DONE), USER, {"asset": f"urn:{mark}:{at}"}))

        await self.house.database.write(unit)

    async def says(self, duty, time=DONE):
        """Its proof that the duty was fulfilled, up to all that it has by now."""

        def unit(tx):
            index = record(tx, Entry(rules.FULFILLED, stamp(time), USER, rules.facts_of(duty) | {"objects": [MODEL]}))
            return prove(tx, index, checkpoint(tx, signer_of(USER), USER, time), "")

        return await self.house.database.write(unit)

    async def from_size(self, size, to):
        found = await self.house.database.read(lambda tx: prove_consistency(tx, size, to))
        return tuple(one.hex() for one in found.hashes)


def door_of(house, *, checks=True):
    member = SimpleNamespace(public_key=signer_of(USER).public_key)
    book = SimpleNamespace(member=lambda did: member)
    clock = SimpleNamespace(now=lambda: DONE)
    return DutyDoor(SimpleNamespace(book=book, did=HOLDER, clock=clock, database=house.database), checks)


async def seen(house):
    return await house.database.read(lambda tx: tx.get(heads.SEEN_LOGS, USER))


async def state(house, duty):
    return (await house.database.read(lambda tx: tx.get(DUTIES, duty.id))).state


async def told(house, log, duty):
    """What was claimed first: the holder knows a log from here on."""
    proof = await log.says(duty)
    await door_of(house).claimed(USER, Claim(duty.id, proof))
    return proof


async def reopened(house, duty):
    """The duty as if it were still owed, so that it can be claimed again."""

    def unit(tx):
        now = tx.get(DUTIES, duty.id)
        tx.replace(DUTIES, now, duty)

    await house.database.write(unit)


@pytest.mark.parametrize("before", [0, 1, 6, 7])
async def test_a_log_that_grows_is_followed(before):
    house, duty = await owed()
    log = UserLog()
    await log.grow(before)
    first = await told(house, log, duty)
    assert (await seen(house)).size == first.size
    await reopened(house, duty)
    await log.grow(5)
    later = await log.says(duty)
    hashes = await log.from_size(first.size, later.size)
    await door_of(house).claimed(USER, Claim(duty.id, later, hashes))
    assert ((await seen(house)).size, await state(house, duty)) == (later.size, OwedState.KEPT)


async def test_another_log_of_the_same_length_is_a_fork_and_its_proof_is_kept(attack_report):
    house, duty = await owed()
    await told(house, UserLog(), duty)
    await reopened(house, duty)
    other = await UserLog().says(duty, DONE + timedelta(seconds=1))
    with pytest.raises(LogForkedError):
        await door_of(house).claimed(USER, Claim(duty.id, other))
    kept = await seen(house)
    heads_of = [read_checkpoint(parse(one).text) for one in (kept.checkpoint, kept.other)]
    assert heads_of[0].size == heads_of[1].size
    assert heads_of[0].root != heads_of[1].root
    assert all(parse(one).signed_by(USER, signer_of(USER).public_key) for one in (kept.checkpoint, kept.other))
    assert "duty.forked" in await house.kinds()
    assert await state(house, duty) is OwedState.OPEN
    attack_report("two histories: duties kept by the second one", got=0, of=1, unit="duties")


async def test_without_the_check_the_second_history_counts(attack_report):
    house, duty = await owed()
    await told(house, UserLog(), duty)
    await reopened(house, duty)
    other = await UserLog().says(duty, DONE + timedelta(seconds=1))
    assert (await door_of(house, checks=False).claimed(USER, Claim(duty.id, other))).state is OwedState.KEPT
    attack_report("two histories: duties kept by the second one", control=1, of=1, unit="duties")


async def test_a_longer_log_that_begins_otherwise_proves_nothing():
    house, duty = await owed()
    first = await told(house, UserLog(), duty)
    await reopened(house, duty)
    other = UserLog()
    await other.grow(9, "b")
    later = await other.says(duty)
    for hashes in ((), await other.from_size(first.size, later.size), ("00" * 32,) * 4):
        with pytest.raises(LogUnprovenError):
            await door_of(house).claimed(USER, Claim(duty.id, later, hashes))
    assert (await seen(house)).size == first.size
    assert await state(house, duty) is OwedState.OPEN


async def test_a_log_that_became_shorter_proves_nothing():
    """As after a backup was restored, or what was said was cut off."""
    house, duty = await owed()
    log = UserLog()
    await log.grow(8)
    await told(house, log, duty)
    await reopened(house, duty)
    with pytest.raises(LogUnprovenError):
        await door_of(house).claimed(USER, Claim(duty.id, await UserLog().says(duty)))


async def test_after_a_fork_nothing_counts_until_the_owner_begins_anew():
    house, duty = await owed()
    log = UserLog()
    first = await told(house, log, duty)
    await reopened(house, duty)
    with pytest.raises(LogForkedError):
        await door_of(house).claimed(USER, Claim(duty.id, await UserLog().says(duty, DONE + timedelta(seconds=1))))
    await log.grow(3)
    honest = await log.says(duty)
    claim = Claim(duty.id, honest, await log.from_size(first.size, honest.size))
    with pytest.raises(LogForkedError):
        await door_of(house).claimed(USER, claim)
    await house.database.write(lambda tx: heads.forget(tx, HOLDER, USER, DONE, ""))
    assert (await door_of(house).claimed(USER, claim)).state is OwedState.KEPT
    assert (await house.kinds()).count("duty.forgotten") == 1
    with pytest.raises(UnknownLogError):
        await house.database.write(lambda tx: heads.forget(tx, HOLDER, "did:web:none.example", DONE, ""))


@given(st.integers(1, 40), st.integers(0, 40), st.integers(0, 39))
async def test_no_history_is_taken_that_changed_one_entry(size, more, changed):
    """Of two logs that differ in one entry of the first, the second never grows from it."""

    async def built(odd):
        log = House()

        def unit(tx):
            for at in range(size + more):
                facts = {"asset": f"urn:{'odd' if odd and at == changed % size else 'a'}:{at}"}
                record(tx, Entry("offer.withdrawn", stamp(DONE), USER, facts))
                if at + 1 == size:
                    first.append(checkpoint(tx, signer_of(USER), USER, DONE))
            return checkpoint(tx, signer_of(USER), USER, DONE), prove_consistency(tx, size, size + more).hashes

        return await log.database.write(unit)

    first = []
    honest, hashes = await built(odd=False)
    before = read_checkpoint(parse(first[0].note).text)
    assert heads.growth(before, read_checkpoint(parse(honest.note).text), hashes) is heads.Growth.GROWN
    forged, hashes = await built(odd=True)
    assert heads.growth(before, read_checkpoint(parse(forged.note).text), hashes) is not heads.Growth.GROWN
