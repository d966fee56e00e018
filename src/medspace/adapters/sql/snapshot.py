"""A whole copy of a SQLite database, of one instant, while a connector writes to it.

SQLite's online backup in one step: it reads one snapshot (WAL), so the connector neither waits nor is missed.
"""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from medspace.adapters.sql import engines, migration
from medspace.adapters.sql.errors import DatabaseUrlError, refused
from medspace.adapters.sql.lease import FileLease
from medspace.core.errors import StorageError, StorageTakenError
from medspace.core.text import msgid


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds: entries of the log, and whether a connector was writing while it was made."""

    entries: int
    running: bool


def is_file(url: str) -> bool:
    """Whether a database URL names a SQLite file."""
    return engines.parse(url).get_backend_name() == "sqlite"


def file_of(url: str) -> Path:
    """The file of a SQLite URL."""
    return engines.sqlite_file(engines.parse(url))


def libpq_address(url: str) -> str:
    """A PostgreSQL URL as its own tools take it, without a password."""
    parsed = engines.parse(url)
    return URL.create(
        "postgresql", parsed.username, None, parsed.host, parsed.port, parsed.database
    ).render_as_string()


def copy(url: str, target: Path) -> Copied:
    """Copy a SQLite database into a new file that only its owner can read.

    Raises:
        DatabaseUrlError: there is no database yet.
        StorageError: it cannot be read, is damaged, or there is no room for the copy.
        FileExistsError: there is a file of that name.
    """
    source = file_of(url)
    if not source.exists():
        raise DatabaseUrlError(database=str(source), reason=msgid("there is no such file yet"))
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    lease = _lease(source)
    try:
        with closing(_reading(source)) as reading, closing(sqlite3.connect(target, isolation_level=None)) as copied:
            reading.backup(copied)
        return Copied(check(target), running=lease is None)
    except sqlite3.Error as error:
        raise refused(error) from error
    finally:
        if lease is not None:
            lease.release()


def check(copied: Path) -> int:
    """How many entries the log of a copy has, if it is a whole database that this program can bring up to date.

    Raises:
        SchemaAheadError: a newer medspace wrote it.
        StorageError: it is damaged, or no database of medspace.
    """
    url = f"sqlite:///{copied}"
    migration.pending(url)
    try:
        with closing(sqlite3.connect(copied, isolation_level=None)) as reading:
            reading.execute("PRAGMA journal_mode=DELETE").close()  # no second file beside it
            found = reading.execute("PRAGMA quick_check(1)").fetchone()
            if found is None or found[0] != "ok":
                raise StorageError(reason=msgid("the copy of the database is damaged"))
            return int(reading.execute("SELECT count(*) FROM log").fetchone()[0])
    except sqlite3.Error as error:
        raise refused(error) from error


def _reading(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)


def _lease(database: Path) -> FileLease | None:
    """The connector's own lock while a copy is made, so that none starts; None where one runs already."""
    try:
        return FileLease(database)
    except StorageTakenError:
        return None
