"""Engines in threads of the connector: bounded in number, and separate from the threads of everything else.

A thread cannot be killed. A cancelled step keeps its thread and its place until it returns: it can check
`Workplace.cancelled`. Its result is then dropped. Limits on memory and processor time do not apply here.
"""

import asyncio
import os
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from medspace.connector.turns import TurnLimits, Turns
from medspace.connector.usage.errors import StepTooLargeError, UseFailedError
from medspace.connector.usage.ports import Work
from medspace.core.errors import MedspaceError
from medspace.core.usage import Output

T = TypeVar("T")
FEWEST = 2


def fewest() -> int:
    """As many threads as there are processors, and two at least."""
    return max(FEWEST, os.cpu_count() or FEWEST)


class ThreadPool:
    """Daemon threads (port `connector.usage.ports.Threads`).

    At most `most` of them, made when they are needed.
    """

    def __init__(self, most: int = 0, name: str = "beside") -> None:
        self.most = most or fewest()
        self._name = name
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._made = 0
        self._busy = 0  # given and not ended; counted in the event loop
        weakref.finalize(self, _let_go, self._waiting, self.most)

    async def call(self, use: str, work: Callable[[], T]) -> T:
        """The result of a function; a cancelled caller does not learn it.

        Raises:
            MedspaceError: what it raised of its own.
            UseFailedError: it broke, or wanted more memory than there is; what it raised is the cause.
        """
        return await asyncio.shield(self.submit(use, work))

    def submit(self, use: str, work: Callable[[], T]) -> "asyncio.Future[T]":
        """What a function will have returned."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        future.add_done_callback(self._ended)
        self._busy += 1
        if self._made < min(self._busy, self.most):
            self._made += 1
            name = f"{self._name}-{self._made}"
            threading.Thread(target=_live, args=(self._waiting,), name=name, daemon=True).start()
        self._waiting.put(lambda: _run(loop, future, use, work))
        return future

    def _ended(self, future: "asyncio.Future[Any]") -> None:
        self._busy -= 1
        if not future.cancelled():
            future.exception()  # whoever waits hears it; who has gone does not want to

    def close(self) -> None:
        """Let idle threads end."""
        _let_go(self._waiting, self._made)
        self._made = 0


def _live(waiting: "SimpleQueue[Callable[[], None] | None]") -> None:
    while (work := waiting.get()) is not None:
        work()
        del work  # and what it holds, until the next one comes


def _let_go(waiting: "SimpleQueue[Callable[[], None] | None]", count: int) -> None:
    for _ in range(count):
        waiting.put(None)


def _run(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[T]", use: str, work: Callable[[], T]) -> None:
    """Run in a thread; tell the loop what came of it, if the loop is still there."""
    try:
        made = work()
    except MedspaceError as error:
        _tell(loop, _fail, future, error)
    except BaseException as error:  # noqa: BLE001 - see tools/sizes.py
        broken = (StepTooLargeError if isinstance(error, MemoryError) else UseFailedError)(use=use)
        broken.__cause__ = error
        _tell(loop, _fail, future, broken)
    else:
        _tell(loop, _succeed, future, made)


def _tell(loop: asyncio.AbstractEventLoop, tell: Callable[..., None], *what: object) -> None:
    with suppress(RuntimeError):  # the loop is closed: the connector has ended
        loop.call_soon_threadsafe(tell, *what)


def _fail(future: "asyncio.Future[T]", error: MedspaceError) -> None:
    if not future.done():
        future.set_exception(error)


def _succeed(future: "asyncio.Future[T]", made: T) -> None:
    if not future.done():
        future.set_result(made)


class ThreadPlace:
    """A place of the pool."""

    def __init__(self, pool: ThreadPool) -> None:
        self._pool = pool
        self.working: asyncio.Future[Output] | None = None

    async def do(self, work: Work) -> Output:
        """What the engine makes of it."""
        cancelled = threading.Event()
        self.working = self._pool.submit(work.admission.use, lambda: work.done(cancelled.is_set))
        try:
            return await asyncio.shield(self.working)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    @property
    def rest(self) -> "asyncio.Future[Output] | None":
        """A thread that has not ended, though its step has."""
        return None if self.working is None or self.working.done() else self.working


class ThreadRunner:
    """Steps in threads (port `connector.usage.ports.Runner`).

    `places` are those that one member may hold; there is one more, which the others have while it holds them. Whoever
    waits has a turn after the other members that wait, not after all of their steps.
    """

    def __init__(self, places: int = 0) -> None:
        most = places or fewest()  # how many wait is bounded by usage control
        self._pool = ThreadPool(most + 1, "step")
        self._turns = Turns(
            TurnLimits(at_once=most + 1, member=most, waiting=sys.maxsize)
        )  # usage control bounds who waits

    def free(self, member: str) -> bool:
        """Whether there is a place for a step of this member that comes now."""
        return self._turns.free(member)

    @asynccontextmanager
    async def place(self, member: str) -> AsyncIterator[ThreadPlace]:
        """Hold a place; it is given back once its thread has ended."""
        await self._turns.enter(member)
        place = ThreadPlace(self._pool)
        try:
            yield place
        finally:
            rest = place.rest
            if rest is None:
                self._turns.leave(member)
            else:
                rest.add_done_callback(lambda _: self._turns.leave(member))

    async def holds(self, admission: str) -> bool:  # noqa: ARG002 - threads end with their connector
        """Never."""
        return False

    async def sweep(self, keep: Collection[str]) -> None:
        """There is nothing to remove."""

    async def close(self) -> None:
        """Let idle threads end; the others end with the process."""
        self._pool.close()
