"""A transaction on SQL tables, and the log as it sees it."""

import json
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import SQLAlchemyError

from medspace.adapters.records import Codec, codec, known, plain, read_only, storable
from medspace.adapters.sql import statements
from medspace.adapters.sql.engines import POSTGRES
from medspace.adapters.sql.errors import refused, translated
from medspace.adapters.sql.schema import Schema
from medspace.adapters.sql.statements import Statement
from medspace.adapters.tail import Row, Tail, hash_in, last_leaf
from medspace.core.errors import DuplicateRecordError, StaleRecordError, StorageError
from medspace.core.store import LOG, Collection, Key, R, Topic
from medspace.ledger.merkle import Node

_APPEND = {
    "sqlite": "INSERT INTO log (id, hashes, entry) VALUES (?, ?, ?)",
    "postgresql": "INSERT INTO log (id, hashes, entry) VALUES (%s, %s, %s)",
}
_SIZE = "SELECT COALESCE(MAX(id) + 1, 0) FROM log"
# One parameter for all rows, so that the statement is always the same and its length has no limit.
_HASHES = {
    "sqlite": "SELECT id, hashes FROM log WHERE id IN (SELECT value FROM json_each(?))",
    "postgresql": "SELECT id, hashes FROM log WHERE id = ANY(%s)",
}


def keep_rows(connection: Connection, rows: Sequence[Row]) -> None:
    """Write the new entries of the log. Plain tuples and no type processing: this is the hot path of the ledger.

    Raises:
        StorageError: the database refused.
    """
    dialect = connection.dialect
    try:
        connection.connection.cursor().executemany(_APPEND[dialect.name], rows)
    except dialect.loaded_dbapi.Error as error:
        if dialect.is_disconnect(error, connection.connection.dbapi_connection, None):
            connection.invalidate(error)
        raise refused(error) from error


