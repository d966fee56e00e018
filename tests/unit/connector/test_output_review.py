"""What a person of the holder sees of an output that waits, and what it writes of it."""

import pytest

from medspace.connector.usage.errors import NoStepError
from tests.unit.connector.test_usage_two_reviewers import LI, TWO, WANG, held
from tests.unit.connector.uses import LABEL


async def test_the_automatic_checks_and_how_many_must_look_are_shown():
    house, _, step = await held()
    found = await house.control.checking.step(step)
    assert found.output is not None
    assert {one.clause: one.satisfied for one in found.checks}["release.cohort"] is True
    assert (found.persons, found.comments) == (2, ())
    assert found.until is not None


async def test_a_step_that_waits_for_nobody_shows_no_output():
    house, _, step = await held(LABEL | {"review": True})
    assert (await house.control.checking.step(step)).persons == 1
    await house.control.checking.decide(step, approve=True, by=LI)
    found = await house.control.checking.step(step)
    assert (found.output, found.checks, found.persons) == (None, (), 0)
    with pytest.raises(NoStepError):
        await house.control.checking.step("none")


async def test_a_label_that_became_stricter_asks_for_one_more():
    house, _, step = await held(LABEL | {"review": True})
    await house.relabel(TWO)
    await house.control.checking.decide(step, approve=True, by=LI)
    assert (await house.control.checking.step(step)).persons == 2


@pytest.mark.parametrize("approve", [True, False])
async def test_comments_are_kept_in_their_order_and_sealed(approve):
    house, _, step = await held()
    await house.control.checking.decide(step, approve=True, by=LI, comment="looks coarse enough")
    await house.control.checking.decide(step, approve=approve, by=WANG, comment="seen too")
    found = await house.control.checking.step(step)
    said = [(one.by, one.approve, one.text) for one in found.comments]
    assert said == [(LI, True, "looks coarse enough"), (WANG, approve, "seen too")]
    assert "coarse" not in repr(found.question)


async def test_who_writes_nothing_leaves_no_comment():
    house, _, step = await held()
    await house.control.checking.decide(step, approve=False, by=LI)
    assert (await house.control.checking.step(step)).comments == ()
