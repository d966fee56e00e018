"""What a site adds to the totals of a survival model (`runs.masked.ports.Summing`).

Each question is judged as if its answer were seen, as that of a GLM (`glm.summing`).
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject
from medspace.core.material import Material
from medspace.core.text import msgid
from medspace.core.usage import Admission, HolderNote, Step
from medspace.learning.cox.following import quality
from medspace.learning.cox.intervals import concordance_interval
from medspace.learning.cox.judging import CoxStep, SurvivalBlock, WeighedRisk, judged
from medspace.learning.cox.maths import concordance
from medspace.learning.cox.task import COX
from medspace.learning.cox.totals import RankedTotal
from medspace.learning.exact import FRACTION, fixed
from medspace.learning.glm.judging import Judge, Reader, invalid
from medspace.learning.glm.leaking import leaks
from medspace.learning.glm.summing import check_sizes, moments_sums
from medspace.privacy.disclosure import Labels, ranked
from medspace.privacy.disclosure import number as persons_of
from medspace.privacy.rounding import rounded, unrounded
from medspace.runs.masked.ports import Shape, TaskQuestion

OWN: Mapping[str, Reader] = MappingProxyType({COX: CoxStep.read})


class CoxSumming:
    """Answers the questions of survival tasks; thread-safe."""

    def __init__(self, judge: Judge | None = None) -> None:
        self._judge = judge or Judge(OWN)

    def sums(
        self,
        admission: Admission,
        task: JsonObject,
        asked: TaskQuestion,
        shape: Shape,
        material: Material | None,
        step_round: int,
    ) -> tuple[list[int], int]:
        """The site's integers and the persons behind them.

        Raises:
            InvalidInputError: nobody can answer this question, or not with this data dictionary.
            DisclosureError: the answer would rest on too few persons, or too heavily on one.
        """
        return self.told_sums(admission, task, asked, shape, material, step_round)[:2]

    def told_sums(
        self,
        admission: Admission,
        task: JsonObject,
        asked: TaskQuestion,
        shape: Shape,
        material: Material | None,
        step_round: int,
    ) -> tuple[list[int], int, tuple[HolderNote, ...]]:
        """The same, and for the holder alone which columns tell the event or the time.

        Raises:
            InvalidInputError, DisclosureError: as `sums`.
        """
        step = Step(task, step_round, asked.name, asked.inputs)
        question, found, risk = judged(self._judge, admission, step, material)
        check_sizes(question.task.table, question.parts.rows.dictionary)
        made = _sums(question, found, risk)
        if not shape.holds(made):
            raise invalid(step, msgid("the sums are larger than masked sums can be"))
        if risk is None:
            return made, found.part.cohort, _leaks(question, found)
        return made, risk.cohort, ()

    def own_quality(
        self, admission: Admission, task: JsonObject, asked: TaskQuestion, material: Material | None, step_round: int
    ) -> tuple[JsonObject, int] | None:
        """How well the model orders the patients of this site, in groups of persons, and the persons behind it.

        None where that is not what is asked.

        Raises:
            InvalidInputError, DisclosureError: as `sums`.
        """
        step = Step(task, step_round, asked.name, asked.inputs)
        if step.name != "evaluation":
            return None
        question, found, risk = judged(self._judge, admission, step, material)
        if risk is None:
            return None
        near = rounded if admission.brakes.rounding else unrounded
        deviance = float(near(risk.sums.deviance, np.abs(risk.eta).sum() + risk.sums.deviance))
        counted = _ranked(found, risk, admission.min_cohort, deviance)
        fitted = question.block(measured=False).part
        own: JsonObject = msgspec.to_builtins(quality(counted))
        ends = concordance_interval(found.survival, _groups(found, risk, admission.min_cohort))
        said: JsonObject = {"rows": len(fitted.target), "persons": fitted.cohort, "quality": own}
        return said | ({} if ends is None else {"interval": list(ends)}), risk.cohort


def _leaks(question: CoxStep, found: SurvivalBlock) -> tuple[HolderNote, ...]:
    table, part = question.task.table, found.part
    told = leaks(table, part, measured=False)
    known = {note.about for note in told}
    timed = leaks(table, part, found.survival.time, measured=True)
    return (*told, *(note for note in timed if note.about not in known))


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
    pairs = concordance(found.survival, _groups(found, risk, least))
    return RankedTotal(
        len(risk.eta), persons_of(persons), risk.sums.events, fixed(deviance), pairs.pairs, pairs.ordered
    )


def _groups(found: SurvivalBlock, risk: WeighedRisk, least: int) -> Labels:
    persons = found.part.persons
    return ranked(risk.eta, persons, least) if least > 1 else np.unique(risk.eta, return_inverse=True)[1]


def _counts(values: Iterable[int]) -> list[int]:
    return [value << FRACTION for value in values]
