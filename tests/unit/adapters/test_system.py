"""Clocks and randomness."""

import asyncio
from datetime import UTC, datetime, timedelta

from medspace.adapters.memory import ManualClock, SeededRandomness
from medspace.adapters.system import SystemClock, SystemRandomness

START = datetime(2026, 1, 1, tzinfo=UTC)


async def test_the_system_clock_goes():
    clock = SystemClock()
    before = clock.now()
    await clock.sleep(0.001)
    assert before.tzinfo is UTC
    assert timedelta(0) < clock.now() - before < timedelta(seconds=5)


def test_the_system_is_random():
    tokens = {SystemRandomness().token_bytes(16) for _ in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {16}


async def test_a_manual_clock_stands_until_it_is_moved():
    clock, woken = ManualClock(START), []

    async def sleeper(seconds):
        await clock.sleep(seconds)
        woken.append((seconds, clock.now()))

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (5, 1, 0, 5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert woken == [(0, START)]
    assert clock.sleepers == 3
    clock.advance(4.5)
    await asyncio.sleep(0)
    assert [seconds for seconds, _ in woken] == [0, 1]
    clock.advance(0.5)
    await asyncio.gather(*tasks)
    assert woken[2:] == [(5, START + timedelta(seconds=5))] * 2
    assert clock.sleepers == 0


async def test_a_sleeper_that_gave_up_is_not_counted():
    clock = ManualClock(START)
    task = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert clock.sleepers == 0
    clock.advance(2)


def test_seeded_randomness_repeats():
    one, same, other = SeededRandomness(1), SeededRandomness(1), SeededRandomness(2)
    first = [one.token_bytes(8), one.token_bytes(8)]
    assert first == [same.token_bytes(8), same.token_bytes(8)]
    assert first[0] not in {first[1], other.token_bytes(8)}
