"""Who waits at the bell looks again after each write, or after those alone that can matter."""

import asyncio

import pytest

from medspace.adapters.memory import MemoryDatabase
from medspace.app.bell import Bell, RingingDatabase
from medspace.connector.usage.model import LABELS, MEMORIES, Labelled, Memory

PATIENCE = 60.0
FIRST, SECOND = Memory("urn:use:1"), Memory("urn:use:1", "sealed")


class Waiting:
    """Somebody at the bell: how often it looks, until it is satisfied."""

    def __init__(self, bell, *of):
        self.looks, self.satisfied = asyncio.Queue(), False
        self.task = asyncio.create_task(bell.until(self.look, PATIENCE, of))

    async def look(self):
        self.looks.put_nowait(None)
        return True if self.satisfied else None

    async def done(self, bell):
        """How often it has looked before it was satisfied by a ring for everybody."""
        while not self.looks.empty():
            self.looks.get_nowait()
        self.satisfied = True
        bell.ring()
        assert await self.task


@pytest.fixture
def bell():
    return Bell()


async def looked(*waiting):
    for one in waiting:
        await one.looks.get()


async def test_every_write_is_heard_by_who_waits_for_all_and_a_change_by_who_waits_for_it(bell):
    database = RingingDatabase(MemoryDatabase(), bell)
    everything, labels, memories = Waiting(bell), Waiting(bell, LABELS, MEMORIES), Waiting(bell, MEMORIES)
    await looked(everything, labels, memories)
    await database.write(lambda tx: tx.insert(LABELS, Labelled("heart", {})))
    await looked(everything, labels)
    for work in (
        lambda tx: tx.insert(MEMORIES, FIRST),
        lambda tx: tx.replace(MEMORIES, FIRST, SECOND),
        lambda tx: tx.delete(MEMORIES, SECOND),
    ):
        assert memories.looks.empty()
        await database.write(work)
        await looked(everything, labels, memories)
    for one in (everything, labels, memories):
        await one.done(bell)


async def test_a_write_that_changes_no_record_is_heard_by_who_waits_for_all(bell):
    database = RingingDatabase(MemoryDatabase(), bell)
    everything, labels = Waiting(bell), Waiting(bell, LABELS)
    await looked(everything, labels)

    def work(tx):
        tx.log.append(b"entry")
        return tx.log.size(), tx.get(LABELS, "heart"), tx.find(LABELS), tx.count(LABELS, {}, 1)

    assert await database.write(work) == (1, None, [], 0)
    await looked(everything)
    assert labels.looks.empty()
    await everything.done(bell)
    await labels.done(bell)


async def test_who_waits_in_vain_is_told_so(bell):
    async def look():
        return None

    assert await bell.until(look, 0.0) is None
