"""Duties as records: how they begin, end, and are told; the time that a connector has seen."""

from dataclasses import replace
from datetime import timedelta

import pytest

from medspace.app.features.duties.kinds import KINDS
from medspace.connector.duties import rules, service
from medspace.connector.duties.conditions import DutyCondition, MemberCondition
from medspace.connector.duties.errors import DutySettledError, UnknownDutyError
from medspace.connector.duties.model import AWAIT, DUTIES, FULFIL, PROVE, OwedState
from medspace.connector.model import AGREEMENTS, TRANSFERS, Role, TransferState
from medspace.connector.ports import TransferEvent
from medspace.connector.steady import advance, steady
from medspace.connector.usage.model import QUESTIONS
from medspace.core.clock import stamp
from medspace.core.hashing import digest
from medspace.ledger import kinds
from medspace.ledger.model import Entry
from tests.unit.connector.uses import HOLDER, KIND, NOW, USER, House, call, transfer_of

kinds.learn(KINDS)
AGREEMENT = "urn:agreement:1"
DAY = timedelta(days=1)


async def house_with(**terms):
    """A house with the conditions of duties, whose one use has ended; and what is owed after it."""
    house = House(more=[DutyCondition, MemberCondition], **terms)
    await house.agree()
    await house.start()
    await house.tell(TransferEvent.COMPLETED)
    return house, await house.database.read(lambda tx: tx.find(DUTIES, order_by="due"))


def user_duty(duty):
    """The same duty at its user."""
    return replace(duty, role=Role.CONSUMER, use="urn:mine", counterparty=HOLDER)


async def test_what_is_owed_begins_where_a_use_ends_and_only_once():
    house, (report, delete) = await house_with(delete_within=30, report_within=7)
    assert (report.action, delete.action) == ("medspace:report", "delete")
    assert (delete.since, delete.due) == (stamp(NOW), stamp(NOW + 30 * DAY))
    assert (delete.step, delete.role) == (AWAIT, Role.PROVIDER)
    await house.tell(TransferEvent.TERMINATED)
    assert (await house.kinds()).count("duty.owed") == 2


async def test_both_sides_call_it_alike():
    house, (duty,) = await house_with(delete_within=30)
    mine = replace(transfer_of("urn:mine", AGREEMENT, KIND, Role.CONSUMER), peer_pid="urn:job:1")
    agreement = await house.database.read(lambda tx: tx.get(AGREEMENTS, AGREEMENT))
    other = House()
    (owed,) = await other.database.write(lambda tx: service.begin(tx, USER, mine, agreement, NOW))
    assert (owed.id, owed.step) == (duty.id, FULFIL)


async def test_a_use_that_never_began_leaves_nothing_owed():
    house = House(more=[DutyCondition], delete_within=30)
    await house.agree()
    await house.tell(TransferEvent.TERMINATED)
    assert await house.database.read(lambda tx: tx.find(DUTIES)) == []


async def test_what_is_overdue_is_broken_once_and_closes_the_agreement_until_it_is_waived():
    house, (duty,) = await house_with(delete_within=30)
    late = NOW + 31 * DAY
    assert await house.database.write(lambda tx: service.overdue(tx, HOLDER, NOW + 30 * DAY)) == []
    (broken,) = await house.database.write(lambda tx: service.overdue(tx, HOLDER, late))
    assert (broken.state, broken.told, broken.step) == (OwedState.BROKEN, stamp(late), None)
    assert await house.database.write(lambda tx: service.overdue(tx, HOLDER, late)) == []
    token = await house.start("urn:job:2")
    lasting = await house.database.read(lambda tx: house.control.lasts(tx, "urn:job:2"))
    assert (lasting.permitted, lasting.code) == (False, "policy.duty_violated")
    waived = await house.database.write(lambda tx: service.waive(tx, HOLDER, duty.id, late, ""))
    assert waived.state is OwedState.WAIVED
    assert (await house.control.step(call(token, "urn:job:2"))).id
    with pytest.raises(DutySettledError):
        await house.database.write(lambda tx: service.waive(tx, HOLDER, duty.id, late, ""))


async def test_the_user_fulfils_it_once_and_proves_it_afterwards():
    house, (duty,) = await house_with(delete_within=30)
    mine = user_duty(duty)

    def unit(tx):
        tx.delete(DUTIES, duty)
        tx.insert(DUTIES, mine)
        return service.fulfil(tx, USER, mine.id, NOW, [], {}), service.fulfil(tx, USER, mine.id, NOW + DAY, [], {})

    first, again = await house.database.write(unit)
    assert first == again
    assert (first.state, first.step) == (OwedState.KEPT, PROVE)
    await house.database.write(lambda tx: service.delivered(tx, mine.id))
    assert (await house.database.read(lambda tx: tx.get(DUTIES, mine.id))).step is None
    assert (await house.kinds()).count("duty.fulfilled") == 1
    with pytest.raises(DutySettledError):
        await house.database.write(lambda tx: service.waive(tx, USER, mine.id, NOW, ""))
    with pytest.raises(UnknownDutyError):
        await house.database.write(lambda tx: service.waive(tx, USER, "sha256:" + "0" * 64, NOW, ""))


