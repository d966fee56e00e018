"""The engine of `medspace:train`: answers the rounds of a GLM beside the data.

Every output is a sum over the rows of the site: no row, no prediction of a row, no minimum or maximum leaves. The
sums of one site are still that site's own, so each question is held against three kinds of rules, in this order:

1. public ones, decided by task, dictionary and question alone (`bounds`); each has a sentence of its own;
2. private ones on the rows behind it (`weighing`): how many persons, and how heavy the heaviest;
3. the audit of all answers together (`auditing`).

The private ones have one error, whatever the reason. It keeps nothing between two steps but what saves time.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject
from medspace.core.engine import COORDINATOR_SEES_SUMS, OutputForm, StepLimits, Workplace
from medspace.core.errors import MedspaceError
from medspace.core.material import Form, Material
from medspace.core.text import Text, msgid
from medspace.core.usage import Admission, Output, Step
from medspace.learning.errors import StepInvalidError
from medspace.learning.glm.answers import (
    EVALUATION,
    HUGE,
    MOMENTS,
    NEWTON,
    OUTPUTS,
    BetaForm,
    EvaluationForm,
    MomentsForm,
    NewtonForm,
)
from medspace.learning.glm.auditing import Audit, SumQuery, asked, cells_of, identity
from medspace.learning.glm.design import DesignBlock, Matrix, Sample, marks_of, sample
from medspace.learning.glm.errors import BeyondRangesError, NothingLeftError
from medspace.learning.glm.evaluation import quality, scores, tally
from medspace.learning.glm.maths import curvature, losses, moments
from medspace.learning.glm.ranges import Ranges, check_columns, check_outcome, ranges
from medspace.learning.glm.samples import Samples
from medspace.learning.glm.task import Evaluation, GlmTask, parse
from medspace.learning.glm.weighing import Weighed, check_part, check_weights, weigh
from medspace.learning.model import KIND
from medspace.privacy.errors import DisclosureError
from medspace.privacy.rounding import Rounding, rounded, unrounded

Key = TypeVar("Key")
Made = TypeVar("Made")
MOST_PARTS = 2  # kept at a time: those that a run fits, and those that it is measured on


class GlmEngine:
    """Serves `medspace:train` for GLM tasks (`core.engine.Engine`)."""

    def __init__(self) -> None:
        self._audit = Audit()
        self._samples = Samples()

    @property
    def kind(self) -> str:
        """`medspace:train`."""
        return KIND

    @property
    def task(self) -> str:
        """`glm`."""
        return "glm"

    @property
    def outputs(self) -> tuple[OutputForm, ...]:
        """Moments, Newton sums, evaluation: each made of persons."""
        return tuple(OutputForm(name) for name in (MOMENTS, NEWTON, EVALUATION))

    @property
    def forms(self) -> tuple[Form, ...]:
        """Tables, and whatever comes with a table of labels."""
        return (Form.TABLE, Form.IMAGES)

    @property
    def limits(self) -> StepLimits:
        """Seconds in a thread."""
        return StepLimits()

    def protection(self, task: JsonObject) -> str:  # noqa: ARG002 - the same for every GLM
        """The coordinator adds up the sites' sums and sees each."""
        return COORDINATOR_SEES_SUMS

    @property
    def steps(self) -> tuple[str, ...]:
        """moments, newton, evaluation."""
        return tuple(OUTPUTS)

    def check(self, task: JsonObject) -> None:
        """Refuse what is no GLM task.

        Raises:
            TaskInvalidError: with the field and what is wrong with it.
        """
        parse(task)

    def columns(self, step: Step) -> frozenset[str]:
        """Outcome and features of the task; what is asked in a round names no others (`core.engine.Reading`)."""
        task = parse(step.task)
        return frozenset((task.target.column, *(feature.name for feature in task.features)))

    def answer(self, admission: Admission, step: Step, workplace: Workplace) -> Output:
        """Do one step on the admitted rows.

        Raises:
            TaskInvalidError, StepInvalidError: the question cannot be answered by anybody.
            ColumnUnknownError, LevelUnknownError, RangeMissingError, TargetInvalidError, OutcomeUndeclaredError: not
                with this data dictionary.
            DisclosureError: the answer could tell about single persons, or about nobody.
        """
        rows = workplace.material
        if rows is None:
            raise NothingLeftError
        parts = _Parts(admission, rows, self._samples)
        question = _Question.read(admission, step, parts)
        part, weighed = question.weighed()
        if admission.brakes.exposure and admission.min_cohort > 1:
            persons = marks_of(rows, admission.seed)[0]
            self._compare(step, parts, asked(weighed, part.rows, persons, question.cells(part)))
        return question.output(part, weighed)

    def _compare(self, step: Step, parts: "_Parts", new: SumQuery) -> None:
        admission = parts.admission
        persons, content = marks_of(parts.rows, admission.seed)

        def again(earlier: Step) -> SumQuery | None:
            try:
                question = _Question.read(admission, earlier, parts)
                part, weighed = question.summed()
            except MedspaceError:  # it was answered from another version of the table or the dictionary
                return None
            return asked(weighed, part.rows, persons, question.cells(part))

        least = admission.min_cohort
        self._audit.check(admission.asset, persons, content, step, new, admission.history, again, least)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The rows of a site as tasks take them; kept while one step is answered, since many questions take the same."""

    admission: Admission
    rows: Material
    samples: Samples
    _samples: OrderedDict[GlmTask, Sample] = field(default_factory=OrderedDict)
    _parts: OrderedDict[tuple[GlmTask, bool], DesignBlock] = field(default_factory=OrderedDict)

    def sample(self, task: GlmTask) -> Sample:
        """The rows that a task can use."""
        looked = _looked(task)
        return _kept(self._samples, looked, lambda: self._sampled(looked))

    def part(self, task: GlmTask, *, measured: bool) -> DesignBlock:
        """The rows that a task fits, or is measured on."""
        looked = _looked(task)
        apart = measured and looked.evaluation.holdout > 0.0

        def made() -> DesignBlock:
            found = self.sample(task)
            return found.measured if apart else found.fitted

        return _kept(self._parts, (looked, apart), made)

    def _sampled(self, task: GlmTask) -> Sample:
        admission = self.admission
        least, brakes, key = admission.min_cohort, admission.brakes, split_key(admission)

        def made() -> Sample:
            return sample(
                task, self.rows, key=key, least=least, apart=brakes.coarsening, coarse_target=brakes.outcomes
            )

        rules = (least, brakes.coarsening, brakes.outcomes, key)
        return self.samples.of((identity(admission.asset, *marks_of(self.rows, admission.seed)), task, rules), made)


def _looked(task: GlmTask) -> GlmTask:
    """The task with nothing left but what decides about rows."""
    return GlmTask(
        family=task.family,
        target=task.target,
        features=task.features,
        purpose="",
        missing=task.missing,
        evaluation=Evaluation(holdout=task.evaluation.holdout),
    )


def _kept(known: OrderedDict[Key, Made], key: Key, make: Callable[[], Made]) -> Made:
    """What is known under a key, or made now; only the last ones stay."""
    if key not in known:
        known[key] = make()
    known.move_to_end(key)
    while len(known) > MOST_PARTS:
        known.popitem(last=False)
    return known[key]


@dataclass(frozen=True, slots=True)
class _Question:
    """One step on the rows of one site, once everything that is public has been checked."""

    admission: Admission
    step: Step
    task: GlmTask
    asked: BetaForm | None
    ranges: Ranges | None
    parts: _Parts

    @classmethod
    def read(cls, admission: Admission, step: Step, parts: _Parts) -> "_Question":
        task = parse(step.task)
        if step.name not in OUTPUTS or not 1 <= step.round <= task.max_rounds:
            raise _invalid(step, msgid("there is no such step"))
        form = None if step.name == "moments" else _beta(task, step)
        brakes, dictionary = admission.brakes, parts.rows.dictionary
        check_columns(task, dictionary)
        if brakes.outcomes:
            check_outcome(task, dictionary)
        allowed = ranges(task, dictionary) if brakes.bounds else None
        if form is not None and allowed is not None and not allowed.holds(task, form):
            raise BeyondRangesError(round=step.round)
        parts.sample(task)
        return cls(admission, step, task, form, allowed, parts)

    def summed(self) -> tuple[DesignBlock, Weighed | None]:
        """The rows that the step sums, and what it weighs them with, if it weighs them."""
        part = self.parts.part(self.task, measured=self.step.name == "evaluation")
        if not len(part.target):
            raise NothingLeftError if self.admission.min_cohort <= 1 else DisclosureError("release.cohort")
        return part, None if self.asked is None else weigh(self.task, part, self.asked, self.ranges)

    def weighed(self) -> tuple[DesignBlock, Weighed | None]:
        """The same, if enough persons carry it.

        Raises:
            DisclosureError: too few do.
        """
        part, found = self.summed()
        check_part(self.task, part, self.admission)
        if found is not None:
            check_weights(found, self.ranges, self.admission)
        return part, found

    def cells(self, part: DesignBlock) -> dict[str, Matrix]:
        """The rows of each code, where the step sums them: the sums of an evaluation are of all rows."""
        return {} if self.step.name == "evaluation" else cells_of(self.task, part)

    def output(self, part: DesignBlock, weighed: Weighed | None) -> Output:
        """The sums, rounded."""
        echo = {
            "task": self.task.digest(),
            "round": self.step.round,
            "n": len(part.target),
            "persons": part.cohort,
        }
        near = rounded if self.admission.brakes.rounding else unrounded
        if weighed is None or self.asked is None:
            return Output(MOMENTS, msgspec.to_builtins(_moments(self.task, part, near, echo)), part.cohort)
        if self.step.name == "evaluation":
            form: NewtonForm | EvaluationForm = _evaluation(self, self.asked, weighed, near, echo)
        else:
            form = _newton(self, weighed, near, echo)
        return Output(OUTPUTS[self.step.name], msgspec.to_builtins(form), weighed.cohort)


def split_key(admission: Admission) -> bytes:
    """What decides the site's split: the holder's secret; without that brake, what everybody knows."""
    if admission.brakes.split:
        return admission.seed
    return sha256(f"{admission.holder}\n{admission.asset}".encode()).digest()


def _moments(task: GlmTask, part: DesignBlock, near: Rounding, echo: dict[str, Any]) -> MomentsForm:
    total = moments(task, part)
    present = np.nan_to_num(np.abs(part.values), nan=0.0)
    return MomentsForm(
        joined=list(part.joined),
        missing=list(total.missing),
        sums=near(total.sums, present.sum(axis=0)).tolist(),
        squares=near(total.squares, total.squares).tolist(),
        target_sum=float(near(total.target_sum, np.abs(part.target).sum())),
        **echo,
    )


def _evaluation(
    question: _Question, form: BetaForm, weighed: Weighed, near: Rounding, echo: dict[str, Any]
) -> EvaluationForm:
    task, part = question.task, weighed.part
    made = scores(task, np.asarray(form.beta, dtype=np.float64), weighed.eta)
    total = tally(task, part.target, made, part.persons, question.admission.min_cohort, near)
    return EvaluationForm(quality=quality(total), tally=total, **echo)


def _newton(question: _Question, weighed: Weighed, near: Rounding, echo: dict[str, Any]) -> NewtonForm:
    family, part = question.task.family, weighed.part
    total = curvature(family, weighed.matrix, part.target, weighed.eta)
    if not (np.isfinite(total.hessian).all() and np.isfinite(total.gradient).all() and np.isfinite(total.deviance)):
        raise _invalid(question.step, msgid("the sums at this beta are not finite"))
    size = np.abs(weighed.matrix)
    heavy = size * np.sqrt(weighed.weights)[:, None]
    lost = np.abs(losses(family, weighed.eta, part.target)).sum()
    return NewtonForm(
        deviance=float(near(total.deviance, lost)),
        gradient=near(total.gradient, size.T @ np.abs(weighed.residuals)).tolist(),
        hessian=near(total.hessian, heavy.T @ heavy).tolist(),
        **echo,
    )


def _beta(task: GlmTask, step: Step) -> BetaForm:
    try:
        asked = msgspec.convert(step.inputs, BetaForm)
    except msgspec.ValidationError as error:
        raise StepInvalidError(round=step.round, reason=str(error)) from None
    layout = asked.layout
    values = sum(len(feature.columns) for feature in task.features)
    kept = list(layout.kept)
    shapes = (
        len(layout.fill) == values
        and len(layout.centre) == len(layout.scale) == len(kept) == len(asked.beta) - task.intercept
        and kept == sorted(set(kept) & set(range(len(task.columns))))
    )
    if not shapes:
        raise _invalid(step, msgid("beta and layout do not have the shape of the task"))
    numbers = np.concatenate([asked.beta, layout.fill, layout.centre, layout.scale])
    if not (np.isfinite(numbers).all() and (np.abs(numbers) <= HUGE).all() and all(s > 0.0 for s in layout.scale)):
        raise _invalid(step, msgid("beta and layout must be finite, and scales positive"))
    return asked


def _invalid(step: Step, sentence: str) -> StepInvalidError:
    return StepInvalidError(round=step.round, reason=Text(sentence))