class Session:
    """A connection inside a transaction. `before` runs ahead of the first statement; the first failure is kept."""

    def __init__(self, connection: Connection, schema: Schema, before: Callable[[], None] | None = None) -> None:
        self.schema = schema
        self.backend = connection.dialect.name
        self.failure: StorageError | None = None
        self._connection = connection
        self._dialect = connection.dialect
        self._before = before

    def rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Any]:
        """The rows that one statement finds.

        Raises:
            StorageError: the database refused; the transaction cannot go on, even if somebody catches this.
        """
        said = statement.said(self._dialect)
        return self._ran(said.sql, said.parameters(values)).fetchall()

    def changed(self, statement: Statement, values: Mapping[str, Any]) -> int:
        """How many rows one statement changes.

        Raises:
            StorageError: as for `rows`.
        """
        said = statement.said(self._dialect)
        return self._ran(said.sql, said.parameters(values)).rowcount

    def log_size(self) -> int:
        """How many entries the table of the log holds: ids count from 0 and have no gaps.

        Raises:
            StorageError: as for `rows`.
        """
        ((size,),) = self._ran(_SIZE, ()).fetchall()
        return int(size)

    def rows_of(self, leaves: AbstractSet[int]) -> dict[int, bytes]:
        """The hashes in the rows of these entries; those that are not there are left out.

        Raises:
            StorageError: as for `rows`.
        """
        named = list(leaves) if self.backend == POSTGRES else json.dumps(list(leaves))
        return {row[0]: row[1] for row in self._ran(_HASHES[self.backend], (named,)).fetchall()}

    def _ran(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> DBAPICursor:
        """A cursor of the driver behind one statement: SQLAlchemy makes and keeps the connection, and that is all."""
        if self.failure is not None:
            raise self.failure
        try:
            if self._before is not None:
                self._before()
                self._before = None
            cursor = self._connection.connection.cursor()
            cursor.execute(sql, parameters)
        except SQLAlchemyError as error:
            self.failure = translated(error)
            raise self.failure from error
        except self._dialect.loaded_dbapi.Error as error:
            self.failure = refused(error)
            if self._dialect.is_disconnect(error, self._connection.connection.dbapi_connection, None):
                self._connection.invalidate(error)
            raise self.failure from error
        return cursor


class StoredLog:
    """The log: what is kept in the table, and behind it the tail that this transaction appends to."""

    def __init__(self, session: Session, tail: Tail | None) -> None:
        self._session = session
        self._table = session.schema.log
        self._tail = tail
        self._base = tail.base if tail is not None else None

    def append(self, entry: bytes) -> int:
        """Add one entry; it is written with the batch."""
        if self._tail is None:
            raise read_only()
        return self._tail.append(bytes(entry))

    def size(self) -> int:
        """How many entries there are."""
        return self._tail.size if self._tail is not None else self._kept()

    def entries(self, start: int, stop: int) -> Sequence[bytes]:
        """The entries from `start` up to `stop`."""
        newest = self._tail.entries(start, stop) if self._tail is not None else []
        if start >= min(stop, self._kept()):
            return newest
        within = {"first": start, "stop": min(stop, self._kept())}
        return [*(entry for (entry,) in self._session.rows(statements.entries(self._table), within)), *newest]

    def hashes(self, nodes: Sequence[Node]) -> list[bytes]:
        """The hashes of complete subtrees, in one query."""
        found = self._tail.hashes(nodes) if self._tail is not None else {}
        rest = [node for node in nodes if node not in found]
        if rest:
            rows = self._session.rows_of({last_leaf(node) for node in rest})
            found |= {node: hash_in(rows[last_leaf(node)], node) for node in rest}
        return [found[node] for node in nodes]

    def _kept(self) -> int:
        if self._base is None:
            self._base = self._session.log_size()
        return self._base


class SqlTransaction:
    """What a unit of work can do, on SQL tables.

    A record is read only once: there is no other writer, and its own changes are cached.
    """

    def __init__(self, session: Session, tail: Tail | None) -> None:
        self.log = StoredLog(session, tail)
        self._session = session
        self._writable = tail is not None
        self._known: dict[tuple[str, str], tuple[Any, str]] = {}  # records with their bodies, as they are kept now
        self._size = tail.size if tail is not None else 0
        self._changed: set[Topic] = set()

    def get(self, collection: Collection[R], record_id: str) -> R | None:
        """The record of that identity."""
        known = self._known.get((collection.name, record_id))
        if known is not None:
            return known[0]  # type: ignore[no-any-return]
        if not storable(record_id):
            return None
        body = self._body(collection, record_id)
        return None if body is None else self._read(collection, record_id, body)

    def find(
        self,
        collection: Collection[R],
        *,
        where: Mapping[str, Key] | None = None,
        order_by: str = "id",
        after: Key = None,
        after_id: str | None = None,
        descending: bool = False,
        limit: int = 100,
    ) -> list[R]:
        """Records whose keys equal `where`, in the order of the key `order_by` (ties by id)."""
        wanted = {name: plain(value) for name, value in (where or {}).items()}
        known(collection, [*wanted, order_by])
        if limit <= 0 or not all(map(storable, [*wanted.values(), after, after_id])):
            return []
        values = _values(wanted)
        statement = statements.find(
            self._table(collection),
            *_split(wanted),
            order_by,
            after=after is not None,
            tied=after is not None and after_id is not None,
            descending=descending,
        )
        if after is not None:
            values |= {"after": plain(after)} if after_id is None else {"after": plain(after), "after_id": after_id}
        return [self._read(collection, *row) for row in self._session.rows(statement, values | {"limit_": limit})]

    def count(self, collection: Collection[R], where: Mapping[str, Key], most: int) -> int:
        """How many records have these keys, counted up to `most`."""
        wanted = {name: plain(value) for name, value in where.items()}
        known(collection, wanted)
        if most <= 0 or not all(map(storable, wanted.values())):
            return 0
        statement = statements.count(self._table(collection), *_split(wanted))
        found: int = self._session.rows(statement, _values(wanted) | {"limit_": most})[0][0]
        return found

    def insert(self, collection: Collection[R], record: R) -> None:
        """Add a record."""
        form, table = self._form(collection), self._table(collection)
        row = form.row(record)
        body, kept = form.written(record)
        if self._session.changed(statements.insert(table, self._session.backend), row | {"body": body}) != 1:
            raise DuplicateRecordError(id=record.id)
        self._changed.add(collection.topic(record.id))
        self._known[collection.name, record.id] = kept, body

    def replace(self, collection: Collection[R], old: R, new: R) -> None:
        """Compare-and-swap."""
        form, table = self._form(collection), self._table(collection)
        row, (body, kept), seen = form.row(new), form.written(new), self._seen(form, old)
        if seen is None or old.id != new.id:
            raise StaleRecordError(id=old.id)
        self._check(collection, old, row)
        values = row | {"body": body, "by_id": row["id"]}
        del values["id"]
        if not self._swapped(statements.replace(table), collection, seen, values):
            raise StaleRecordError(id=old.id)
        self._changed.add(collection.topic(old.id))
        self._known[collection.name, old.id] = kept, body

    def delete(self, collection: Collection[R], old: R) -> None:
        """Remove `old`."""
        form, table = self._form(collection), self._table(collection)
        seen = self._seen(form, old)
        if seen is None or not self._swapped(statements.delete(table), collection, seen, {"by_id": old.id}):
            raise StaleRecordError(id=old.id)
        self._changed.add(collection.topic(old.id))
        self._known.pop((collection.name, old.id), None)

    def touched(self) -> AbstractSet[Topic]:
        """The records that it changed, and the log where it has appended to it."""
        grew = self._writable and self.log.size() > self._size
        return self._changed | {LOG} if grew else self._changed

    def _read(self, collection: Collection[R], record_id: str, body: str) -> R:
        """The record of a body; the same one as long as the body is the same."""
        known = self._known.get((collection.name, record_id))
        if known is not None and known[1] == body:
            return known[0]  # type: ignore[no-any-return]
        record: R = codec(collection).decode(body)
        self._known[collection.name, record_id] = record, body
        return record

    def _seen(self, form: Codec[R], old: R) -> str | None:
        """The body that must be stored if `old` was once read; None if it never can have been."""
        known = self._known.get((form.collection.name, old.id))
        return known[1] if known is not None and known[0] is old else form.seen(old)

    def _swapped(self, statement: Statement, collection: Collection[R], seen: str, values: Mapping[str, Any]) -> bool:
        """Whether the statement found the record that was seen."""
        if self._session.changed(statement, {**values, "by_body": seen}) == 1:
            return True
        # An older version wrote it without fields that have a default since; there is one writer, so looking is safe.
        kept = self._body(collection, values["by_id"])
        form = codec(collection)
        if kept is None or kept == seen or form.seen(form.decode(kept)) != seen:
            return False
        return self._session.changed(statement, {**values, "by_body": kept}) == 1

    def _body(self, collection: Collection[R], record_id: str) -> str | None:
        found = self._session.rows(statements.get(self._table(collection)), {"by_id": record_id})
        return found[0][0] if found else None

    def _form(self, collection: Collection[R]) -> Codec[R]:
        if not self._writable:
            raise read_only()
        return codec(collection)

    def _table(self, collection: Collection[R]) -> Table:
        return self._session.schema.tables[collection.name]

    def _check(self, collection: Collection[R], old: R, row: Mapping[str, Key]) -> None:
        # There is one writer, so looking first is as good as a constraint, and leaves the transaction usable.
        groups = codec(collection).clashes(row)
        moved = [group for group in groups if any(plain(getattr(old, name)) != row[name] for name in group)]
        if not moved:
            return
        if self.get(collection, old.id) != old:
            raise StaleRecordError(id=old.id)
        for group in moved:
            values = {f"eq_{name}": value for name, value in group.items()} | {"by_id": row["id"]}
            if self._session.rows(statements.clash(self._table(collection), tuple(group)), values):
                raise DuplicateRecordError(id=old.id)


def _values(wanted: Mapping[str, Key]) -> dict[str, Key]:
    return {f"eq_{name}": value for name, value in wanted.items() if value is not None}


def _split(wanted: Mapping[str, Key]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys that equal a value, and those that are None."""
    equal = tuple(name for name, value in wanted.items() if value is not None)
    return equal, tuple(name for name in wanted if name not in equal)