@pytest.mark.parametrize(
    ("action", "within", "after"),
    [
        ("delete", timedelta(days=30), timedelta(days=27)),
        ("delete", timedelta(days=3), timedelta(days=2)),
        ("delete", timedelta(hours=2), timedelta(hours=1)),
        ("inform", timedelta(days=30), timedelta()),
    ],
)
async def test_nothing_is_deleted_long_before_it_has_to_be(action, within, after):
    _, (duty,) = await house_with(delete_within=1)
    one = replace(duty, action=action, due=stamp(NOW + within))
    assert rules.done_at(one) == NOW + after


async def test_a_late_fulfilment_is_late_whatever_was_told_before():
    _, (duty,) = await house_with(delete_within=1)
    assert rules.fulfilled(duty, NOW + 2 * DAY).state is OwedState.LATE
    assert rules.fulfilled(replace(duty, state=OwedState.BROKEN), NOW).state is OwedState.LATE


async def test_the_latest_time_never_goes_back_but_by_the_owner():
    house = House()

    async def seen(now):
        await house.database.write(lambda tx: advance(tx, now))
        return await house.database.read(lambda tx: steady(tx, now))

    assert await house.database.write(lambda tx: service.reset(tx, HOLDER, NOW, "")) == NOW
    for now, latest in ((NOW, NOW), (NOW + DAY, NOW + DAY), (NOW, NOW + DAY)):
        assert await seen(now) == latest
    assert await house.database.write(lambda tx: service.reset(tx, HOLDER, NOW, "")) == NOW + DAY
    assert await house.database.read(lambda tx: steady(tx, NOW)) == NOW
    assert [entry.kind for entry in await house.log()] == ["duty.clock"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"actor": HOLDER}, "does not say"),
        ({"clause": "/obligation/7"}, "another duty"),
        ({"time": stamp(NOW - DAY)}, "older than"),
        ({"objects": [digest("model")], "sites": ["did:web:other"]}, "as a source"),
    ],
)
async def test_an_entry_that_proves_nothing_is_told_with_the_reason(said, why):
    _, (duty,) = await house_with(attribute_within=1)
    facts = rules.facts_of(duty) | {"objects": [], "sites": [HOLDER]}
    assert rules.flaw_of(duty, Entry(rules.FULFILLED, stamp(NOW), USER, facts), HOLDER) is None
    facts |= {name: value for name, value in said.items() if name not in ("actor", "time")}
    time, actor = said.get("time", stamp(NOW)), said.get("actor", USER)
    flaw = rules.flaw_of(duty, Entry(rules.FULFILLED, time, actor, facts), HOLDER)
    assert why in str(flaw)


async def test_a_use_with_a_question_that_nobody_can_read_goes_on_and_one_without_an_agreement_does_not():
    house = House(more=[DutyCondition])
    await house.agree()
    token = await house.start()
    await house.control.step(call(token))
    started = replace(transfer_of("urn:job:1", AGREEMENT, KIND), state=TransferState.STARTED)
    await house.database.write(lambda tx: tx.insert(TRANSFERS, started))

    def unreadable(tx):
        (asked,) = tx.find(QUESTIONS)
        tx.replace(QUESTIONS, asked, replace(asked, sealed="AAAA"))

    await house.database.write(unreadable)
    assert await house.database.read(lambda tx: house.control.notebook.last_task(tx, "urn:job:1")) is None
    assert await house.database.write(house.control.cut) == []
    await house.database.write(lambda tx: tx.delete(AGREEMENTS, tx.get(AGREEMENTS, AGREEMENT)))
    assert [use for use, _ in await house.database.write(house.control.cut)] == ["urn:job:1"]


async def test_a_use_of_nobody_is_cut_and_one_of_a_member_is_not():
    house = House(more=[MemberCondition])
    await house.agree()
    await house.start()
    started = replace(transfer_of("urn:job:1", AGREEMENT, KIND), state=TransferState.STARTED)
    await house.database.write(lambda tx: tx.insert(TRANSFERS, started))
    assert await house.database.write(house.control.cut) == []
    house.operators[USER] = None
    ((use, decision),) = await house.database.write(house.control.cut)
    assert (use, decision.code) == ("urn:job:1", "member.gone")
    assert not (await house.job()).open
