"""The steps that are running in this connector: each runs once, however often and by whomever it is asked for."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil, isfinite

from medspace.connector.turns import SECONDS, BusyError
from medspace.connector.usage.errors import StepHeldError
from medspace.connector.usage.states import StepState
from medspace.core.clock import Clock
from medspace.core.usage import Release

MOST_OF_ONE = 64  # steps of one user that are running or waiting at a time, over all assets
SOON, LATE = 1, 60  # seconds after which to ask again: for a computation, and for a person's review
SHARES, SELDOM = 10, 15  # a long step is polled after a tenth of the remaining time, at most after so many seconds


@dataclass(frozen=True, slots=True)
class StepProgress:
    """How far a step is, as reported by its engine: `done` of `of` units at a time; and the first report."""

    done: float
    of: float
    at: datetime
    first: float = 0.0  # the share that was done
    since: datetime | None = None

    @property
    def share(self) -> float:
        """The completed share, from 0 to 1."""
        return self.done / self.of

    @property
    def percent(self) -> int:
        """The share in whole percent, which is all that the caller is told."""
        return int(100 * self.share)

    def left(self, now: datetime) -> int | None:
        """The estimated remaining seconds at the current rate; None while unknown."""
        if self.since is None or self.share <= self.first:
            return None
        each = (self.at - self.since).total_seconds() / (self.share - self.first)
        return max(ceil((1 - self.share) * each - (now - self.at).total_seconds()), 0)


@dataclass(frozen=True, slots=True)
class StepStatus:
    """The status of a step: `step` is its name within the use; the release, once there is one.

    While it is running, `percent` and `left` (seconds) give its progress, where its engine reports it.
    """

    step: str
    state: StepState
    release: Release | None = None
    percent: int | None = None
    left: int | None = None

    @property
    def seconds(self) -> int:
        """The number of seconds after which to ask again."""
        if self.state is StepState.HELD:
            return LATE
        return SOON if self.left is None else min(max(self.left // SHARES, SOON), SELDOM)


@dataclass(slots=True, eq=False)
class Lead:
    """One running step."""

    use: str
    asked: str  # digest of the step
    user: str
    state: StepState = StepState.WAITING
    entered: bool = False  # it has had its turn: it is being admitted, or was
    progress: StepProgress | None = None  # as reported by the engine; stored nowhere else
    task: "asyncio.Task[Release]" = field(init=False)

    def tell(self, done: float, of: float, now: datetime) -> None:
        """Take a progress report of the engine; invalid ones are ignored. Thread-safe."""
        if not (isfinite(done) and isfinite(of) and 0 <= done <= of and of > 0):
            return
        first = self.progress
        since, before = (now, done / of) if first is None else (first.since, first.first)
        self.progress = StepProgress(done, of, now, before, since)


class Going:
    """All running steps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._leads: dict[tuple[str, str], Lead] = {}

    def get(self, use: str, asked: str) -> Lead | None:
        """The step, if it is running."""
        return self._leads.get((use, asked))

    def join(self, lead: Lead, work: Callable[[Lead], Awaitable[Release]], most: int | None = None) -> Lead:
        """The same step if it is running already; otherwise registers this one.

        Raises:
            BusyError: this user already has `most` running steps or more.
        """
        key = (lead.use, lead.asked)
        known = self._leads.get(key)
        if known is not None:
            return known
        count = sum(other.user == lead.user for other in self._leads.values())
        if most is not None and count >= most:
            raise BusyError(count=count, seconds=SECONDS)
        lead.task = asyncio.ensure_future(work(lead))
        self._leads[key] = lead
        lead.task.add_done_callback(lambda task: self._gone(key, task))
        return lead

    def _gone(self, key: tuple[str, str], task: "asyncio.Task[Release]") -> None:
        self._leads.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever was waiting has received it, or has left

    async def within(self, lead: Lead, seconds: float) -> StepStatus:
        """The status of a step once it has ended, or after so many seconds on the clock.

        Raises:
            MedspaceError: why it ended without a release.
        """
        pause = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({lead.task, pause}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
        if not lead.task.done():
            told = lead.progress
            percent, left = (None, None) if told is None else (told.percent, told.left(self._clock.now()))
            return StepStatus(lead.asked, lead.state, percent=percent, left=left)
        try:
            return StepStatus(lead.asked, StepState.RELEASED, lead.task.result())
        except StepHeldError:
            return StepStatus(lead.asked, StepState.HELD)

    async def idle(self) -> None:
        """Return once no step that has had its turn is running."""
        while entered := [lead.task for lead in self._leads.values() if lead.entered]:
            await asyncio.wait(entered)
            await asyncio.sleep(0)  # ended steps are removed by their own callbacks

    async def close(self) -> None:
        """Cancel all steps; each is recorded as failed."""
        tasks = [lead.task for lead in self._leads.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
