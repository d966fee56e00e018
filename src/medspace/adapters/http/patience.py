"""Waiting for others: what this process itself slept through does not count."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

STEPS = 20  # a pause of this process, however long, costs one of them


@asynccontextmanager
async def patient(seconds: float) -> AsyncIterator[None]:
    """As `asyncio.timeout`, in steps: each begins once the loop has seen the end of the one before.

    A machine that was suspended, or a loop that was kept busy, finds answers waiting that came in time. A deadline on
    the clock would be over before they are read; here there is time left to read them.

    Raises:
        TimeoutError: the time is over, and what was waited for has not come.
    """
    async with asyncio.timeout(None) as deadline:
        steps = _Countdown(deadline, seconds / STEPS)
        try:
            yield
        finally:
            steps.timer.cancel()


class _Countdown:
    """Counts down to a deadline."""

    def __init__(self, deadline: asyncio.Timeout, length: float) -> None:
        self._deadline, self._length, self._left = deadline, length, STEPS
        self._loop = asyncio.get_running_loop()
        self.timer = self._loop.call_later(length, self._ended)

    def _ended(self) -> None:
        self._left -= 1
        if self._left:
            self.timer = self._loop.call_later(self._length, self._ended)
        else:
            self._deadline.reschedule(self._loop.time())
