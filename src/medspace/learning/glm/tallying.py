"""The sums of one round: read from the answers, checked, added up in the order they come, and what they lead to."""

from dataclasses import replace
from typing import Any

from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid
from medspace.learning.glm import fit as fitting
from medspace.learning.glm.answers import ExpectedAnswer, read_curvature, read_evaluation, read_moments
from medspace.learning.glm.evaluation import Tally
from medspace.learning.glm.intervals import intervals
from medspace.learning.glm.maths import Curvature, Moments
from medspace.learning.glm.model import Fit, FitPhase, SiteQuality
from medspace.learning.glm.task import GlmTask
from medspace.runs.errors import AnswerInvalidError, RunError
from medspace.runs.ports import Answer


class GlmSums:
    """Takes the answers of one round of a GLM (`runs.ports.Gathering`)."""

    def __init__(self, task: GlmTask, digest: str, number: int, fit: Fit) -> None:
        self._task = task
        self._digest = digest
        self._number = number
        self._fit = fit
        self._total: Any = None
        self._sites: list[SiteQuality] = []

    def add(self, answer: Answer, least: int) -> int:
        """Add the sums of one site.

        Raises:
            AnswerInvalidError: they cannot be right.
        """
        known = {site.site: site.rows for site in self._fit.sites}.get(answer.site)
        expected = ExpectedAnswer(
            task=self._task,
            digest=self._digest,
            round=self._number,
            width=len(self._fit.beta),
            total=sum(site.rows for site in self._fit.sites),
            rows=known if self._fit.phase is FitPhase.NEWTON else None,
            min_cohort=least,
        )
        part = self._read(answer, expected)
        if answer.cohort > answer.values["persons"]:
            reason = Text(msgid("its counts contradict each other"))
            raise AnswerInvalidError(site=answer.site, round=self._number, reason=reason)
        self._total = part if self._total is None else self._total + part
        return part.rows

    def state(self, *, lost: bool) -> JsonObject:
        """Where the round leads.

        Raises:
            SingularError: Newton has no step.
        """
        return fitting.written(self._outcome(lost=lost))

    def _outcome(self, *, lost: bool) -> Fit:
        # If a site is lost in the middle of a fit, the fit starts over without it.
        if self._fit.phase is FitPhase.NEWTON and lost:
            return Fit()
        if isinstance(self._total, Moments):
            return fitting.after_moments(self._task, self._total, tuple(self._sites))
        if isinstance(self._total, Curvature):
            return fitting.after_newton(self._task, self._fit, self._total)
        if isinstance(self._total, Tally):
            measured = {site.site: site for site in self._sites}
            sites = tuple(measured.get(site.site, site) for site in self._fit.sites)
            return fitting.after_evaluation(self._fit, self._total, sites)
        raise RunError  # no sum at all: attendance is checked before

    def _read(self, answer: Answer, expected: ExpectedAnswer) -> Moments | Curvature | Tally:
        if self._fit.phase is FitPhase.MOMENTS:
            sums, said = read_moments(answer.site, answer.values, expected)
            self._sites.append(SiteQuality(answer.site, said.n, None, said.persons, tuple(said.joined)))
            return sums
        if self._fit.phase is FitPhase.NEWTON:
            return read_curvature(answer.site, answer.values, expected)
        quality, counts = read_evaluation(answer.site, answer.values, expected)
        found = intervals(counts, quality)
        self._sites.extend(
            replace(site, quality=quality, intervals=found) for site in self._fit.sites if site.site == answer.site
        )
        return counts
