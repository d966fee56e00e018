"""What a site adds to the totals of a GLM under masks (`runs.masked.ports.Summing`).

Each question is judged as if its answer were seen: the rules on bounds, persons and the heaviest of them, and the
audit against all answers before, do not rely on masks. With masks, counts need not be of groups of
persons, and sums need not be rounded: nobody sees the counts of one site, or the last bits of its sums.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject
from medspace.core.dictionary import Dictionary
from medspace.core.material import Material
from medspace.core.text import msgid
from medspace.core.usage import Admission, HolderNote, Step
from medspace.learning.evaluation.hiding import both_outcomes
from medspace.learning.exact import FRACTION, fixed
from medspace.learning.glm import grouping, mitigating
from medspace.learning.glm.design import DesignBlock, Vector, design
from medspace.learning.glm.errors import ColumnTooLargeError
from medspace.learning.glm.evaluation import Quality, Scores, quality, scores, tally
from medspace.learning.glm.intervals import SiteIntervals, intervals
from medspace.learning.glm.judging import Judge, SiteStep, invalid
from medspace.learning.glm.leaking import leaks
from medspace.learning.glm.maths import curvature, losses, moments
from medspace.learning.glm.model import OwnGroup
from medspace.learning.glm.noisy import summing as noisy
from medspace.learning.glm.task import GlmTask, parse
from medspace.learning.glm.totals import MOST_MEASURED, MOST_VALUE, thresholds
from medspace.learning.glm.weighing import Weighed
from medspace.privacy.disclosure import Labels, Persons, number
from medspace.privacy.rounding import Rounding, rounded, unrounded
from medspace.runs.masked.ports import Shape, TaskQuestion


class GlmSumming:
    """Answers the questions of GLM tasks under masks; thread-safe."""

    def __init__(self, judge: Judge | None = None) -> None:
        self._judge = judge or Judge()

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
        """The same, and notes for the holder alone: of a total with noise how many were clipped, else what leaks.

        Raises:
            InvalidInputError, DisclosureError: as `sums`.
        """
        step = Step(task, step_round, asked.name, asked.inputs)
        read = parse(task)
        if read.noise is not None:  # each person's part is bounded
            numbers, notes = noisy.told_sums(admission, read, asked, material, step_round)
            return numbers, max(admission.min_cohort, 1), notes
        question, part, weighed = self._judge.judged(admission, step, material)
        check_sizes(question.task, question.parts.rows.dictionary)
        made = _sums(question, part, weighed)
        if not shape.holds(made):
            raise invalid(step, msgid("the sums are larger than masked sums can be"))
        if step.name == "moments":
            return made, part.cohort, leaks(read, part, measured=read.family != "binomial")
        least = max(admission.min_cohort, 1)  # of a site that has nobody to choose thresholds on
        return made, weighed.cohort if weighed is not None else part.cohort or least, ()

    def own_quality(
        self, admission: Admission, task: JsonObject, asked: TaskQuestion, material: Material | None, step_round: int
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
        made = _scores(question, weighed)
        said = own_figures(question.task, part.target, made, part.persons, admission.min_cohort, near)
        fitted = question.parts.part(question.task, measured=False)
        groups = own_groups(question.task, question.placed(part), part, made, near)
        return own_report(fitted, said, groups), weighed.cohort


def own_figures(
    task: GlmTask, target: Vector, made: Scores, persons: Persons, least: int, near: Rounding
) -> tuple[Quality, SiteIntervals]:
    """How good the model is on some rows of this site, and how far that may be off by chance."""
    counts = tally(task, target, made, persons, least, near)
    found, fourth = quality(counts), float(np.square(np.square(target - made.mu)).sum())
    return found, intervals(counts, found, fourth)


def own_report(fitted: DesignBlock, said: tuple[Quality, SiteIntervals], groups: Sequence[OwnGroup]) -> JsonObject:
    """What a site says of itself, with the rows of the fit."""
    found = msgspec.to_builtins({"quality": said[0], "intervals": said[1]})
    shown = {"groups": msgspec.to_builtins(groups)} if groups else {}
    return {"rows": len(fitted.target), "persons": fitted.cohort, **found, **shown}


def own_groups(
    task: GlmTask, placed: Sequence[Labels], part: DesignBlock, made: Scores, near: Rounding
) -> list[OwnGroup]:
    """How good the model is for each group at this site, by counts of groups of persons with like scores.

    Of groups with enough persons of either outcome, as long as those that are left have enough too.
    """
    plan, found = task.judge, []
    for attribute, places in zip(() if plan is None else plan.attributes, placed, strict=True):
        least = plan.least if plan is not None else 1
        masks = [places == place for place in range(len(attribute.groups) + 1)]
        cases, controls = (
            [number(part.persons[mask & (part.target == side)]) for mask in masks] for side in (1.0, 0.0)
        )
        for place in both_outcomes(cases, controls, least):
            mask = masks[place]
            scored = replace(made, eta=made.eta[mask], mu=made.mu[mask])
            own = own_figures(task, part.target[mask], scored, part.persons[mask], least, near)
            found.append(OwnGroup(attribute.column, attribute.groups[place], *own))
    return found


def _sums(question: SiteStep, part: DesignBlock, weighed: Weighed | None) -> list[int]:
    task, form = question.task, None if question.asked is None else question.asked.mitigated
    if question.asked is None:
        return moments_sums(task, part) + grouping.cell_sums(task, question.divided())
    if form is not None and question.step.name == mitigating.MITIGATION:
        columns = design(task, question.asked.layout, part.values)[:, int(task.intercept) :]
        penalised = task.mitigate is not None and task.mitigate.penalty > 0.0
        return mitigating.balance_sums(part, question.treated(part), form, columns if penalised else None)
    if form is not None and question.step.name == mitigating.THRESHOLDS:
        chance = np.zeros(0) if weighed is None else _scores(question, weighed).mu
        return mitigating.threshold_sums(part, question.treated(part), form, chance)
    if weighed is None:
        raise invalid(question.step, msgid("there is no such step"))
    return _weighed(question, weighed)


def check_sizes(task: GlmTask, dictionary: Dictionary) -> None:
    """Whether every number, as the dictionary bounds it, is one that masked sums carry.

    Raises:
        ColumnTooLargeError: one is not.
    """
    plain = [feature.name for feature in task.features if not feature.coded]
    measured = [] if task.target.binary or task.family == "binomial" else [task.target.column]
    most = dict.fromkeys(plain, MOST_VALUE)
    most |= dict.fromkeys(measured, MOST_MEASURED if task.family == "gaussian" else MOST_VALUE)
    for name, bound in most.items():
        span = dictionary.column(name).span
        if span is not None and max(map(abs, span)) > bound:
            raise ColumnTooLargeError(column=name, most=bound)


def moments_sums(task: GlmTask, part: DesignBlock) -> list[int]:
    """The integers of the first question."""
    total = moments(task, part)
    counts = _counts([total.rows, part.cohort, *total.missing])
    return counts + _numbers([*total.sums.tolist(), *total.squares.tolist(), total.target_sum])


def _weighed(question: SiteStep, weighed: Weighed) -> list[int]:
    if question.step.name == "evaluation":
        return _evaluation(question, weighed)
    counts = weighed.counts if question.task.mitigate is not None else None
    total = curvature(question.task.family, weighed.matrix, weighed.part.target, weighed.eta, counts)
    sums = np.concatenate([[total.deviance], total.gradient, total.hessian[np.triu_indices(len(total.gradient))]])
    if not np.isfinite(sums).all():
        raise invalid(question.step, msgid("the sums at this beta are not finite"))
    return _counts([total.rows]) + _numbers(sums.tolist())


def _scores(question: SiteStep, weighed: Weighed) -> Scores:
    beta = [] if question.asked is None else question.asked.beta
    return scores(question.task, np.asarray(beta, dtype=np.float64), weighed.eta)


def _evaluation(question: SiteStep, weighed: Weighed) -> list[int]:
    task, part, made = question.task, weighed.part, _scores(question, weighed)
    whole = evaluation_sums(task, part.target, part.cohort, made)
    if task.judge is None or question.asked is None:
        return whole
    groups, placed = tuple(map(tuple, question.asked.groups)), question.placed(part)
    return whole + group_sums(task, part, made, groups, placed, question.asked.mitigated)


def group_sums(
    task: GlmTask,
    part: DesignBlock,
    made: Scores,
    groups: grouping.Groups,
    placed: Sequence[Labels],
    form: mitigating.MitigatedForm | None,
) -> list[int]:
    """The integers of the last question for everyone and the groups, at the thresholds of groups besides."""
    at = mitigating.judged_at(task, () if form is None else form.cuts)
    return [] if at.judge is None else grouping.group_sums(at, at.judge, part, made, groups, placed)


def evaluation_sums(task: GlmTask, target: Vector, cohort: int, made: Scores) -> list[int]:
    """The integers of the last question, of the targets of so many persons and their scores."""
    squared = float(np.square(target - made.mu).sum())
    deviance = float(losses(task.family, made.eta, target).sum())
    plain = _counts([len(target), cohort]) + _numbers([squared, deviance])
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
