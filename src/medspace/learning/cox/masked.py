"""Survival tasks under masks (`runs.masked.ports`): nobody sees more than the total of the sites' sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject, exact
from medspace.core.text import Text, msgid
from medspace.core.usage import Measure
from medspace.learning.cox import following
from medspace.learning.cox.following import CoxState
from medspace.learning.cox.model import CoxFitted, CoxPhase, SiteSurvival, SurvivalQuality
from medspace.learning.cox.shared import SharedTotal, baseline_of, check_shared, newton_of, shared_shape, shared_total
from medspace.learning.cox.summing import CoxSumming
from medspace.learning.cox.task import COX, CoxTask, parse
from medspace.learning.cox.totals import (
    SurvivalCheck,
    newton_shape,
    newton_total,
    ranked_shape,
    ranked_total,
    scores_shape,
    timed_shape,
)
from medspace.learning.exact import FRACTION, symmetric
from medspace.learning.glm.answers import question
from medspace.learning.glm.design import Layout
from medspace.learning.glm.intervals import Ends
from medspace.learning.glm.model import Fit, FitPhase, Term
from medspace.learning.glm.outcome import covariance_of, terms, uncarried
from medspace.learning.glm.totals import moments_total
from medspace.learning.newton import NewtonTotal
from medspace.learning.phases import Phase, Walk
from medspace.policy import gates
from medspace.runs.errors import AnswerInvalidError, RunError
from medspace.runs.masked.ports import Shape, State
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
    interval: Ends | None = None


@dataclass(frozen=True, slots=True)
class MaskedCox(Walk[CoxState]):
    """One survival task under masks (`runs.masked.ports.Summed`)."""

    task: CoxTask

    @property
    def phases(self) -> Mapping[str, Phase[CoxState]]:
        """Moments, Newton rounds, the scores of robust errors, evaluation."""
        return {
            CoxPhase.MOMENTS: Phase(
                shape=lambda _: timed_shape(self.task.table, self._times),
                check=lambda stand, total, sites: self._check(stand, sites).timed(total, self._times),
                follow=self._begun,
            ),
            CoxPhase.NEWTON: Phase(
                shape=self._newton_shape,
                check=self._check_newton,
                follow=self._moved,
                inputs=self._asked,
                propose=lambda stand, total: following.proposed(self.task, stand, self._read(stand, total)[1]),
                restarts=True,
            ),
            CoxPhase.SCORES: Phase(
                shape=lambda stand: scores_shape(len(stand.beta), stand.rows),
                check=lambda stand, total, sites: self._check(stand, sites).scores(
                    total, len(stand.beta), stand.rows, stand.events
                ),
                follow=lambda stand, total, *_: following.after_scores(
                    self.task, stand, symmetric(total[2:], len(stand.beta))
                ),
                inputs=self._asked,
                restarts=True,
            ),
            CoxPhase.EVALUATION: Phase(
                shape=lambda stand: ranked_shape(stand.rows),
                check=lambda stand, total, sites: self._check(stand, sites).ranked(total),
                follow=lambda stand, total, *_: following.after_evaluation(stand, ranked_total(total)),
                inputs=lambda stand: question(stand.asked, stand.arranged),
            ),
        }

    @property
    def _times(self) -> int:
        return len(self.task.grid)

    def _begun(self, stand: CoxState, total: Sequence[int], *_: object) -> CoxState:
        plain = total[: len(total) - self._times]
        deaths = tuple(count >> FRACTION for count in total[len(plain) :])
        return following.after_moments(self.task, stand, moments_total(self.task.table, plain), deaths)

    def _newton_shape(self, stand: CoxState) -> Shape:
        width = len(stand.beta)
        if self.task.grid:
            return shared_shape(self.task, stand.deaths, width, stand.rows)
        return newton_shape(width, stand.rows)

    def _read(self, stand: CoxState, total: Sequence[int]) -> tuple[SharedTotal | None, NewtonTotal]:
        """A total of a common baseline, if there is one, and what it says of the fit."""
        width = len(stand.beta)
        if not self.task.grid:
            return None, newton_total(width, total)[1]
        found = shared_total(self.task, stand.deaths, width, total)
        return found, newton_of(found)

    def _moved(self, stand: CoxState, total: Sequence[int], proposal: JsonObject, _sites: int) -> CoxState:
        shared, found = self._read(stand, total)
        baseline = None if shared is None else lambda: baseline_of(shared)
        return following.after_newton(self.task, stand, found, proposal, baseline)

    def _asked(self, stand: CoxState) -> JsonObject:
        asked = question(stand.asked, stand.arranged)
        if not self.task.grid:
            return asked
        told = {} if stand.baseline is None else {"baseline": msgspec.to_builtins(stand.baseline)}
        return {**asked, "deaths": list(stand.deaths), **told}

    def start(self) -> CoxState:
        """Nothing is fitted yet."""
        return CoxState()

    def read(self, state: State) -> CoxState:
        """What was written."""
        return following.read(state)

    def _check(self, stand: CoxState, sites: int) -> SurvivalCheck:
        return SurvivalCheck(self.task, stand.round + 1, sites)

    def _check_newton(self, stand: CoxState, total: Sequence[int], sites: int) -> None:
        check, width = self._check(stand, sites), len(stand.beta)
        if not self.task.grid:
            check.newton(total, width, stand.rows, stand.events)
            return
        check.table.counts(total[:2])
        found = shared_total(self.task, stand.deaths, width, total)
        check_shared(check.table, found, stand.rows, stand.events)

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

    def measures(self, state: State, own: JsonObject) -> tuple[Measure, ...]:
        """What terms may demand of the model (`runs.masked.ports.Measuring`)."""
        del own  # no term compares a site's own concordance
        stand = following.read(state)
        if stand.quality is None:
            return ()
        held_out = Measure(gates.HELD_OUT, self.task.table.evaluation.holdout)
        found = stand.quality.concordance
        return (held_out, *(() if found is None else (Measure(gates.CONCORDANCE, found),)))

    def result(self, outcome: JsonObject, sites: Sequence[str], own: Mapping[str, JsonObject]) -> Result:
        """The content of a model of this task; `own` has the sites that release something of their own.

        Raises:
            RunError: it is not an outcome of this task.
            AnswerInvalidError: what a site says of itself is not of that form.
        """
        made = self._content(outcome)
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
            errors=self.task.errors,
            grid=tuple(map(repr, self.task.grid)),
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

    def _content(self, outcome: JsonObject) -> _SurvivalOutcome:
        try:
            made = msgspec.convert(outcome, _SurvivalOutcome, strict=False)
        except msgspec.ValidationError:
            raise RunError from None
        width, layout, table = len(made.beta), made.layout, self.task.table
        fits = (
            len(made.covariance) == width * (width + 1) // 2
            and len(made.deviances) == 2  # noqa: PLR2004 - that of coefficients of 0, and the last
            and width == len(layout.kept)
            and layout.suits(table)
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
        return SiteSurvival(site, own.rows, own.quality, own.interval)


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
