"""What a site adds to the totals of a net (`runs.masked.ports.Summing`).

Each question is judged as if its answer were seen, as that of a GLM (`glm.summing`).
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject
from medspace.core.material import Material
from medspace.core.text import msgid
from medspace.core.usage import Admission, Step
from medspace.learning.exact import FRACTION, fixed
from medspace.learning.glm import grouping
from medspace.learning.glm.design import Vector
from medspace.learning.glm.evaluation import Scores, quality, tally
from medspace.learning.glm.judging import Judge, Reader, invalid
from medspace.learning.glm.summing import check_sizes, evaluation_sums, moments_sums, own_groups
from medspace.learning.net.classes import class_sums
from medspace.learning.net.errors import LocallyDivergedError, UpdateHiddenError
from medspace.learning.net.heads import sigmoid
from medspace.learning.net.judging import NetForm, NetStep, WeighedNet, judged
from medspace.learning.net.local import TrainingRows, clipped, mean_gradient, residuals, steps_of, trained
from medspace.learning.net.task import NET, NetTask, parse
from medspace.policy.outputs import UPDATE
from medspace.privacy.rounding import UPDATE_BITS, rounded, unrounded
from medspace.runs.masked.ports import Shape, TaskQuestion

OWN: Mapping[str, Reader] = MappingProxyType({NET: NetStep.read})
MIDDLE, SPREAD = 0.0, 2.0  # of logits: in how fine bins they are counted, wherever they lie


class NetSumming:
    """Answers the questions of nets; thread-safe."""

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
        step = Step(task, step_round, asked.name, asked.inputs)
        if parse(task).cycle and UPDATE not in admission.listed:
            raise UpdateHiddenError(output=UPDATE)
        question, part, found = judged(self._judge, admission, step, material)
        check_sizes(question.task.table, question.parts.rows.dictionary)
        made = moments_sums(question.task.table, part) + _cells(question) if found is None else _sums(question, found)
        if not shape.holds(made):
            raise invalid(step, msgid("the sums are larger than masked sums can be"))
        return made, part.cohort if found is None else found.cohort

    def shown(self, admission: Admission, task: JsonObject, asked: TaskQuestion, step_round: int) -> str | None:
        """The site's own update, where it is its turn in a cycle (`runs.masked.ports.Revealing`)."""
        turn = parse(task).turn(step_round - 1)  # the first question was that of the moments
        return UPDATE if asked.name == "training" and turn == admission.holder else None

    def own_quality(
        self, admission: Admission, task: JsonObject, asked: TaskQuestion, material: Material | None, step_round: int
    ) -> tuple[JsonObject, int] | None:
        """How good the net is at this site, by counts of groups of persons, and the persons behind it.

        None where that is not what is asked.

        Raises:
            InvalidInputError, DisclosureError: as `sums`.
        """
        step = Step(task, step_round, asked.name, asked.inputs)
        if step.name != "evaluation" or parse(task).classes:  # counts of few persons in each of many cells
            return None
        question, part, found = judged(self._judge, admission, step, material)
        if found is None:
            return None
        near = rounded if admission.brakes.rounding else unrounded
        table, fitted = question.task.table, question.block(measured=False)
        counts = tally(table, part.target, _scores(found), part.persons, admission.min_cohort, near)
        own: JsonObject = msgspec.to_builtins(quality(counts))
        said: JsonObject = {"rows": len(fitted.target), "persons": fitted.cohort, "quality": own}
        groups = own_groups(table, question.placed(part), part, _scores(found), near)
        return said | ({"groups": msgspec.to_builtins(groups)} if groups else {}), found.cohort


def _cells(question: NetStep) -> list[int]:
    if question.task.table.judge is None:
        return []
    part = question.block(measured=True)
    return grouping.cell_sums(question.task.table, part, question.placed(part))


def _scores(found: WeighedNet) -> Scores:
    logits = found.eta[:, 0]
    return Scores(logits, sigmoid(logits), MIDDLE, SPREAD)


def _sums(question: NetStep, found: WeighedNet) -> list[int]:
    if question.step.name == "evaluation":
        if question.task.classes:
            chances = question.network.head.chances(found.eta)
            return class_sums(chances, found.labels, _each(question, found), found.part.cohort)
        return _evaluation(question, found)
    apart = question.apart()
    head = [*_losses(question, found), *((0, 0) if apart is None else _losses(question, apart))]
    return head + [fixed(value) for vector in _moved(question, found) for value in vector.tolist()]


def _evaluation(question: NetStep, found: WeighedNet) -> list[int]:
    table, part, scores = question.task.table, found.part, _scores(found)
    whole = evaluation_sums(table, part.target, part.cohort, scores)
    if table.judge is None or question.asked is None:
        return whole
    groups = tuple(map(tuple, question.asked.groups))
    return whole + grouping.group_sums(table, table.judge, part, scores, groups, question.placed(part))


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
    turn = task.turn(question.step.round - 1)
    if turn not in (None, question.admission.holder):
        return [np.zeros(len(weights))]
    rows = TrainingRows(found.columns, found.labels, np.where(found.labels == 1.0, *form.balance[::-1]))
    drift = _drift(question, task, form, rows) if form.previous else None
    how = task.local.of_round(question.step.round - 1, task.rounds)  # the first question was that of the moments
    seed = f"{task.seed}\n{question.step.round}\n{question.admission.holder}\n{question.admission.asset}".encode()
    after = trained(network, weights, rows, how, seed, drift)
    if not np.isfinite(after).all():
        raise LocallyDivergedError(round=question.step.round)
    carried = _carried(question, weights, rows)
    reach = min(how.rate * steps_of(rows.size, how) * carried, task.clip)
    moved = [_coarse(question, clipped(after - weights, task.clip), reach) * (rows.size if turn is None else 1)]
    if task.server.strategy == "scaffold":
        moved.append(_slope(question, task, weights, rows, carried) * rows.size)
    return moved


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
