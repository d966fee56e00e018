"""A transaction on SQL tables, and the log as it sees it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Executable, Result, Table, select
from sqlalchemy.exc import SQLAlchemyError

from medspace.adapters.records import Codec, codec, known, plain, read_only, storable
from medspace.adapters.sql import statements
from medspace.adapters.sql.engines import POSTGRES
from medspace.adapters.sql.errors import translated
from medspace.adapters.sql.schema import Schema
from medspace.adapters.tail import Row, Tail, hash_in, last_leaf
from medspace.core.errors import DuplicateRecordError, StaleRecordError, StorageError
from medspace.core.store import Collection, Key, R
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
    try:
        connection.exec_driver_sql(_APPEND[connection.dialect.name], list(rows))
    except SQLAlchemyError as error:
        raise translated(error) from error


class Session:
    """A connection inside a transaction. `before` runs ahead of the first statement; the first failure is kept."""

    def __init__(self, connection: Connection, schema: Schema, before: Callable[[], None] | None = None) -> None:
        self.schema = schema
        self.backend = connection.dialect.name
        self.failure: StorageError | None = None
        self._connection = connection
        self._before = before

    def run(
        self, statement: Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> Result[Any]:
        """Execute one statement.

        Raises:
            StorageError: the database refused; the transaction cannot go on, even if somebody catches this.
        """
        with self._told():
            return self._connection.execute(statement, values)

    def log_size(self) -> int:
        """How many entries the table of the log holds: ids count from 0 and have no gaps.

        Raises:
            StorageError: the database refused.
        """
        with self._told():
            size: int = self._connection.exec_driver_sql(_SIZE).scalar_one()
            return size

    def rows_of(self, leaves: AbstractSet[int]) -> dict[int, bytes]:
        """The hashes in the rows of these entries; those that are not there are left out.

        Raises:
            StorageError: the database refused.
        """
        named = list(leaves) if self.backend == POSTGRES else json.dumps(list(leaves))
        with self._told():
            return {row[0]: row[1] for row in self._connection.exec_driver_sql(_HASHES[self.backend], (named,))}

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            if self._before is not None:
                self._before()
                self._before = None
            yield
        except SQLAlchemyError as error:
            self.failure = translated(error)
            raise self.failure from error


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
        table = self._table
        newest = self._tail.entries(start, stop) if self._tail is not None else []
        if start >= min(stop, self._kept()):
            return newest
        within = table.c.id >= start, table.c.id < min(stop, self._kept())
        rows = self._session.run(select(table.c.entry).where(*within).order_by(table.c.id))
        return [*rows.scalars(), *newest]

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
    """What a unit of work can do, on SQL tables."""

    def __init__(self, session: Session, tail: Tail | None) -> None:
        self.log = StoredLog(session, tail)
        self._session = session
        self._writable = tail is not None

    def get(self, collection: Collection[R], record_id: str) -> R | None:
        """The record of that identity."""
        if not storable(record_id):
            return None
        statement = statements.get(self._table(collection))
        body = self._session.run(statement, {"by_id": record_id}).scalar()
        return None if body is None else codec(collection).decode(body)

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
        bodies = self._session.run(statement, values | {"limit_": limit}).scalars()
        return [codec(collection).decode(body) for body in bodies]

    def count(self, collection: Collection[R], where: Mapping[str, Key], most: int) -> int:
        """How many records have these keys, counted up to `most`."""
        wanted = {name: plain(value) for name, value in where.items()}
        known(collection, wanted)
        if most <= 0 or not all(map(storable, wanted.values())):
            return 0
        statement = statements.count(self._table(collection), *_split(wanted))
        found: int = self._session.run(statement, _values(wanted) | {"limit_": most}).scalar_one()
        return found

    def insert(self, collection: Collection[R], record: R) -> None:
        """Add a record."""
        form, table = self._form(collection), self._table(collection)
        row = form.row(record) | {"body": form.encode(record)}
        if self._count(statements.insert(table, self._session.backend), row) != 1:
            raise DuplicateRecordError(id=record.id)

    def replace(self, collection: Collection[R], old: R, new: R) -> None:
        """Compare-and-swap."""
        form, table = self._form(collection), self._table(collection)
        row, body, seen = form.row(new), form.encode(new), form.seen(old)
        if seen is None or old.id != new.id:
            raise StaleRecordError(id=old.id)
        self._check(collection, old, row)
        values = row | {"body": body, "by_id": row["id"]}
        del values["id"]
        if not self._swapped(statements.replace(table), collection, seen, values):
            raise StaleRecordError(id=old.id)

    def delete(self, collection: Collection[R], old: R) -> None:
        """Remove `old`."""
        form, table = self._form(collection), self._table(collection)
        seen = form.seen(old)
        if seen is None or not self._swapped(statements.delete(table), collection, seen, {"by_id": old.id}):
            raise StaleRecordError(id=old.id)

    def _swapped(
        self, statement: Executable, collection: Collection[R], seen: str, values: Mapping[str, Any]
    ) -> bool:
        """Whether the statement found the record that was seen."""
        if self._count(statement, {**values, "by_body": seen}) == 1:
            return True
        # An older version wrote it without fields that have a default since; there is one writer, so looking is safe.
        kept = self._session.run(statements.get(self._table(collection)), {"by_id": values["by_id"]}).scalar()
        form = codec(collection)
        if kept is None or kept == seen or form.seen(form.decode(kept)) != seen:
            return False
        return self._count(statement, {**values, "by_body": kept}) == 1

    def _form(self, collection: Collection[R]) -> Codec[R]:
        if not self._writable:
            raise read_only()
        return codec(collection)

    def _table(self, collection: Collection[R]) -> Table:
        return self._session.schema.tables[collection.name]

    def _count(self, statement: Executable, values: Mapping[str, Any]) -> int:
        count: int = self._session.run(statement, values).rowcount  # type: ignore[attr-defined]
        return count

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
            if self._session.run(statements.clash(self._table(collection), tuple(group)), values).first() is not None:
                raise DuplicateRecordError(id=old.id)


def _values(wanted: Mapping[str, Key]) -> dict[str, Key]:
    return {f"eq_{name}": value for name, value in wanted.items() if value is not None}


def _split(wanted: Mapping[str, Key]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys that equal a value, and those that are None."""
    equal = tuple(name for name, value in wanted.items() if value is not None)
    return equal, tuple(name for name in wanted if name not in equal)
