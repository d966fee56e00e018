"""A full disk: a clear error, nothing half-done, and writing goes on once there is room."""

import asyncio
import subprocess
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import event

from medspace.adapters.sql import create, open_database
from medspace.core.errors import StorageFullError
from medspace.ledger.merkle import Tree, fold, leaf_hash, span_nodes
from tests.contract.records import CASES, COLLECTIONS, Case


def unit(number, size):
    def work(tx):
        tx.insert(CASES, Case(f"{number:04}", rank=number, message={"filling": "x" * size}))
        return tx.log.append(b"%04d" % number)

    return work


async def fill(database, size):
    """Write until there is no room; returns the numbers that were kept."""
    kept = []
    for start in range(0, 4000, 8):
        done = await asyncio.gather(
            *(database.write(unit(number, size)) for number in range(start, start + 8)), return_exceptions=True
        )
        kept += [start + offset for offset, result in enumerate(done) if isinstance(result, int)]
        failures = [result for result in done if not isinstance(result, int)]
        if failures:
            assert {type(failure) for failure in failures} == {StorageFullError}
            return kept
    pytest.fail("there was always room")


def limit(database, pages):
    def begin(connection):
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages[0]}").close()

    event.listen(database._writing_engine, "begin", begin)


async def check(database, kept):
    records, entries, root = await database.read(
        lambda tx: (
            [record.rank for record in tx.find(CASES, limit=10**6)],
            [int(entry) for entry in tx.log.entries(0, tx.log.size())],
            fold(tx.log.hashes(span_nodes(0, tx.log.size()))),
        )
    )
    assert records == sorted(kept)
    assert entries == kept
    assert root == Tree(leaf_hash(b"%04d" % number) for number in entries).root(len(entries))


@pytest.fixture
def small_disk():
    folder = Path(tempfile.mkdtemp(prefix="medspace-disk-"))  # pytest tidies its own folders, and cannot tidy a mount
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], check=False, capture_output=True
    )
    try:
        if mounted.returncode:
            pytest.skip("mounting a small disk is not permitted here")
        yield folder
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


async def test_a_disk_that_is_full_and_then_is_not(small_disk):
    filler = small_disk / "filler"
    filler.write_bytes(bytes(500_000))
    url = f"sqlite:///{small_disk}/connector.db"
    create(url, COLLECTIONS)
    async with open_database(url, COLLECTIONS) as database:
        kept = await fill(database, 5000)
        await check(database, kept)
        with pytest.raises(StorageFullError):
            await database.write(unit(8000, 400_000))
        filler.unlink()
        assert await database.write(unit(9000, 10)) == len(kept)
        await check(database, [*kept, 9000])
    async with open_database(url, COLLECTIONS) as database:
        await check(database, [*kept, 9000])


async def test_a_database_that_may_not_grow_and_then_may(tmp_path):
    url = f"sqlite:///{tmp_path}/connector.db"
    create(url, COLLECTIONS)
    async with open_database(url, COLLECTIONS) as database:
        pages = [200]
        limit(database, pages)
        kept = await fill(database, 5000)
        await check(database, kept)
        pages[0] = 10**6
        assert await database.write(unit(9000, 10)) == len(kept)
        await check(database, [*kept, 9000])


async def test_a_unit_too_large_does_not_harm_its_neighbours(tmp_path):
    url = f"sqlite:///{tmp_path}/connector.db"
    create(url, COLLECTIONS)
    async with open_database(url, COLLECTIONS) as database:
        limit(database, [100])
        sizes = [10, 10, 10**6, 10, 10**6, 10]
        done = await asyncio.gather(
            *(database.write(unit(i, size)) for i, size in enumerate(sizes)), return_exceptions=True
        )
        assert [type(result) for result in done] == [int, int, StorageFullError, int, StorageFullError, int]
        await check(database, [0, 1, 3, 5])
