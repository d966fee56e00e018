"""Rings after every committed write, so that whoever waits for a change looks again; nothing polls."""

import asyncio
from collections.abc import Awaitable, Callable

from medspace.core.store import Database, T, Transaction


class Bell:
    """Something to wait at."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who waits."""
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()

    async def until(self, look: Callable[[], Awaitable[T | None]], seconds: float) -> T | None:
        """What `look` sees, as soon as it sees something; None after `seconds` without."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    rung = self._rung  # taken before the look: a ring during the look is not missed
                    seen = await look()
                    if seen is not None:
                        return seen
                    await rung.wait()
        except TimeoutError:
            return None


class RingingDatabase:
    """A database that rings a bell after each write (port `core.store.Database`)."""

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._bell = bell

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run a unit of work, then ring."""
        done = await self._database.write(work)
        self._bell.ring()
        return done

    async def read(self, view: Callable[[Transaction], T]) -> T:
        """Run a function that only looks."""
        return await self._database.read(view)
