"""Long work on the event loop, in short turns, so that reading large input does not delay other tasks."""

import asyncio
from collections.abc import Iterable
from typing import TypeVar

TURN = 0.002  # seconds
REST = 3.0  # times as long for the others
T = TypeVar("T")


async def paced(work: Iterable[T], turn: float = TURN) -> list[T]:
    """Iterate over a lazy iterable, and after each turn of so many seconds yield the loop for REST times as long.

    A thread would not help: while it runs Python code, every other thread waits 5 ms (`sys.getswitchinterval`) each
    time it wants to continue, and a single negotiation does so a dozen times or more.
    """
    loop = asyncio.get_running_loop()
    found: list[T] = []
    began = loop.time()
    for item in work:
        found.append(item)
        taken = loop.time() - began
        if taken >= turn:
            await asyncio.sleep(REST * taken)
            began = loop.time()
    return found
