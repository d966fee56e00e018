"""Who waits for a change looks again after each write that touched it, and after no other."""

import asyncio

import pytest

from medspace.adapters.memory import MemoryDatabase
from medspace.app.node.changes import Changes
from medspace.connector.usage.model import LABELS, MEMORIES, Labelled, Memory
from medspace.core.store import LOG

PATIENCE = 60.0
FIRST, SECOND = Memory("urn:use:1"), Memory("urn:use:1", "sealed")


class Waiter:
    """Somebody who waits: how often it looks, until it is satisfied."""

    def __init__(self, changes, *topics):
        self.looks, self.satisfied, self.topics = asyncio.Queue(), False, topics
        self.task = asyncio.create_task(changes.until(self.look, PATIENCE, *topics))

    async def look(self):
        self.looks.put_nowait(None)
        return True if self.satisfied else None


@pytest.fixture
def changes():
    return Changes()


@pytest.fixture
def database(changes):
    database = MemoryDatabase()
    database.on_commit(changes.tell)
    return database


async def looked(*waiters):
    for one in waiters:
        await one.looks.get()


async def done(changes, *waiters):
    """They have looked no more often than was taken; then they are satisfied, and told so."""
    for one in waiters:
        assert one.looks.empty()
        one.satisfied = True
    for one in waiters:
        changes.tell(one.topics)
        assert await one.task


async def test_a_write_wakes_who_waits_for_that_record_or_for_its_collection_and_nobody_else(changes, database):
    one, other = Waiter(changes, MEMORIES.topic("urn:use:1")), Waiter(changes, MEMORIES.topic("urn:use:2"))
    memories, labels, both = (
        Waiter(changes, MEMORIES.topic()),
        Waiter(changes, LABELS.topic()),
        Waiter(changes, LABELS.topic("heart"), MEMORIES.topic()),
    )
    everybody = (one, other, memories, labels, both)
    await looked(*everybody)
    await database.write(lambda tx: tx.insert(LABELS, Labelled("heart", {})))
    await looked(labels, both)
    for work in (
        lambda tx: tx.insert(MEMORIES, FIRST),
        lambda tx: tx.replace(MEMORIES, FIRST, SECOND),
        lambda tx: tx.delete(MEMORIES, SECOND),
    ):
        await database.write(work)
        await looked(one, memories, both)
    await done(changes, *everybody)


async def test_an_entry_of_the_log_wakes_who_waits_for_the_log(changes, database):
    log, labels = Waiter(changes, LOG), Waiter(changes, LABELS.topic())
    await looked(log, labels)
    await database.write(lambda tx: tx.log.append(b"entry"))
    await looked(log)
    await done(changes, log, labels)


async def test_a_change_during_the_look_is_not_missed(changes, database):
    looks = []

    async def look():
        looks.append(await database.read(lambda tx: tx.get(LABELS, "heart")))
        if len(looks) == 1:  # it was not there when we looked, and comes before we wait
            await database.write(lambda tx: tx.insert(LABELS, Labelled("heart", {})))
        return looks[-1]

    assert await changes.until(look, PATIENCE, LABELS.topic("heart")) == Labelled("heart", {})
    assert looks == [None, Labelled("heart", {})]


async def test_many_changes_while_somebody_looks_are_one_more_look(changes):
    looks = 0

    async def look():
        nonlocal looks
        looks += 1
        for _ in range(100 if looks == 1 else 0):
            changes.tell([LABELS.topic("heart")])
        return True if looks == 2 else None

    assert await changes.until(look, PATIENCE, LABELS.topic())
    assert looks == 2


async def test_nothing_is_left_of_who_was_told_gave_up_failed_or_went_away(changes):
    async def nothing():
        return None

    async def broken():
        raise KeyError("heart")

    waiters = [Waiter(changes, LABELS.topic(str(number)), LOG) for number in range(50)]
    await looked(*waiters)
    assert changes.waiting == 100
    for one in waiters[::2]:
        one.task.cancel()
    await asyncio.gather(*(one.task for one in waiters[::2]), return_exceptions=True)
    for one in waiters[1::2]:
        one.satisfied = True
    changes.tell([LOG])
    await asyncio.gather(*(one.task for one in waiters[1::2]))
    assert await changes.until(nothing, 0.0, LABELS.topic()) is None
    with pytest.raises(KeyError):
        await changes.until(broken, PATIENCE, LABELS.topic())
    assert (changes.waiting, changes._waiting) == (0, {})
