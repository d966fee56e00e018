"""A connector that is being stopped: what is in work ends, and nothing begins."""

import asyncio

import pytest

from medspace.app.doors.bodies import problem_response
from medspace.connector.usage.errors import DrainingError
from medspace.connector.usage.states import StepState
from tests.unit.connector.test_usage_steps import Gate, working
from tests.unit.connector.uses import admitted_house, call


async def test_what_is_in_work_ends_and_is_answered():
    house, token = await admitted_house()
    gate = Gate(house)
    asking = asyncio.create_task(house.control.step(call(token)))
    await gate.begun.wait()
    draining = asyncio.create_task(house.control.drain())
    await asyncio.sleep(0)
    assert (await house.control.ask(call(token), 0.0)).state is StepState.WORKING  # the same is still taken
    assert not draining.done()
    gate.open()
    await draining
    assert (await asking).values == {"sum": 1.5}
    assert await house.kinds() == ["use.admitted", "use.released"]


async def test_nothing_is_begun_noted_or_counted():
    house, token = await admitted_house()
    await house.control.drain()  # nothing is in work
    with pytest.raises(DrainingError) as refused:
        await house.control.step(call(token))
    assert await house.kinds() == []
    answer = problem_response(refused.value)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")


async def test_what_waits_for_its_turn_is_not_begun():
    house, token, gate, _standing = await working()
    waiting = asyncio.create_task(house.control.step(call(token, round=2)))
    for _ in range(1000):
        await asyncio.sleep(0)
    assert not waiting.done()
    draining = asyncio.create_task(house.control.drain())
    gate.open()
    with pytest.raises(DrainingError):
        await waiting
    await draining
    assert await house.kinds() == ["use.admitted", "use.released"]
