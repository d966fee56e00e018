"""Generalised linear models under masks (`runs.masked.ports`): nobody sees more than the total of the sites' sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject, exact
from medspace.core.text import Text, msgid
from medspace.core.usage import Measure
from medspace.learning.evaluation.model import Judgement
from medspace.learning.glm import following
from medspace.learning.glm.answers import question
from medspace.learning.glm.counting import CountedGroups, evaluation_phase, moments_phase
from medspace.learning.glm.demanded import measures
from medspace.learning.glm.design import Layout, Vector
from medspace.learning.glm.evaluation import Quality
from medspace.learning.glm.following import MaskedFitState
from medspace.learning.glm.intervals import SiteIntervals
from medspace.learning.glm.mitigating import (
    MitigationStand,
    as_asked,
    balance_phase,
    published,
    thresholds_phase,
)
from medspace.learning.glm.model import Fit, FitPhase, Fitted, OwnGroup, SiteQuality
from medspace.learning.glm.noisy.masked import NoisyGlm
from medspace.learning.glm.outcome import covariance_of, terms, uncarried
from medspace.learning.glm.summing import GlmSumming
from medspace.learning.glm.task import GlmTask, parse
from medspace.learning.glm.totals import EvaluationTotal, MomentsTotal, TotalCheck, newton_shape, newton_total
from medspace.learning.mitigation.model import Mitigated
from medspace.learning.phases import Phase, Walk
from medspace.runs.errors import AnswerInvalidError, RunError
from medspace.runs.masked.ports import State
from medspace.runs.ports import Result


class _ExactOutcome(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
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
    judged: Judgement | None = None
    mitigated: Mitigated | None = None


class _Own(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A site's own quality, if its offer lists it."""

    rows: int
    persons: int
    quality: Quality
    groups: tuple[OwnGroup, ...] = ()
    intervals: SiteIntervals | None = None


@dataclass(frozen=True, slots=True)
class MaskedGlm(Walk[MaskedFitState]):
    """One GLM task under masks (`runs.masked.ports.Summed`)."""

    task: GlmTask

    @property
    def phases(self) -> Mapping[str, Phase[MaskedFitState]]:
        """Moments, Newton rounds, evaluation."""
        return {
            FitPhase.MOMENTS: moments_phase(self.task, self._begun),
            FitPhase.MITIGATION: balance_phase(self.task, self._penalised, self._asked, _balanced),
            FitPhase.NEWTON: Phase(
                shape=lambda stand: newton_shape(self.task, len(stand.beta), stand.rows),
                check=lambda stand, total, sites: self._check(stand, sites).newton(
                    total, len(stand.beta), stand.rows
                ),
                follow=lambda stand, total, proposal, _: following.after_newton(
                    self.task, stand, newton_total(len(stand.beta), total), proposal
                ),
                inputs=self._asked,
                propose=lambda stand, total: following.proposed(
                    self.task, stand, newton_total(len(stand.beta), total)
                ),
                restarts=True,
            ),
            FitPhase.THRESHOLDS: thresholds_phase(self.task, self._asked, _equalised),
            FitPhase.EVALUATION: evaluation_phase(self.task, self._asked, _ended),
        }

    def _begun(self, stand: MaskedFitState, total: MomentsTotal, found: CountedGroups) -> MaskedFitState:
        begun = replace(
            following.after_moments(self.task, stand, total),
            groups=found.shown,
            having=found.having,
            mitigation=found.mitigation,
        )
        plan = self.task.mitigate
        return replace(begun, phase=FitPhase.MITIGATION) if plan is not None and plan.balances else begun

    def _penalised(self, stand: MaskedFitState) -> int:
        """How many columns' sums per group a penalty needs."""
        plan = self.task.mitigate
        return len(following.layout_in(stand).kept) if plan is not None and plan.penalty else 0

    def _asked(self, stand: MaskedFitState) -> JsonObject:
        form = None if stand.mitigation is None else stand.mitigation.form(self.task)
        return question(stand.asked, following.layout_in(stand), form)

    def start(self) -> MaskedFitState:
        """Nothing is fitted yet."""
        return MaskedFitState()

    def read(self, state: State) -> MaskedFitState:
        """What was written."""
        return following.read(state)

    def _check(self, stand: MaskedFitState, sites: int) -> TotalCheck:
        return TotalCheck(self.task, stand.round + 1, sites)

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
            judged=as_asked(self.task, stand.judged),
            mitigated=published(self.task, stand.mitigation, stand.judged),
        )
        said: JsonObject = exact(msgspec.to_builtins(made))
        return said

    def measures(self, state: State, own: JsonObject) -> tuple[Measure, ...]:
        """What terms may demand of the model (`runs.masked.ports.Measuring`)."""
        stand = following.read(state)
        if stand.quality is None:
            return ()
        site = msgspec.convert(own, _Own, strict=False).quality if own else None
        done = published(self.task, stand.mitigation, stand.judged)
        return measures(self.task, stand.quality, site, stand.judged, done)

    def result(self, outcome: JsonObject, sites: Sequence[str], own: Mapping[str, JsonObject]) -> Result:
        """The content of a model of this task; `own` has the sites that release something of their own.

        Raises:
            RunError: it is not an outcome of this task.
            AnswerInvalidError: what a site says of itself is not of that form.
        """
        made = self._content(outcome)
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
            sites=tuple(own_quality(site, own[site], self.task.max_rounds) for site in sites if site in own),
            pooled=made.quality,
            measured_on="held-out rows" if self.task.evaluation.holdout else "training rows",
            persons=made.persons,
            uncarried=uncarried(self.task, made.layout),
            judged=made.judged,
            mitigated=made.mitigated,
        )
        return Result(msgspec.to_builtins(fitted), made.rows, tuple(sites))

    def _content(self, outcome: JsonObject) -> _ExactOutcome:
        try:
            made = msgspec.convert(outcome, _ExactOutcome, strict=False)
        except msgspec.ValidationError:
            raise RunError from None
        width, layout = len(made.beta), made.layout
        fits = (
            len(made.covariance) == width * (width + 1) // 2
            and width == len(layout.kept) + self.task.intercept
            and layout.suits(self.task)
            and all(scale > 0.0 for scale in layout.scale)
        )
        if not fits:
            raise RunError
        return made


def own_quality(site: str, said: JsonObject, last: int) -> SiteQuality:
    """What a site says of itself; `last` is the question that it says it with.

    Raises:
        AnswerInvalidError: it is not of that form.
    """
    try:
        own = msgspec.convert(said, _Own, strict=False)
    except msgspec.ValidationError:
        reason = Text(msgid("it is not a valid quality report"))
        raise AnswerInvalidError(site=site, round=last, reason=reason) from None
    return SiteQuality(site, own.rows, own.quality, own.persons, groups=own.groups, intervals=own.intervals)


def _ended(stand: MaskedFitState, total: EvaluationTotal, judged: Judgement | None) -> MaskedFitState:
    return replace(following.after_evaluation(stand, total), judged=judged)


def _balanced(stand: MaskedFitState, known: MitigationStand) -> MaskedFitState:
    return replace(stand, phase=FitPhase.NEWTON, round=stand.round + 1, mitigation=known)


def _equalised(stand: MaskedFitState, known: MitigationStand) -> MaskedFitState:
    return replace(stand, phase=FitPhase.EVALUATION, round=stand.round + 1, mitigation=known)


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
