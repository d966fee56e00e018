"""Generalised linear models under masks (`runs.masked.ports`): nobody sees more than the total of the sites' sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject, exact
from medspace.core.text import Text, msgid
from medspace.learning.glm import following
from medspace.learning.glm.answers import question
from medspace.learning.glm.design import Layout, Vector
from medspace.learning.glm.evaluation import Quality
from medspace.learning.glm.following import MaskedFitState
from medspace.learning.glm.model import Fit, FitPhase, Fitted, SiteQuality
from medspace.learning.glm.noisy.masked import NoisyGlm
from medspace.learning.glm.outcome import covariance_of, terms, uncarried
from medspace.learning.glm.summing import GlmSumming
from medspace.learning.glm.task import GlmTask, parse
from medspace.learning.glm.totals import (
    TotalCheck,
    evaluation_shape,
    evaluation_total,
    moments_shape,
    moments_total,
    newton_shape,
    newton_total,
)
from medspace.learning.proposals import empty
from medspace.runs.errors import AnswerInvalidError, RunError
from medspace.runs.masked.ports import Shape, State, TaskQuestion
from medspace.runs.ports import Result


class _ExactOutcome(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The result that the sites of a run hand over; fractions are text.

    `covariance` is the upper triangle, row by row, for the columns as they were measured.
    """

    rows: int
    persons: int
    layout: Layout
    beta: list[float]
    covariance: list[float]
    deviance: float
    objectives: list[float]
    quality: Quality


