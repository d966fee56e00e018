"""One connector per database: a lock that cannot outlive its process.

SQLite: an exclusive transaction on an empty database beside the file. That is a lock of the operating system and goes
with the process, however it ends. PostgreSQL: an advisory lock of the writer's own session, so that a writer that
lost its session has lost the lock with it and cannot write.
"""

import sqlite3
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from medspace.adapters.filenames import absolute
from medspace.adapters.sql.errors import refused
from medspace.core.errors import StorageError, StorageTakenError

LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL, appendix A
_PATIENCE = text("SET LOCAL lock_timeout = '1s'")
_TAKE = text("SELECT pg_advisory_lock(hashtextextended('medspace:' || current_schema(), 0))")


class FileLease:
    """The lock beside a SQLite file, from its creation until `release`."""

    def __init__(self, database: Path) -> None:
        """Take the lock.

        Raises:
            StorageTakenError: another connector, of this process or another, holds it.
            StorageError: the file cannot be made.
        """
        database = absolute(database)  # a symbolic link to the file is the same database
        beside = database.with_name(database.name + ".lock")
        with ExitStack() as undo:
            try:
                self._lock = sqlite3.connect(beside, timeout=0, isolation_level=None, check_same_thread=False)
                undo.callback(self._lock.close)
                self._lock.execute("PRAGMA journal_mode=MEMORY").close()  # or a journal would lie beside it
                self._lock.execute("BEGIN EXCLUSIVE").close()
            except sqlite3.OperationalError as error:
                raise _denied(error, database) from error
            undo.pop_all()

    def release(self) -> None:
        """Release the lock."""
        self._lock.close()


def take_session(connection: Connection, database: str) -> None:
    """Take the lock of a PostgreSQL database (and schema) for as long as this session lives.

    A server notices the end of a killed client a moment late, so this waits a little.

    Raises:
        StorageTakenError: another session holds it.
    """
    connection.execute(_PATIENCE)
    try:
        connection.execute(_TAKE)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            raise StorageTakenError(database=database) from error
        raise


def _denied(error: sqlite3.OperationalError, database: Path) -> StorageError:
    if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
        return StorageTakenError(database=str(database))
    return refused(error)
