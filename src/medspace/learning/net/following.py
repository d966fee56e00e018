"""The training under masks: where a total leads, by arithmetic that gives every site the same bits.

    moments (-> mitigation) -> training -> training ... (-> thresholds) -> evaluation -> done

Nobody proposes anything: every site takes the server's step by itself, so there is no server that could take another.
"""

from dataclasses import replace

import numpy as np

from medspace.learning.exact import FRACTION
from medspace.learning.glm.design import Vector
from medspace.learning.glm.errors import OneClassError, SingularError
from medspace.learning.glm.following import layout_of, quality
from medspace.learning.glm.mitigating import MitigationStand
from medspace.learning.glm.totals import EvaluationTotal, MomentsTotal
from medspace.learning.net.classes import ClassTotal, class_quality
from medspace.learning.net.convolution import conv_net
from medspace.learning.net.errors import DivergedError
from medspace.learning.net.model import Best, NetPhase, NetState
from medspace.learning.net.network import Perceptron, TrainableNetwork
from medspace.learning.net.searching import alone, begun, searched
from medspace.learning.net.server import AdaptiveMoments, stepped
from medspace.learning.net.task import ADAPTIVE, NetTask
from medspace.learning.net.totals import TrainingTotal, means

MOST_WEIGHT = 1e4  # of a net that sites are asked about, absolute


def network_of(task: NetTask, inputs: int) -> TrainableNetwork:
    """The net of a task with so many inputs; one for images says itself how many it has."""
    if task.images is not None:
        return conv_net(task.images, task.layers, task.activation, task.head)
    return Perceptron((inputs, *task.layers, task.head.outputs), task.activation, task.head)


def after_moments(task: NetTask, stand: NetState, total: MomentsTotal) -> NetState:
    """Training begins: layout and first weights.

    Raises:
        OneClassError: there is one outcome only.
        SingularError: no column varies.
    """
    cases = total.target_sum >> FRACTION
    one = cases == total.rows or (not cases and not task.classes)  # of classes, only the last one is counted
    if one:
        raise OneClassError
    layout = layout_of(task.table, total)
    if not layout.kept:
        raise SingularError
    network = network_of(task, len(layout.kept))
    nothing = (0.0,) * network.size
    controlled = nothing if task.server.strategy == "scaffold" else ()
    remembered = nothing if task.server.strategy in ADAPTIVE else ()
    balance = stand.balance
    if task.local.class_weights == "balanced":
        balance = (total.rows / (2 * (total.rows - cases)), total.rows / (2 * cases))
    begins = replace(
        stand,
        phase=NetPhase.TRAINING if task.before == 1 else NetPhase.MITIGATION,
        round=stand.round + 1,
        rows=total.rows,
        persons=total.persons,
        balance=balance,
        layout=layout,
        weights=tuple(network.first(task.seed).tolist()),
        control=controlled,
        first=remembered,
        second=remembered,
    )
    return begins if task.search is None else begun(begins, len(task.search.trials))


def after_training(task: NetTask, stand: NetState, total: TrainingTotal) -> NetState:
    """The next weights; after the last round, or once it got no better for long, the best are judged.

    Raises:
        DivergedError: the weights grew without bound.
    """
    best = _best(stand, total)
    seen = replace(
        stand,
        round=stand.round + 1,
        losses=(*stand.losses, *means([total.loss], total.rows)),
        checked=(*stand.checked, *(means([total.apart_loss], total.apart) if total.apart else ())),
        best=best,
        mitigation=_differing(stand, total),
    )
    tired = best is not None and task.patience > 0 and len(stand.losses) - best.round >= task.patience
    moved = _moved(task.tried(stand.trial), seen, total)
    if task.search is not None:
        tired = tired and alone(stand)
        moved = searched(moved, task.search.rounds)
    if stand.round - task.before + 1 < task.rounds and not tired:
        return moved
    chosen = moved.weights if moved.best is None else moved.best.weights
    equal = task.table.mitigate is not None and task.table.mitigate.equal is not None
    ending = NetPhase.THRESHOLDS if equal else NetPhase.EVALUATION
    return replace(moved, phase=ending, weights=chosen, previous=(), control=(), first=(), second=())


def _differing(stand: NetState, total: TrainingTotal) -> MitigationStand | None:
    """How far the mean score of each group was from that of all others, at the weights that were asked about."""
    if stand.mitigation is None or not total.scores:
        return stand.mitigation
    *groups, whole = total.scores
    found = []
    for own, size in zip(groups, stand.mitigation.sizes, strict=True):
        others = total.rows - size
        apart = own / (size << FRACTION) - (whole - own) / (others << FRACTION) if size and others > 0 else 0.0
        found.append(apart)
    return replace(stand.mitigation, differs=tuple(found))


def _best(stand: NetState, total: TrainingTotal) -> Best | None:
    """The best weights so far, by the patients set apart; those of the question, after as many rounds as losses."""
    if not total.apart:
        return stand.best
    loss = means([total.apart_loss], total.apart)[0]
    if stand.best is not None and stand.best.loss <= loss:
        return stand.best
    return Best(stand.weights, loss, len(stand.losses))


def _moved(task: NetTask, stand: NetState, total: TrainingTotal) -> NetState:
    update = _vector(means(total.changes, 1 if task.cycle else total.rows))
    remembered = AdaptiveMoments(_vector(stand.first), _vector(stand.second))
    weights, after = stepped(task.server, _vector(stand.weights), update, remembered)
    if not (np.abs(weights) <= MOST_WEIGHT).all():
        raise DivergedError(round=stand.round - task.before)
    controlled = task.server.strategy == "scaffold"
    return replace(
        stand,
        weights=tuple(weights.tolist()),
        previous=stand.weights if controlled else (),
        control=tuple(means(total.gradients, total.rows)),
        first=tuple(after.first.tolist()),
        second=tuple(after.second.tolist()),
    )


def _vector(values: "tuple[float, ...] | list[float]") -> Vector:
    return np.array(values, dtype=np.float64)


def after_evaluation(stand: NetState, total: EvaluationTotal) -> NetState:
    """The training for a yes/no target is done."""
    return replace(stand, phase=NetPhase.DONE, round=stand.round + 1, quality=quality(total))


def after_classes(task: NetTask, stand: NetState, total: ClassTotal) -> NetState:
    """The training for several classes is done."""
    found = class_quality(total, len(task.classes))
    return replace(stand, phase=NetPhase.DONE, round=stand.round + 1, graded=found)
