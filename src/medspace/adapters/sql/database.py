"""The database port on SQLite and PostgreSQL."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from medspace.adapters.sql import engines, migration, schema
from medspace.adapters.sql.errors import LogDamagedError, translated
from medspace.adapters.sql.lease import FileLease, take_session
from medspace.adapters.sql.semaphore import FifoSemaphore
from medspace.adapters.sql.transaction import Session, SqlTransaction
from medspace.adapters.sql.writer import Unit, Writer, Writing, attempt, drop
from medspace.adapters.tail import Tail, hash_in, last_leaf
from medspace.core.errors import StorageError
from medspace.core.store import Collection, T, Topic, Transaction
from medspace.core.text import msgid
from medspace.ledger.merkle import Frontier, Node

READERS = 4
WAITING = 10_000  # units that may queue; later callers wait for a place


class SqlDatabase:
    """One connector's database. To be used from one event loop; `open_database` makes it."""

    def __init__(self, url: URL, tables: schema.Schema, lease: FileLease | None) -> None:
        self._schema = tables
        self._lease = lease
        self._writing_engine = engines.writer(url)
        self._writer = Writer(WriterFactory(self._writing_engine, tables), tables)
        self._reading_engine = engines.readers(url, READERS)
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="medspace-reader")
        self._places = FifoSemaphore(WAITING)
        self._closed = False

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run a unit of work and keep its changes; durable when it returns.

        A caller that is cancelled while it waits does not learn whether the unit was kept.

        Raises:
            OutcomeUnknownError: the connection to PostgreSQL was lost during the commit.
            StorageError: nothing was kept.
        """
        async with self._places:
            self._check_open()
            unit = Unit(work, asyncio.get_running_loop().create_future())
            self._writer.submit(unit)
            kept: T = await unit.waiter
            return kept

    async def read(self, view: Callable[[Transaction], T]) -> T:
        """Run a read-only function on a snapshot of what is committed."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._look, view)

    def on_commit(self, hear: Callable[[AbstractSet[Topic]], None]) -> None:
        """Call `hear` in the event loop with what each commit touched; a lease keeps all other writers out."""
        self._writer.hearers += (hear,)

    async def close(self) -> None:
        """Finish queued units, then close the database. A second call does nothing."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._shut)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError(reason=msgid("it is closed"))

    def _look(self, view: Callable[[Transaction], T]) -> T:
        try:
            with self._reading_engine.connect() as connection, connection.begin():
                seen: T = attempt(view, SqlTransaction(Session(connection, self._schema), None))
                return seen
        except SQLAlchemyError as error:
            raise translated(error) from error

    def _shut(self) -> None:
        self._writer.stop()
        self._pool.shutdown()
        self._reading_engine.dispose()
        self._writing_engine.dispose()
        if self._lease is not None:
            self._lease.release()


class WriterFactory:
    """Connects the writer: takes the session's lease where there is one, and finds the end of the log."""

    def __init__(self, engine: Engine, tables: schema.Schema) -> None:
        self._engine = engine
        self._schema = tables

    def __call__(self) -> Writing:
        """A connection outside any transaction.

        Raises:
            StorageTakenError: another connector writes to this database.
            LogDamagedError: the log lacks a row that it must have.
        """
        try:
            connection = self._engine.connect()
        except SQLAlchemyError as error:
            raise translated(error) from error
        with ExitStack() as undo:
            undo.callback(drop, connection)
            writing = Writing(connection, self._stand(connection))
            undo.pop_all()
            return writing

    def _stand(self, connection: Connection) -> Tail:
        try:
            with connection.begin():
                if connection.dialect.name == engines.POSTGRES:
                    take_session(connection, self._engine.url.render_as_string())
                return self._tail(Session(connection, self._schema))
        except SQLAlchemyError as error:
            raise translated(error) from error

    def _tail(self, session: Session) -> Tail:
        size = session.log_size()
        return Tail(size, self._hashes(session, Frontier.nodes(size)))

    def _hashes(self, session: Session, nodes: Sequence[Node]) -> list[bytes]:
        leaves = [last_leaf(node) for node in nodes]
        stored = session.rows_of(set(leaves))
        for (level, _), leaf in zip(nodes, leaves, strict=True):
            if len(stored.get(leaf, b"")) <= level * schema.HASH_BYTES:
                raise LogDamagedError(database=self._engine.url.render_as_string(), index=leaf)
        return [hash_in(stored[leaf], node) for node, leaf in zip(nodes, leaves, strict=True)]


def open_database(url: str, collections: Iterable[Collection[Any]]) -> SqlDatabase:
    """Open the database for this connector alone.

    Raises:
        DatabaseUrlError: the URL names nothing usable.
        MissingExtraError: psycopg is not installed.
        StorageTakenError: another connector runs on it.
        SchemaBehindError: migrations are due; `upgrade(url)` runs them.
        SchemaAheadError: a newer medspace wrote it.
    """
    parsed = engines.parse(url)
    migration.check(parsed)
    lease = FileLease(engines.sqlite_file(parsed)) if parsed.get_backend_name() == "sqlite" else None
    try:
        return SqlDatabase(parsed, schema.build(collections), lease)
    except StorageError:
        if lease is not None:
            lease.release()
        raise
