"""A kind of use that the product does not have: counting patients by the levels of a coded column."""

from collections import defaultdict
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
        rows, having = workplace.material, defaultdict(set)
        for person, code in zip(rows.persons(), rows.codes(step.task["column"]), strict=True):
            having[str(code)].add(int(person))
        counted = {code: len(persons) for code, persons in having.items()}
        shown = suppressed(counted, admission.min_cohort)
        behind = set().union(*(having[code] for code in shown))
        return Output("statistics.counts", dict(shown), len(behind))


def suppressed(counted, least):
    """The cells that may be told: none of fewer than `least` persons.

    What is left out tells nothing by its difference from all that is known elsewhere, such as the size of the table:
    either nothing is left out, or at least two cells of at least `least` persons together.
    """
    small = {code for code, persons in counted.items() if persons < least}
    for code in sorted(counted, key=counted.get):
        if not small or (len(small) > 1 and sum(counted[one] for one in small) >= least):
            break
        small.add(code)
    return {code: persons for code, persons in counted.items() if code not in small}
