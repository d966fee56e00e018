"""What every anchor does: one class, run on memory and on a file."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from medspace.adapters import anchors
from medspace.adapters.anchors import FileAnchor
from medspace.adapters.memory import ManualClock, MemoryAnchor
from medspace.ledger.errors import AnchorUnavailableError
from medspace.ledger.model import Receipt, SignedCheckpoint

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def checkpoint(size, text="note"):
    return SignedCheckpoint(f"{size:016d}", size, "2026-11-28T12:00:00.000Z", f"{text} of {size}\n\n\u2014 signed\n")


class AnchorContract:
    """The port `ledger.ports.Anchor`; subclasses give the fixture `anchor`, which tells the time by `clock`."""

    @pytest.fixture
    def clock(self):
        return ManualClock(NOW)

    async def test_what_is_kept_is_there(self, anchor):
        receipts = [await anchor.anchor(checkpoint(size)) for size in (1, 2, 3)]
        assert {receipt.anchor for receipt in receipts} == {anchor.name}
        assert [await anchor.verify(checkpoint(size), r) for size, r in zip((1, 2, 3), receipts, strict=True)] == [
            True
        ] * 3

    async def test_the_same_checkpoint_has_the_same_receipt(self, anchor, clock):
        first = await anchor.anchor(checkpoint(1))
        clock.advance(3600)
        await anchor.anchor(checkpoint(2))
        assert await anchor.anchor(checkpoint(1)) == first

    async def test_a_receipt_says_since_when(self, anchor, clock):
        clock.advance(60)
        assert (await anchor.anchor(checkpoint(1))).time == "2026-11-28T12:01:00.000Z"

    async def test_another_checkpoint_of_the_same_size_is_another_one(self, anchor):
        receipt = await anchor.anchor(checkpoint(1))
        assert not await anchor.verify(checkpoint(1, "another history"), receipt)

    async def test_what_was_never_given_to_it_is_not_there(self, anchor):
        assert not await anchor.verify(checkpoint(1), Receipt(anchor.name, "2026-11-28T12:00:00.000Z", "sha256:0"))
        receipt = await anchor.anchor(checkpoint(1))
        assert not await anchor.verify(checkpoint(2), receipt)

    async def test_a_receipt_that_was_changed_does_not_hold(self, anchor):
        receipt = await anchor.anchor(checkpoint(1))
        for change in ({"time": "2020-01-01T00:00:00.000Z"}, {"anchor": "elsewhere"}, {"proof": "sha256:0"}):
            assert not await anchor.verify(checkpoint(1), replace(receipt, **change))

    async def test_the_newest_is_what_was_given_to_it_last(self, anchor):
        assert await anchor.newest() is None
        for size in (1, 3, 2):
            await anchor.anchor(checkpoint(size))
        assert await anchor.newest() == checkpoint(2).note

    async def test_what_receipts_a_checkpoint_has_does_not_matter(self, anchor):
        receipt = await anchor.anchor(checkpoint(1))
        assert await anchor.verify(replace(checkpoint(1), receipts=(receipt,)), receipt)


class TestMemory(AnchorContract):
    @pytest.fixture
    def anchor(self, clock):
        return MemoryAnchor(clock)


class TestFile(AnchorContract):
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "anchors.jsonl"

    @pytest.fixture
    def anchor(self, path, clock):
        return FileAnchor(path, clock)

    async def test_it_is_there_after_a_restart_and_nobody_else_reads_it(self, anchor, path, clock):
        receipt = await anchor.anchor(checkpoint(1))
        again = FileAnchor(path, clock)
        assert await again.anchor(checkpoint(1)) == receipt
        assert await again.verify(checkpoint(1), receipt)
        assert path.stat().st_mode & 0o777 == 0o600
        assert len(path.read_text().splitlines()) == 1

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda lines: [lines[0].replace("note of 1", "note of 9"), *lines[1:]],
            lambda lines: lines[1:],
            lambda lines: [lines[1], lines[0], lines[2]],
            lambda lines: [json.dumps({"note": "put in", "time": "", "before": ""}), *lines],
        ],
        ids=["changed", "taken out", "in another order", "put in"],
    )
    async def test_who_changes_a_line_breaks_what_stands_behind_it(self, anchor, path, spoil):
        receipts = [await anchor.anchor(checkpoint(size)) for size in (1, 2, 3)]
        path.write_text("\n".join(spoil(path.read_text().splitlines())) + "\n")
        assert not await anchor.verify(checkpoint(3), receipts[2])

    async def test_a_line_that_a_crash_cut_off_spoils_nothing(self, anchor, path):
        first = await anchor.anchor(checkpoint(1))
        await anchor.anchor(checkpoint(2))
        path.write_bytes(path.read_bytes()[:-40])
        assert await anchor.newest() == checkpoint(1).note
        again = await anchor.anchor(checkpoint(2))
        third = await anchor.anchor(checkpoint(3))
        for size, receipt in ((1, first), (2, again), (3, third)):
            assert await anchor.verify(checkpoint(size), receipt)

    async def test_a_file_that_cannot_be_used_is_said(self, tmp_path, clock, monkeypatch):
        for path in (tmp_path, tmp_path / "nowhere" / "a.jsonl"):
            with pytest.raises(AnchorUnavailableError):
                await FileAnchor(path, clock).anchor(checkpoint(1))
        with pytest.raises(AnchorUnavailableError):
            await FileAnchor(tmp_path, clock).verify(checkpoint(1), Receipt("file:x", "", ""))
        with pytest.raises(AnchorUnavailableError):
            await FileAnchor(tmp_path, clock).newest()
        full = FileAnchor(tmp_path / "full.jsonl", clock)
        await full.anchor(checkpoint(1))
        monkeypatch.setattr(anchors, "LARGEST_FILE", 10)
        with pytest.raises(AnchorUnavailableError):
            await full.anchor(checkpoint(2))
