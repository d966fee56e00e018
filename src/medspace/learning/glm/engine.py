"""The engine of `medspace:train`: answers the rounds of a GLM beside the data.

Every output is a sum over the rows of the site: no row, no prediction of a row, no minimum or maximum leaves. The
sums of one site still reveal that site, so each question is judged first (`judging`). Those of a task under masks
leave only masked (`summing`).
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject
from medspace.core.engine import (
    COORDINATOR_SEES_SUMS,
    MASKED,
    MASKED_GROUPS,
    MASKED_SUMS,
    Cost,
    OutputForm,
    StepLimits,
    Workplace,
)
from medspace.core.material import Form
from medspace.core.text import Text, msgid
from medspace.core.usage import Admission, Output, Step
from medspace.learning.glm import grouping
from medspace.learning.glm.answers import (
    EVALUATION,
    MOMENTS,
    NEWTON,
    OUTPUTS,
    BetaForm,
    EvaluationForm,
    MomentsForm,
    NewtonForm,
)
from medspace.learning.glm.design import DesignBlock
from medspace.learning.glm.evaluation import quality, scores, tally
from medspace.learning.glm.judging import Judge, Reader, SiteStep, invalid
from medspace.learning.glm.leaking import leaks
from medspace.learning.glm.masked import MaskedGlms
from medspace.learning.glm.maths import curvature, losses, moments
from medspace.learning.glm.nearness import difference
from medspace.learning.glm.noisy.planning import plan
from medspace.learning.glm.summing import GlmSumming
from medspace.learning.glm.task import GlmTask, parse
from medspace.learning.glm.weighing import Weighed
from medspace.learning.model import KIND
from medspace.privacy.rounding import Rounding, rounded, unrounded
from medspace.runs.masked.messages import ROWLESS, STEPS
from medspace.runs.masked.site import MaskedSite


class GlmEngine:
    """Serves `medspace:train` for GLM tasks (`core.engine.Engine`).

    `readers` read the questions of other kinds of task that tables were asked, for the audit of all together.
    """

    def __init__(self, readers: Mapping[str, Reader] = MappingProxyType({})) -> None:
        self.judge = Judge(readers)
        self.masked = MaskedSite(MaskedGlms(GlmSumming(self.judge)))

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
        """Moments, Newton sums, evaluation: each made of persons. Under masks, what the protocol says."""
        plain = tuple(OutputForm(name) for name in (MOMENTS, NEWTON, EVALUATION))
        return (*plain, *self.masked.outputs)

    @property
    def forms(self) -> tuple[Form, ...]:
        """Tables, and whatever comes with a table of labels."""
        return (Form.TABLE, Form.IMAGES)

    @property
    def limits(self) -> StepLimits:
        """Seconds in a thread."""
        return StepLimits(rowless=ROWLESS)

    def protection(self, task: JsonObject) -> str:
        """As the task states: the coordinator sees each site's sums, or nobody sees more than totals.

        (`check` refuses a task that says something else.)
        """
        said = task.get("protection")
        return said if said in (MASKED_SUMS, MASKED_GROUPS) else COORDINATOR_SEES_SUMS

    @property
    def steps(self) -> tuple[str, ...]:
        """moments, newton, evaluation; under masks, those of the protocol."""
        return (*OUTPUTS, *STEPS)

    def check(self, task: JsonObject) -> None:
        """Refuse an invalid GLM task.

        Raises:
            TaskInvalidError: with the field and what is wrong with it.
            NoiseInvalidError: its epsilon is too small for its columns.
        """
        read = parse(task)
        if read.noise is not None:
            plan(read)

    def cost(self, task: JsonObject) -> Cost | None:
        """That of its noisy totals (`core.engine.Costing`)."""
        read = parse(task)
        return None if read.noise is None else plan(read).cost

    def numbers(self, task: JsonObject) -> int:
        """Coefficients and covariance of a model, or the sums of one round (`core.engine.CountingEngine`).

        A column may be left out in the fit, so those that depend on the table do not count.
        """
        read = parse(task)
        width = read.intercept + sum(max(len(feature.levels) - 1, 1) for feature in read.features)
        return width + width * (width + 1) // 2 + grouping.figures(read)

    def difference(self, one: JsonObject, other: JsonObject) -> Text | None:
        """One feature, level, threshold or share held out (`core.engine.Comparing`)."""
        return difference(parse(one), parse(other))

    def columns(self, step: Step) -> frozenset[str]:
        """Outcome, features and groups of the task; no round names others (`core.engine.SelectiveEngine`)."""
        return columns_of(parse(step.task))

    def optional(self, output: Output) -> tuple[str, ...]:
        """Under masks the hospital's own quality (`core.engine.Withholding`)."""
        return self.masked.optional(output)

    def without(self, output: Output, parts: Collection[str]) -> Output:
        """The model without it."""
        return self.masked.without(output, parts)

    def answer(self, admission: Admission, step: Step, workplace: Workplace) -> Output:
        """Do one step on the admitted rows.

        Raises:
            TaskInvalidError, StepInvalidError: the question cannot be answered by anybody.
            ColumnUnknownError, LevelUnknownError, RangeMissingError, TargetInvalidError, OutcomeUndeclaredError: not
                with this data dictionary.
            DisclosureError: the answer could reveal single persons, or covers nobody.
        """
        masked = parse(step.task).protection in MASKED
        if masked != (step.name in STEPS):
            raise invalid(step, msgid("this step does not belong to the protection of the task"))
        if masked:
            return self.masked.answer(admission, step, workplace)
        return _output(*self.judge.judged(SiteStep.read, admission, step, workplace.material))


