"""Asking many sites: some at a time, again while they do not answer; answers are taken in the order of the sites.

Sums of floating-point numbers depend on their order, so the order is that of the run and never that of arrival.
At most `width` answers are in memory at once.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Protocol, TypeVar

from medspace.core.clock import Clock
from medspace.core.errors import MedspaceError, StorageError, WaitingError
from medspace.core.text import Text, msgid
from medspace.runs.errors import RunError, SiteAwayError, SiteError, SiteRefusedError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a site is waited for, in seconds: pauses grow from `first` by `factor` up to `longest`.

    `deadline` counts from the first attempt of each site in each round; an attempt still open then is given up. One
    that is open for `quiet` is reported. `hurry` is the time left to the others once a site has refused and the run
    will end because of it.
    """

    first: float = 0.5
    factor: float = 2.0
    longest: float = 15.0
    deadline: float = 300.0
    quiet: float = 10.0
    hurry: float = 5.0


class SiteWatch(Protocol):
    """Is told of events while sites are asked, in the order in which they happen."""

    def away(self, site: str, left: float, reason: Text) -> None:
        """A site did not answer (yet); it is waited for `left` seconds more."""
        ...

    def back(self, site: str) -> None:
        """A site answered."""
        ...


class Asking:
    """Asks sites with patience; with `refusal_ends`, the first refusal ends waiting for the others."""

    def __init__(self, clock: Clock, patience: Patience, watch: SiteWatch, *, refusal_ends: bool = False) -> None:
        self._clock = clock
        self._patience = patience
        self._watch = watch
        self._refusal_ends = refusal_ends
        self._refused = asyncio.Event()

    async def in_order(
        self,
        calls: Sequence[tuple[str, Callable[[], Awaitable[T]]]],
        take: Callable[[int, T | SiteError], Awaitable[None] | None],
        width: int,
    ) -> None:
        """Make all calls, `width` at a time; `take` gets the outcome of each with its position, in order.

        If taking needs time, it returns an awaitable.
        """
        waiting = iter(calls)
        running: deque[asyncio.Task[T | SiteError]] = deque()
        try:
            running.extend(self._begin(*call) for call in islice(waiting, width))
            for position in range(len(calls)):
                outcome = await running[0]
                running.popleft()
                taking = take(position, outcome)
                if taking is not None:
                    await taking
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
            try:
                answer = await self._within(until, site, attempt)
            except WaitingError as error:
                left, away = self._left(until), _away(site, error)
                if left <= self._patience.first or self._refused.is_set():
                    return away
                self._watch.away(site, left, _reason(away))
                pause = min(pause, left - self._patience.first)  # the last attempt is just before the deadline
            except (StorageError, RunError):
                raise  # ours, not the site's
            except MedspaceError as error:
                return self._refusal(site, error)
            else:
                self._watch.back(site)
                return answer
            await self._rest(pause)
            pause = min(pause * self._patience.factor, self._patience.longest)

    def _refusal(self, site: str, error: MedspaceError) -> SiteError:
        if self._refusal_ends:
            self._refused.set()
        if isinstance(error, SiteError):
            return error
        return SiteRefusedError(site=site, reason=error.text, refusal=error.code, advice=str(error.advice))

    def _left(self, until: datetime) -> float:
        return (until - self._clock.now()).total_seconds()

    async def _rest(self, seconds: float) -> None:
        """Sleep, unless a refusal ends the run."""
        rest = asyncio.ensure_future(self._clock.sleep(seconds))
        ended = asyncio.ensure_future(self._refused.wait())
        try:
            await asyncio.wait({rest, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _stop(rest, ended)

    async def _within(self, until: datetime, site: str, attempt: Callable[[], Awaitable[T]]) -> T:
        work = asyncio.ensure_future(attempt())
        alarms = [asyncio.ensure_future(one) for one in (self._quiet(until, site), self._bound(until))]
        try:
            await asyncio.wait({work, alarms[1]}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise SiteAwayError(site=site, reason=Text(_SILENT))
            return work.result()
        finally:
            await _stop(work, *alarms)

    async def _quiet(self, until: datetime, site: str) -> None:
        await self._clock.sleep(self._patience.quiet)
        self._watch.away(site, self._left(until), Text(_SILENT))

    async def _bound(self, until: datetime) -> None:
        """Ends when an attempt is given up: at the deadline, or soon after another site has refused."""
        end = asyncio.ensure_future(self._clock.sleep(self._left(until)))
        refused = asyncio.ensure_future(self._refused.wait())
        try:
            await asyncio.wait({end, refused}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _stop(end, refused)
        if self._refused.is_set():
            await self._clock.sleep(min(self._patience.hurry, max(self._left(until), 0.0)))


_SILENT = msgid("it has been asked and has not answered yet")


def _away(site: str, error: WaitingError) -> SiteAwayError:
    return error if isinstance(error, SiteAwayError) else SiteAwayError(site=site, reason=error.text)


def _reason(error: SiteAwayError) -> Text:
    reason = error.facts["reason"]
    return reason if isinstance(reason, Text) else Text("{reason}", {"reason": reason})


async def _stop(*tasks: "asyncio.Future[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