class _Own(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A site's own quality, if its offer lists it."""

    rows: int
    persons: int
    quality: Quality


@dataclass(frozen=True, slots=True)
class MaskedGlm:
    """One GLM task under masks (`runs.masked.ports.Summed`)."""

    task: GlmTask

    def first(self) -> State:
        """Nothing is fitted yet."""
        return MaskedFitState().written()

    def asked(self, state: State) -> TaskQuestion | None:
        """Moments; then beta and layout, as floats."""
        stand = following.read(state)
        if stand.phase is FitPhase.DONE:
            return None
        if stand.layout is None:
            return TaskQuestion(stand.phase.value, {})
        return TaskQuestion(stand.phase.value, question(stand.asked, stand.layout))

    def shape(self, state: State) -> Shape:
        """The vector of the phase; see `totals`."""
        return self._shape(following.read(state))

    def _shape(self, stand: MaskedFitState) -> Shape:
        if stand.phase is FitPhase.MOMENTS:
            return moments_shape(self.task)
        if stand.phase is FitPhase.NEWTON:
            return newton_shape(self.task, len(stand.beta), stand.rows)
        return evaluation_shape(self.task, stand.rows)

    def check(self, state: State, total: Sequence[int], sites: int) -> None:
        """Whether a total can be right.

        Raises:
            TotalInvalidError: it cannot.
        """
        stand = following.read(state)
        check = TotalCheck(self.task, stand.round + 1, sites)
        check.within(self._shape(stand), total)
        if stand.phase is FitPhase.MOMENTS:
            check.moments(total)
        elif stand.phase is FitPhase.NEWTON:
            check.newton(total, len(stand.beta), stand.rows)
        else:
            check.evaluation(total)

    def propose(self, state: State, total: Sequence[int]) -> JsonObject:
        """The step of a Newton round that takes one; else nothing."""
        stand = following.read(state)
        if stand.phase is not FitPhase.NEWTON:
            return {}
        return following.proposed(self.task, stand, newton_total(len(stand.beta), total))

    def follow(self, state: State, total: Sequence[int], proposal: JsonObject, sites: int = 0) -> State:
        """The next state; it depends only on the total.

        Raises:
            ProposalInvalidError: the proposal does not follow from the total.
            SingularError, SeparatedError, NotConvergedError: nothing follows.
        """
        del sites
        stand = following.read(state)
        if stand.phase is FitPhase.NEWTON:
            found = newton_total(len(stand.beta), total)
            return following.after_newton(self.task, stand, found, proposal).written()
        empty(proposal, stand.round + 1)
        if stand.phase is FitPhase.MOMENTS:
            return following.after_moments(self.task, stand, moments_total(self.task, total)).written()
        return following.after_evaluation(stand, evaluation_total(self.task, total)).written()

    def without(self, state: State) -> State | None:
        """Restart the fit, unless only its evaluation is left, or nothing was asked yet."""
        return self.first() if following.read(state).phase is FitPhase.NEWTON else None

    def persons(self, state: State) -> int:
        """Those of the fit, at all sites."""
        return following.read(state).persons

    def objective(self, state: State) -> str | None:
        """Half the deviance and half the penalty."""
        found = following.read(state).objective
        return None if found is None else repr(found)

    def outcome(self, state: State) -> JsonObject:
        """Coefficients, their covariance, the layout, the objective of each round, quality over all sites.

        Raises:
            RunError: the fit is not done.
        """
        stand = following.read(state)
        if stand.layout is None or stand.quality is None or stand.deviance is None:  # a fit that is done has them
            raise RunError
        made = _ExactOutcome(
            rows=stand.rows,
            persons=stand.persons,
            layout=stand.layout,
            beta=stand.asked,
            covariance=list(stand.covariance),
            deviance=stand.deviance,
            objectives=list(stand.objectives),
            quality=stand.quality,
        )
        said: JsonObject = exact(msgspec.to_builtins(made))
        return said

    def result(self, outcome: JsonObject, sites: Sequence[str], own: Mapping[str, JsonObject]) -> Result:
        """The content of a model of this task; `own` has the sites that release something of their own.

        Raises:
            RunError: it is not an outcome of this task.
            AnswerInvalidError: what a site says of itself is not of that form.
        """
        made = self._read(outcome)
        fit = Fit(
            phase=FitPhase.DONE,
            layout=made.layout,
            beta=tuple(made.beta),
            covariance=covariance_of(made.covariance, len(made.beta)),
            deviance=made.deviance,
            pooled=made.quality,
        )
        fitted = Fitted(
            family=self.task.family,
            terms=terms(self.task, fit, made.layout, _errors(fit)),
            deviance=repr(made.deviance),
            sites=tuple(self._own(site, own[site]) for site in sites if site in own),
            pooled=made.quality,
            measured_on="held-out rows" if self.task.evaluation.holdout else "training rows",
            persons=made.persons,
            uncarried=uncarried(self.task, made.layout),
        )
        return Result(msgspec.to_builtins(fitted), made.rows, tuple(sites))

    def _read(self, outcome: JsonObject) -> _ExactOutcome:
        try:
            made = msgspec.convert(outcome, _ExactOutcome, strict=False)
        except msgspec.ValidationError:
            raise RunError from None
        width, layout, columns = len(made.beta), made.layout, len(self.task.columns)
        kept = list(layout.kept)
        fits = (
            len(made.covariance) == width * (width + 1) // 2
            and width == len(kept) + self.task.intercept
            and len(kept) == len(layout.centre) == len(layout.scale)
            and len(layout.fill) == sum(len(feature.columns) for feature in self.task.features)
            and kept == sorted(set(kept) & set(range(columns)))
            and all(scale > 0.0 for scale in layout.scale)
        )
        if not fits:
            raise RunError
        return made

    def _own(self, site: str, said: JsonObject) -> SiteQuality:
        try:
            own = msgspec.convert(said, _Own, strict=False)
        except msgspec.ValidationError:
            reason = Text(msgid("it is not a valid quality report"))
            raise AnswerInvalidError(site=site, round=self.task.max_rounds, reason=reason) from None
        return SiteQuality(site, own.rows, own.quality, own.persons)


def _errors(fit: Fit) -> Vector:
    """The standard errors: the covariance is of the columns as they were measured (`following`)."""
    return np.sqrt(np.maximum(np.diag(np.asarray(fit.covariance, dtype=np.float64)), 0.0))


@dataclass(frozen=True, slots=True)
class MaskedGlms:
    """GLM tasks under masks (`runs.masked.ports.MaskedTask`)."""

    summing: GlmSumming = field(default_factory=GlmSumming)
    name: str = "glm"

    def summed(self, task: JsonObject) -> MaskedGlm | NoisyGlm:
        """Read a GLM task.

        Raises:
            TaskInvalidError: with the field and what is wrong with it.
        """
        return summed(parse(task))


def summed(task: GlmTask) -> MaskedGlm | NoisyGlm:
    """The task under masks, exact or with noise."""
    return MaskedGlm(task) if task.noise is None else NoisyGlm(task)
