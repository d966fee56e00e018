"""Stand-in: an engine whose tasks say what they cost of a privacy budget.

    python -m tests.e2e.house.noisy CONFIG    runs a connector that has it

It counts rows, and the noise is the task's own word: what is tested is who pays for an answer, not how noisy it is. A
task without `rho` has exact answers. A step for which a file `wait` is there works until the file has gone.
"""

from dataclasses import dataclass, field

from medspace.app.compose.connector import ENGINES, ConnectorParts
from medspace.core.engine import COORDINATOR_SEES_SUMS, Cost, OutputForm, StepLimits
from medspace.core.material import Form
from medspace.core.usage import Output
from tests.e2e.house.coin import hold
from tests.e2e.house.killable import live

STATISTICS = "medspace:statistics"


@dataclass(frozen=True)
class Noisy:
    """Counts rows, at a cost."""

    kind: str = STATISTICS
    task: str = "noisy"
    outputs: tuple[OutputForm, ...] = (OutputForm("noisy.count"), OutputForm("noisy.opening", message=True))
    steps: tuple[str, ...] = ("count", "open")
    forms: tuple[Form, ...] = (Form.TABLE,)
    limits: StepLimits = field(default_factory=lambda: StepLimits(rowless=frozenset({"open"})))

    def protection(self, task):
        return COORDINATOR_SEES_SUMS

    def check(self, task):
        """Anything goes."""

    def cost(self, task):
        return Cost(tuple(task["rho"]), opens=frozenset({"open"})) if "rho" in task else None

    def answer(self, admission, step, workplace):
        if step.name == "open":
            return Output("noisy.opening", {"opened": step.round}, 0)
        hold(step)
        return Output("noisy.count", {"rows": workplace.material.count}, workplace.material.count)


WITH_NOISE = ConnectorParts(engines={**ENGINES, (STATISTICS, "noisy"): Noisy})

if __name__ == "__main__":
    live(WITH_NOISE)
