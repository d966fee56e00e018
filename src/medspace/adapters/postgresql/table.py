"""A PostgreSQL table or view, read once in one transaction that can only read, and checked as files are.

Its cells come as the text that PostgreSQL writes for them, chunk by chunk through a server-side cursor, into the same
locked DuckDB in memory that files go into: what was checked is what is used, whatever the server does afterwards. The
rows are ordered by what they say, since a table has no order of its own and its digest must not depend on one.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from medspace.adapters.duckdb.errors import TableUnreadableError
from medspace.adapters.duckdb.publishing import CheckedTable
from medspace.adapters.duckdb.reading import CHUNK, fill_raw, match
from medspace.adapters.duckdb.source import load_from
from medspace.adapters.duckdb.sql import Connection
from medspace.adapters.extras import require
from medspace.adapters.postgresql.errors import ServerAwayError, TableAddressError
from medspace.adapters.sql.faults import told
from medspace.core.dictionary import Dictionary
from medspace.core.text import Text, msgid

CONNECT_SECONDS = 10
SILENCE_MILLISECONDS = 30_000  # of a server that is gone without a word
LOCK_MILLISECONDS = 30_000
LONGEST_MILLISECONDS = 10 * 60_000  # of one statement; a fetch from the cursor is one
LONGEST_REASON = 200  # characters of what the server says
# What passes by itself (PostgreSQL 17, appendix A): no connection, too few resources, a lock or a statement that took
# too long, a conflict with a recovery, a server that is stopped.
AWAY = ("08", "53", "55P03", "40", "57")
DRIVER = "postgresql+psycopg"
BINARY = "bytea"  # what is no cell: the check finds the control character
# Every setting by which the text of a value could depend on the server or the role (PostgreSQL 17, 19.11).
SETTINGS: Mapping[str, str] = {
    "client_encoding": "UTF8",
    "default_transaction_read_only": "on",
    "statement_timeout": str(LONGEST_MILLISECONDS),
    "lock_timeout": str(LOCK_MILLISECONDS),
    "datestyle": "ISO",
    "intervalstyle": "iso_8601",
    "extra_float_digits": "1",
    "timezone": "UTC",
}
_COLUMNS = sa.text(
    "SELECT a.attname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
    "WHERE a.attrelid = CAST(:table AS regclass) AND a.attnum > 0 AND NOT a.attisdropped "
    "AND has_column_privilege(a.attrelid, a.attnum, 'SELECT') ORDER BY a.attnum"
)
_THERE = sa.text("SELECT to_regclass(:table) IS NOT NULL")
_WRITES = sa.text(
    "SELECT has_table_privilege(CAST(:table AS regclass), 'INSERT, UPDATE, DELETE, TRUNCATE') "
    "OR has_any_column_privilege(CAST(:table AS regclass), 'INSERT, UPDATE')"
)


@dataclass(frozen=True, slots=True)
class TablePlace:
    """Where a table is: an engine that leads to its server, schema (empty: the role's own search path) and name."""

    engine: sa.Engine
    schema: str
    name: str

    @property
    def quoted(self) -> str:
        """Its name as SQL has it."""
        quote = self.engine.dialect.identifier_preparer.quote_identifier
        return ".".join(quote(part) for part in (self.schema, self.name) if part)

    @property
    def shown(self) -> str:
        """Its name as errors call it."""
        return ".".join(part for part in (self.schema, self.name) if part)


def load(asset: str, address: str, table: str, dictionary: Dictionary, password: str = "") -> CheckedTable:
    """Read and check a table or view: `address` is `postgresql://user@host:port/database`, `table` `schema.table`.

    A password is given apart, or stands in the address, or is found by libpq (PGPASSFILE). It is in no error.

    Raises:
        MissingExtraError: psycopg or duckdb is not installed.
        TableAddressError: the address or the name of the table cannot be used.
        ServerAwayError: the server does not answer or does not let us in.
        TableUnreadableError: there is no such table for this role, or it cannot be read.
        TableRefusedError: it does not keep to the dictionary. Nothing of it stays loaded.
    """
    place = placed(address, table, password)
    writes = False

    def fill(duck: Connection) -> Sequence[str]:
        nonlocal writes
        writes = filled(duck, place, dictionary)
        return ()

    loaded = load_from(fill, place.shown, dictionary)
    return CheckedTable(asset, loaded, (_warning(place),) if writes else ())


def filled(duck: Connection, place: TablePlace, dictionary: Dictionary) -> bool:
    """Fill the table `raw` of DuckDB with the cells of the columns of a dictionary; whether the role may write there.

    Raises:
        ServerAwayError, TableUnreadableError, TableRefusedError: as `load`.
    """
    with _reading(place) as connection:
        kinds = _kinds(connection, place)
        order = match(place.shown, list(kinds), dictionary)
        fill_raw(duck, len(order), _chunks(connection, place, kinds, dictionary))
        return bool(connection.scalar(_WRITES, {"table": place.quoted}))


def names_of(place: TablePlace) -> list[str]:
    """The columns that the role may read.

    Raises:
        ServerAwayError, TableUnreadableError: as `load`.
    """
    with _reading(place) as connection:
        return list(_kinds(connection, place))


def placed(address: str, table: str, password: str) -> TablePlace:
    """Where a table is, by its address and name.

    Raises:
        MissingExtraError: psycopg is not installed.
        TableAddressError: the address or the name of the table cannot be used.
    """
    require("psycopg", extra="postgres")
    try:
        url = sa.make_url(address)
    except (ArgumentError, ValueError):  # whose message would quote the password
        raise TableAddressError(table=table, reason=Text(msgid("it is not the address of a server"))) from None
    schema, _, name = table.rpartition(".")
    if not name:
        raise TableAddressError(table=table or "-", reason=Text(msgid("it does not name a table")))
    url = url.set(drivername=DRIVER)
    engine = sa.create_engine(
        url.set(password=password) if password else url,
        poolclass=NullPool,
        isolation_level="REPEATABLE READ",  # all statements see one state of the table
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "tcp_user_timeout": SILENCE_MILLISECONDS,
            "application_name": "medspace",
        },
        hide_parameters=True,
    )
    sa.event.listen(engine, "connect", _set)
    return TablePlace(engine.execution_options(postgresql_readonly=True), schema, name)


