"""Checkpoints at an interval: what is signed, what the anchors get, and what happens when one is away."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from medspace.adapters.memory import ManualClock, MemoryAnchor, MemoryDatabase
from medspace.core.signing import Ed25519Signer
from medspace.ledger.anchoring import Anchoring
from medspace.ledger.errors import AnchorUnavailableError
from medspace.ledger.model import CHECKPOINTS, Entry, SignedCheckpoint
from medspace.ledger.note import parse, read_checkpoint
from medspace.ledger.service import record

ORIGIN = "did:web:clinic.example"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


class Away(MemoryAnchor):
    """An anchor that cannot be reached for a while."""

    away = True

    async def anchor(self, checkpoint):
        if self.away:
            raise AnchorUnavailableError(anchor=self.name, reason="no answer")
        return await super().anchor(checkpoint)

    async def newest(self):
        if self.away:
            raise AnchorUnavailableError(anchor=self.name, reason="no answer")
        return await super().newest()


class Resting(ManualClock):
    """A clock that tells when somebody begins to wait."""

    def __init__(self, start):
        super().__init__(start)
        self.waited_for = asyncio.Event()

    async def sleep(self, seconds):
        self.waited_for.set()
        await super().sleep(seconds)


class House:
    def __init__(self, *names):
        self.clock, self.database = Resting(NOW), MemoryDatabase()
        self.anchors = [MemoryAnchor(self.clock, name) for name in names]
        self.signer = Ed25519Signer.from_seed(bytes(32))
        self.anchoring = self.made(self.anchors)

    def made(self, anchors):
        return Anchoring(self.database, self.signer, ORIGIN, self.clock, timedelta(hours=1), anchors)

    async def note(self, count=1):
        for _ in range(count):
            entry = Entry("member.admitted", "2026-11-28T12:00:00.000Z", ORIGIN, {"member": ORIGIN})
            await self.database.write(lambda tx, entry=entry: record(tx, entry))

    async def kept(self):
        return await self.database.read(lambda tx: tx.find(CHECKPOINTS, order_by="size"))


async def test_what_was_added_is_signed_and_kept_by_every_anchor():
    house = House("one", "two")
    await house.note(3)
    signed = await house.anchoring.look()
    assert [signed] == await house.kept()
    assert read_checkpoint(parse(signed.note).text).size == 3
    assert [receipt.anchor for receipt in signed.receipts] == ["one", "two"]
    for anchor, receipt in zip(house.anchors, signed.receipts, strict=True):
        assert await anchor.verify(signed, receipt)


async def test_where_nothing_was_added_nothing_is_signed_again():
    house = House("one")
    await house.note()
    first = await house.anchoring.look()
    house.clock.advance(3600)
    assert await house.anchoring.look() == first
    assert await house.kept() == [first]


async def test_an_anchor_that_was_away_gets_the_newest_checkpoint_later(caplog):
    house = House("one")
    away = Away(house.clock, "away")
    anchoring = house.made([away, *house.anchors])
    await house.note()
    with caplog.at_level(logging.WARNING):
        signed = await anchoring.look()
    assert [receipt.anchor for receipt in signed.receipts] == ["one"]
    assert [record.message for record in caplog.records] == ["anchor.unavailable"]
    away.away = False
    signed = await anchoring.look()  # the same checkpoint, as nothing was added
    assert [receipt.anchor for receipt in signed.receipts] == ["one", "away"]


async def test_it_goes_on_every_hour():
    house = House()
    await house.note()
    running = asyncio.create_task(house.anchoring.run())
    for number in range(1, 4):
        await house.clock.waited_for.wait()
        house.clock.waited_for.clear()
        assert [checkpoint.size for checkpoint in await house.kept()] == list(range(1, number + 1))
        await house.note()
        house.clock.advance(3600)
    running.cancel()


async def test_a_log_that_is_not_what_was_signed_is_never_signed_again(caplog):
    house = House("one")
    await house.note(2)
    signed = await house.anchoring.look()
    other = House("one")
    await other.note()
    await other.database.write(lambda tx: tx.insert(CHECKPOINTS, signed))  # an old copy of the database
    with caplog.at_level(logging.ERROR):
        running = asyncio.create_task(other.anchoring.run())
        await other.clock.waited_for.wait()
    running.cancel()
    assert caplog.records[0].facts == {"code": "ledger.log.inconsistent"}
    assert await other.kept() == [signed]


def test_a_checkpoint_of_the_version_before_has_no_receipts():
    assert SignedCheckpoint("1", 1, "t", "n").receipts == ()


# --- a log that was restored from a backup ----------------------------------------------------------------------


async def test_a_log_that_an_anchor_bears_out_lacks_nothing():
    house = House("one")
    assert await house.anchoring.lacking() is None  # nothing was ever anchored
    await house.note(3)
    await house.anchoring.look()
    await house.note(2)
    assert await house.anchoring.lacking() is None


async def test_a_log_that_is_shorter_or_went_on_otherwise_was_restored():
    house = House("one")
    await house.note(3)
    signed = await house.anchoring.look()
    restored = House()
    anchoring = restored.made(house.anchors)
    await restored.note(2)
    lacking = await anchoring.lacking()
    assert lacking == read_checkpoint(parse(signed.note).text)
    entry = Entry("member.removed", "2026-11-28T12:00:00.000Z", ORIGIN, {"member": ORIGIN})
    await restored.database.write(lambda tx: [record(tx, entry) for _ in range(5)])
    assert await anchoring.lacking() == lacking  # longer, and not the same
    await anchoring.look()
    assert await anchoring.lacking() is None  # what it is now is what was signed last


async def test_what_is_not_ours_or_cannot_be_asked_tells_nothing(caplog):
    house = House("one")
    await house.note(3)
    signed = await house.anchoring.look()
    restored = House()
    away, broken, foreign = Away(house.clock, "away"), *(MemoryAnchor(house.clock, name) for name in ("a", "b"))
    await broken.anchor(SignedCheckpoint("x", 9, "", "no note at all"))
    other = House("b")
    other.signer = Ed25519Signer.from_seed(bytes(31) + b"1")
    await other.note(9)
    await other.made([foreign]).look()
    with caplog.at_level(logging.WARNING):
        assert await restored.made([away, broken, foreign]).lacking() is None
    assert [one.message for one in caplog.records] == ["anchor.unavailable"]
    assert await restored.made([away, broken, foreign, *house.anchors]).lacking() is not None
    assert signed.size == 3
