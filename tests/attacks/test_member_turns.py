"""A member whose steps take long waits behind itself; others have their turn."""

import asyncio

import pytest

from medspace.connector.turns import BusyError, TurnLimits, Turns


class Work:
    """Steps that last until they are let go; `log` says who began."""

    def __init__(self, share):
        self.turns, self.log = Turns(share), []

    def begin(self, member):
        go = asyncio.Event()

        async def step():
            async with self.turns.turn(member):
                self.log.append(member)
                await go.wait()

        return asyncio.create_task(step()), go


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


TURNS = "turns: of two, those that a flooding member has while another one asks"


async def test_a_member_has_its_turn_while_another_one_floods(attack_report):
    work = Work(TurnLimits(at_once=2, member=1))
    flood = [work.begin("greedy") for _ in range(10)]
    await settle()
    honest, go = work.begin("honest")
    await settle()
    attack_report(TURNS, got=work.log.count("greedy"), of=2, unit="turns")
    assert work.log == ["greedy", "honest"]
    for _, free in (*flood, (honest, go)):
        free.set()
    await asyncio.gather(honest, *(task for task, _ in flood))
    assert work.log.count("greedy") == 10


async def test_without_shares_the_flood_has_every_turn(attack_report):
    work = Work(TurnLimits(at_once=2, member=100))
    flood = [work.begin("greedy") for _ in range(10)]
    await settle()
    honest, go = work.begin("honest")
    await settle()
    attack_report(TURNS, control=work.log.count("greedy"), of=2, unit="turns")
    assert work.log == ["greedy", "greedy"]
    for _, free in (*flood, (honest, go)):
        free.set()
    await asyncio.gather(honest, *(task for task, _ in flood))


async def test_members_are_served_in_turn():
    work = Work(TurnLimits(at_once=1, member=1))
    begun = [work.begin(member) for member in ("a", "a", "a", "b", "c")]
    await settle()
    for _, free in begun:
        free.set()
    await asyncio.gather(*(task for task, _ in begun))
    assert work.log == ["a", "b", "c", "a", "a"]


async def test_more_than_may_wait_are_told_to_come_back():
    work = Work(TurnLimits(at_once=1, member=1, waiting=2))
    begun = [work.begin("greedy") for _ in range(3)]
    await settle()
    with pytest.raises(BusyError) as refused:
        async with work.turns.turn("greedy"):
            pass
    assert refused.value.facts["seconds"] > 0
    for _, free in begun:
        free.set()
    await asyncio.gather(*(task for task, _ in begun))


@pytest.mark.parametrize("when", ["waiting", "called", "working"])
async def test_who_gives_up_leaves_no_turn_behind(when):
    work = Work(TurnLimits(at_once=1, member=1))
    (first, go), (second, free) = work.begin("a"), work.begin("b")
    await settle()
    if when == "waiting":
        second.cancel()
        go.set()
    elif when == "called":
        go.set()
        await first
        second.cancel()
    else:
        first.cancel()
        free.set()
    await asyncio.gather(first, second, return_exceptions=True)
    third, last = work.begin("c")
    last.set()
    await asyncio.wait_for(third, 5)
    assert work.log[-1] == "c"
