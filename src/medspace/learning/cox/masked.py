"""Survival tasks under masks (`runs.masked.ports`): nobody sees more than the total of the sites' sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject, exact
from medspace.core.text import Text, msgid
from medspace.learning.cox import following
from medspace.learning.cox.following import CoxState
from medspace.learning.cox.model import CoxFitted, SiteSurvival, SurvivalQuality
from medspace.learning.cox.summing import CoxSumming
from medspace.learning.cox.task import COX, CoxTask, parse
from medspace.learning.cox.totals import SurvivalCheck, newton_shape, newton_total, ranked_shape, ranked_total
from medspace.learning.glm.answers import question
from medspace.learning.glm.design import Layout
from medspace.learning.glm.model import Fit, FitPhase, Term
from medspace.learning.glm.outcome import covariance_of, terms, uncarried
from medspace.learning.glm.totals import moments_shape, moments_total
from medspace.learning.proposals import empty
from medspace.runs.errors import AnswerInvalidError, RunError
from medspace.runs.masked.ports import Shape, State, TaskQuestion
from medspace.runs.ports import Result


class _SurvivalOutcome(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The result that the sites of a run hand over; fractions are text.

    `covariance` is the upper triangle, row by row, for the columns as they were measured.
    """

    rows: int
    persons: int
    events: int
    layout: Layout
    beta: list[float]
    covariance: list[float]
    deviances: list[float]
    objectives: list[float]
    quality: SurvivalQuality


class _OwnSurvival(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A site's own quality, if its offer lists it."""

    rows: int
    persons: int
    quality: SurvivalQuality


@dataclass(frozen=True, slots=True)
class MaskedCox:
    """One survival task under masks (`runs.masked.ports.Summed`)."""

    task: CoxTask

    def first(self) -> State:
        """Nothing is fitted yet."""
        return CoxState().written()

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

    def _shape(self, stand: CoxState) -> Shape:
        if stand.phase is FitPhase.MOMENTS:
            return moments_shape(self.task.table)
        if stand.phase is FitPhase.NEWTON:
            return newton_shape(len(stand.beta), stand.rows)
        return ranked_shape(stand.rows)

    def check(self, state: State, total: Sequence[int], sites: int) -> None:
        """Whether a total can be right.

        Raises:
            TotalInvalidError: it cannot.
        """
        stand = following.read(state)
        check = SurvivalCheck(self.task, stand.round + 1, sites)
        check.table.within(self._shape(stand), total)
        if stand.phase is FitPhase.MOMENTS:
            check.table.moments(total)
        elif stand.phase is FitPhase.NEWTON:
            check.newton(total, len(stand.beta), stand.rows, stand.events)
        else:
            check.ranked(total)

    def propose(self, state: State, total: Sequence[int]) -> JsonObject:
        """The step of a Newton round that takes one; else nothing."""
        stand = following.read(state)
        if stand.phase is not FitPhase.NEWTON:
            return {}
        return following.proposed(self.task, stand, newton_total(len(stand.beta), total)[1])

    def follow(self, state: State, total: Sequence[int], proposal: JsonObject, sites: int = 0) -> State:
        """The next state; it depends only on the total.

        Raises:
            ProposalInvalidError: the proposal does not follow from the total.
            NoEventError, SingularError, SeparatedError, NotConvergedError: nothing follows.
        """
        del sites
        stand = following.read(state)
        if stand.phase is FitPhase.NEWTON:
            found = newton_total(len(stand.beta), total)[1]
            return following.after_newton(self.task, stand, found, proposal).written()
        empty(proposal, stand.round + 1)
        if stand.phase is FitPhase.MOMENTS:
            return following.after_moments(self.task, stand, moments_total(self.task.table, total)).written()
        return following.after_evaluation(stand, ranked_total(total)).written()

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
        if stand.layout is None or stand.quality is None:  # a fit that is done has them
            raise RunError
        made = _SurvivalOutcome(
            rows=stand.rows,
            persons=stand.persons,
            events=stand.events,
            layout=stand.layout,
            beta=stand.asked,
            covariance=list(stand.covariance),
            deviances=[stand.deviances[0], stand.deviances[-1]],
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
        fitted = CoxFitted(
            terms=self._terms(made),
            ties=self.task.ties,
            events=made.events,
            persons=made.persons,
            deviance=repr(made.deviances[1]),
            null_deviance=repr(made.deviances[0]),
            sites=tuple(self._own(site, own[site]) for site in sites if site in own),
            pooled=made.quality,
            measured_on="held-out rows" if self.task.table.evaluation.holdout else "training rows",
            uncarried=uncarried(self.task.table, made.layout),
        )
        return Result(msgspec.to_builtins(fitted), made.rows, tuple(sites))

    def _terms(self, made: _SurvivalOutcome) -> tuple[Term, ...]:
        """The coefficients as measured: those of the table less its intercept, which is 0."""
        width = len(made.beta)
        covariance = np.zeros((width + 1, width + 1))
        covariance[1:, 1:] = np.asarray(covariance_of(made.covariance, width)).reshape(width, width)
        fit = Fit(
            phase=FitPhase.DONE,
            layout=made.layout,
            beta=(0.0, *made.beta),
            covariance=tuple(map(tuple, covariance.tolist())),
        )
        errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        return terms(self.task.table, fit, made.layout, errors)[1:]

    def _read(self, outcome: JsonObject) -> _SurvivalOutcome:
        try:
            made = msgspec.convert(outcome, _SurvivalOutcome, strict=False)
        except msgspec.ValidationError:
            raise RunError from None
        width, layout, table = len(made.beta), made.layout, self.task.table
        kept = list(layout.kept)
        fits = (
            len(made.covariance) == width * (width + 1) // 2
            and len(made.deviances) == 2  # noqa: PLR2004 - that of coefficients of 0, and the last
            and width == len(kept) == len(layout.centre) == len(layout.scale)
            and len(layout.fill) == sum(len(feature.columns) for feature in table.features)
            and kept == sorted(set(kept) & set(range(len(table.columns))))
            and all(scale > 0.0 for scale in layout.scale)
        )
        if not fits:
            raise RunError
        return made

    def _own(self, site: str, said: JsonObject) -> SiteSurvival:
        try:
            own = msgspec.convert(said, _OwnSurvival, strict=False)
        except msgspec.ValidationError:
            reason = Text(msgid("it is not a valid quality report"))
            raise AnswerInvalidError(site=site, round=self.task.table.max_rounds, reason=reason) from None
        return SiteSurvival(site, own.rows, own.quality)


@dataclass(frozen=True, slots=True)
class MaskedCoxes:
    """Survival tasks under masks (`runs.masked.ports.MaskedTask`)."""

    summing: CoxSumming = field(default_factory=CoxSumming)
    name: str = COX

    def summed(self, task: JsonObject) -> MaskedCox:
        """Read a survival task.

        Raises:
            TaskInvalidError: with the field and what is wrong with it.
        """
        return MaskedCox(parse(task))
