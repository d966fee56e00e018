"""Parts of a model fitted anew to the rows of one place: its logits moved and stretched, or another last layer.

All of it is one search, Newton's for the least loss of a head, with a penalty on how far each number moves. What is
chosen is chosen by rows that it was not found on. Nothing of it leaves the place of the rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medspace.learning.glm.design import Matrix, Vector
from medspace.learning.net.heads import BINARY, OutputHead, sigmoid
from medspace.privacy.disclosure import Labels, Mask

STEPS, TINY, FURTHEST, FOLDS = 50, 1e-10, 2.0, 10
FREE = 1e-6  # the penalty of an intercept: keeps it finite where there is one outcome only
FLATTEST, STEEPEST = 0.05, 5.0  # that logits are made
STRENGTHS = (1.0, 4.0, 16.0)  # of the pull towards the untouched model, in rows
PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # of a new last layer, times the squares of its weights
Design = NDArray[np.float64]  # rows x outputs x parameters


@dataclass(frozen=True, slots=True)
class LogitAdjustment:
    """What is done to each logit: times `scale`, plus the `shifts` of its output. 1 and none: nothing.

    A temperature is 1 / scale (Guo et al. 2017); shifts follow another prevalence.
    """

    scale: float = 1.0
    shifts: tuple[float, ...] = ()

    def of(self, logits: Matrix) -> Matrix:
        """The logits as they are used here."""
        moved: Matrix = self.scale * logits
        return moved + np.array(self.shifts) if self.shifts else moved


@dataclass(frozen=True, slots=True)
class LastLayer:
    """A layer of one output on features, which are centred and scaled: for each row, the log-odds of yes."""

    centre: Vector
    scale: Vector
    weights: Vector
    intercept: float
    penalty: float

    def of(self, features: Matrix) -> Vector:
        """The log-odds of each row, less the offset that it was fitted with."""
        made: Vector = (features - self.centre) / self.scale @ self.weights + self.intercept
        return made


def adjustment(head: OutputHead, logits: Matrix, labels: Vector) -> LogitAdjustment:
    """The adjustment that predicts rows best from others: none, shifts, or these and a scale."""
    if not len(labels):
        return LogitAdjustment()
    parts = np.arange(len(labels)) % FOLDS

    def lost(pull: float, *, scaled: bool) -> float:
        def of_part(own: Mask, others: Mask) -> float:
            made = rescaling(head, logits[own], labels[own], pull, scaled=scaled)
            return float(head.losses(made.of(logits[others]), labels[others]).sum())

        return unseen(parts, of_part) / len(labels)

    loss, pull, scaled = min((lost(pull, scaled=one), pull, one) for one in (False, True) for pull in STRENGTHS)
    if loss >= float(head.losses(logits, labels).mean()):
        return LogitAdjustment()
    return rescaling(head, logits, labels, pull, scaled=scaled)


def rescaling(head: OutputHead, logits: Matrix, labels: Vector, pull: float, *, scaled: bool) -> LogitAdjustment:
    """The least loss, pulled towards the untouched model as by so many rows; without `scaled` by shifts alone."""
    count, outputs = logits.shape
    columns: Design = np.broadcast_to(np.eye(outputs), (count, outputs, outputs))
    start, offset = np.zeros(outputs), logits
    if scaled:
        columns = np.concatenate([columns, logits[:, :, None]], axis=2)
        start, offset = np.append(start, 1.0), np.zeros_like(logits)
    least, most = (np.array([far] * outputs + [end] * scaled) for far, end in _ENDS)
    found = _newton(head, columns, offset, labels, start, np.full(len(start), pull), (least, most))
    return LogitAdjustment(float(found[-1]) if scaled else 1.0, tuple(found[:outputs].tolist()))


_ENDS = ((-np.inf, FLATTEST), (np.inf, STEEPEST))


def new_layer(features: Matrix, yes: Vector, penalties: Sequence[float] = PENALTIES) -> LastLayer:
    """Logistic regression with a ridge, whose strength predicts each row best from all others."""
    parts = np.arange(len(yes)) % FOLDS

    def lost(penalty: float) -> float:
        def of_part(own: Mask, others: Mask) -> float:
            odds = layer(features[own], yes[own], penalty).of(features[others])
            return float(BINARY.losses(odds[:, None], yes[others]).sum())

        return unseen(parts, of_part)

    return layer(features, yes, min(penalties, key=lost))


def layer(features: Matrix, yes: Vector, penalty: float, offset: Matrix | None = None) -> LastLayer:
    """Logistic regression on standardised features, with a ridge on all but the intercept; beside an offset."""
    centre, spread = features.mean(axis=0), features.std(axis=0)
    scale = np.where(spread > TINY, spread, 1.0)
    columns = np.column_stack([np.ones(len(yes)), (features - centre) / scale])[:, None, :]
    ridge = np.array([FREE, *([penalty] * features.shape[1])])
    given = np.zeros((len(yes), 1)) if offset is None else offset
    found = _newton(BINARY, columns, given, yes, np.zeros(len(ridge)), ridge)
    return LastLayer(centre, scale, found[1:], float(found[0]), penalty)


def unseen(parts: Labels, loss: Callable[[Mask, Mask], float]) -> float:
    """The losses of the rows of each part, under what the rows of all other parts give: `loss(others, part)`."""
    return sum(loss(parts != one, parts == one) for one in np.unique(parts))


def _newton(
    head: OutputHead,
    columns: Design,
    offset: Matrix,
    labels: Vector,
    start: Vector,
    ridge: Vector,
    within: tuple[Vector | float, Vector | float] = (-np.inf, np.inf),
) -> Vector:
    """The parameters with the least loss, with a ridge on their distance from `start`; the expected curve."""
    now = start
    for _ in range(STEPS):
        eta = offset + columns @ now
        slopes, chances = head.residuals(eta, labels), sigmoid(eta)
        curves = chances * (1.0 - chances) * (slopes != 0.0)  # no curve of a step that a row does not stand before
        slope = np.einsum("ro,rop->p", slopes, columns) + ridge * (now - start)
        flat = columns.reshape(-1, len(now))
        bend = (flat * curves.reshape(-1, 1)).T @ flat + np.diag(ridge + TINY)
        step = np.linalg.solve(bend, slope)
        largest = float(np.abs(step).max())
        now = np.clip(now - step * min(1.0, FURTHEST / max(largest, TINY)), *within)
        if largest < TINY:
            break
    return now
