"""What a run says of itself while it goes on, for people who watch it."""

from collections.abc import Callable
from dataclasses import dataclass

from medspace.core.text import Text
from medspace.runs.model import Run


@dataclass(frozen=True, slots=True)
class RunEvent:
    """Something happened: `event` is started, answered, away, back, excluded, round, finished, failed or cancelled.

    Of a site that is away, `left` says for how many seconds more it is waited for, and `reason` why it is away.
    """

    event: str
    run: str
    round: int = 0
    step: str = ""
    site: str = ""
    done: int = 0
    of: int = 0
    objective: float | None = None
    left: float = 0.0
    reason: Text | None = None


def unheard(_: RunEvent) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class ReportedProgress:
    """Turns what `Asking` notices into progress of a run (`asking.SiteWatch`)."""

    progress: Callable[[RunEvent], None]
    run: Run
    step: str

    def away(self, site: str, left: float, reason: Text) -> None:
        """A site did not answer (yet); it is waited for `left` seconds more."""
        self.progress(RunEvent("away", self.run.id, self.run.round, self.step, site, left=left, reason=reason))

    def back(self, site: str) -> None:
        """A site answered."""
        self.progress(RunEvent("back", self.run.id, self.run.round, self.step, site))
