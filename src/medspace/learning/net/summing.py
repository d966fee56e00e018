"""What a site adds to the totals of a net (`runs.masked.ports.Summing`).

Each question is judged as if its answer were seen, as that of a GLM (`glm.summing`).
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from medspace.core.canonical import JsonObject, exact
from medspace.core.hashing import digest
from medspace.core.material import Material
from medspace.core.text import msgid
from medspace.core.usage import Admission, HolderNote
from medspace.learning.exact import FRACTION, fixed
from medspace.learning.glm import grouping, mitigating
from medspace.learning.glm.design import DesignBlock, Vector
from medspace.learning.glm.evaluation import Scores
from medspace.learning.glm.judged_sums import JudgedSumming
from medspace.learning.glm.judging import Judge, Reader, invalid, split_key
from medspace.learning.glm.leaking import leaks
from medspace.learning.glm.summing import evaluation_sums, group_sums, moments_sums, shown_quality
from medspace.learning.net.classes import class_sums
from medspace.learning.net.errors import LocallyDivergedError, UpdateHiddenError
from medspace.learning.net.heads import sigmoid
from medspace.learning.net.judging import NetForm, NetStep, WeighedNet
from medspace.learning.net.local import TrainingRows, clipped, mean_gradient, passes, residuals, trained
from medspace.learning.net.task import NET, NetTask, parse
from medspace.policy.outputs import UPDATE
from medspace.privacy.rounding import UPDATE_BITS, Rounding, rounded
from medspace.runs.masked.ports import Shape, TaskQuestion

OWN: Mapping[str, Reader] = MappingProxyType({NET: NetStep.read})
MIDDLE, SPREAD = 0.0, 2.0  # of logits: in how fine bins they are counted, wherever they lie


class NetSumming(JudgedSumming[NetStep]):
    """Answers the questions of nets; thread-safe."""

    def __init__(self, judge: Judge | None = None) -> None:
        super().__init__(judge or Judge(OWN), NetStep.read)

    def vector(self, question: NetStep, part: DesignBlock, found: WeighedNet | None) -> list[int]:
        """Moments, losses and changes, or what quality is made of."""
        return _sums(question, part, found)

    def told_sums(
        self,
        admission: Admission,
        task: JsonObject,
        asked: TaskQuestion,
        shape: Shape,
        material: Material | None,
        step_round: int,
    ) -> tuple[list[int], int, tuple[HolderNote, ...]]:
        """As for every kind.

        Raises:
            UpdateHiddenError: it would show an update that no contract lists.
            InvalidInputError, DisclosureError: as for every kind.
        """
        if parse(task).cycle and UPDATE not in admission.listed:
            raise UpdateHiddenError(output=UPDATE)
        return super().told_sums(admission, task, asked, shape, material, step_round)

    def shown(self, admission: Admission, task: JsonObject, asked: TaskQuestion, step_round: int) -> str | None:
        """The site's own update, where it is its turn in a cycle (`runs.masked.ports.Revealing`)."""
        read = parse(task)
        turn = read.turn(step_round - read.before)
        return UPDATE if asked.name == "training" and turn == admission.holder else None

    def leaking(self, question: NetStep, part: DesignBlock) -> tuple[HolderNote, ...]:
        """Which columns tell the outcome."""
        return leaks(question.table, part, question.labels_of(part), measured=False)

    def measures(self, task: JsonObject) -> bool:
        """Of yes/no outcomes: with classes these would be counts of few persons in each of many cells."""
        return not parse(task).classes

    def measured(self, question: NetStep, part: DesignBlock, found: WeighedNet, near: Rounding) -> JsonObject:
        """Its quality, and that of each group."""
        least = question.admission.min_cohort
        return shown_quality(question.table, question.placed(part), part, _scores(found), least, near)


def _scores(found: WeighedNet) -> Scores:
    logits = found.eta[:, 0]
    return Scores(logits, sigmoid(logits), MIDDLE, SPREAD)


def _sums(question: NetStep, part: DesignBlock, found: WeighedNet | None) -> list[int]:
    table, form = question.task.table, None if question.asked is None else question.asked.mitigated
    if question.asked is None:
        return moments_sums(table, part) + grouping.cell_sums(table, question.divided())
    if form is not None and question.step.name == mitigating.MITIGATION:
        return mitigating.balance_sums(part, question.treated(part), form, None)
    if form is not None and question.step.name == mitigating.THRESHOLDS:
        chance = np.zeros(0) if found is None else _scores(found).mu
        return mitigating.threshold_sums(part, question.treated(part), form, chance)
    if found is None:
        raise invalid(question.step, msgid("there is no such step"))
    return _asked_sums(question, found)


