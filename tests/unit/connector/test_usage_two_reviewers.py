"""Outputs that two persons must let go: both stand in the log, one alone gets nothing out, one no keeps it back."""

import asyncio
from dataclasses import replace

import pytest

from medspace.connector.errors import OwnRequestError, SecondPersonError
from medspace.connector.model import TRANSFERS, Role
from medspace.connector.usage.errors import JobClosedError, NotHeldError, StepHeldError
from medspace.connector.usage.model import QUESTIONS, QuestionOutcome
from medspace.core.usage import Grant
from tests.unit.connector.uses import LABEL, USER, TransferEvent, admitted_house, call, transfer_of

LI, WANG = (f"actor:{number * 32}" for number in "12")
TWO = LABEL | {"review": 2}


async def held(label=TWO):
    house, token = await admitted_house()
    await house.relabel(label)
    with pytest.raises(StepHeldError):
        await house.control.step(call(token))
    (question,) = await house.control.checking.steps(QuestionOutcome.HELD, None, 10)
    return house, token, question.id


async def approved(house, step):
    return (await house.database.read(lambda tx: tx.get(QUESTIONS, step))).approved_by


async def told(house):
    """What the log says from where it was held on."""
    return [(entry.kind, entry.facts.get("by")) for entry in (await house.log())[2:]]


async def test_it_leaves_once_two_persons_have_let_it_go():
    house, token, step = await held()
    assert await house.control.checking.decide(step, approve=True, by=LI) is None
    assert await approved(house, step) == (LI,)
    with pytest.raises(StepHeldError):
        await house.control.step(call(token))
    release = await house.control.checking.decide(step, approve=True, by=WANG)
    assert await told(house) == [("use.approved", LI), ("use.released", WANG)]
    assert await approved(house, step) == (LI, WANG)
    assert await house.control.step(call(token)) == release
    with pytest.raises(NotHeldError):
        await house.control.checking.decide(step, approve=True, by=LI)


@pytest.mark.parametrize("again", [LI, ""])
async def test_one_person_alone_lets_nothing_go(again):
    house, _, step = await held()
    await house.control.checking.decide(step, approve=True, by=LI)
    for _ in range(2):
        with pytest.raises(SecondPersonError):
            await house.control.checking.decide(step, approve=True, by=again)
    assert await told(house) == [("use.approved", LI)]
    assert "use.released" not in await house.kinds()


async def test_where_one_is_enough_one_is_enough():
    """The control."""
    house, _, step = await held(LABEL | {"review": True})
    assert await house.control.checking.decide(step, approve=True, by=LI)
    assert await told(house) == [("use.released", LI)]


async def test_one_no_keeps_it_back_for_good():
    house, _, step = await held()
    await house.control.checking.decide(step, approve=True, by=LI)
    await house.control.checking.decide(step, approve=False, by=WANG)
    assert await told(house) == [("use.approved", LI), ("use.withheld", WANG)]
    question = await house.database.read(lambda tx: tx.get(QUESTIONS, step))
    assert (question.approved_by, question.refused_by) == ((LI,), WANG)
    with pytest.raises(NotHeldError):
        await house.control.checking.decide(step, approve=True, by=WANG)


async def test_a_label_that_became_stricter_meanwhile_counts():
    house, _, step = await held(LABEL | {"review": True})
    await house.relabel(TWO)
    assert await house.control.checking.decide(step, approve=True, by=LI) is None
    assert await house.control.checking.decide(step, approve=True, by=WANG)


async def test_a_label_that_became_milder_meanwhile_does_not():
    house, _, step = await held()
    await house.relabel(LABEL)
    assert await house.control.checking.decide(step, approve=True, by=LI) is None
    assert await house.control.checking.decide(step, approve=True, by=WANG)


async def test_two_at_the_same_time_are_two_and_the_same_twice_is_one():
    house, _, step = await held()
    done = await asyncio.gather(
        *(house.control.checking.decide(step, approve=True, by=LI) for _ in range(3)), return_exceptions=True
    )
    assert sum(isinstance(one, SecondPersonError) for one in done) == 2
    house, _, step = await held()
    await asyncio.gather(*(house.control.checking.decide(step, approve=True, by=one) for one in (LI, WANG)))
    assert sorted(kind for kind, _ in await told(house)) == ["use.approved", "use.released"]


async def test_yes_and_no_at_the_same_time_let_nothing_go_twice():
    house, _, step = await held()
    await house.control.checking.decide(step, approve=True, by=LI)
    done = await asyncio.gather(
        house.control.checking.decide(step, approve=True, by=WANG),
        house.control.checking.decide(step, approve=False, by=LI),
        return_exceptions=True,
    )
    ends = [kind for kind, _ in await told(house) if kind in ("use.released", "use.withheld")]
    assert len(ends) == 1
    assert sum(isinstance(one, NotHeldError) for one in done) == 1


async def test_what_the_gate_refuses_leaves_with_no_number_of_persons():
    house, _, step = await held()
    await house.control.checking.decide(step, approve=True, by=LI)
    await house.tell(TransferEvent.SUSPENDED)
    with pytest.raises(JobClosedError):
        await house.control.checking.decide(step, approve=True, by=WANG)
    assert "use.released" not in await house.kinds()


async def test_who_asked_on_the_same_connector_does_not_count():
    """The holder uses its own data: whoever asked for the use does not let its results go."""
    house, _, step = await held()
    theirs = replace(
        transfer_of("urn:peer", "urn:agreement:1", "k", Role.CONSUMER), asked_by=LI, peer_pid="urn:job:1"
    )

    def own(tx):
        question = tx.get(QUESTIONS, step)
        tx.replace(QUESTIONS, question, replace(question, user=house.did))
        tx.insert(TRANSFERS, transfer_of("urn:job:1", "urn:agreement:1", "k"))
        tx.insert(TRANSFERS, theirs)

    await house.database.write(own)
    with pytest.raises(OwnRequestError):
        await house.control.checking.decide(step, approve=True, by=LI)
    assert await house.control.checking.decide(step, approve=True, by=WANG) is None
    with pytest.raises(OwnRequestError):
        await house.control.checking.decide(step, approve=True, by=LI)
    assert await told(house) == [("use.approved", WANG)]
    assert house.did != USER


def test_the_stricter_grant_says_how_many_persons():
    assert Grant(reviewers=2).narrowed(Grant()).reviewers == 2
