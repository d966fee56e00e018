"""Asking many sites: some at a time, again where they stay away, their answers taken in the order of the sites.

Sums of floating-point numbers depend on their order, so the order is that of the run and never that of arrival.
At most `width` answers are in memory at once.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TypeVar

from medspace.core.clock import Clock
from medspace.core.errors import MedspaceError, StorageError
from medspace.learning.errors import SiteAwayError, SiteError, SiteRefusedError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a site is waited for, in seconds: pauses grow from `first` by `factor` up to `longest`.

    `deadline` counts from the first attempt of each site in each round; an attempt still open then is given up.
    """

    first: float = 0.5
    factor: float = 2.0
    longest: float = 15.0
    deadline: float = 300.0


class Asking:
    """Asks sites with patience."""

    def __init__(self, clock: Clock, patience: Patience, away: Callable[[str], None]) -> None:
        self._clock = clock
        self._patience = patience
        self._away = away  # told of each failed attempt

    async def in_order(
        self,
        calls: Sequence[tuple[str, Callable[[], Awaitable[T]]]],
        take: Callable[[int, T | SiteError], None],
        width: int,
    ) -> None:
        """Make all calls, `width` at a time; `take` gets the outcome of each with its position, in order."""
        waiting = iter(calls)
        running: deque[asyncio.Task[T | SiteError]] = deque()
        try:
            running.extend(self._begin(*call) for call in islice(waiting, width))
            for position in range(len(calls)):
                outcome = await running[0]
                running.popleft()
                take(position, outcome)
                del outcome  # so that it is gone before the next one comes
                running.extend(self._begin(*call) for call in islice(waiting, 1))
        finally:
            await _stop(*running)

    def _begin(self, site: str, attempt: Callable[[], Awaitable[T]]) -> "asyncio.Task[T | SiteError]":
        return asyncio.create_task(self._with_patience(site, attempt))

    async def _with_patience(self, site: str, attempt: Callable[[], Awaitable[T]]) -> T | SiteError:
        until = self._clock.now() + timedelta(seconds=self._patience.deadline)
        pause = self._patience.first
        while True:
            left = (until - self._clock.now()).total_seconds()
            try:
                return await self._within(left, site, attempt)
            except SiteAwayError as error:
                left = (until - self._clock.now()).total_seconds()
                if left <= pause:
                    return error
            except SiteError as error:
                return error
            except StorageError:
                raise  # ours, not the site's
            except MedspaceError as error:
                return SiteRefusedError(site=site, reason=error.text)
            self._away(site)
            await self._clock.sleep(pause)
            pause = min(pause * self._patience.factor, self._patience.longest)

    async def _within(self, seconds: float, site: str, attempt: Callable[[], Awaitable[T]]) -> T:
        work = asyncio.ensure_future(attempt())
        alarm = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({work, alarm}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise SiteAwayError(site=site)
            return work.result()
        finally:
            await _stop(work, alarm)


async def _stop(*tasks: "asyncio.Future[T] | asyncio.Future[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
