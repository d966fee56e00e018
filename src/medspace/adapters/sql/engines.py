"""Engines: how to connect to SQLite and to PostgreSQL so that what was committed stays.

SQLite: WAL with `synchronous=FULL`, so that a commit is on the disk before it is answered and readers never wait.
PostgreSQL: its defaults (`synchronous_commit` on); readers see one snapshot.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, IsolationLevel
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from medspace.adapters.extras import require
from medspace.adapters.sql.errors import DatabaseUrlError
from medspace.core.text import msgid

BUSY_MILLISECONDS = 10_000
CACHE_KIBIBYTES = 8_192
CONNECT_SECONDS = 10
SILENCE_MILLISECONDS = 30_000
POSTGRES = "postgresql"


def parse(url: str) -> URL:
    """The URL, checked.

    Raises:
        DatabaseUrlError: it is neither a SQLite file nor PostgreSQL by psycopg.
        MissingExtraError: psycopg is not installed.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise DatabaseUrlError(database="URL", reason=msgid("it is not a database URL")) from error
    if parsed.drivername == "postgresql+psycopg":
        require("psycopg", extra="postgres")
        return parsed
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"} and parsed.database not in {None, "", ":memory:"}:
        return parsed
    raise DatabaseUrlError(
        database=parsed.render_as_string(), reason=msgid("only SQLite files and postgresql+psycopg are known")
    )


def sqlite_file(url: URL) -> Path:
    """The file of a SQLite URL."""
    return Path(url.database or "")


def touch(url: URL) -> None:
    """Make an empty SQLite file that only its owner can read, where there is none."""
    path = sqlite_file(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise DatabaseUrlError(database=str(path), reason=error.strerror or str(error)) from error


def writer(url: URL) -> Engine:
    """The engine of the one connection that writes."""
    return _sqlite(url, "BEGIN IMMEDIATE", pool_size=1) if _is_file(url) else _postgres(url, "READ COMMITTED", 1)


def readers(url: URL, count: int) -> Engine:
    """The engine of the connections that only look."""
    if not _is_file(url):
        engine = _postgres(url, "REPEATABLE READ", count)
        return engine.execution_options(postgresql_readonly=True)
    engine = _sqlite(url, "BEGIN", pool_size=count)
    event.listen(engine, "connect", lambda raw, _entry: raw.execute("PRAGMA query_only=ON"))
    return engine


def _is_file(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _sqlite(url: URL, begin: str, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"check_same_thread": False, "timeout": BUSY_MILLISECONDS / 1000},
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _beginner(begin))
    return engine


def _prepare(raw: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection: Any = raw
    connection.isolation_level = None  # transactions begin where we say (sqlite3 would begin them late)
    for pragma in (
        f"busy_timeout={BUSY_MILLISECONDS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"cache_size=-{CACHE_KIBIBYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _beginner(statement: str) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return begin


def _postgres(url: URL, isolation: IsolationLevel, pool_size: int) -> Engine:
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        isolation_level=isolation,
        connect_args={"connect_timeout": CONNECT_SECONDS, "tcp_user_timeout": SILENCE_MILLISECONDS},
    )
