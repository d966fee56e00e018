"""`kill -9` in the middle of writing: what was acknowledged is there, what is there is whole, the lock is gone."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from medspace.adapters.sql import create, open_database
from medspace.ledger.merkle import Tree, fold, leaf_hash, span_nodes
from tests.contract.records import CASES, COLLECTIONS
from tests.postgres import postgres

__all__ = ["postgres"]


@contextmanager
def victims(url):
    with subprocess.Popen(
        [sys.executable, "-m", "tests.attacks.storage_victim", url],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        yield process
        process.stdin.close()


def kill_one(process, seconds):
    """Start one writer, kill it `seconds` after its first acknowledgement; returns what it acknowledged."""
    process.stdin.write("go\n")
    process.stdin.flush()
    pid = int(process.stdout.readline().removeprefix("pid "))
    lines = [process.stdout.readline()]
    time.sleep(seconds)  # the instant of the kill is the point
    os.kill(pid, signal.SIGKILL)
    while (line := process.stdout.readline()) != "end\n":
        lines.append(line)
    return {int(index): name for _, name, index in map(str.split, lines)}


async def state(url):
    """Opens at once: the killed process left no lock."""
    async with open_database(url, COLLECTIONS) as database:
        return await database.read(
            lambda tx: (
                {record.id for record in tx.find(CASES, limit=10**6)},
                list(tx.log.entries(0, tx.log.size())),
                fold(tx.log.hashes(span_nodes(0, tx.log.size()))),
            )
        )


async def check(url, acknowledged):
    records, entries, root = await state(url)
    assert {index: entries[index].decode() for index in acknowledged} == acknowledged
    assert sorted(entry.decode() for entry in entries) == sorted(records), (
        "a record and its entry live or die together"
    )
    assert root == Tree(map(leaf_hash, entries)).root(len(entries))


async def outlive(url, kills):
    create(url, COLLECTIONS)
    instants = random.Random(7)
    acknowledged = {}
    with victims(url) as process:
        for _ in range(kills):
            acknowledged |= kill_one(process, instants.uniform(0, 0.02))
            await check(url, acknowledged)
    assert len(acknowledged) >= kills


async def test_sqlite(tmp_path):
    await outlive(f"sqlite:///{tmp_path}/connector.db", kills=20)


async def test_postgres(postgres):
    await outlive(postgres(), kills=8)


@pytest.mark.slow
async def test_sqlite_for_long(tmp_path):
    await outlive(f"sqlite:///{tmp_path}/connector.db", kills=500)
