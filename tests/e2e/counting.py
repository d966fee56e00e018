"""A kind of use that the product does not have: counting patients by the levels of a coded column."""

from collections import Counter
from dataclasses import dataclass

from medspace.core.usage import Output


@dataclass(frozen=True)
class Counting:
    """Serves `medspace:statistics`: how many patients have each code of the column that the task names."""

    kind: str = "medspace:statistics"
    outputs: tuple[str, ...] = ("statistics.counts",)
    steps: tuple[str, ...] = ("counts",)

    def check(self, task):
        """Any column will do."""

    def answer(self, admission, step, source):
        rows = source.open(admission)
        counted = Counter(str(code) for code in rows.codes(step.task["column"]))
        return Output("statistics.counts", dict(counted), rows.count)
