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
    loop = asyncio.get_running_loop()
    step = seconds / STEPS

    def tick(left: int) -> None:
        nonlocal timer
        if left:
            timer = loop.call_later(step, tick, left - 1)
        else:
            deadline.reschedule(loop.time())

    timer = loop.call_later(step, tick, STEPS - 1)
    try:
        async with asyncio.timeout(None) as deadline:
            yield
    finally:
        timer.cancel()
