"""Checks a question about survival against all rules of a site, as `glm.judging` does for its table.

What a question sums is judged by the expected events and the martingale residuals of its rows (`maths`): whether
enough persons carry it, and what all answers together reveal (docs/decisions/0038).
"""

from dataclasses import dataclass, replace

import msgspec
import numpy as np

from medspace.core.material import Material
from medspace.core.text import msgid
from medspace.core.usage import Admission, Step
from medspace.learning.cox.maths import PartialSums, Survival, partial
from medspace.learning.cox.robust import RowScores, row_scores, stratum_scores
from medspace.learning.cox.shared import SharedForm, events_at, kept, placed
from medspace.learning.cox.spans import RiskSpans, spans_of
from medspace.learning.cox.task import CoxTask, parse
from medspace.learning.glm.answers import BetaForm
from medspace.learning.glm.auditing import SumQuery, asked, by_person, cells_of
from medspace.learning.glm.design import DesignBlock, Layout, Marks, Mask, Matrix, Sample, Vector, design
from medspace.learning.glm.errors import NothingLeftError
from medspace.learning.glm.judging import PreparedRows, asked_of, invalid
from medspace.learning.glm.ranges import Ranges, check_column
from medspace.learning.glm.task import GlmTask
from medspace.learning.glm.weighing import carrying, check_part, check_weights
from medspace.privacy.errors import DisclosureError

NEWTON, SCORES = "newton", "scores"
_SHAPE = msgid("the common baseline does not have the shape of the task")


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
class SharedRisk:
    """A question to a fit with one baseline: the predictor of each row, and the spans of the grid that are summed.

    The sums are of the rows of each span with their risks, so these are what rows carry of them.
    """

    eta: Vector
    straight: Vector
    matrix: Matrix
    part: DesignBlock
    spans: RiskSpans

    @property
    def weights(self) -> Vector:
        """What each row carries of sums over those at risk."""
        return np.asarray(np.exp(self.eta) * self.spans.leaving.any(axis=1), dtype=np.float64)

    @property
    def residuals(self) -> Vector:
        """What each row carries of the sum of the columns over the events."""
        return np.asarray(self.spans.dying.any(axis=1), dtype=np.float64)

    @property
    def vectors(self) -> Matrix:
        """What each row carries of each sum, one column for each: rows x sums."""
        risk = np.exp(self.eta)[:, None]
        spans = self.spans
        own = self.residuals
        return np.column_stack([own, risk * spans.leaving, risk * spans.entering, risk * spans.dying])

    @property
    def cohort(self) -> int:
        """The persons who carry the sums."""
        return carrying(self)


@dataclass(frozen=True, slots=True)
class WeighedScores:
    """A question about robust errors: the score of each row, and what each carries of the sum of their products."""

    straight: Vector
    made: RowScores
    events: int
    part: DesignBlock

    @property
    def weights(self) -> Vector:
        """The square of its person's martingale residual, shared among the person's rows."""
        _, person = np.unique(self.part.persons, return_inverse=True)
        found: Vector = (np.square(np.bincount(person, self.made.residuals)) / np.bincount(person))[person]
        return found

    @property
    def residuals(self) -> Vector:
        """The same: it is the only sum."""
        return self.weights

    @property
    def cohort(self) -> int:
        """The persons who carry the sum."""
        return carrying(self)


Risk = WeighedRisk | SharedRisk | WeighedScores


