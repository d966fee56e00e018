"""Stand-in (c): a step that works for minutes, in a process of its own; and the connector that it outlives.

python -m tests.e2e.house.long_work CLOCK CONFIG    runs a connector whose clock is moved through the file CLOCK
"""

import asyncio
import os
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from medspace.adapters.runner import recipe_of
from medspace.app.compose.connector import ENGINES, ConnectorParts
from medspace.app.compose.serve import run_as
from medspace.app.node.config import read_config
from medspace.core.engine import COORDINATOR_SEES_SUMS, OutputForm, StepLimits
from medspace.core.material import Form
from medspace.core.usage import Output
from tests.e2e.house.killable import live

STATISTICS = "medspace:statistics"


@dataclass(frozen=True)
class LongWork:
    """Counts rows, as slowly as the task says; each beginning is noted in the file that the task names."""

    kind: str = STATISTICS
    task: str = "long"
    outputs: tuple[OutputForm, ...] = (OutputForm("statistics.count"),)
    steps: tuple[str, ...] = ("count",)
    forms: tuple[Form, ...] = (Form.TABLE,)
    limits: StepLimits = field(default_factory=lambda: StepLimits(seconds=1200, runner="process"))

    def check(self, task):
        """Any length will do."""

    def protection(self, task):
        """Each site's count is seen by whoever asks."""
        return COORDINATOR_SEES_SUMS

    def answer(self, admission, step, workplace):
        with Path(step.task["note"]).open("a") as note:
            note.write(f"{os.getpid()}\n")
        began, long = workplace.clock.now(), timedelta(minutes=step.task["minutes"])
        while (worked := workplace.clock.now() - began) < long and not workplace.cancelled():
            workplace.progress(worked.total_seconds(), long.total_seconds())
            time.sleep(0.01)
        return Output("statistics.count", {"rows": workplace.material.count}, workplace.material.count)


class SharedClock:
    """The clock of several processes: it runs, and a file says by how many seconds it was moved on."""

    def __init__(self, file: str) -> None:
        self.file = Path(file)

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(self.file.read_text()))

    async def sleep(self, seconds: float) -> None:
        until = self.now() + timedelta(seconds=seconds)
        while (left := (until - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - a file rings no bell
            await asyncio.sleep(min(left, 0.05))

    def advance(self, seconds: float) -> None:
        later = self.file.with_suffix(".new")
        later.write_text(str(float(self.file.read_text()) + seconds))
        later.rename(self.file)


def parts(clock: Path) -> ConnectorParts:
    """The one line of wiring, and a clock that can be moved."""
    engines = {**ENGINES, (STATISTICS, "long"): LongWork}
    return ConnectorParts(
        engines=engines, clock=SharedClock(str(clock)), clock_again=recipe_of(SharedClock, file=str(clock))
    )


def main() -> None:
    """The connector as a program; not by `-m`: no other process can make what stands in a `__main__`."""
    live(parts(Path(sys.argv[1])))


def main_as_service() -> None:
    """The same as `medspace up` runs it, so that signals have their grace."""
    asyncio.run(run_as([read_config(Path(sys.argv[-1]))], lambda _: None, parts(Path(sys.argv[1]))))