def _output(question: SiteStep, part: DesignBlock, weighed: Weighed | None) -> Output:
    """The sums, rounded."""
    echo = {
        "task": question.task.digest(),
        "round": question.step.round,
        "n": len(part.target),
        "persons": part.cohort,
    }
    near = rounded if question.admission.brakes.rounding else unrounded
    if weighed is None or question.asked is None:
        made = msgspec.to_builtins(_moments(question.task, part, near, echo))
        told = leaks(question.task, part, measured=question.task.family != "binomial")
        return Output(MOMENTS, made, part.cohort, notes=told)
    if question.step.name == "evaluation":
        form: NewtonForm | EvaluationForm = _evaluation(question, question.asked, weighed, near, echo)
    else:
        form = _newton(question, weighed, near, echo)
    return Output(OUTPUTS[question.step.name], msgspec.to_builtins(form), weighed.cohort)


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
    question: SiteStep, form: BetaForm, weighed: Weighed, near: Rounding, echo: dict[str, Any]
) -> EvaluationForm:
    task, part = question.task, weighed.part
    made = scores(task, np.asarray(form.beta, dtype=np.float64), weighed.eta)
    total = tally(task, part.target, made, part.persons, question.admission.min_cohort, near)
    return EvaluationForm(quality=quality(total), tally=total, **echo)


def _newton(question: SiteStep, weighed: Weighed, near: Rounding, echo: dict[str, Any]) -> NewtonForm:
    family, part = question.task.family, weighed.part
    total = curvature(family, weighed.matrix, part.target, weighed.eta)
    if not (np.isfinite(total.hessian).all() and np.isfinite(total.gradient).all() and np.isfinite(total.deviance)):
        raise invalid(question.step, msgid("the sums at this beta are not finite"))
    size = np.abs(weighed.matrix)
    heavy = size * np.sqrt(weighed.weights)[:, None]
    lost = np.abs(losses(family, weighed.eta, part.target)).sum()
    return NewtonForm(
        deviance=float(near(total.deviance, lost)),
        gradient=near(total.gradient, size.T @ np.abs(weighed.residuals)).tolist(),
        hessian=near(total.hessian, heavy.T @ heavy).tolist(),
        **echo,
    )


def columns_of(task: GlmTask) -> frozenset[str]:
    """The columns that a task on a table looks at."""
    groups = () if task.judge is None else task.judge.attributes
    named = (*(feature.name for feature in task.features), *(one.column for one in groups))
    return frozenset((task.target.column, *named))
