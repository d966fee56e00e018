"""Whom a question weighs: the rows behind it, their linear predictor, their weights and residuals; and when it is no.

Private rules: they depend on the rows, so all their refusals are one and the same to whoever asks.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from medspace.core.usage import Admission
from medspace.learning.glm.answers import BetaForm
from medspace.learning.glm.design import DesignBlock, Matrix, Vector, design
from medspace.learning.glm.maths import mean, weights_of
from medspace.learning.glm.ranges import Ranges
from medspace.learning.glm.task import GlmTask
from medspace.learning.newton import WIDEST
from medspace.privacy.disclosure import effective, heaviest, number
from medspace.privacy.errors import DisclosureError


class Weighing(Protocol):
    """What the rules and the audit look at: the rows of a question, and what each carries of what is summed."""

    @property
    def part(self) -> DesignBlock:
        """The rows."""
        ...

    @property
    def weights(self) -> Vector:
        """What each carries of the Hessian."""
        ...

    @property
    def residuals(self) -> Vector:
        """What each carries of the gradient."""
        ...

    @property
    def straight(self) -> Vector:
        """The predictor of each, before it is clipped."""
        ...


@dataclass(frozen=True, slots=True)
class Weighed:
    """A question on rows: `matrix` is the design, `eta` the (clipped) predictor; without beta there are only ones."""

    part: DesignBlock
    matrix: Matrix
    eta: Vector
    weights: Vector
    residuals: Vector
    straight: Vector  # the predictor as it was before it was clipped
    counts: Vector  # how much each row counts: 1, or what its group and outcome say

    @property
    def cohort(self) -> int:
        """The persons who carry the sums."""
        return carrying(self)


def carrying(weighed: Weighing) -> int:
    """The persons who carry the sums of a question: one that weighs a single row makes a cohort of one."""
    persons = weighed.part.persons
    return min(weighed.part.cohort, effective(weighed.weights, persons), effective(weighed.residuals, persons))


def weigh(
    task: GlmTask, part: DesignBlock, asked: BetaForm, ranges: Ranges | None, counts: Vector | None = None
) -> Weighed:
    """What a Newton or evaluation question makes of the rows; without ranges nothing is clipped."""
    matrix = design(task, asked.layout, part.values)
    straight = matrix @ np.asarray(asked.beta, dtype=np.float64)
    eta = straight if ranges is None else ranges.clipped(straight)
    mu = mean(task.family, eta)
    counts = np.ones(len(part.target)) if counts is None else counts
    weights = weights_of(task.family, eta, mu) * counts
    return Weighed(part, matrix, eta, weights, (part.target - mu) * counts, straight, counts)


def check_part(task: GlmTask, part: DesignBlock, admission: Admission) -> None:
    """Whether enough persons are in a part, and on either side of its outcome.

    Raises:
        DisclosureError: not enough.
    """
    least = admission.min_cohort
    if part.cohort < least:
        raise DisclosureError("release.cohort")
    if admission.brakes.outcomes and task.family == "binomial" and least > 1:
        sides = [number(part.persons[part.target == side]) for side in (0.0, 1.0)]
        if min(sides) < least:
            raise DisclosureError("release.outcome")


def check_weights(weighed: Weighing, ranges: Ranges | None, admission: Admission) -> None:
    """Whether the sums of a question rest on enough persons, none of them too heavily.

    Raises:
        DisclosureError: they do not.
    """
    least = admission.min_cohort
    if carrying(weighed) < least:
        raise DisclosureError("release.cohort")
    if admission.brakes.bounds and ranges is not None and ranges.width(weighed.straight) > WIDEST:
        raise DisclosureError("release.spread")
    if admission.brakes.heaviest:
        persons = weighed.part.persons
        if max(heaviest(weighed.weights, persons), heaviest(weighed.residuals, persons)) * least > 1.0 + 1e-9:
            raise DisclosureError("release.weight")
