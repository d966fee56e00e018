"""Long work on the event loop, in short turns: a reader of much does not hold up what others wait for."""

import asyncio
from collections.abc import Iterable
from typing import TypeVar

TURN = 0.002  # seconds
REST = 3.0  # times as long for the others
T = TypeVar("T")


async def paced(work: Iterable[T], turn: float = TURN) -> list[T]:
    """The items of a lazy iterable; after each turn of so many seconds others have REST times as long as it took.

    A thread would not do: as long as it runs Python code, every other thread waits 5 ms (`sys.getswitchinterval`)
    whenever it wants to go on, and one negotiation wants that some dozen times.
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
