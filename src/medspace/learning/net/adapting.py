"""What a hospital makes of a shared net for itself: parameters of its own, found on its own rows, which stay there.

Each adjustment is chosen by rows that it was not found on, with the untouched net among the choices.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medspace.learning.glm.design import Matrix, Vector
from medspace.learning.net.heads import BINARY, OutputHead, sigmoid

STEPS, TINY, FOLDS = 50, 1e-10, 10
STRENGTHS = (1.0, 4.0, 16.0)  # of the pull towards the untouched net, in rows
PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # of a new head, times the squares of its weights


@dataclass(frozen=True, slots=True)
class LogitAdjustment:
    """What is done to each logit: times `scale`, plus the `shifts` of its output. 1 and none: nothing."""

    scale: float = 1.0
    shifts: tuple[float, ...] = ()

    def of(self, logits: Matrix) -> Matrix:
        """The logits as this hospital uses them."""
        moved: Matrix = self.scale * logits
        return moved + np.array(self.shifts) if self.shifts else moved


def adjustment(head: OutputHead, logits: Matrix, labels: Vector) -> LogitAdjustment:
    """The adjustment that predicts rows best from others: none, shifts of the intercepts, or these and a scale.

    A temperature is 1 / scale (Guo et al. 2017); shifts follow another prevalence.
    """
    if not len(labels):
        return LogitAdjustment()
    tried = [
        (_unseen_loss(head, logits, labels, scaled=one, pull=pull), pull, one)
        for one in (False, True)
        for pull in STRENGTHS
    ]
    loss, pull, scaled = min(tried)
    if loss >= float(head.losses(logits, labels).mean()):
        return LogitAdjustment()
    return _fitted(head, logits, labels, scaled=scaled, pull=pull)


def _unseen_loss(head: OutputHead, logits: Matrix, labels: Vector, *, scaled: bool, pull: float) -> float:
    """The mean loss of each row under the adjustment that the rows of the other folds give."""
    fold, total = np.arange(len(labels)) % FOLDS, 0.0
    for number in np.unique(fold):
        others = fold != number
        made = _fitted(head, logits[others], labels[others], scaled=scaled, pull=pull)
        total += float(head.losses(made.of(logits[~others]), labels[~others]).sum())
    return total / len(labels)


def _fitted(head: OutputHead, logits: Matrix, labels: Vector, *, scaled: bool, pull: float) -> LogitAdjustment:
    """The least loss, pulled towards the untouched net as by `pull` rows; Newton's steps, with the expected curve."""
    outputs = logits.shape[1]
    scale, shifts = 1.0, np.zeros(outputs)
    for _ in range(STEPS):
        now = scale * logits + shifts
        slopes, chances = head.residuals(now, labels), sigmoid(now)
        curves = chances * (1.0 - chances) * (slopes != 0.0)
        slope = np.append(slopes.sum(axis=0) + pull * shifts, (slopes * logits).sum() + pull * (scale - 1.0))
        curve = np.diag(np.append(curves.sum(axis=0), (curves * logits**2).sum()) + pull)
        curve[-1, :-1] = curve[:-1, -1] = (curves * logits).sum(axis=0)
        if not scaled:
            slope[-1], curve[-1, :-1], curve[:-1, -1] = 0.0, 0.0, 0.0
        step = np.linalg.solve(curve, slope)
        scale, shifts = float(np.clip(scale - step[-1], 0.05, 5.0)), shifts - step[:-1]
        if float(np.abs(step).max()) < TINY:
            break
    return LogitAdjustment(scale, tuple(shifts.tolist()))


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
    fold, total = np.arange(len(yes)) % FOLDS, 0.0
    for number in np.unique(fold):
        others = fold != number
        odds = _head(features[others], yes[others], penalty).of(features[~others])
        total += float(BINARY.losses(odds[:, None], yes[~others]).sum())
    return total / len(yes)


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
