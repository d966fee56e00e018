"""What every blob store keeps to; the file store also by what lies on the disk."""

import errno
import os
import pickle
import random
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from medspace.adapters.blobs.files import FileBlobStore, taken
from medspace.adapters.blobs.memory import MemoryBlobStore
from medspace.core.errors import StorageError, StorageFullError
from medspace.core.parts import Keeping, Part, PartBusyError, PartError, PartsFullError

MOST, COUNT = 1000, 5
USE = Keeping("did:web:company.example", "urn:uuid:1")
OTHER = Keeping("did:web:company.example", "urn:uuid:2")
STRANGER = Keeping("did:web:stranger.example", "urn:uuid:1")
START = datetime(2026, 1, 1, tzinfo=UTC)


def part_of(content, size=None):
    return Part(sha256(content).hexdigest(), "application/octet-stream", len(content) if size is None else size)


class Clock:
    def __init__(self):
        self.seconds = START.timestamp()

    def __call__(self):
        return self.seconds


def received(store, keeping, content):
    part = part_of(content)
    receiving = store.receive(keeping, part)
    receiving.write(content[receiving.offset :])
    receiving.finish()
    return part


def read(store, keeping, part):
    with store.of(keeping).open(part) as opened:
        return opened.read()


class BlobStoreContract:
    @pytest.fixture
    def clock(self):
        return Clock()

    def test_a_part_that_was_received_can_be_read_by_its_use_and_nobody_else(self, store):
        part = received(store, USE, b"content")
        assert read(store, USE, part) == b"content"
        assert store.has(USE, part.digest)
        for keeping in (OTHER, STRANGER):
            assert not store.has(keeping, part.digest)
            with pytest.raises(KeyError):
                store.of(keeping).open(part)

    def test_a_part_of_another_size_is_another_part(self, store):
        part = received(store, USE, b"content")
        with pytest.raises(KeyError):
            store.of(USE).open(Part(part.digest, part.media_type, part.size + 1))

    def test_what_broke_off_goes_on_where_it_was(self, store):
        part = part_of(b"content")
        receiving = store.receive(USE, part)
        receiving.write(b"con")
        receiving.close()
        assert not store.has(USE, part.digest)
        again = store.receive(USE, part)
        assert again.offset == 3
        again.write(b"tent")
        again.finish()
        again.close()
        assert read(store, USE, part) == b"content"

    def test_what_is_not_whole_is_not_kept_and_what_came_of_it_is(self, store):
        part = part_of(b"content")
        receiving = store.receive(USE, part)
        receiving.write(b"con")
        with pytest.raises(PartError, match="incomplete"):
            receiving.finish()
        assert not store.has(USE, part.digest)
        again = store.receive(USE, part)
        assert again.offset == 3
        again.close()

    def test_another_content_than_was_named_is_thrown_away(self, store):
        part = part_of(b"content")
        receiving = store.receive(USE, part)
        receiving.write(b"CONTENT")
        with pytest.raises(PartError, match="a different digest"):
            receiving.finish()
        assert not store.has(USE, part.digest)
        again = store.receive(USE, part)
        assert again.offset == 0
        again.close()

    def test_more_than_was_named_is_thrown_away(self, store):
        part = part_of(b"content")
        receiving = store.receive(USE, part)
        with pytest.raises(PartError, match="more bytes"):
            receiving.write(b"content and more")
        again = store.receive(USE, part)
        assert again.offset == 0
        again.close()

    def test_one_at_a_time_receives_a_part(self, store):
        part = part_of(b"content")
        receiving = store.receive(USE, part)
        with pytest.raises(PartBusyError):
            store.receive(USE, part)
        store.receive(OTHER, part).close()
        receiving.close()
        store.receive(USE, part).close()

    def test_an_empty_part_is_a_part(self, store):
        assert read(store, USE, received(store, USE, b"")) == b""

    def test_a_part_may_be_received_again(self, store):
        received(store, USE, b"content")
        assert read(store, USE, received(store, USE, b"content")) == b"content"

    def test_a_member_has_so_many_bytes_over_all_its_uses_with_those_still_to_come(self, store):
        received(store, USE, bytes(400))
        coming = store.receive(OTHER, part_of(b"x", size=400))
        with pytest.raises(PartsFullError):
            store.receive(OTHER, part_of(bytes(201)))
        store.receive(STRANGER, part_of(bytes(201))).close()
        received(store, OTHER, bytes(200))
        coming.close()
        store.drop(USE)
        received(store, OTHER, bytes(400))

    def test_a_member_has_so_many_parts_however_small(self, store):
        for number in range(COUNT):
            received(store, (USE, OTHER)[number % 2], bytes([number]))
        with pytest.raises(PartsFullError):
            store.receive(USE, part_of(b""))
        with pytest.raises(PartsFullError), store.of(OTHER).create("text/plain"):
            pass
        received(store, STRANGER, b"")
        store.drop(USE)
        received(store, OTHER, b"")

    def test_an_engine_writes_a_part_and_reads_it(self, store):
        with store.of(USE).create("text/plain") as new:
            new.write(b"con")
            new.write(b"tent")
            with pytest.raises(ValueError, match="not whole"):
                _ = new.part
        assert new.part == Part(sha256(b"content").hexdigest(), "text/plain", 7)
        assert read(store, USE, new.part) == b"content"

    def test_an_engine_that_breaks_leaves_nothing(self, store):
        def write():
            with store.of(USE).create("text/plain") as new:
                new.write(b"content")
                new.write("no bytes")

        with pytest.raises(TypeError):
            write()
        assert not store.has(USE, sha256(b"content").hexdigest())
        received(store, USE, bytes(MOST))

    def test_an_engine_has_no_more_room_than_its_member(self, store):
        received(store, OTHER, bytes(600))

        def write():
            with store.of(USE).create("text/plain") as new:
                new.write(bytes(400))
                new.write(b"0")

        with pytest.raises(PartsFullError):
            write()
        received(store, USE, bytes(400))

    def test_what_one_use_shares_with_another_outlives_it(self, store):
        part = received(store, USE, b"content")
        assert store.share(part.digest, USE, STRANGER)
        assert store.share(part.digest, USE, STRANGER)
        assert not store.share(part_of(b"unknown").digest, USE, STRANGER)
        assert not store.share(part.digest, OTHER, STRANGER)
        store.drop(USE)
        assert not store.has(USE, part.digest)
        assert read(store, STRANGER, part) == b"content"

    def test_it_is_known_for_which_uses_parts_are_kept(self, store):
        assert store.kept() == []
        received(store, USE, b"content")
        received(store, STRANGER, b"content")
        assert set(store.kept()) == {USE, STRANGER}
        store.drop(USE)
        assert store.kept() == [STRANGER]

    def test_a_use_that_is_dropped_twice_is_gone(self, store):
        received(store, USE, b"content")
        store.drop(USE)
        store.drop(USE)

    def test_what_nobody_has_used_for_long_is_swept(self, store, clock):
        old = received(store, USE, b"old")
        clock.seconds += 100
        new = received(store, OTHER, b"new")
        store.sweep(START + timedelta(seconds=50))
        assert not store.has(USE, old.digest)
        assert store.has(OTHER, new.digest)

    @pytest.mark.parametrize("seed", range(20))
    def test_a_part_that_breaks_off_anywhere_is_whole_in_the_end(self, store, seed):
        rng = random.Random(seed)
        content = rng.randbytes(rng.randrange(400))
        part = part_of(content)
        for end in [*sorted(rng.randrange(401) for _ in range(4)), len(content)]:
            receiving = store.receive(USE, part)
            receiving.write(content[receiving.offset : max(end, receiving.offset)])
            receiving.close()
        last = store.receive(USE, part)
        last.finish()
        assert read(store, USE, part) == content


