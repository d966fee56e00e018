"""How long one look at a table may take: whatever runs in DuckDB or SQLite after that is interrupted.

A file of a few kilobytes may hold thousands of millions of rows, so its size bounds no time.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field

from medspace.adapters.duckdb.sql import Connection

LOOK_SECONDS = 120.0
PAUSE = 0.05  # seconds between two interruptions: one meets only what runs just then


@dataclass(slots=True)
class LookDeadline:
    """The end of one look; `passed` once it is over."""

    seconds: float
    passed: bool = False
    _working: list[Connection | sqlite3.Connection] = field(default_factory=list)
    _done: threading.Event = field(default_factory=threading.Event)

    def interrupt(self) -> None:
        """Wait until it has passed, then interrupt until the look has ended."""
        if self._done.wait(self.seconds):
            return
        self.passed = True
        while not self._done.wait(PAUSE):
            for one in list(self._working):
                with suppress(sqlite3.ProgrammingError):  # one that is closed needs no interruption, the others do
                    one.interrupt()

    @contextmanager
    def over(self, connection: Connection | sqlite3.Connection) -> Iterator[None]:
        """What is done here on a connection ends with the look."""
        self._working.append(connection)
        try:
            yield
        finally:
            self._working.remove(connection)

    def end(self) -> None:
        """The look has ended."""
        self._done.set()


_CURRENT: ContextVar[LookDeadline | None] = ContextVar("look_deadline", default=None)


@contextmanager
def deadline(connection: Connection, seconds: float) -> Iterator[LookDeadline]:
    """A look at a table that ends after so many seconds: what the connection does then fails."""
    made = LookDeadline(seconds)
    thread = threading.Thread(target=made.interrupt, name="look-deadline", daemon=True)
    token = _CURRENT.set(made)
    thread.start()
    try:
        with made.over(connection):
            yield made
    finally:
        made.end()
        thread.join()
        _CURRENT.reset(token)


@contextmanager
def within_deadline(connection: sqlite3.Connection) -> Iterator[None]:
    """What is done here on another connection ends with the look that it is a part of, if it is one of one."""
    current = _CURRENT.get()
    if current is None:
        yield
        return
    with current.over(connection):
        yield