def _set(raw: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection: Any = raw
    connection.autocommit = True  # so that the settings outlive the transaction that makes them
    for name, value in SETTINGS.items():
        connection.execute(f"SET {name} = '{value}'")
    connection.autocommit = False


@contextmanager
def _reading(place: TablePlace) -> Iterator[sa.Connection]:
    """A connection in a transaction that can only read; what goes wrong is told without any cell."""
    try:
        with place.engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        if state is None or error.connection_invalidated or state.startswith(AWAY):
            raise ServerAwayError(table=place.shown, reason=_server_reason(error)) from None
        # The message may quote a cell.
        raise TableUnreadableError(place.shown, told(state) or f"SQLSTATE {state}") from None
    except UnicodeDecodeError:  # of a database that checks no encoding (SQL_ASCII)
        reason = Text(msgid("it holds text that is not UTF-8; give the database the encoding UTF8"))
        raise TableUnreadableError(place.shown, reason) from None


def _server_reason(error: DBAPIError) -> str:
    """What the client library says of a connection that there is not; it knows no cell, and tells no password."""
    lines = [line.strip() for line in str(error.orig).splitlines() if line.strip()]
    text = (lines or [type(error.orig).__name__])[0][:LONGEST_REASON].rstrip(".")
    return "".join(character if character.isprintable() else " " for character in text)


def _kinds(connection: sa.Connection, place: TablePlace) -> dict[str, str]:
    """The columns that the role may read, with the names of their types."""
    if not connection.scalar(_THERE, {"table": place.quoted}):
        raise TableUnreadableError(place.shown, Text(msgid("there is no such table, or not for this role")))
    found = connection.execute(_COLUMNS, {"table": place.quoted}).all()
    if not found:
        raise TableUnreadableError(place.shown, Text(msgid("the role may not read it")))
    return {str(name): str(kind) for name, kind in found}


def _chunks(
    connection: sa.Connection, place: TablePlace, kinds: dict[str, str], dictionary: Dictionary
) -> Iterator[list[list[str | None]]]:
    names = [column.name for column in dictionary.columns]
    cells = [_cell(name, kinds[name]).label(f"c{index}") for index, name in enumerate(names)]
    source = sa.table(sa.quoted_name(place.name, quote=True), schema=_schema(place))
    ordered = sa.select(*cells).select_from(source).order_by(*(sa.collate(cell.element, "C") for cell in cells))
    with connection.execution_options(stream_results=True, yield_per=CHUNK).execute(ordered) as result:
        for rows in result.partitions():
            yield [list(column) for column in zip(*rows, strict=True)]


def _schema(place: TablePlace) -> sa.quoted_name | None:
    return sa.quoted_name(place.schema, quote=True) if place.schema else None


def _cell(name: str, kind: str) -> "sa.ColumnElement[str]":
    """The text of a value. Bytes become a control character, which no cell may hold."""
    column: sa.ColumnClause[str] = sa.column(sa.quoted_name(name, quote=True))
    if kind == BINARY:
        return sa.case((column.is_(None), None), else_=sa.literal("\x01"))
    return sa.cast(column, sa.Text)


def _warning(place: TablePlace) -> Text:
    facts = {"table": place.shown, "user": place.engine.url.username or "-"}
    return Text(msgid("the role {user} may write to {table}; give the connector one that may only read"), facts)
