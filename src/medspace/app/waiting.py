"""Whom running runs wait for at this moment, for people who watch them. Nothing is kept: it is true only now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from medspace.core.clock import Clock
from medspace.core.text import Text, msgid
from medspace.runs.service import Progress

OVER = frozenset({"finished", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Absence:
    """A site that has not answered yet: why, since which step, and until when it is waited for."""

    reason: Text
    step: str
    until: datetime


class Waiting:
    """Hears the progress of runs; rings when somebody goes away or comes back."""

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._absences: dict[str, dict[str, Absence]] = {}

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

    def left(self, absence: Absence) -> int:
        """For how many whole seconds more a site is waited for."""
        return max(0, round((absence.until - self._clock.now()).total_seconds()))
