"""Two connectors on one database; a connection that is lost; a commit that fails; rows that somebody changed."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import OperationalError

from medspace.adapters.sql import create, open_database, upgrade
from medspace.adapters.sql.errors import LogDamagedError, OutcomeUnknownError
from medspace.core.errors import StorageError, StorageTakenError
from tests.contract.records import CASES, COLLECTIONS, Case
from tests.postgres import postgres

__all__ = ["postgres"]

OPEN = "import sys; from medspace.adapters.sql import open_database; open_database(sys.argv[1], [])"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/connector.db"
    return request.getfixturevalue("postgres")()


def appender(*entries):
    return lambda tx: [tx.log.append(entry) for entry in entries]


def log(tx):
    return list(tx.log.entries(0, tx.log.size()))


async def test_the_second_connector_is_refused(url):
    create(url, COLLECTIONS)
    async with open_database(url, COLLECTIONS) as first:
        with pytest.raises(StorageTakenError) as raised:
            open_database(url, COLLECTIONS)
        assert "already runs" in str(raised.value)
        assert await first.write(appender(b"a")) == [0]
    async with open_database(url, COLLECTIONS) as next_one:
        assert await next_one.write(appender(b"b")) == [1]


async def test_the_second_process_is_refused(url):
    create(url, COLLECTIONS)
    async with open_database(url, COLLECTIONS):
        second = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", OPEN, url], capture_output=True, text=True, check=False
        )
    assert second.returncode == 1
    assert "storage.taken" in second.stderr


async def test_no_migration_runs_beside_a_connector(url):
    upgrade(url)
    async with open_database(url, []):
        with pytest.raises(StorageTakenError):
            create(url, COLLECTIONS)


async def test_the_password_is_in_no_error():
    with pytest.raises(StorageError) as raised:
        open_database("postgresql+psycopg://me:hunter2@127.0.0.1:1/none", [])
    assert "hunter2" not in str(raised.value)


async def test_no_error_holds_values_of_a_record(url):
    create(url, [])
    async with open_database(url, COLLECTIONS) as database:
        with pytest.raises(StorageError) as raised:
            await database.write(lambda tx: tx.insert(CASES, Case("Ada Lovelace")))
        assert "Lovelace" not in str(raised.value)


async def test_a_failed_commit_fails_the_whole_batch_and_keeps_nothing(url):
    create(url, COLLECTIONS)
    async with open_database(url, COLLECTIONS) as database:
        await database.write(appender(b"before"))
        broken = [True]

        def commit(connection):
            if broken[0]:
                raise OperationalError("COMMIT", {}, Exception("disk I/O error"))

        event.listen(database._writing_engine, "commit", commit)
        done = await asyncio.gather(*(database.write(appender(b"%d" % i)) for i in range(10)), return_exceptions=True)
        assert {type(result) for result in done} == {StorageError}
        assert await database.read(log) == [b"before"]
        broken[0] = False
        assert await database.write(appender(b"after")) == [1]
        assert await database.read(log) == [b"before", b"after"]


async def test_a_session_lost_during_the_commit_is_not_called_a_failure(postgres):
    url = postgres()
    create(url, COLLECTIONS)
    engine = create_engine(url)
    async with open_database(url, COLLECTIONS) as database:
        cut = [True]

        def commit(connection):
            if cut:
                cut.clear()
                pid = connection.scalar(text("SELECT pg_backend_pid()"))
                with engine.begin() as other:
                    other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

        event.listen(database._writing_engine, "commit", commit)
        with pytest.raises(OutcomeUnknownError, match="Check whether"):
            await database.write(appender(b"perhaps"))
        kept = await database.read(log)
        assert await database.write(appender(b"after")) == [len(kept)]
    engine.dispose()


async def test_a_lost_session_is_taken_up_again(postgres):
    url = postgres()
    create(url, COLLECTIONS)
    engine = create_engine(url)
    async with open_database(url, COLLECTIONS) as database:
        await database.write(appender(b"a"))
        await database.read(log)
        with engine.begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                    "AND datname = current_database()"
                )
            )
        with pytest.raises(StorageError):
            await database.write(appender(b"lost"))
        assert await database.write(appender(b"b")) == [1]
        assert await database.read(log) == [b"a", b"b"]
        with pytest.raises(StorageTakenError):
            await asyncio.to_thread(open_database, url, COLLECTIONS)
    engine.dispose()


async def test_who_lost_the_lock_cannot_write(postgres):
    url = postgres()
    create(url, COLLECTIONS)
    engine = create_engine(url)
    async with open_database(url, COLLECTIONS) as first:
        await first.write(appender(b"a"))
        with engine.begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
                    "AND pid <> pg_backend_pid()"
                )
            )
        async with open_database(url, COLLECTIONS) as second:
            await second.write(appender(b"b"))
            for _ in range(2):
                with pytest.raises(StorageError):
                    await first.write(appender(b"stolen"))
            assert await second.read(log) == [b"a", b"b"]
        assert await first.write(appender(b"c")) == [2]
    engine.dispose()


async def test_a_log_with_a_missing_row_is_not_continued(tmp_path):
    url = f"sqlite:///{tmp_path}/connector.db"
    create(url, COLLECTIONS)
    async with open_database(url, COLLECTIONS) as database:
        await database.write(appender(b"a", b"b", b"c"))
    with closing(sqlite3.connect(tmp_path / "connector.db")) as connection, connection:
        connection.execute("DELETE FROM log WHERE id = 1")
    with pytest.raises(LogDamagedError) as raised:
        open_database(url, COLLECTIONS)
    assert raised.value.facts["index"] == 1


async def test_a_row_that_is_no_record_is_told_without_its_content(tmp_path):
    url = f"sqlite:///{tmp_path}/connector.db"
    create(url, COLLECTIONS)
    async with open_database(url, COLLECTIONS) as database:
        await database.write(lambda tx: tx.insert(CASES, Case("a")))
        with closing(sqlite3.connect(tmp_path / "connector.db")) as connection, connection:
            connection.execute("UPDATE cases SET body = '{\"secret\": 1}'")
        with pytest.raises(StorageError) as raised:
            await database.read(lambda tx: tx.get(CASES, "a"))
        assert "secret" not in str(raised.value)


def test_the_file_is_for_its_owner_only(tmp_path):
    create(f"sqlite:///{tmp_path}/deep/connector.db", COLLECTIONS)
    modes = {path.name: path.stat().st_mode & 0o077 for path in Path(tmp_path / "deep").iterdir()}
    assert modes["connector.db"] == 0


async def test_a_symbolic_link_to_the_file_is_the_same_database(tmp_path):
    url = f"sqlite:///{tmp_path}/connector.db"
    create(url, COLLECTIONS)
    (tmp_path / "alias.db").symlink_to(tmp_path / "connector.db")
    first = open_database(url, COLLECTIONS)
    try:
        with pytest.raises(StorageTakenError):
            open_database(f"sqlite:///{tmp_path}/alias.db", COLLECTIONS)
    finally:
        await first.close()
