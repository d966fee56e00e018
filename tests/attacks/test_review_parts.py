"""Parts: who brings them slowly or to a use that is over, and who fetches them when the answer is not given again."""

from datetime import UTC, datetime
from hashlib import sha256

import pytest

from medspace.adapters.blobs import files
from medspace.adapters.blobs.files import FileBlobStore
from medspace.connector.usage.errors import NotAdmittedError
from medspace.core.parts import Keeping, Part, PartError
from tests.unit.connector.test_usage_parts import JOB, bring, upper
from tests.unit.connector.uses import LABEL, USER, admitted_house, call

CONTENT = b"x" * (4 << 20)
PART = Part(sha256(CONTENT).hexdigest(), "application/octet-stream", len(CONTENT))
KEEPING = Keeping("did:web:company.example", "urn:use")


def store(folder):
    return FileBlobStore(folder / "parts", 1 << 30, lambda: 0.0)


def counted(monkeypatch):
    """How many bytes were hashed."""
    seen = []

    class Counting:
        def __init__(self, content=b""):
            self._hash = sha256(content)

        def update(self, data):
            seen.append(len(data))
            self._hash.update(data)

        def hexdigest(self):
            return self._hash.hexdigest()

    monkeypatch.setattr(files, "sha256", Counting)
    return lambda: sum(seen)


def test_a_part_that_is_brought_byte_by_byte_is_read_once(tmp_path, monkeypatch):
    """Each word about a part of 4 GiB had all of it read again, in threads that other work waits for."""
    parts, hashed = store(tmp_path), counted(monkeypatch)
    for first in range(32):
        receiving = parts.receive(KEEPING, PART)
        receiving.write(CONTENT[first : first + 1] if first else CONTENT[:-31])
        receiving.close()
        asked = parts.receive(KEEPING, PART)  # how much is here?
        asked.close()
    last = parts.receive(KEEPING, PART)
    assert last.offset == PART.size
    last.finish()
    assert parts.has(KEEPING, PART.digest)
    assert hashed() < 3 * PART.size


def test_a_part_that_was_gone_on_with_is_checked_as_a_whole(tmp_path):
    parts = store(tmp_path)
    for data in (b"y", CONTENT[1:]):
        receiving = parts.receive(KEEPING, PART)
        receiving.write(data)
        receiving.close()
    with pytest.raises(PartError, match="digest"):
        parts.receive(KEEPING, PART).finish()
    assert not parts.has(KEEPING, PART.digest)
    anew = parts.receive(KEEPING, PART)
    assert anew.offset == 0
    anew.close()


def test_a_part_of_a_use_that_is_over_takes_no_room_any_more(tmp_path):
    """What was written to a file that is forgotten lay on the disk, and counted against nobody."""
    parts = store(tmp_path)
    receiving = parts.receive(KEEPING, PART)
    receiving.write(CONTENT[:10])
    parts.drop(KEEPING)
    with pytest.raises(PartError, match="use has ended"):
        receiving.write(CONTENT[10:])
    late = parts.receive(KEEPING, PART)
    late.write(CONTENT)
    parts.drop(KEEPING)
    with pytest.raises(PartError, match="use has ended"):
        late.finish()
    assert not parts.has(KEEPING, PART.digest)


async def released():
    """A use that was answered with a part: its house, its token, the part."""
    house, token = await admitted_house()
    upper(house)
    release = await house.control.step(call(token, parts=(bring(house, b"content"),)))
    return house, token, release.parts[0]


async def test_a_part_of_an_answer_is_not_fetched_under_a_label_that_allows_it_no_longer():
    """The answer itself is not given again then; its parts were, for as long as nobody asked anything else."""
    house, token, part = await released()
    ended = []
    house.end = lambda use, decision: ended.append(use)
    house.build()
    await house.relabel(LABEL | {"regions": ["FR"]})
    for _ in range(2):
        with pytest.raises(NotAdmittedError, match="label"):
            await house.control.parts.released(USER, JOB, token, part.digest)
    assert (await house.kinds())[-1] == "use.refused"
    assert ended == [JOB, JOB]


async def test_a_part_of_an_answer_is_not_fetched_under_terms_that_have_run_out():
    house, token, part = await released()
    house.clock.advance((datetime(2027, 2, 1, tzinfo=UTC) - house.clock.now()).total_seconds())
    with pytest.raises(NotAdmittedError):
        await house.control.parts.released(USER, JOB, token, part.digest)


async def test_a_part_of_an_answer_is_fetched_after_a_restart():
    house, token, part = await released()
    house.build()
    assert await house.control.parts.released(USER, JOB, token, part.digest) == part
