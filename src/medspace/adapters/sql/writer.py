"""The one thread that writes: units of work queue up, and all that wait are committed together (group commit).

One batch is one transaction and one flush to the disk. Each unit of a batch has a savepoint, taken before its first
statement, so a unit that only appends to the log needs none. Log entries are written at the end of the batch.

    a unit raises            its savepoint is rolled back, its entries are forgotten, its neighbours go on
    the database refuses     the batch is rolled back, and each of its units is run again alone
    the commit fails         every unit of the batch fails; what the database kept is read again before the next batch
    the connection is lost   as a failed commit; if that was during the commit, the outcome is unknown, and the error
    says so
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from medspace.adapters.sql.errors import OutcomeUnknownError, translated
from medspace.adapters.sql.schema import Schema
from medspace.adapters.sql.transaction import Session, SqlTransaction, keep_rows
from medspace.adapters.tail import Tail
from medspace.core.errors import StorageError
from medspace.core.store import T, Topic, Transaction

BATCH = 512  # units in one commit, at most
SAVEPOINT = "SAVEPOINT unit"
BACK = "ROLLBACK TO SAVEPOINT unit"
RELEASE = "RELEASE SAVEPOINT unit"


@dataclass(eq=False, slots=True)
class Unit:
    """A unit of work and who waits for it."""

    work: Callable[[Transaction], Any]
    waiter: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = None
    touched: AbstractSet[Topic] = frozenset()  # that may have been kept

    def answer(self) -> None:
        """Tell the waiter; runs in the waiter's loop."""
        if self.waiter.done():
            return
        if self.error is None:
            self.waiter.set_result(self.result)
        else:
            self.waiter.set_exception(self.error)


@dataclass(frozen=True, slots=True)
class Writing:
    """The writer's connection and its position at the end of the log."""

    connection: Connection
    tail: Tail


def attempt(work: Callable[[Transaction], T], transaction: Transaction) -> T:
    """Run a unit of work or a view; a StopIteration cannot pass through a future, so it comes as a RuntimeError."""
    try:
        return work(transaction)
    except StopIteration as error:
        raise RuntimeError("a unit of work raised StopIteration") from error


def drop(connection: Connection) -> None:
    """End a session, whatever state it is in: the database rolls back what was not committed."""
    with suppress(SQLAlchemyError):
        connection.invalidate()
    with suppress(SQLAlchemyError):
        connection.close()


class Writer:
    """Takes units from its queue in a thread of its own, from `start` until `stop`."""

    def __init__(self, connect: Callable[[], Writing], schema: Schema) -> None:
        self._connect = connect
        self._schema = schema
        self._writing: Writing | None = connect()
        self.hearers: tuple[Callable[[AbstractSet[Topic]], None], ...] = ()  # called in the loop of who waits
        self._queue: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="medspace-writer", daemon=True)
        self._thread.start()

    def submit(self, unit: Unit) -> None:
        """Queue a unit."""
        self._queue.put(unit)

    def stop(self) -> None:
        """Finish queued units, then close the connection. Blocks."""
        self._queue.put(None)
        self._thread.join()
        self._disconnect()

    def _serve(self) -> None:
        more = True
        while more:
            units, more = self._take()
            waiting = [unit for unit in units if not unit.waiter.cancelled()]
            if waiting:
                self._commit_all(waiting)
                _answer(waiting, self.hearers)

    def _take(self) -> tuple[list[Unit], bool]:
        units: list[Unit] = []
        with suppress(queue.Empty):
            while len(units) < BATCH:
                unit = self._queue.get(block=not units)
                if unit is None:
                    return units, False
                units.append(unit)
        return units, True

    def _commit_all(self, units: list[Unit]) -> None:
        try:
            writing = self._begin()
        except StorageError as error:
            _fail(units, error)
            return
        start = writing.tail.size
        try:
            self._run(writing, units)
        except StorageError as error:
            self._roll_back(writing, start)
            if len(units) == 1:
                units[0].error = error
                return
            for unit in units:
                unit.error = None
                self._commit_all([unit])
            return
        self._commit(writing, units)

    def _begin(self) -> Writing:
        if self._writing is None:
            self._writing = self._connect()
        try:
            self._writing.connection.begin()
        except SQLAlchemyError as error:
            raise translated(error) from error
        return self._writing

    def _run(self, writing: Writing, units: list[Unit]) -> None:
        for unit in units:
            self._run_one(writing, unit, alone=len(units) == 1)
        if writing.tail.rows:
            keep_rows(writing.connection, writing.tail.rows)

    def _run_one(self, writing: Writing, unit: Unit, *, alone: bool) -> None:
        points = Savepoints(writing.connection, needed=not alone)
        session = Session(writing.connection, self._schema, points.take)
        size = writing.tail.size
        transaction = SqlTransaction(session, writing.tail)
        unit.touched = frozenset()
        try:
            unit.result = attempt(unit.work, transaction)
            unit.touched = transaction.touched()
        except BaseException as error:  # noqa: BLE001 - whatever a unit raises is for its caller, not for this thread
            unit.error = error
        if session.failure is not None:
            raise session.failure
        if unit.error is not None:
            writing.tail.rewind(size)
        points.leave(keep=unit.error is None)

    def _commit(self, writing: Writing, units: list[Unit]) -> None:
        try:
            if len(units) > 1 or units[0].error is None:
                writing.connection.commit()
            else:
                writing.connection.rollback()
            writing.tail.kept()
        except SQLAlchemyError as error:
            lost = writing.connection.invalidated
            self._disconnect()
            _fail(units, OutcomeUnknownError() if lost else translated(error))

    def _roll_back(self, writing: Writing, start: int) -> None:
        try:
            writing.connection.rollback()
            writing.tail.rewind(start)
        except SQLAlchemyError:
            self._disconnect()
        if writing.connection.invalidated:
            self._disconnect()

    def _disconnect(self) -> None:
        # What the database kept is read again by the next connection; nothing in memory is trusted.
        writing, self._writing = self._writing, None
        if writing is not None:
            drop(writing.connection)


class Savepoints:
    """The savepoint of one unit, taken late."""

    def __init__(self, connection: Connection, *, needed: bool) -> None:
        self._connection = connection
        self._needed = needed
        self._taken = False

    def take(self) -> None:
        """Take it, if the unit is not alone."""
        if self._needed:
            self._connection.exec_driver_sql(SAVEPOINT)
            self._taken = True

    def leave(self, *, keep: bool) -> None:
        """Keep what was done since, or take it back."""
        if not self._taken:
            return
        try:
            for statement in (RELEASE,) if keep else (BACK, RELEASE):
                self._connection.exec_driver_sql(statement)
        except SQLAlchemyError as error:
            raise translated(error) from error


def _fail(units: Iterable[Unit], error: StorageError) -> None:
    for unit in units:
        unit.error = unit.error or error


def _answer(units: Iterable[Unit], hearers: Sequence[Callable[[AbstractSet[Topic]], None]]) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[Unit]] = {}
    for unit in units:
        loops.setdefault(unit.waiter.get_loop(), []).append(unit)
    for loop, theirs in loops.items():
        with suppress(RuntimeError):  # that loop is closed: nobody waits there any more
            loop.call_soon_threadsafe(_answer_here, theirs, hearers)


def _answer_here(units: Sequence[Unit], hearers: Sequence[Callable[[AbstractSet[Topic]], None]]) -> None:
    for unit in units:
        unit.answer()
    touched = {topic for unit in units for topic in unit.touched}
    for hear in hearers if touched else ():
        hear(touched)
