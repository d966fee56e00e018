"""`kill -9` while a log grows: what was acknowledged is there, in its place, once, and the tree is whole."""

import random
import time
from hashlib import sha256
from pathlib import Path

import pytest

from medspace.adapters.sql import create, open_database
from medspace.ledger.model import COLLECTIONS, decode
from medspace.ledger.service import root
from tests.e2e import log_writer
from tests.e2e.zygote import Zygote

FUNCTION = "tests.e2e.log_writer:run"


def wait_until(condition, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.002)


def grow_and_kill(folder: Path, kills: int, seed: int) -> tuple[str, list[list[str]]]:
    """Let a log grow in a process that is killed over and over; its database, and acknowledged names and indices."""
    chance = random.Random(seed)
    url = f"sqlite:///{folder / 'log.db'}"
    acknowledged = folder / "acknowledged"
    acknowledged.touch()
    create(url, COLLECTIONS)
    with Zygote(FUNCTION) as zygote:
        for generation in range(kills):
            before = acknowledged.stat().st_size
            pid = zygote.fork(database=url, acknowledged=str(acknowledged), generation=generation, writers=8)
            if chance.random() < 0.9:  # else perhaps before it could open the database
                wait_until(lambda before=before: acknowledged.stat().st_size > before)
            time.sleep(chance.uniform(0, 0.05))
            zygote.kill(pid)
    return url, [line.split() for line in acknowledged.read_text().splitlines()]


def root_of(entries: list[bytes]) -> bytes:
    """The root by the words of RFC 9162 2.1.1 alone."""
    if len(entries) < 2:
        return sha256(b"\x00" + entries[0]).digest() if entries else sha256(b"").digest()
    half = 1 << ((len(entries) - 1).bit_length() - 1)
    return sha256(b"\x01" + root_of(entries[:half]) + root_of(entries[half:])).digest()


async def check(url: str, promised: list[list[str]]) -> None:
    async with open_database(url, COLLECTIONS) as database:
        entries = list(await database.read(lambda tx: tx.log.entries(0, tx.log.size())))
        kept_root = await database.read(lambda tx: root(tx.log, tx.log.size()))
        index = await database.write(lambda tx: tx.log.append(log_writer.entry("last").encode()))
    names = [decode(entry).facts["asset"] for entry in entries]
    assert promised
    assert [names[int(place)] for _, place in promised] == [name for name, _ in promised]
    assert len(set(names)) == len(names)
    assert numbers_without_gaps(names)
    assert kept_root == root_of(entries)
    assert index == len(entries)


def numbers_without_gaps(names: list[str]) -> bool:
    """A writer waits for each of its entries, so none may be missing before its last."""
    numbers: dict[str, list[int]] = {}
    for name in names:
        writer, _, number = name.rpartition("-")
        numbers.setdefault(writer, []).append(int(number))
    return all(found == list(range(len(found))) for found in numbers.values())


async def test_a_killed_log_keeps_what_it_acknowledged(tmp_path):
    await check(*grow_and_kill(tmp_path, kills=80, seed=1))


@pytest.mark.slow
async def test_a_killed_log_keeps_what_it_acknowledged_for_long(tmp_path):
    await check(*grow_and_kill(tmp_path, kills=1000, seed=2))
