"""What was done so that a model is fairer, and what that changed: what is published of it."""

from dataclasses import dataclass

from medspace.learning.evaluation.plan import GroupAttribute
from medspace.learning.mitigation.plan import Equal


@dataclass(frozen=True, slots=True)
class GroupTreatment:
    """How one group is treated; what is None was not known, or too few persons stand behind it.

    `without` and `having` are how much a row of the fit counted, by its outcome. `threshold` is the chance from which
    on the model says yes. The shares are at the threshold of everyone (`before`) and at the group's own (`after`).
    """

    group: str
    without: float | None = None
    having: float | None = None
    threshold: float | None = None
    sensitivity_before: float | None = None
    sensitivity_after: float | None = None
    specificity_before: float | None = None
    specificity_after: float | None = None
    positives_before: float | None = None
    positives_after: float | None = None


@dataclass(frozen=True, slots=True)
class Mitigated:
    """What a task did for the groups of one column, and to whom.

    `threshold` is that of everyone else. `gap_before` and `gap_after` are the largest difference between two groups
    in the share that was to be `equal`, on the rows that quality was measured on.
    """

    attribute: GroupAttribute
    groups: tuple[GroupTreatment, ...]
    reweighing: bool = False
    penalty: float = 0.0
    equal: Equal | None = None
    threshold: float = 0.5
    gap_before: float | None = None
    gap_after: float | None = None

    def thresholds(self) -> tuple[float, ...]:
        """The threshold of each group, that of everyone else last."""
        own = {one.group: one.threshold for one in self.groups}
        return (*(own.get(name) or self.threshold for name in self.attribute.groups), self.threshold)
