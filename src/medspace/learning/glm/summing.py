"""What a site adds to the totals of a GLM under masks (`runs.masked.ports.Summing`)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject
from medspace.core.material import Material
from medspace.core.text import msgid
from medspace.core.usage import Admission, HolderNote
from medspace.learning.evaluation.hiding import both_outcomes
from medspace.learning.exact import FRACTION, fixed
from medspace.learning.glm import grouping, mitigating
from medspace.learning.glm.design import DesignBlock, Vector, design
from medspace.learning.glm.evaluation import Quality, Scores, quality, scores, tally
from medspace.learning.glm.intervals import SiteIntervals, intervals
from medspace.learning.glm.judged_sums import JudgedSumming
from medspace.learning.glm.judging import Judge, SiteStep, invalid
from medspace.learning.glm.leaking import leaks
from medspace.learning.glm.maths import curvature, losses, moments
from medspace.learning.glm.model import OwnGroup
from medspace.learning.glm.noisy import summing as noisy
from medspace.learning.glm.task import GlmTask, parse
from medspace.learning.glm.totals import thresholds
from medspace.learning.glm.weighing import Weighed
from medspace.privacy.disclosure import Labels, Persons, number
from medspace.privacy.rounding import Rounding
from medspace.runs.masked.ports import Shape, TaskQuestion


class GlmSumming(JudgedSumming[SiteStep]):
    """Answers the questions of GLM tasks under masks; thread-safe."""

    def __init__(self, judge: Judge | None = None) -> None:
        super().__init__(judge or Judge(), SiteStep.read)

    def told_sums(
        self,
        admission: Admission,
        task: JsonObject,
        asked: TaskQuestion,
        shape: Shape,
        material: Material | None,
        step_round: int,
    ) -> tuple[list[int], int, tuple[HolderNote, ...]]:
        """The site's integers, with its noise if the task has any, and the persons behind them; notes for the holder.

        Of a total with noise these say how many were clipped, else what leaks.

        Raises:
            InvalidInputError, DisclosureError: as for every kind.
        """
        read = parse(task)
        if read.noise is not None:  # each person's part is bounded
            numbers, notes = noisy.told_sums(admission, read, asked, material, step_round)
            return numbers, max(admission.min_cohort, 1), notes
        return super().told_sums(admission, task, asked, shape, material, step_round)

    def leaking(self, question: SiteStep, part: DesignBlock) -> tuple[HolderNote, ...]:
        """Which columns tell the outcome."""
        return leaks(question.task, part, measured=question.task.family != "binomial")

    def vector(self, question: SiteStep, part: DesignBlock, found: Weighed | None) -> list[int]:
        """Moments, sums at a beta, or what quality is made of."""
        return _sums(question, part, found)

    def measured(self, question: SiteStep, part: DesignBlock, found: Weighed, near: Rounding) -> JsonObject:
        """Its quality, and that of each group."""
        least = question.admission.min_cohort
        return shown_quality(question.task, question.placed(part), part, _scores(question, found), least, near)


def shown_quality(
    task: GlmTask, placed: Sequence[Labels], part: DesignBlock, made: Scores, least: int, near: Rounding
) -> JsonObject:
    """How good scores are at this site, in all and for each group that may be told."""
    found, chance = own_figures(task, part.target, made, part.persons, least, near)
    groups = own_groups(task, placed, part, made, near)
    said: JsonObject = msgspec.to_builtins({"quality": found, "intervals": chance})
    return said | ({"groups": msgspec.to_builtins(groups)} if groups else {})


def own_figures(
    task: GlmTask, target: Vector, made: Scores, persons: Persons, least: int, near: Rounding
) -> tuple[Quality, SiteIntervals]:
    """How good the model is on some rows of this site, and how far that may be off by chance."""
    counts = tally(task, target, made, persons, least, near)
    found, fourth = quality(counts), float(np.square(np.square(target - made.mu)).sum())
    return found, intervals(counts, found, fourth)


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
