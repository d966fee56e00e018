"""What a site adds to the totals of a GLM under masks (`runs.masked.ports.Summing`).

Each question is judged as if its answer were seen: the rules on bounds, persons and the heaviest of them, and the
audit against all answers before, do not rely on masks. What masks make needless is that counts are of groups of
persons, and that sums are rounded: nobody sees the counts of one site, or the last bits of its sums.
"""

from collections.abc import Iterable

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject
from medspace.core.dictionary import Dictionary
from medspace.core.material import Material
from medspace.core.text import msgid
from medspace.core.usage import Admission, HolderNote, Step
from medspace.learning.glm.design import DesignBlock
from medspace.learning.glm.errors import TooLargeError
from medspace.learning.glm.evaluation import Scores, quality, scores, tally
from medspace.learning.glm.exact import FRACTION, fixed
from medspace.learning.glm.judging import Judge, Question, invalid
from medspace.learning.glm.maths import curvature, losses, moments
from medspace.learning.glm.noisy import summing as noisy
from medspace.learning.glm.task import GlmTask, parse
from medspace.learning.glm.totals import MOST_MEASURED, MOST_VALUE, thresholds
from medspace.learning.glm.weighing import Weighed
from medspace.privacy.rounding import rounded, unrounded
from medspace.runs.masked.ports import Asked, Shape


class GlmSumming:
    """Answers the questions of GLM tasks under masks; threads may share it."""

    def __init__(self, judge: Judge | None = None) -> None:
        self._judge = judge or Judge()

    def sums(
        self,
        admission: Admission,
        task: JsonObject,
        asked: Asked,
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
        asked: Asked,
        shape: Shape,
        material: Material | None,
        step_round: int,
    ) -> tuple[list[int], int, tuple[HolderNote, ...]]:
        """The same, and of a total with noise how many were clipped, for the holder alone.

        Raises:
            InvalidInputError, DisclosureError: as `sums`.
        """
        step = Step(task, step_round, asked.name, asked.inputs)
        read = parse(task)
        if read.noise is not None:  # whoever is behind it, one person's part is bounded
            numbers, notes = noisy.told_sums(admission, read, asked, material, step_round)
            return numbers, max(admission.min_cohort, 1), notes
        question, part, weighed = self._judge.judged(admission, step, material)
        check_sizes(question.task, question.parts.rows.dictionary)
        made = _moments(question.task, part) if weighed is None else _weighed(question, weighed)
        largest = shape.largest if isinstance(shape.largest, tuple) else (shape.largest,) * shape.count
        if len(made) != shape.count or any(abs(one) > most for one, most in zip(made, largest, strict=True)):
            raise invalid(step, msgid("the sums are larger than masked sums can be"))
        return made, part.cohort if weighed is None else weighed.cohort, ()

    def own_quality(
        self, admission: Admission, task: JsonObject, asked: Asked, material: Material | None, step_round: int
    ) -> tuple[JsonObject, int] | None:
        """How good the model is at this site, by counts of groups of persons, and the persons behind it.

        None where that is not what is asked.

        Raises:
            InvalidInputError, DisclosureError: as `sums`.
        """
        step = Step(task, step_round, asked.name, asked.inputs)
        if step.name != "evaluation":
            return None
        question, part, weighed = self._judge.judged(admission, step, material)
        if weighed is None:
            return None
        near = rounded if admission.brakes.rounding else unrounded
        counts = tally(
            question.task, part.target, _scores(question, weighed), part.persons, admission.min_cohort, near
        )
        fitted = question.parts.part(question.task, measured=False)
        own: JsonObject = msgspec.to_builtins(quality(counts))
        return {"rows": len(fitted.target), "persons": fitted.cohort, "quality": own}, weighed.cohort


def check_sizes(task: GlmTask, dictionary: Dictionary) -> None:
    """Whether every number, as the dictionary bounds it, is one that masked sums carry.

    Raises:
        TooLargeError: one is not.
    """
    plain = [feature.name for feature in task.features if not feature.coded]
    measured = [] if task.target.binary or task.family == "binomial" else [task.target.column]
    most = dict.fromkeys(plain, MOST_VALUE)
    most |= dict.fromkeys(measured, MOST_MEASURED if task.family == "gaussian" else MOST_VALUE)
    for name, bound in most.items():
        span = dictionary.column(name).span
        if span is not None and max(map(abs, span)) > bound:
            raise TooLargeError(column=name, most=bound)


def _moments(task: GlmTask, part: DesignBlock) -> list[int]:
    total = moments(task, part)
    counts = _counts([total.rows, part.cohort, *total.missing])
    return counts + _numbers([*total.sums.tolist(), *total.squares.tolist(), total.target_sum])


def _weighed(question: Question, weighed: Weighed) -> list[int]:
    if question.step.name == "evaluation":
        return _evaluation(question, weighed)
    total = curvature(question.task.family, weighed.matrix, weighed.part.target, weighed.eta)
    sums = np.concatenate([[total.deviance], total.gradient, total.hessian[np.triu_indices(len(total.gradient))]])
    if not np.isfinite(sums).all():
        raise invalid(question.step, msgid("the sums at this beta are not finite"))
    return _counts([total.rows]) + _numbers(sums.tolist())


def _scores(question: Question, weighed: Weighed) -> Scores:
    beta = [] if question.asked is None else question.asked.beta
    return scores(question.task, np.asarray(beta, dtype=np.float64), weighed.eta)


def _evaluation(question: Question, weighed: Weighed) -> list[int]:
    task, target = question.task, weighed.part.target
    made = _scores(question, weighed)
    squared = float(np.square(target - made.mu).sum())
    deviance = float(losses(task.family, made.eta, target).sum())
    plain = _counts([len(target), weighed.part.cohort]) + _numbers([squared, deviance])
    if task.family != "binomial":
        return plain
    fine, bins, cases = thresholds(task), task.evaluation.bins, target == 1.0
    place = made.places(fine)
    group = np.minimum((made.mu * bins).astype(np.int64), bins - 1)
    counts = np.concatenate(
        [
            np.bincount(chosen, minlength=width)
            for chosen, width in ((place[cases], fine), (place[~cases], fine), (group, bins), (group[cases], bins))
        ]
    )
    return plain + _counts(counts.tolist()) + _numbers(np.bincount(group, made.mu, bins).tolist())


def _counts(values: Iterable[int]) -> list[int]:
    return [value << FRACTION for value in values]


def _numbers(values: Iterable[float]) -> list[int]:
    return [fixed(value) for value in values]