class TestMemory(BlobStoreContract):
    @pytest.fixture
    def store(self, clock):
        return MemoryBlobStore(MOST, clock, COUNT)


class TestFiles(BlobStoreContract):
    @pytest.fixture
    def store(self, tmp_path, clock):
        return FileBlobStore(tmp_path / "parts", MOST, clock, COUNT)

    def test_no_name_of_others_becomes_a_path_and_nobody_else_may_read(self, store, tmp_path):
        received(store, Keeping("../../../etc", "/etc/passwd"), b"content")
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert all(path.is_relative_to(store.folder) for path in files)
        assert {path.stat().st_mode & 0o077 for path in [store.folder, *store.folder.rglob("*")]} == {0}

    def test_a_folder_that_does_not_say_for_whom_it_is_is_swept_by_its_time(self, store, clock):
        received(store, USE, b"content")
        used = store.of(USE).folder / "used"
        used.write_text("nothing")
        os.utime(used, (clock(), clock()))
        assert store.kept() == []
        store.sweep(START + timedelta(seconds=1))
        assert not store.has(USE, part_of(b"content").digest)

    def test_what_a_killed_connector_left_is_gone_on_with(self, store, clock):
        part = part_of(b"content")
        left = store.receive(USE, part)  # what the system has of it counts
        left.write(b"con")
        again = FileBlobStore(store.folder, MOST, clock).receive(USE, part)
        again.write(b"content"[again.offset :])
        again.finish()
        left.close()
        assert read(store, USE, part) == b"content"

    def test_what_an_engine_that_was_killed_left_counts_and_is_swept(self, store, clock):
        blobs = store.of(USE)
        received(store, USE, b"")
        (blobs.folder / "left.new").write_bytes(bytes(600))
        with pytest.raises(PartsFullError):
            store.receive(OTHER, part_of(bytes(401)))
        clock.seconds += 100
        received(store, OTHER, bytes(400))
        store.sweep(START + timedelta(seconds=50))
        assert taken(blobs.folder.parent) == (1, 400)

    def test_the_parts_of_a_use_can_be_sent_to_another_process(self, store):
        part = received(store, USE, b"content")
        with pickle.loads(pickle.dumps(store.of(USE))).open(part) as opened:
            assert opened.read() == b"content"

    @pytest.mark.parametrize(("number", "error"), [(errno.ENOSPC, StorageFullError), (errno.EIO, StorageError)])
    def test_what_the_disk_refuses_is_said_and_nothing_counts(self, store, monkeypatch, number, error):
        part = part_of(b"content")
        receiving = store.receive(USE, part)
        receiving.write(b"content")

        def refuse(_):
            raise OSError(number, "no")

        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", refuse)
            with pytest.raises(error) as refused:
                receiving.finish()
        assert type(refused.value) is error
        assert not store.has(USE, part.digest)
        assert read(store, USE, received(store, USE, b"content")) == b"content"
