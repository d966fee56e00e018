"""The engine of `medspace:train`: answers the rounds of a GLM beside the data. It keeps nothing between two steps.

Every output is a sum over the rows of the site (or a rank statistic of all of them): no row, no prediction of a row,
no minimum or maximum leaves. The sums of one site are still that site's own: the gate decides on the
smallest cohort, which counts persons, however many rows each of them has.
"""

from hashlib import sha256
from typing import Any

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid
from medspace.core.usage import Admission, Output, RowSource, Step
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
from medspace.learning.glm.design import Matrix, Sample, Vector, design, sample
from medspace.learning.glm.errors import NothingLeftError
from medspace.learning.glm.evaluation import site_quality, tally
from medspace.learning.glm.maths import curvature, mean, moments, weights_of
from medspace.learning.glm.task import GlmTask, parse
from medspace.learning.ports import KIND
from medspace.privacy.disclosure import effective


class GlmEngine:
    """Serves `medspace:train` for GLM tasks (`core.usage.Engine`)."""

    @property
    def kind(self) -> str:
        """`medspace:train`."""
        return KIND

    @property
    def outputs(self) -> tuple[str, ...]:
        """Moments, Newton sums, evaluation."""
        return (MOMENTS, NEWTON, EVALUATION)

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

    def answer(self, admission: Admission, step: Step, source: RowSource) -> Output:
        """Do one step on the admitted rows.

        Raises:
            TaskInvalidError, StepInvalidError: the question cannot be answered by anybody.
            ColumnUnknownError, LevelUnknownError, TargetInvalidError, NothingLeftError: not on these rows.
        """
        task = parse(step.task)
        if step.name not in OUTPUTS or not 1 <= step.round <= task.max_rounds:
            raise _invalid(step, msgid("there is no such step"))
        asked = None if step.name == "moments" else _beta(task, step)
        found = sample(task, source.open(admission), seed=_seed(admission), least=admission.min_cohort)
        part = found.measured if step.name == "evaluation" else found.fitted
        if not len(part.target):
            raise NothingLeftError
        echo = {"task": task.digest(), "round": step.round, "n": len(part.target)}
        if asked is None:
            return Output(MOMENTS, msgspec.to_builtins(_moments(task, part, echo)), part.cohort)
        matrix = design(task, asked.layout, part.values)
        eta = matrix @ np.asarray(asked.beta, dtype=np.float64)
        if step.name == "evaluation":
            form: NewtonForm | EvaluationForm = _evaluation(task, part, eta, admission.min_cohort, echo)
        else:
            form = _newton(task, step, asked, matrix, part, echo)
        return Output(OUTPUTS[step.name], msgspec.to_builtins(form), _cohort(task, part, eta))


def _seed(admission: Admission) -> int:
    """What decides the site's split: the holder and the asset, so it is the same for every task and every asker."""
    content = f"{admission.holder}\n{admission.asset}".encode()
    return int.from_bytes(sha256(content).digest()[:4])


def _cohort(task: GlmTask, part: Sample, eta: Vector) -> int:
    """The persons who carry the sums at this beta: one that weighs a single row makes a cohort of one."""
    mu = mean(task.family, eta)
    weights = weights_of(task.family, eta, mu)
    return min(part.cohort, effective(weights, part.persons), effective(part.target - mu, part.persons))


def _moments(task: GlmTask, part: Sample, echo: dict[str, Any]) -> MomentsForm:
    total = moments(task, part)
    return MomentsForm(
        missing=list(total.missing),
        sums=total.sums.tolist(),
        squares=total.squares.tolist(),
        target_sum=total.target_sum,
        **echo,
    )


def _evaluation(task: GlmTask, part: Sample, eta: Vector, least: int, echo: dict[str, Any]) -> EvaluationForm:
    total = tally(task, part.target, eta, part.persons, least)
    return EvaluationForm(quality=site_quality(task, part.target, eta, total), tally=total, **echo)


def _newton(
    task: GlmTask, step: Step, asked: BetaForm, matrix: Matrix, part: Sample, echo: dict[str, Any]
) -> NewtonForm:
    total = curvature(task.family, matrix, part.target, np.asarray(asked.beta, dtype=np.float64))
    if not (np.isfinite(total.hessian).all() and np.isfinite(total.gradient).all() and np.isfinite(total.deviance)):
        raise _invalid(step, msgid("the sums at this beta are not finite"))
    return NewtonForm(
        deviance=total.deviance, gradient=total.gradient.tolist(), hessian=total.hessian.tolist(), **echo
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
