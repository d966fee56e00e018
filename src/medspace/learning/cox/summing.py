"""What a site adds to the totals of a survival model (`runs.masked.ports.Summing`).

Each question is judged as if its answer were seen, as that of a GLM (`glm.summing`).
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject
from medspace.core.text import msgid
from medspace.learning.cox.following import quality
from medspace.learning.cox.judging import CoxStep, SurvivalBlock, WeighedRisk
from medspace.learning.cox.maths import concordance
from medspace.learning.cox.task import COX
from medspace.learning.cox.totals import RankedTotal
from medspace.learning.exact import FRACTION, fixed
from medspace.learning.glm.judged_sums import JudgedSumming
from medspace.learning.glm.judging import Judge, Reader, invalid
from medspace.learning.glm.summing import moments_sums
from medspace.privacy.disclosure import number as persons_of
from medspace.privacy.disclosure import ranked
from medspace.privacy.rounding import Rounding

OWN: Mapping[str, Reader] = MappingProxyType({COX: CoxStep.read})


class CoxSumming(JudgedSumming[CoxStep]):
    """Answers the questions of survival tasks; thread-safe."""

    def __init__(self, judge: Judge | None = None) -> None:
        super().__init__(judge or Judge(OWN), CoxStep.read)

    def vector(self, question: CoxStep, part: SurvivalBlock, found: WeighedRisk | None) -> list[int]:
        """Moments, sums at a beta, or how many pairs are in order."""
        return _sums(question, part, found)

    def shown(self, question: CoxStep, part: SurvivalBlock, found: WeighedRisk, near: Rounding) -> JsonObject:
        """How well the model orders the patients of this site, in groups of persons."""
        deviance = float(near(found.sums.deviance, np.abs(found.eta).sum() + found.sums.deviance))
        counted = _ranked(part, found, question.admission.min_cohort, deviance)
        return {"quality": msgspec.to_builtins(quality(counted))}


def _sums(question: CoxStep, found: SurvivalBlock, risk: WeighedRisk | None) -> list[int]:
    if risk is None:
        return moments_sums(question.task.table, found.part)
    if question.step.name == "evaluation":
        total = _ranked(found, risk, 1, risk.sums.deviance)
        counts = _counts([total.rows, total.persons, total.events])
        return [*counts, total.deviance, *_counts([total.pairs, total.ordered])]
    sums = risk.sums
    numbers = np.concatenate([[sums.deviance], sums.gradient, sums.hessian[np.triu_indices(len(sums.gradient))]])
    if not np.isfinite(numbers).all():
        raise invalid(question.step, msgid("the sums at this beta are not finite"))
    return _counts([len(risk.eta), sums.events]) + [fixed(value) for value in numbers.tolist()]


def _ranked(found: SurvivalBlock, risk: WeighedRisk, least: int, deviance: float) -> RankedTotal:
    """The pairs, of patients ranked in groups of `least` or more of like risk; alone, only equal risks are alike."""
    persons = found.part.persons
    groups = ranked(risk.eta, persons, least) if least > 1 else np.unique(risk.eta, return_inverse=True)[1]
    pairs = concordance(found.survival, groups)
    return RankedTotal(
        len(risk.eta), persons_of(persons), risk.sums.events, fixed(deviance), pairs.pairs, pairs.ordered
    )


def _counts(values: Iterable[int]) -> list[int]:
    return [value << FRACTION for value in values]
