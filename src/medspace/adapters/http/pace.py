"""How slow a big body may be: no total time suits both a kilobyte and a gigabyte, so its pace is bounded."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from medspace.adapters.http.patience import patient

T = TypeVar("T")


class TooSlowError(Exception):
    """The other side gives or takes less than the pace asks for."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds and bytes a second. A body of n bytes takes at most `patience` + n / `rate` of waiting."""

    idle: float = 30.0  # for the next piece
    rate: float = 16 * 1024.0  # on average ...
    patience: float = 10.0  # ... after so many seconds of waiting; our own time does not count


class Stopwatch:
    """Counts what one transfer moved while it waited for the other side."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._waited = 0.0
        self._moved = 0

    async def waits(self, step: Awaitable[T]) -> T:
        """Wait for the other side.

        Raises:
            TooSlowError: it did nothing for `idle` seconds.
        """
        now = asyncio.get_running_loop().time
        began = now()
        try:
            async with patient(self._pace.idle):
                return await step
        except TimeoutError:
            raise TooSlowError from None
        finally:
            self._waited += now() - began

    def moved(self, count: int) -> None:
        """Count bytes that came or went.

        Raises:
            TooSlowError: they are too few for the time that was waited.
        """
        self._moved += count
        if self._waited > self._pace.patience and self._moved < self._pace.rate * self._waited:
            raise TooSlowError
