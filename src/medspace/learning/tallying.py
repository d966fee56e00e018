"""One round's answers: checked one by one, added up in the order they are given, and what they lead to."""

from typing import Any

import msgspec

from medspace.core.text import Text, msgid
from medspace.learning import fit as fitting
from medspace.learning import rules
from medspace.learning.answers import (
    OUTPUTS,
    Expected,
    read_curvature,
    read_evaluation,
    read_moments,
)
from medspace.learning.errors import AnswerInvalidError, RunError, SiteError
from medspace.learning.evaluation import Tally
from medspace.learning.glm import Curvature, Moments
from medspace.learning.model import AnswerRef, Fault, Fit, Phase, Seat, SiteQuality
from medspace.learning.ports import Answer
from medspace.learning.task import GlmTask
from medspace.ledger.kinds import ANSWER


class Tallying:
    """Takes the answers of a round. `answers`, `faults` and `rows` say what came."""

    def __init__(self, task: GlmTask, digest: str, number: int, fit: Fit, uses: dict[str, str]) -> None:
        self._task = task
        self._digest = digest
        self._number = number
        self._fit = fit
        self._uses = uses
        self._total: Any = None
        self._sites: list[SiteQuality] = []
        self.answers: list[AnswerRef] = []
        self.faults: list[Fault] = []
        self.rows = 0

    def take(self, seat: Seat, answer: Answer | SiteError) -> bool:
        """One site's outcome; what cannot be right becomes a fault and is not added. Whether it was added."""
        try:
            if isinstance(answer, SiteError):
                raise answer
            self._check_envelope(seat, answer)
            self._add(seat, answer)
        except SiteError as error:
            self.faults.append(rules.fault(seat, self._number, error))
            return False
        self.answers.append(self._reference(seat, answer))
        return True

    def outcome(self) -> Fit:
        """Where the round leads. A site that was lost in the middle of a fit makes the fit begin again without it.

        Raises:
            SingularError: Newton has no step.
        """
        if self._fit.phase is Phase.NEWTON and self.faults:
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

    def _reference(self, seat: Seat, answer: Answer) -> AnswerRef:
        return AnswerRef(seat.site, self._uses[seat.site], answer.release, answer.digest)

    def _check_envelope(self, seat: Seat, answer: Answer) -> None:
        expected = (seat.site, self._number, OUTPUTS[self._fit.phase.value])
        if (answer.site, answer.round, answer.kind) != expected:
            raise self._invalid(seat, msgid("it answers another question"))
        if ANSWER.flaw(msgspec.to_builtins(self._reference(seat, answer))) is not None:
            raise self._invalid(seat, msgid("its release has no identity or no digest"))
        if type(answer.cohort) is not int or answer.cohort < rules.min_cohort(self._task, seat):
            raise self._invalid(seat, msgid("it stands for too few persons"))

    def _add(self, seat: Seat, answer: Answer) -> None:
        known = {site.site: site.rows for site in self._fit.sites}.get(seat.site)
        expected = Expected(
            task=self._task,
            digest=self._digest,
            round=self._number,
            width=len(self._fit.beta),
            total=sum(site.rows for site in self._fit.sites),
            rows=known if self._fit.phase is Phase.NEWTON else None,
            min_cohort=rules.min_cohort(self._task, seat),
        )
        part = self._read(seat, answer, expected)
        self._total = part if self._total is None else self._total + part
        self.rows += part.rows

    def _read(self, seat: Seat, answer: Answer, expected: Expected) -> Moments | Curvature | Tally:
        if self._fit.phase is Phase.MOMENTS:
            sums = read_moments(seat.site, answer.values, expected)
            self._sites.append(SiteQuality(seat.site, sums.rows, None))
            return sums
        if self._fit.phase is Phase.NEWTON:
            return read_curvature(seat.site, answer.values, expected)
        quality, counts = read_evaluation(seat.site, answer.values, expected)
        fitted = next((site.rows for site in self._fit.sites if site.site == seat.site), 0)
        self._sites.append(SiteQuality(seat.site, fitted, quality))
        return counts

    def _invalid(self, seat: Seat, sentence: str) -> AnswerInvalidError:
        return AnswerInvalidError(site=seat.site, round=self._number, reason=Text(sentence))
