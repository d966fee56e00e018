"""Whom running runs wait for at this moment, for people who watch them. Nothing is kept: it is true only now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from medspace.core.clock import Clock
from medspace.core.text import Text, msgid
from medspace.runs.progress import Progress

OVER = frozenset({"finished", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Absence:
    """A site that has not answered yet: why, since which step, and until when it is waited for."""

    reason: Text
    step: str
    until: datetime


@dataclass(frozen=True, slots=True)
class AtWork:
    """A site that works on a long step: how much of it is done, in hundredths, and when it may be, if it says so."""

    percent: int
    until: datetime | None = None


class Waiting:
    """Hears the progress of runs; rings when somebody goes away, comes back, or gets on."""

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._absences: dict[str, dict[str, Absence]] = {}
        self._at_work: dict[tuple[str, str], AtWork] = {}  # by run and site, while a step is asked for

    def hear(self, progress: Progress) -> None:
        """Take what the coordinator says (`Coordinator.progress`)."""
        if progress.event in OVER:
            self._absences.pop(progress.run, None)
        elif progress.event == "away":
            until = self._clock.now() + timedelta(seconds=progress.left)
            reason = progress.reason or Text(msgid("nobody is there"))
            self._absences.setdefault(progress.run, {})[progress.site] = Absence(reason, progress.step, until)
            self._ring()
        elif progress.event in ("back", "excluded"):
            absent = self._absences.get(progress.run, {})
            if absent.pop(progress.site, None) is not None:
                self._ring()

    def of(self, run: str) -> Mapping[str, Absence]:
        """The sites that a run waits for now, by DID."""
        return dict(self._absences.get(run, {}))

    def works(self, run: str, site: str, percent: int, left: int | None) -> None:
        """Hear from a site how much of a step is done, and how many seconds it may still take."""
        until = None if left is None else self._clock.now() + timedelta(seconds=left)
        before = self._at_work.get((run, site))
        self._at_work[run, site] = AtWork(percent, until)
        if before is None or before.percent != percent:
            self._ring()

    def answered(self, run: str, site: str) -> None:
        """The step is done, or not asked for any more."""
        self._at_work.pop((run, site), None)

    def at_work(self, run: str, site: str) -> AtWork | None:
        """How far a site is with the step that a run waits for, if it says so."""
        return self._at_work.get((run, site))

    def left(self, what: Absence | AtWork) -> int | None:
        """How many whole seconds more a site is waited for, or may need."""
        return None if what.until is None else max(0, round((what.until - self._clock.now()).total_seconds()))
