"""What a task does so that its model is fairer to the groups of one column.

mitigate = { column = "sex", reweighing = true, penalty = 1.0, equal = "sensitivity", validation = 0.2 }
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from medspace.core.canonical import JsonObject
from medspace.core.text import Fact, Text, msgid
from medspace.learning.evaluation.plan import GroupAttribute, JudgePlan
from medspace.runs.errors import TaskInvalidError

Equal = Literal["sensitivity", "specificity", "positives"]
Fraction = float | str
LARGEST_PENALTY = 1e6
STEPS = 100  # thresholds lie at hundredths
EDGES = tuple(at / STEPS for at in range(1, STEPS))


@dataclass(frozen=True, slots=True)
class MitigationPlan:
    """For which groups, and how.

    With `reweighing`, rows of a group and an outcome count as often as if both were independent (Kamiran and Calders
    2012). `penalty` / 2 times the squared difference between the mean score of a group and that of all others, for
    each group, is added to the mean loss (with two groups, the boundary covariance of Zafar et al. 2017). With
    `equal`, each group gets a threshold of its own at which it has that share in common with everyone at `threshold`
    (Hardt et al. 2016), chosen on the share `validation` of each site's persons, which is kept out of the fit.
    No group of fewer than `least` persons with either outcome is used.
    """

    attribute: GroupAttribute
    reweighing: bool = False
    penalty: float = 0.0
    equal: Equal | None = None
    threshold: float = 0.5
    validation: float = 0.0
    least: int = 1

    @property
    def balances(self) -> bool:
        """Whether something is summed before the fit."""
        return self.reweighing or self.penalty > 0.0

    def document(self) -> JsonObject:
        """The canonical form; what is not said is left out."""
        said: JsonObject = {"column": self.attribute.column}
        if self.reweighing:
            said["reweighing"] = True
        if self.penalty:
            said["penalty"] = repr(self.penalty)
        if self.equal is not None:
            said |= {"equal": self.equal, "threshold": repr(self.threshold)}
        return said | ({"validation": repr(self.validation)} if self.validation else {})


class MitigationForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The field `mitigate` of a task."""

    column: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    reweighing: bool = False
    penalty: Fraction = 0.0
    equal: Equal | None = None
    threshold: Fraction = 0.5
    validation: Fraction = 0.0


def mitigation(
    form: MitigationForm, judge: JudgePlan | None, number: Callable[[str, Fraction, float, float], float]
) -> MitigationPlan:
    """The plan of a form; its column is one that the model is judged by. `number` reads a number between bounds.

    Raises:
        TaskInvalidError: with what is wrong with it.
    """
    attributes = {} if judge is None else {one.column: one for one in judge.attributes}
    if judge is None or form.column not in attributes:
        sentence = msgid("mitigate names {column}, which is not among the groups of judge: its effect has to be seen")
        raise _refused(sentence, column=form.column)
    threshold = round(number("threshold", form.threshold, EDGES[0], EDGES[-1]) * STEPS) / STEPS
    plan = MitigationPlan(
        attributes[form.column],
        form.reweighing,
        number("penalty", form.penalty, 0.0, LARGEST_PENALTY),
        form.equal,
        threshold,
        number("validation", form.validation, 0.0, 1.0),
        judge.least,
    )
    if not (plan.balances or plan.equal):
        raise _refused(msgid("mitigate needs reweighing, a penalty, or what is to be equal"))
    if plan.validation and not plan.equal:
        raise _refused(msgid("validation of mitigate belongs to what is to be equal"))
    return plan


def _refused(sentence: str, **facts: Fact) -> TaskInvalidError:
    return TaskInvalidError(reason=Text(sentence, facts))
