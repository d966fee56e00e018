"""A bounded number of places, given in the order of asking.

Like `asyncio.Semaphore`, which looks at every waiter it has woken for each one that it wakes: with thousands waiting,
as when a whole space reports at once, that alone takes seconds.
"""

import asyncio
from collections import deque


class FifoSemaphore:
    """To be used from one event loop."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._line: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the place was given in the same instant
                self._give()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._give()

    def _give(self) -> None:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
