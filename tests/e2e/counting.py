"""A kind of use that the product does not have: counting patients by the levels of a coded column."""

from collections import Counter
from dataclasses import dataclass, field

from medspace.core.engine import COORDINATOR_SEES_SUMS, OutputForm, StepLimits
from medspace.core.material import Form
from medspace.core.usage import Output


@dataclass(frozen=True)
class Counting:
    """Serves `medspace:statistics`: how many patients have each code of the column that the task names."""

    kind: str = "medspace:statistics"
    task: str = "count"
    outputs: tuple[OutputForm, ...] = (OutputForm("statistics.counts"),)
    steps: tuple[str, ...] = ("counts",)
    forms: tuple[Form, ...] = (Form.TABLE,)
    limits: StepLimits = field(default_factory=StepLimits)

    def protection(self, task):
        """Each site's counts are seen by whoever asks."""
        return COORDINATOR_SEES_SUMS

    def check(self, task):
        """Any column will do."""

    def answer(self, admission, step, workplace):
        rows = workplace.material
        counted = Counter(str(code) for code in rows.codes(step.task["column"]))
        return Output("statistics.counts", dict(counted), rows.count)
