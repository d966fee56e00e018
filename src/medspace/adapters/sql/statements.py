"""The statements, each built and compiled once for each backend; they are run by the driver itself.

SQLAlchemy writes the SQL of both databases; its overhead per execution is ten times the cost of SQLite itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Dialect,
    Table,
    and_,
    bindparam,
    or_,
    select,
)
from sqlalchemy import func as functions
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.elements import CompilerElement

from medspace.adapters.sql.engines import POSTGRES

CACHED = 1024


@dataclass(frozen=True, slots=True)
class BackendStatement:
    """A statement in one backend's SQL; `names` orders its parameters, None where the driver takes names."""

    sql: str
    names: tuple[str, ...] | None
    fixed: Mapping[str, Any]  # the parameters that the statement itself brings

    def parameters(self, values: Mapping[str, Any]) -> Sequence[Any] | Mapping[str, Any]:
        """The parameters as the driver takes them."""
        if self.names is None:
            return {**self.fixed, **values}
        if self.fixed:
            values = {**self.fixed, **values}
        return [values[name] for name in self.names]


class Statement:
    """A statement, compiled once for each backend."""

    __slots__ = ("_element", "_said")

    def __init__(self, element: CompilerElement) -> None:
        self._element = element
        self._said: dict[str, BackendStatement] = {}

    def said(self, dialect: Dialect) -> BackendStatement:
        """What it says to the databases of a dialect."""
        known = self._said.get(dialect.name)
        if known is None:
            known = self._said[dialect.name] = _compiled(self._element, dialect)
        return known


def _compiled(element: CompilerElement, dialect: Dialect) -> BackendStatement:
    compiled: Any = element.compile(dialect=dialect)
    fixed = {name: value for name, value in compiled.params.items() if value is not None}
    return BackendStatement(compiled.string, tuple(compiled.positiontup) if compiled.positional else None, fixed)


@lru_cache(maxsize=CACHED)
def get(table: Table) -> Statement:
    """The body of the record `by_id`."""
    return Statement(select(table.c.body).where(table.c.id == bindparam("by_id")))


@lru_cache(maxsize=CACHED)
def insert(table: Table, backend: str) -> Statement:
    """Add a row unless it conflicts; the row count shows whether it did, and the transaction continues."""
    if backend == POSTGRES:
        # SQLite's users need not wait for this import (80 ms).
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - see the line above

        return Statement(postgresql.insert(table).on_conflict_do_nothing())
    return Statement(sqlite.insert(table).on_conflict_do_nothing())


@lru_cache(maxsize=CACHED)
def replace(table: Table) -> Statement:
    """Put a row in place of the record `by_id` whose body is `by_body`."""
    values: dict[str, BindParameter[Any]] = {
        column.name: bindparam(column.name) for column in table.c if column.name != "id"
    }
    return Statement(table.update().where(*_is(table)).values(values))


@lru_cache(maxsize=CACHED)
def delete(table: Table) -> Statement:
    """Remove the record `by_id` whose body is `by_body`."""
    return Statement(table.delete().where(*_is(table)))


@lru_cache(maxsize=CACHED)
def clash(table: Table, group: tuple[str, ...]) -> Statement:
    """Another record than `by_id` with the same keys `eq_...`."""
    same = [table.c[name] == bindparam(f"eq_{name}") for name in group]
    return Statement(select(table.c.id).where(*same, table.c.id != bindparam("by_id")).limit(1))


@lru_cache(maxsize=CACHED)
def count(table: Table, equal: tuple[str, ...], empty: tuple[str, ...]) -> Statement:
    """How many rows have the keys `eq_...`, or None for those in `empty`, up to `limit_`."""
    rows = select(table.c.id).where(*_same(table, equal, empty)).limit(bindparam("limit_"))
    return Statement(select(functions.count()).select_from(rows.subquery()))


@lru_cache(maxsize=CACHED)
def find(
    table: Table,
    equal: tuple[str, ...],
    empty: tuple[str, ...],
    order_by: str,
    *,
    after: bool,
    tied: bool,
    descending: bool,
) -> Statement:
    """Identities and bodies whose keys are `eq_...`, or None for those in `empty`, behind `after`, up to `limit_`.

    `tied`: behind the pair of `after` and `after_id`.
    """
    key = table.c[order_by]
    conditions = _same(table, equal, empty)
    if tied:
        conditions.append(_behind_pair(key, table.c.id, descending=descending))
    elif after:
        conditions.append(_behind(key, descending=descending))
    found = select(table.c.id, table.c.body).where(*conditions).order_by(*_order(table, key, descending))
    return Statement(found.limit(bindparam("limit_")))


@lru_cache(maxsize=CACHED)
def entries(log: Table) -> Statement:
    """The entries of the log from `first` up to `stop`, in order."""
    within = log.c.id >= bindparam("first"), log.c.id < bindparam("stop")
    return Statement(select(log.c.entry).where(*within).order_by(log.c.id))


def _is(table: Table) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return table.c.id == bindparam("by_id"), table.c.body == bindparam("by_body")


def _same(table: Table, equal: tuple[str, ...], empty: tuple[str, ...]) -> list[ColumnElement[bool]]:
    same = [table.c[name] == bindparam(f"eq_{name}") for name in equal]
    return same + [table.c[name].is_(None) for name in empty]


def _behind_pair(key: Column[Any], identity: Column[Any], *, descending: bool) -> ColumnElement[bool]:
    value: BindParameter[Any] = bindparam("after")
    tie: BindParameter[Any] = bindparam("after_id")
    if descending:
        return and_(key <= value, or_(key < value, identity < tie))  # the first part is what an index is searched by
    return and_(key >= value, or_(key > value, identity > tie))


def _behind(key: Column[Any], *, descending: bool) -> ColumnElement[bool]:
    if not descending:
        return key > bindparam("after")
    # None comes first, so it is behind everything when descending.
    return or_(key < bindparam("after"), key.is_(None)) if key.nullable else key < bindparam("after")


def _order(table: Table, key: Column[Any], descending: bool) -> list[Any]:  # noqa: FBT001 - passed on
    columns = [key] if key is table.c.id else [key, table.c.id]
    if descending:
        return [column.desc().nulls_last() if column.nullable else column.desc() for column in columns]
    return [column.nulls_first() if column.nullable else column for column in columns]
