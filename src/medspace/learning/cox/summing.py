"""What a site adds to the totals of a survival model (`runs.masked.ports.Summing`).

Each question is judged as if its answer were seen, as that of a GLM (`glm.summing`).
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject
from medspace.core.text import msgid
from medspace.core.usage import HolderNote
from medspace.learning.cox.following import quality
from medspace.learning.cox.intervals import concordance_interval
from medspace.learning.cox.judging import CoxStep, Risk, SharedRisk, SurvivalBlock, WeighedRisk, WeighedScores
from medspace.learning.cox.maths import concordance
from medspace.learning.cox.robust import squared
from medspace.learning.cox.shared import events_at, site_sums
from medspace.learning.cox.task import COX
from medspace.learning.cox.totals import RankedTotal
from medspace.learning.exact import FRACTION, fixed
from medspace.learning.glm.judged_sums import JudgedSumming
from medspace.learning.glm.judging import Judge, Reader, invalid
from medspace.learning.glm.leaking import leaks
from medspace.learning.glm.summing import moments_sums
from medspace.privacy.disclosure import Labels, Vector, ranked
from medspace.privacy.disclosure import number as persons_of
from medspace.privacy.rounding import Rounding

OWN: Mapping[str, Reader] = MappingProxyType({COX: CoxStep.read})


class CoxSumming(JudgedSumming[CoxStep]):
    """Answers the questions of survival tasks; thread-safe."""

    def __init__(self, judge: Judge | None = None) -> None:
        super().__init__(judge or Judge(OWN), CoxStep.read)

    def vector(self, question: CoxStep, part: SurvivalBlock, found: Risk | None) -> list[int]:
        """Moments, sums at a beta, or how many pairs are in order."""
        return _sums(question, part, found)

    def measured(self, question: CoxStep, part: SurvivalBlock, found: WeighedRisk, near: Rounding) -> JsonObject:
        """How well the model orders the patients of this site, in groups of persons."""
        deviance = float(near(found.sums.deviance, np.abs(found.eta).sum() + found.sums.deviance))
        counted = _ranked(part, found, question.admission.min_cohort, deviance)
        ends = concordance_interval(part.survival, _groups(part, found, question.admission.min_cohort))
        said: JsonObject = {"quality": msgspec.to_builtins(quality(counted))}
        return said | ({} if ends is None else {"interval": list(ends)})

    def leaking(self, question: CoxStep, part: SurvivalBlock) -> tuple[HolderNote, ...]:
        """Which columns tell the event or the time."""
        table, own = question.task.table, part.part
        told = leaks(table, own, measured=False)
        known = {note.about for note in told}
        timed = leaks(table, own, part.survival.time, measured=True)
        return (*told, *(note for note in timed if note.about not in known))


def _sums(question: CoxStep, found: SurvivalBlock, risk: Risk | None) -> list[int]:
    if risk is None:
        times = len(question.task.grid)
        deaths = events_at(found.survival, times) if times else []
        return moments_sums(question.task.table, found.part) + _counts(deaths)
    if isinstance(risk, WeighedScores):
        middle = squared(risk.made.scores, found.part.persons)
        return _finite(question, [len(risk.straight), risk.events], middle[np.triu_indices(len(middle))])
    if isinstance(risk, SharedRisk):
        deaths = [] if question.shared is None else question.shared.deaths
        own = site_sums(risk.matrix, found.survival, risk.eta, question.task, deaths)
        return _finite(question, [len(risk.eta), int(found.survival.event.sum())], own)
    if question.step.name == "evaluation":
        total = _ranked(found, risk, 1, risk.sums.deviance)
        counts = _counts([total.rows, total.persons, total.events])
        return [*counts, total.deviance, *_counts([total.pairs, total.ordered])]
    sums = risk.sums
    numbers = np.concatenate([[sums.deviance], sums.gradient, sums.hessian[np.triu_indices(len(sums.gradient))]])
    return _finite(question, [len(risk.eta), sums.events], numbers)


def _finite(question: CoxStep, counts: Iterable[int], numbers: "Vector | list[float]") -> list[int]:
    """Counts and sums, as integers.

    Raises:
        StepInvalidError: a sum is not finite.
    """
    values = np.asarray(numbers, dtype=np.float64)
    if not np.isfinite(values).all():
        raise invalid(question.step, msgid("the sums at this beta are not finite"))
    return _counts(counts) + [fixed(value) for value in values.tolist()]


def _ranked(found: SurvivalBlock, risk: WeighedRisk, least: int, deviance: float) -> RankedTotal:
    """The pairs, of patients ranked in groups of `least` or more of like risk; alone, only equal risks are alike."""
    persons = found.part.persons
    pairs = concordance(found.survival, _groups(found, risk, least))
    return RankedTotal(
        len(risk.eta), persons_of(persons), risk.sums.events, fixed(deviance), pairs.pairs, pairs.ordered
    )


def _groups(found: SurvivalBlock, risk: WeighedRisk, least: int) -> Labels:
    persons = found.part.persons
    return ranked(risk.eta, persons, least) if least > 1 else np.unique(risk.eta, return_inverse=True)[1]


def _counts(values: Iterable[int]) -> list[int]:
    return [value << FRACTION for value in values]
