"""Engines: how to connect to SQLite and to PostgreSQL so that what was committed stays.

SQLite: WAL with `synchronous=FULL`, so that a commit is on disk before it is acknowledged and readers never wait.
PostgreSQL: its defaults (`synchronous_commit` on); readers see one snapshot.
"""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, IsolationLevel
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from medspace.adapters.extras import require
from medspace.adapters.oswords import why
from medspace.adapters.sql.errors import DatabaseEncodingError, DatabaseUrlError
from medspace.core.text import Text, msgid

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
    except (ArgumentError, ValueError) as error:  # also of a port that is not a number
        raise DatabaseUrlError(database="URL", reason=Text(msgid("it is not a database URL"))) from error
    if parsed.drivername == "postgresql+psycopg":
        require("psycopg", extra="postgres")
        return parsed
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"} and parsed.database not in {None, "", ":memory:"}:
        return parsed
    raise DatabaseUrlError(
        database=parsed.render_as_string(), reason=Text(msgid("only SQLite files and postgresql+psycopg are known"))
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
        raise DatabaseUrlError(database=str(path), reason=why(error)) from error


def writer(url: URL) -> Engine:
    """The engine of the one connection that writes."""
    return _sqlite(url, "BEGIN IMMEDIATE", pool_size=1) if _is_file(url) else _postgres(url, "READ COMMITTED", 1)


def readers(url: URL, count: int) -> Engine:
    """The engine of the read-only connections."""
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
    connection.isolation_level = None  # explicit transactions (sqlite3 would begin them late)
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
        try:
            connection.connection.cursor().execute(statement)
        except sqlite3.Error as error:
            raise OperationalError(statement, None, error) from error

    return begin


def _postgres(url: URL, isolation: IsolationLevel, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        isolation_level=isolation,
        connect_args={"connect_timeout": CONNECT_SECONDS, "tcp_user_timeout": SILENCE_MILLISECONDS},
    )
    # Before SQLAlchemy's own first look at the server, which does not expect every encoding.
    event.listen(engine, "connect", _check_encoding(url), insert=True)
    return engine


def _check_encoding(url: URL) -> Callable[[DBAPIConnection, ConnectionPoolEntry], None]:
    def check(raw: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection: Any = raw
        encoding = connection.info.parameter_status("server_encoding")  # told at the start of each connection
        if encoding != "UTF8":
            connection.close()
            raise DatabaseEncodingError(database=url.render_as_string(), encoding=str(encoding))

    return check
