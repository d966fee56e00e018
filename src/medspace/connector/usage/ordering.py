"""One step at a time per asset, users in turn, so that each answer is decided with all earlier ones known.

A turn lasts until the work has really ended: a thread whose result is no longer awaited, because its use was
suspended or it took too long, still reads the rows and changes what its engine remembers of them.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TypeVar
from weakref import WeakValueDictionary

from medspace.connector.turns import TurnLimits, Turns
from medspace.connector.usage.errors import JobClosedError
from medspace.connector.usage.ports import Runner, StepPlace
from medspace.connector.usage.working import QUICK, first, stop
from medspace.core.usage import Output

T = TypeVar("T")
Closed = Callable[[str], Awaitable[None]]  # ends once a use is suspended or over
ONE_BY_ONE = TurnLimits(at_once=1, member=1, waiting=16)


class StepTurn:
    """The turn of one step at its asset."""

    def __init__(self) -> None:
        self.rest: asyncio.Future[Output] | None = None

    @asynccontextmanager
    async def place(self, runner: Runner, user: str, use: str, closed: Closed) -> AsyncIterator[StepPlace]:
        """A place to work, as soon as there is one; other steps at this asset wait only while the use is open.

        Raises:
            JobClosedError: the use was suspended or ended meanwhile.
        """
        async with AsyncExitStack() as held:
            place = await _entered(held, runner.place(user), use, closed)
            try:
                yield place
            finally:
                self.rest = place.rest


class Ordering:
    """Whose turn it is at each asset."""

    def __init__(self) -> None:
        self._turns: WeakValueDictionary[str, Turns] = WeakValueDictionary()
        self._lingering: set[asyncio.Task[None]] = set()

    def idle(self, asset: str) -> bool:
        """Whether a step that arrives now gets its turn at once."""
        turns = self._turns.get(asset)
        return turns is None or turns.idle

    @asynccontextmanager
    async def turn(self, asset: str, user: str, use: str, closed: Closed) -> AsyncIterator[StepTurn]:
        """Hold the turn of a user's step; waits only while the use is open.

        Raises:
            BusyError: too many of the user's steps wait for this asset.
            JobClosedError: the use was suspended or ended meanwhile.
        """
        turns = self._turns.setdefault(asset, Turns(ONE_BY_ONE))
        async with AsyncExitStack() as held:
            await _entered(held, turns.turn(user), use, closed)
            turn = StepTurn()
            try:
                yield turn
            finally:
                if turn.rest is not None:
                    self._linger(turn.rest, held.pop_all())

    def _linger(self, rest: "asyncio.Future[Output]", held: AsyncExitStack) -> None:
        task = asyncio.ensure_future(_let_go(rest, held))
        self._lingering.add(task)
        task.add_done_callback(self._lingering.discard)

    async def close(self) -> None:
        """Stop waiting for anything."""
        lingering = list(self._lingering)
        for task in lingering:
            task.cancel()
        await asyncio.gather(*lingering, return_exceptions=True)


async def _entered(held: AsyncExitStack, free: AbstractAsyncContextManager[T], use: str, closed: Closed) -> T:
    entering = asyncio.ensure_future(held.enter_async_context(free))
    over: asyncio.Future[None] | None = None
    try:
        await asyncio.wait({entering}, timeout=QUICK)
        if not entering.done():
            over = asyncio.ensure_future(closed(use))
            await first(entering, over)
        if over is None or entering.done():
            return entering.result()
        over.result()
    finally:
        await stop(entering, *([] if over is None else [over]))
    raise JobClosedError(use=use)


async def _let_go(rest: "asyncio.Future[Output]", held: AsyncExitStack) -> None:
    try:
        await asyncio.wait({rest})
    finally:
        await held.aclose()
