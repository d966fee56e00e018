"""Backups of a running connector: who gets one, what lies around meanwhile, what a file can do that is checked."""

import asyncio
import json
import stat
from types import SimpleNamespace

import pytest

from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.adapters.sealedfile import SealedFileError
from medspace.adapters.sql import upgrade
from medspace.app.compose.features import FEATURES
from medspace.app.doors.management.app import management_app
from medspace.app.doors.portal.inquiry import Inquiry, InquiryError
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.features.upkeep import downloads
from medspace.app.features.upkeep.api import routes
from medspace.app.features.upkeep.archive import BackupInvalidError
from medspace.app.features.upkeep.downloads import WAITS, BackupBusyError, BackupGoneError, BackupRoom
from medspace.app.features.upkeep.passphrase import PassphraseError
from medspace.app.features.upkeep.restoring import look, restore
from medspace.app.node.config import read_config
from medspace.connector.errors import MessageTooLargeError
from medspace.core.actors import Actor, ActorKind, Scope
from medspace.ledger.model import decode

PASSPHRASE = "correct horse battery"
assert FEATURES  # they make the kinds of entries known
OWNER = Actor("actor:" + "1" * 32, ActorKind.OWNER, frozenset(Scope))
OTHER = Actor("actor:" + "2" * 32, ActorKind.OWNER, frozenset(Scope))
STEWARD = Actor("actor:" + "3" * 32, ActorKind.PERSON, frozenset(Scope))  # all scopes, but not the owner


@pytest.fixture
def room(tmp_path):
    set_up(tmp_path / "it", Wishes("Hospital", 18_100, "", "", "CN", None))
    config = read_config(tmp_path / "it" / "medspace.toml")
    upgrade(config.database_url)
    clock, randomness = ManualClock(), SeededRandomness(1)
    node = SimpleNamespace(
        config=config, did=config.did, clock=clock, randomness=randomness, database=MemoryDatabase()
    )
    return BackupRoom(node, cost=14)


async def made(room, by=OWNER):
    return await room.make(PASSPHRASE, by, without_database=False)


async def sent(content, size=1000):
    for start in range(0, len(content), size):
        yield content[start : start + size]
        yield b""


def lying(room):
    """Everything in the connector's folder, as bytes."""
    return b"".join(one.read_bytes() for one in sorted(room.node.config.path(".").rglob("*")) if one.is_file())


async def test_what_waits_is_for_whoever_asked_for_ten_minutes(room, attack_report):
    told = await made(room)
    file = room.one(told["id"], OWNER).file
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    got = 0
    for backup, by in ((told["id"], OTHER), (told["id"] + "0", OWNER), ("", OWNER), ("../" + told["id"], OWNER)):
        with pytest.raises(BackupGoneError):
            room.one(backup, by)
    room.node.clock.advance(WAITS.total_seconds())
    with pytest.raises(BackupGoneError):
        room.one(told["id"], OWNER)
    attack_report("backup: downloads by others, guessed or late", got=got, control=1, of=5, unit="downloads")


async def test_nothing_lies_around_longer_than_it_waits(room):
    leftover = room.folder / "of-an-earlier-start.backup"
    room.folder.mkdir()
    leftover.touch()
    working = asyncio.create_task(room.work())
    await asyncio.sleep(0)
    assert not leftover.exists()
    first = room.one((await made(room))["id"], OWNER).file
    second = room.one((await made(room))["id"], OWNER).file
    assert (first.exists(), second.exists()) == (False, True), "there is one at a time"
    room.node.clock.advance(downloads.LOOK)
    await asyncio.sleep(0)
    assert second.exists()
    room.node.clock.advance(WAITS.total_seconds())
    for _ in range(3):
        await asyncio.sleep(0)
    assert not room.folder.exists()
    third = room.one((await made(room))["id"], OWNER).file
    working.cancel()
    await asyncio.wait([working])
    assert not third.exists(), "none outlives the connector"


async def test_the_passphrase_is_kept_nowhere_and_the_file_has_no_key_in_the_clear(room, tmp_path, caplog):
    told = await made(room)
    entries = await room.node.database.read(lambda tx: [decode(one) for one in tx.log.entries(0, tx.log.size())])
    for place in (
        lying(room),
        str(entries).encode(),
        json.dumps(told).encode(),
        caplog.text.encode(),
        repr(room).encode(),
    ):
        assert PASSPHRASE.encode() not in place
    assert [(one.kind, one.facts["by"]) for one in entries] == [("backup.made", OWNER.id)]
    content = room.one(told["id"], OWNER).file.read_bytes()
    key = room.node.config.path("keys/private.token").read_bytes().strip()
    assert key not in content
    assert key in lying(room), "the control"
    (tmp_path / "copy").write_bytes(content)
    assert look(tmp_path / "copy", PASSPHRASE.encode())["files"] == told["files"]
    restore(tmp_path / "copy", tmp_path / "new", PASSPHRASE.encode())
    assert (tmp_path / "new" / "keys" / "private.token").read_bytes().strip() == key