@dataclass(frozen=True, slots=True)
class CoxStep:
    """One step on the rows of one site, after all public checks; `shared` is what it says of a common baseline."""

    admission: Admission
    step: Step
    task: CoxTask
    asked: BetaForm | None
    ranges: Ranges | None
    parts: PreparedRows
    shared: SharedForm | None = None

    @classmethod
    def read(cls, admission: Admission, step: Step, parts: PreparedRows) -> "CoxStep":
        """The question of a step, after all public checks.

        Raises:
            InvalidInputError: nobody can answer it, or not with this data dictionary.
        """
        task = parse(step.task)
        if step.name == SCORES and task.errors != "robust":
            raise invalid(step, msgid("there is no such step"))
        form, allowed = asked_of(task.table, _as_of_table(step), parts)
        for time in _times(task):
            check_column(parts.rows.dictionary, time, coded=False)
        shared = _shared_of(task, step, form) if task.grid and step.name in (NEWTON, SCORES) else None
        return cls(admission, step, task, form, allowed, parts, shared)

    @property
    def table(self) -> GlmTask:
        """Its columns."""
        return self.task.table

    def fitted(self) -> DesignBlock:
        """The rows that the model is fitted to."""
        return self.block(measured=False).part

    def summed(self) -> tuple[SurvivalBlock, Risk | None]:
        """The rows that the step sums, and what they carry of it, if it is about a beta."""
        found = self.block(measured=self.step.name == "evaluation")
        if not len(found.part.target):
            raise NothingLeftError if self.admission.min_cohort <= 1 else DisclosureError("release.cohort")
        return found, None if self.asked is None else self._weigh(found, self.asked)

    def block(self, *, measured: bool) -> SurvivalBlock:
        """The rows that the task fits, or is measured on: those whose times are known and in order."""
        times = [_numbers(self.parts.rows, name) for name in _times(self.task)]
        timed = np.isfinite(times).all(axis=0) & (times[0] >= 0.0)
        if self.task.grid:
            times = placed(times, self.task.grid)
        if len(times) > 1:
            timed &= times[1] < times[0]
        sample = self.parts.sample(self.task.table)
        chosen = _chosen(sample, apart=measured and self.task.table.evaluation.holdout > 0.0)
        part = sample.part(chosen & timed)
        own = [time[part.rows] for time in times]
        event = part.target == 1.0
        if self.task.grid:
            event = event & (own[0] < len(self.task.grid))
        return SurvivalBlock(part, Survival(own[0], event, own[1] if len(own) > 1 else None))

    def _weigh(self, found: SurvivalBlock, form: BetaForm) -> Risk:
        matrix, survival, part = columns_of(self.task, form.layout, found.part), found.survival, found.part
        straight = matrix @ np.asarray(form.beta[1:], dtype=np.float64)
        eta = straight if self.ranges is None else self.ranges.clipped(straight)
        if self.step.name == SCORES:
            made = self._scores(matrix, survival, eta)
            return WeighedScores(straight, made, int(survival.event.sum()), part)
        if self.shared is not None:
            return SharedRisk(kept(eta), straight, matrix, part, spans_of(survival, self.shared.deaths))
        return WeighedRisk(eta, straight, partial(matrix, survival, eta, self.task.ties), part)

    def _scores(self, matrix: Matrix, survival: Survival, eta: Vector) -> RowScores:
        baseline = None if self.shared is None else self.shared.read()
        if baseline is None:
            return stratum_scores(matrix, survival, eta, self.task.ties)
        return row_scores(matrix, survival, np.exp(kept(eta)), baseline)

    def weighed(self) -> tuple[SurvivalBlock, Risk | None]:
        """The same, if enough persons carry it.

        Raises:
            DisclosureError: too few do.
        """
        found, risk = self.summed()
        check_part(self.task.table, found.part, self.admission)
        if risk is not None:
            check_weights(risk, self.ranges, self.admission)
        if isinstance(risk, SharedRisk):
            risk.spans.check(risk.eta, found.part.persons, self.admission)
        elif risk is None and self.task.grid:
            deaths = events_at(found.survival, len(self.task.grid))
            spans_of(found.survival, deaths).check_events(found.part.persons, self.admission)
        return found, risk

    def query(self, persons: Marks) -> SumQuery:
        """Whom it sums, and with which weights (`glm.judging.Audited`)."""
        return self.query_of(*self.summed(), persons)

    def query_of(self, found: SurvivalBlock, risk: Risk | None, persons: Marks) -> SumQuery:
        """The same of rows and weights that are known already."""
        part = found.part
        cells = {} if self.step.name == "evaluation" else cells_of(self.task.table, part)
        if risk is None and self.task.grid:
            own = spans_of(found.survival, events_at(found.survival, len(self.task.grid))).dying
            vectors = np.column_stack([np.ones(len(own)), own])
            return replace(asked(None, part.rows, persons, cells), vectors=by_person(vectors, part.rows, persons))
        if not isinstance(risk, SharedRisk):
            return asked(risk, part.rows, persons, cells)
        spread = {
            f"{column} {name}": codes * rows[:, None]
            for name, rows in risk.spans.named()
            for column, codes in cells.items()
        }
        made = asked(None, part.rows, persons, {**cells, **spread})
        return replace(made, vectors=by_person(risk.vectors, part.rows, persons))


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
    """The step as a GLM would be asked: of its names, with the coefficient of an intercept, which is 0."""
    inputs = {name: value for name, value in step.inputs.items() if name not in SharedForm.__struct_fields__}
    beta = inputs.get("beta")
    if isinstance(beta, list):
        inputs["beta"] = [0.0, *beta]
    return replace(step, name=NEWTON if step.name == SCORES else step.name, inputs=inputs)


def _shared_of(task: CoxTask, step: Step, asked: BetaForm | None) -> SharedForm:
    """What a question says of a common baseline.

    Raises:
        StepInvalidError: it does not have the shape of the task.
    """
    said = {name: step.inputs[name] for name in SharedForm.__struct_fields__ if name in step.inputs}
    try:
        form = msgspec.convert(said, SharedForm)
    except msgspec.ValidationError:
        raise invalid(step, _SHAPE) from None
    width = 0 if asked is None else len(asked.layout.kept)
    if not form.fits(task, width) or (form.baseline is None) is (step.name == SCORES):
        raise invalid(step, _SHAPE)
    return form
