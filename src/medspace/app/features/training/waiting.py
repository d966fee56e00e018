"""Which sites the current runs are waiting for, for people who watch them. Kept in memory only."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from medspace.core.clock import Clock
from medspace.core.store import Topic
from medspace.core.text import Text, msgid
from medspace.runs.model import RUNS
from medspace.runs.progress import RunEvent

OVER = frozenset({"finished", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Absence:
    """A site that has not answered yet: why, since which step, and until when it is awaited."""

    reason: Text
    step: str
    until: datetime


@dataclass(frozen=True, slots=True)
class AtWork:
    """A site that works on a long step: its progress in percent, and when it may be done, if it reports that."""

    percent: int
    until: datetime | None = None


class Waiting:
    """Takes the progress of runs; signals a run whenever a site goes away, comes back, or makes progress."""

    def __init__(self, clock: Clock, tell: Callable[[Iterable[Topic]], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._absences: dict[str, dict[str, Absence]] = {}
        self._at_work: dict[tuple[str, str], AtWork] = {}  # by run and site, while a step is asked for

    def hear(self, progress: RunEvent) -> None:
        """Take a progress report of the coordinator (`Coordinator.progress`)."""
        if progress.event in OVER:
            self._absences.pop(progress.run, None)
        elif progress.event == "away":
            until = self._clock.now() + timedelta(seconds=progress.left)
            reason = progress.reason or Text(msgid("it did not answer"))
            self._absences.setdefault(progress.run, {})[progress.site] = Absence(reason, progress.step, until)
            self._changed(progress.run)
        elif progress.event in ("back", "excluded"):
            absent = self._absences.get(progress.run, {})
            if absent.pop(progress.site, None) is not None:
                self._changed(progress.run)

    def of(self, run: str) -> Mapping[str, Absence]:
        """The sites that a run is waiting for now, by DID."""
        return dict(self._absences.get(run, {}))

    def works(self, run: str, site: str, percent: int, left: int | None) -> None:
        """Take a site's progress in a step, and its remaining seconds."""
        until = None if left is None else self._clock.now() + timedelta(seconds=left)
        before = self._at_work.get((run, site))
        self._at_work[run, site] = AtWork(percent, until)
        if before is None or before.percent != percent:
            self._changed(run)

    def answered(self, run: str, site: str) -> None:
        """The step is done, or no longer requested."""
        self._at_work.pop((run, site), None)

    def at_work(self, run: str, site: str) -> AtWork | None:
        """A site's progress in the step that a run is waiting for, if it reports one."""
        return self._at_work.get((run, site))

    def _changed(self, run: str) -> None:
        self._tell((RUNS.topic(run),))

    def left(self, what: Absence | AtWork) -> int | None:
        """How many whole seconds a site is still awaited for, or may still need."""
        return None if what.until is None else max(0, round((what.until - self._clock.now()).total_seconds()))