@pytest.mark.parametrize("weak", ["", "short", "elevenchars"])
async def test_a_weak_passphrase_makes_none(room, weak):
    with pytest.raises(PassphraseError):
        await room.make(weak, OWNER, without_database=False)
    assert not room.folder.exists()


async def test_many_at_once_are_one(room, attack_report):
    """Each takes memory for its passphrase, and disk for a copy of the database."""
    found = await asyncio.gather(*(made(room) for _ in range(5)), return_exceptions=True)
    refused = [one for one in found if isinstance(one, BackupBusyError)]
    assert len(refused) == 4
    attack_report("backup: made at once", got=len(found) - len(refused) - 1, control=1, of=4, unit="backups")
    await made(room)


async def content_of(room):
    return room.one((await made(room))["id"], OWNER).file.read_bytes()


@pytest.mark.parametrize(
    ("change", "passphrase"),
    [
        (lambda content: content, "another passphrase"),
        (lambda content: content[:-1], PASSPHRASE),
        (lambda content: content + b"x", PASSPHRASE),
        (lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:], PASSPHRASE),
        (lambda content: content[:100], PASSPHRASE),
        (lambda content: b"", PASSPHRASE),
        (lambda content: b"PK\x03\x04" * 1000, PASSPHRASE),
    ],
)
async def test_a_file_that_is_none_is_said_to_be_none_and_leaves_nothing(room, change, passphrase):
    content = await content_of(room)
    room.clear()
    before = lying(room)
    with pytest.raises((SealedFileError, BackupInvalidError)):
        await room.check(passphrase, "it", sent(change(content)))
    assert lying(room) == before
    found = await room.check(PASSPHRASE, "it", sent(content))  # the control
    assert found["did"] == room.node.did
    assert lying(room) == before, "what is checked is written nowhere"


async def test_a_file_without_end_is_ended(room, monkeypatch, attack_report):
    content = await content_of(room)
    monkeypatch.setattr(downloads, "LARGEST_CHECKED", 4096)
    taken = []

    async def endless():
        yield content[:200]
        while True:
            taken.append(1000)
            yield b"x" * 1000

    with pytest.raises(MessageTooLargeError):
        await room.check(PASSPHRASE, "it", endless())
    assert sum(taken) < 10_000
    attack_report("backup: bytes taken of an endless file", got=0, control=1, of=1, unit="files")


async def test_a_check_that_breaks_off_lets_the_next_one_in(room):
    content = await content_of(room)

    async def broken():
        yield content[:500]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await room.check(PASSPHRASE, "it", broken())
    assert (await room.check(PASSPHRASE, "it", sent(content)))["did"] == room.node.did


# --- over the API


def person(room, actor):
    async def again():
        return actor

    return Inquiry(management_app([routes(room)]), actor, again, "en")


async def test_only_the_owner_makes_downloads_and_checks(room):
    body = {"passphrase": PASSPHRASE}
    for attempt in (
        person(room, STEWARD).get("/backups"),
        person(room, STEWARD).post("/backups", body),
        person(room, STEWARD).get("/backups/x"),
        person(room, STEWARD).ask("POST", "/backups/check", pieces=sent(b'"x"\n')),
    ):
        with pytest.raises(InquiryError) as refused:
            await attempt
        assert (refused.value.status, refused.value.problem["code"]) == (403, "token.scope")
    owner = person(room, OWNER)
    told = await owner.post("/backups", body)
    assert (await owner.get("/backups"))["ready"]["id"] == told["id"]
    assert (await person(room, OTHER).get("/backups"))["ready"] is None
    content = room.one(told["id"], OWNER).file.read_bytes()
    line = json.dumps(PASSPHRASE).encode() + b"\n"
    assert (await owner.ask("POST", "/backups/check", pieces=sent(line + content)))["entries"] == told["entries"]


@pytest.mark.parametrize("line", [b"", b"x\n", b"7\n", b"\xff\n", b'"' + b"x" * 20_000 + b'"\n', b'{"a": 1}\n'])
async def test_what_has_no_passphrase_in_front_is_no_backup(room, line):
    with pytest.raises(InquiryError) as refused:
        await person(room, OWNER).ask("POST", "/backups/check", pieces=sent(line))
    assert refused.value.status == 400


async def test_a_refused_passphrase_is_not_said_again(room):
    for body in ({"passphrase": "secret-word"}, {"passphrase": ["secret-word"]}, {"passphrase": "secret-word" * 500}):
        with pytest.raises(InquiryError) as refused:
            await person(room, OWNER).post("/backups", body)
        assert refused.value.status == 400
        assert "secret-word" not in json.dumps(refused.value.problem)