def _asked_sums(question: NetStep, found: WeighedNet) -> list[int]:
    if question.step.name == "evaluation":
        if question.task.classes:
            chances = question.network.head.chances(found.eta)
            return class_sums(chances, found.labels, _each(question, found), found.part.cohort)
        return _evaluation(question, found)
    apart = question.apart()
    head = [
        *_losses(question, found),
        *((0, 0) if apart is None else _losses(question, apart)),
        *_grouped(question, found),
    ]
    return head + [fixed(value) for vector in _moved(question, found) for value in vector.tolist()]


def _grouped(question: NetStep, found: WeighedNet) -> list[int]:
    """The scores of each group and of all, where a penalty is on how far they differ."""
    plan, form = question.task.table.mitigate, None if question.asked is None else question.asked.mitigated
    if plan is None or not plan.penalty or form is None or not form.balanced:
        return []
    return mitigating.score_sums(question.treated(found.part), form, found.eta[:, 0])


def _evaluation(question: NetStep, found: WeighedNet) -> list[int]:
    table, part, scores = question.task.table, found.part, _scores(found)
    whole = evaluation_sums(table, part.target, part.cohort, scores)
    if table.judge is None or question.asked is None:
        return whole
    groups = tuple(map(tuple, question.asked.groups))
    return whole + group_sums(table, part, scores, groups, question.placed(part), question.asked.mitigated)


def _losses(question: NetStep, found: WeighedNet) -> tuple[int, int]:
    """Rows and loss, as integers."""
    return len(found.eta) << FRACTION, fixed(float(_each(question, found).sum()))


def _each(question: NetStep, found: WeighedNet) -> Vector:
    return question.network.head.losses(found.eta, found.labels)


def _moved(question: NetStep, found: WeighedNet) -> list[Vector]:
    """How far training moves each weight, times rows; with SCAFFOLD, also the gradient where it began."""
    form, network = question.asked, question.network
    assert form is not None  # noqa: S101 - the question is about weights
    task = question.task.tried(form.trial)
    weights = np.asarray(form.weights, dtype=np.float64)
    turn = task.turn(question.step.round - task.before)
    if turn not in (None, question.admission.holder):
        return [np.zeros(len(weights))]
    balance = np.where(found.labels == 1.0, *form.balance[::-1])
    counts, pulls = question.treatment(found.part)
    rows = TrainingRows(found.columns, found.labels, balance * counts, pulls if pulls.any() else None)
    drift = _drift(question, task, form, rows) if form.previous else None
    how = task.local.of_round(question.step.round - task.before, task.rounds)
    least = _least(question, found)
    after = trained(network, weights, rows, how, _order(question), drift, least)
    if not np.isfinite(after).all():
        raise LocallyDivergedError(round=question.step.round)
    carried = _carried(question, weights, rows)
    reach = min(how.rate * passes(rows.size, how, least).steps * carried, task.clip)
    moved = [_coarse(question, clipped(after - weights, task.clip), reach) * (rows.size if turn is None else 1)]
    if task.server.strategy == "scaffold":
        moved.append(_slope(question, task, weights, rows, carried) * rows.size)
    return moved


def _least(question: NetStep, found: WeighedNet) -> int:
    """So many rows that any of that number are of enough persons for a sum."""
    _, each = np.unique(found.part.persons, return_counts=True)
    return (max(question.admission.min_cohort, 1) - 1) * int(each.max()) + 1


def _order(question: NetStep) -> bytes:
    """The seed of the order of the rows: nobody else knows it, and no two tasks have one in common.

    Who knew which rows are in a batch could choose two tasks of which one has somebody more in it.
    """
    admission = question.admission
    said = f"{digest(exact(question.step.task))}\n{question.step.round}\n{admission.holder}\n{admission.asset}"
    return split_key(admission) + said.encode()


def _coarse(question: NetStep, vector: Vector, reach: float) -> Vector:
    """A vector in steps of 2^-10 of what its rows carry of it; finer differences could tell about few of them."""
    if not question.admission.brakes.rounding:
        return vector
    return clipped(rounded(vector, np.full(len(vector), reach), UPDATE_BITS), question.task.clip)


def _carried(question: NetStep, weights: Vector, rows: TrainingRows) -> float:
    """How much a row carries of a gradient, in the mean."""
    return float(np.abs(residuals(question.network, weights, rows)).sum(axis=1).mean())


def _slope(question: NetStep, task: NetTask, weights: Vector, rows: TrainingRows, carried: float) -> Vector:
    """The mean gradient of the rows at some weights, as it is summed."""
    slope = mean_gradient(question.network, weights, rows, task.local.l2)
    return _coarse(question, clipped(slope, task.clip), min(carried, task.clip))


def _drift(question: NetStep, task: NetTask, form: NetForm, rows: TrainingRows) -> Vector:
    """The mean gradient of all sites at the weights of the question before, less that of this one (option I)."""
    previous = np.asarray(form.previous, dtype=np.float64)
    carried = _carried(question, previous, rows)
    made: Vector = np.asarray(form.control, dtype=np.float64) - _slope(question, task, previous, rows, carried)
    return made
