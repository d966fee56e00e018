"""Checks a question about survival against all rules of a site, as `glm.judging` does for its table.

What a question sums is judged by the expected events and the martingale residuals of its rows (`maths`): whether
enough persons carry it, and what all answers together reveal (docs/decisions/0038).
"""

from dataclasses import dataclass, replace

import numpy as np

from medspace.core.material import Material
from medspace.core.usage import Admission, Step
from medspace.learning.cox.maths import PartialSums, Survival, partial
from medspace.learning.cox.task import CoxTask, parse
from medspace.learning.glm.answers import BetaForm
from medspace.learning.glm.auditing import SumQuery, asked, cells_of
from medspace.learning.glm.design import DesignBlock, Layout, Marks, Mask, Matrix, Sample, Vector, design
from medspace.learning.glm.errors import NothingLeftError
from medspace.learning.glm.judging import PreparedRows, asked_of
from medspace.learning.glm.ranges import Ranges, check_column
from medspace.learning.glm.task import GlmTask
from medspace.learning.glm.weighing import carrying, check_part, check_weights
from medspace.privacy.errors import DisclosureError


@dataclass(frozen=True, slots=True)
class SurvivalBlock:
    """Rows that are summed together: those of the table, and how long each was observed."""

    part: DesignBlock
    survival: Survival

    @property
    def cohort(self) -> int:
        """How many persons there are."""
        return self.part.cohort


@dataclass(frozen=True, slots=True)
class WeighedRisk:
    """A question at a beta: the (clipped) predictor of each row, what is summed, and what each row carries of it."""

    eta: Vector
    straight: Vector  # the predictor as it was before it was clipped
    sums: PartialSums
    part: DesignBlock

    @property
    def weights(self) -> Vector:
        """What each row carries of the Hessian."""
        return self.sums.weights

    @property
    def residuals(self) -> Vector:
        """What each row carries of the gradient."""
        return self.sums.residuals

    @property
    def cohort(self) -> int:
        """The persons who carry the sums."""
        return carrying(self)


@dataclass(frozen=True, slots=True)
class CoxStep:
    """One step on the rows of one site, after all public checks."""

    admission: Admission
    step: Step
    task: CoxTask
    asked: BetaForm | None
    ranges: Ranges | None
    parts: PreparedRows

    @classmethod
    def read(cls, admission: Admission, step: Step, parts: PreparedRows) -> "CoxStep":
        """The question of a step, after all public checks.

        Raises:
            InvalidInputError: nobody can answer it, or not with this data dictionary.
        """
        task = parse(step.task)
        form, allowed = asked_of(task.table, _as_of_table(step), parts)
        for time in _times(task):
            check_column(parts.rows.dictionary, time, coded=False)
        return cls(admission, step, task, form, allowed, parts)

    @property
    def table(self) -> GlmTask:
        """Its columns."""
        return self.task.table

    def fitted(self) -> DesignBlock:
        """The rows that the model is fitted to."""
        return self.block(measured=False).part

    def summed(self) -> tuple[SurvivalBlock, WeighedRisk | None]:
        """The rows that the step sums, and what they carry of it, if it is about a beta."""
        found = self.block(measured=self.step.name == "evaluation")
        if not len(found.part.target):
            raise NothingLeftError if self.admission.min_cohort <= 1 else DisclosureError("release.cohort")
        return found, None if self.asked is None else self._weigh(found, self.asked)

    def block(self, *, measured: bool) -> SurvivalBlock:
        """The rows that the task fits, or is measured on: those whose times are known and in order."""
        times = [_numbers(self.parts.rows, name) for name in _times(self.task)]
        timed = np.isfinite(times).all(axis=0) & (times[0] >= 0.0)
        if len(times) > 1:
            timed &= times[1] < times[0]
        sample = self.parts.sample(self.task.table)
        chosen = _chosen(sample, apart=measured and self.task.table.evaluation.holdout > 0.0)
        part = sample.part(chosen & timed)
        own = [time[part.rows] for time in times]
        return SurvivalBlock(part, Survival(own[0], part.target == 1.0, own[1] if len(own) > 1 else None))

    def _weigh(self, found: SurvivalBlock, form: BetaForm) -> WeighedRisk:
        matrix = columns_of(self.task, form.layout, found.part)
        straight = matrix @ np.asarray(form.beta[1:], dtype=np.float64)
        eta = straight if self.ranges is None else self.ranges.clipped(straight)
        return WeighedRisk(eta, straight, partial(matrix, found.survival, eta, self.task.ties), found.part)

    def weighed(self) -> tuple[SurvivalBlock, WeighedRisk | None]:
        """The same, if enough persons carry it.

        Raises:
            DisclosureError: too few do.
        """
        found, risk = self.summed()
        check_part(self.task.table, found.part, self.admission)
        if risk is not None:
            check_weights(risk, self.ranges, self.admission)
        return found, risk

    def query(self, persons: Marks) -> SumQuery:
        """Whom it sums, and with which weights (`glm.judging.Audited`)."""
        return self.query_of(*self.summed(), persons)

    def query_of(self, found: SurvivalBlock, risk: WeighedRisk | None, persons: Marks) -> SumQuery:
        """The same of rows and weights that are known already."""
        cells = {} if self.step.name == "evaluation" else cells_of(self.task.table, found.part)
        return asked(risk, found.part.rows, persons, cells)


def columns_of(task: CoxTask, layout: Layout, part: DesignBlock) -> Matrix:
    """The design without the intercept's column."""
    return design(task.table, layout, part.values)[:, 1:]


def _chosen(sample: Sample, *, apart: bool) -> Mask:
    return sample.usable & sample.held_out if apart else sample.usable & ~sample.held_out


def _times(task: CoxTask) -> list[str]:
    return [task.time] if task.entry is None else [task.time, task.entry]


def _numbers(rows: Material, column: str) -> Vector:
    return np.asarray(rows.numbers(column), dtype=np.float64)


def _as_of_table(step: Step) -> Step:
    """The step as a GLM would be asked: with the coefficient of an intercept, which is 0."""
    beta = step.inputs.get("beta")
    return replace(step, inputs=step.inputs | {"beta": [0.0, *beta]}) if isinstance(beta, list) else step
