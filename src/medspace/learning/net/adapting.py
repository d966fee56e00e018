"""What a hospital makes of a shared net for itself: parameters of its own, found on its own rows, which stay there.

Each adjustment is chosen by leave-one-out on the rows that it is found on, with the untouched net among the choices.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medspace.learning.glm.design import Matrix, Vector
from medspace.learning.net.heads import BINARY, OutputHead, sigmoid

STEPS, TINY = 50, 1e-10
STRENGTHS = (1.0, 4.0, 16.0)  # of the pull towards the untouched net, in rows
PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # of a new head, times the squares of its weights


@dataclass(frozen=True, slots=True)
class Recalibration:
    """What is done to each logit: times `scale`, plus `shift`. 1 and 0: nothing."""

    scale: float = 1.0
    shift: float = 0.0

    def of(self, logits: Matrix) -> Matrix:
        """The logits as this hospital uses them."""
        return self.scale * logits + self.shift


def recalibration(head: OutputHead, logits: Matrix, labels: Vector) -> Recalibration:
    """The adjustment that predicts each row best from all others: none, a shift, or a shift and a scale.

    A temperature is 1 / scale (Guo et al. 2017); a shift of the intercepts follows another prevalence.
    """
    if not len(labels):
        return Recalibration()
    untouched = float(head.losses(logits, labels).mean())
    best = min(
        ((_left_out(head, logits, labels, scaled=scaled, pull=pull), pull, scaled)
         for scaled in (False, True) for pull in STRENGTHS),
        default=(untouched, 0.0, False),
    )  # fmt: skip
    return Recalibration() if best[0] >= untouched else _fitted(head, logits, labels, scaled=best[2], pull=best[1])


def _left_out(head: OutputHead, logits: Matrix, labels: Vector, *, scaled: bool, pull: float) -> float:
    """The mean loss of each row under the adjustment that the others give."""
    found = []
    for place in range(len(labels)):
        others = np.arange(len(labels)) != place
        made = _fitted(head, logits[others], labels[others], scaled=scaled, pull=pull)
        found.append(float(head.losses(made.of(logits[[place]]), labels[[place]])[0]))
    return float(np.mean(found))


def _fitted(head: OutputHead, logits: Matrix, labels: Vector, *, scaled: bool, pull: float) -> Recalibration:
    """The least loss, pulled towards the untouched net as by `pull` rows; Newton's steps, with the expected curve."""
    scale, shift = 1.0, 0.0
    for _ in range(STEPS):
        now = scale * logits + shift
        slopes = head.residuals(now, labels)
        chances = sigmoid(now)
        curves = chances * (1.0 - chances) * (slopes != 0.0)
        slope = np.array([slopes.sum() + pull * shift, (slopes * logits).sum() + pull * (scale - 1.0)])
        cross = float((curves * logits).sum())
        curve = np.array([[curves.sum() + pull, cross], [cross, (curves * logits**2).sum() + pull]])
        if not scaled:
            slope[1], curve[0, 1], curve[1, 0] = 0.0, 0.0, 0.0
        step = np.linalg.solve(curve, slope)
        scale, shift = float(np.clip(scale - step[1], 0.05, 5.0)), shift - float(step[0])
        if float(np.abs(step).max()) < TINY:
            break
    return Recalibration(scale, shift)


@dataclass(frozen=True, slots=True)
class NewHead:
    """A layer of a hospital's own on the features of a shared trunk: for each row, the log-odds of yes."""

    centre: Vector
    scale: Vector
    weights: Vector
    intercept: float
    penalty: float

    def of(self, features: Matrix) -> Vector:
        """The log-odds of each row."""
        made: Vector = (features - self.centre) / self.scale @ self.weights + self.intercept
        return made


def new_head(features: Matrix, yes: Vector, penalties: Sequence[float] = PENALTIES) -> NewHead:
    """Logistic regression with a ridge, whose strength predicts each row best from all others."""
    return min(
        (_head(features, yes, penalty) for penalty in penalties), key=lambda one: _unseen(features, yes, one.penalty)
    )


def _unseen(features: Matrix, yes: Vector, penalty: float) -> float:
    found = []
    for place in range(len(yes)):
        others = np.arange(len(yes)) != place
        odds = _head(features[others], yes[others], penalty).of(features[[place]])
        found.append(float(BINARY.losses(odds[:, None], yes[[place]])[0]))
    return float(np.mean(found))


def _head(features: Matrix, yes: Vector, penalty: float) -> NewHead:
    centre, spread = features.mean(axis=0), features.std(axis=0)
    scale = np.where(spread > TINY, spread, 1.0)
    rows = np.column_stack([np.ones(len(yes)), (features - centre) / scale])
    ridge = np.diag([TINY, *([penalty] * features.shape[1])])
    found = np.zeros(rows.shape[1])
    for _ in range(STEPS):
        chances = sigmoid(rows @ found)
        curve = (rows * (chances * (1.0 - chances))[:, None]).T @ rows + ridge
        step = np.linalg.solve(curve, rows.T @ (chances - yes) + ridge @ found)
        found = found - step
        if float(np.abs(step).max()) < TINY:
            break
    return NewHead(centre, scale, found[1:], float(found[0]), penalty)
