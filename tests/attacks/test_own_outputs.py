"""A hospital's researcher asks about its own patients: nobody lets their own results go, however few must look."""

from dataclasses import replace

import pytest

from medspace.connector.errors import OwnRequestError
from medspace.connector.model import TRANSFERS, Role
from medspace.connector.usage import checking
from medspace.connector.usage.errors import StepHeldError
from medspace.connector.usage.model import QUESTIONS, QuestionOutcome
from medspace.core.actors import NOBODY
from tests.unit.connector.uses import LABEL, admitted_house, call, transfer_of

LI, WANG = (f"actor:{number * 32}" for number in "12")


async def own_use(review, asked_by=LI):
    """An output that waits for a person, asked for by one of the holder's own people."""
    house, token = await admitted_house()
    await house.relabel(LABEL | {"review": review})
    with pytest.raises(StepHeldError):
        await house.control.step(call(token))
    (question,) = await house.control.checking.steps(QuestionOutcome.HELD, None, 10)

    def own(tx):
        asked = tx.get(QUESTIONS, question.id)
        tx.replace(QUESTIONS, asked, replace(asked, user=house.did))
        tx.insert(TRANSFERS, transfer_of(question.job, "urn:agreement:1", "k"))
        mirrored = transfer_of("urn:peer", "urn:agreement:1", "k", Role.CONSUMER)
        tx.insert(TRANSFERS, replace(mirrored, asked_by=asked_by, peer_pid=question.job))

    await house.database.write(own)
    return house, question.id


@pytest.mark.parametrize("review", [True, 2], ids=["one", "two"])
@pytest.mark.parametrize("by", [LI, NOBODY], ids=["asker", "nameless"])
async def test_nobody_approves_their_own_output(review, by, attack_report):
    house, step = await own_use(review)
    with pytest.raises(OwnRequestError):
        await house.control.checking.decide(step, approve=True, by=by)
    assert "use.released" not in await house.kinds()
    attack_report("review: own outputs let go by who asked", got=0, of=1, unit="outputs")


async def test_a_colleague_lets_it_go_and_the_asker_may_still_keep_it_back():
    house, step = await own_use(review=True)
    assert await house.control.checking.decide(step, approve=True, by=WANG)
    other, held = await own_use(review=True)
    assert await other.control.checking.decide(held, approve=False, by=LI) is None
    assert "use.withheld" in await other.kinds()


async def test_without_the_brake_one_person_asks_and_approves(monkeypatch, attack_report):
    """The control: who asked is not looked up."""
    monkeypatch.setattr(checking, "_asker", lambda tx, question, holder: NOBODY)
    house, step = await own_use(review=True)
    assert await house.control.checking.decide(step, approve=True, by=LI)
    assert "use.released" in await house.kinds()
    attack_report("review: own outputs let go by who asked", control=1, of=1, unit="outputs")
