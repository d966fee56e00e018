"""A consent that is withdrawn while a step is worked on, or waits for a person: what it let in does not leave."""

from dataclasses import replace

import pytest

from medspace.connector.usage.errors import StepHeldError, WithheldError
from medspace.core.usage import Grant
from tests.unit.connector.test_usage_conditions import only, scripted
from tests.unit.connector.test_usage_steps import cut_off
from tests.unit.connector.uses import call

BEFORE = only(*range(30))
FEWER, MORE = only(*range(20)), only(*range(40))


@pytest.mark.parametrize(
    ("before", "after", "leaves"),
    [
        (BEFORE, FEWER, False),
        (BEFORE, BEFORE, True),  # the controls: who has said yes since was not read, and stands against nothing
        (BEFORE, MORE, True),
        (BEFORE, only(29, within=False), False),
        (BEFORE, only(30, within=False), True),
        (only(1, within=False), only(1, 2, within=False), False),
        (only(1, 2, within=False), only(1, within=False), True),
        (only(1, within=False), BEFORE, False),
        (BEFORE, replace(BEFORE, column="site"), False),
    ],
)
async def test_an_answer_leaves_only_if_all_its_rows_may_still_be_used(before, after, leaves):
    house, condition, token = await scripted(grant=Grant((before,)))
    house.engine.before = lambda: setattr(condition, "grant", Grant((after,)))
    if leaves:
        assert await house.control.step(call(token))
        return
    with pytest.raises(WithheldError) as refused:
        await house.control.step(call(token))
    assert refused.value.facts["decision"] == "use.scope_narrowed"
    assert (await house.log())[-1].facts["code"] == "use.scope_narrowed"


async def test_who_asks_again_is_answered_on_the_rows_that_are_left():
    house, condition, token = await scripted(grant=Grant((BEFORE,)))
    house.brakes = replace(house.brakes, changes=False)
    house.build()
    condition = house.control._door.conditions[-1]
    house.engine.before = lambda: setattr(condition, "grant", Grant((FEWER,)))
    with pytest.raises(WithheldError):
        await house.control.step(call(token))
    assert await house.control.step(call(token))
    assert house.engine.asked[-1].scope == (FEWER,)


@pytest.mark.parametrize("after", [FEWER, BEFORE], ids=["withdrawn", "control"])
async def test_an_output_that_waits_for_a_person_is_not_let_go_after_a_consent_was_withdrawn(after):
    house, condition, token = await scripted(grant=Grant((BEFORE,)))
    house.engine.output = replace(house.engine.output, hold=True)
    with pytest.raises(StepHeldError):
        await house.control.step(call(token))
    condition.grant = Grant((after,))
    (question,) = await house.control.checking.steps(None, None, 10)
    if after is BEFORE:
        assert await house.control.checking.decide(question.id, approve=True)
    else:
        with pytest.raises(WithheldError):
            await house.control.checking.decide(question.id, approve=True)


async def test_a_step_that_was_cut_off_is_not_answered_under_the_consents_of_then():
    house, token = await cut_off()
    condition = type((await scripted())[1])(grant=Grant((FEWER,)))
    house.more = [lambda _: condition]  # what was admitted had no scope at all
    house.build()
    await house.control.recover()
    await house.settled()
    assert (await house.log())[-1].facts["code"] == "use.scope_narrowed"
    assert token
