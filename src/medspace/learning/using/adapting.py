"""A model for a yes/no outcome, fitted to the rows of one place: what is learned here stays here.

    intercept    the log-odds are moved by one number, so that as many cases are expected as there are
    temperature  they are also stretched or pressed together (Platt scaling)
    head         the last layer is trained on, held to where it was
    tuned        all layers are trained on, for a few steps

How is chosen by cross-validation on the log-loss; the more numbers are learned, the later a way is tried.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from medspace.learning.glm.design import Matrix, Vector
from medspace.learning.net.heads import BINARY
from medspace.learning.net.local import TrainingRows, mean_gradient
from medspace.learning.net.network import Perceptron
from medspace.learning.using.errors import TooFewRowsError
from medspace.learning.using.pipeline import Layer, Pipeline
from medspace.learning.using.refitting import layer, rescaling, unseen
from medspace.privacy.disclosure import Labels, Mask

How = Literal["untouched", "intercept", "temperature", "head", "tuned"]
WAYS: tuple[How, ...] = ("untouched", "intercept", "temperature", "head", "tuned")
FOLDS, BINS = 5, 10
FEWEST = 20  # persons
STEPS, RATE = 20, 0.1
HELD = 20.0  # rows that the model from elsewhere counts for, where the last layer is trained on
RIDGE = 1e-3  # a row, on the squared distance from no change


@dataclass(frozen=True, slots=True)
class LocalRows:
    """Rows of one's own: value columns, outcome (1 or 0), whose they are."""

    values: Matrix
    target: Vector
    persons: Labels

    def of(self, chosen: Mask) -> "LocalRows":
        """Some of them."""
        return LocalRows(self.values[chosen], self.target[chosen], self.persons[chosen])

    def known_to(self, model: Pipeline) -> "LocalRows":
        """Those with an outcome, of which the model knows something."""
        return self.of(np.isfinite(model.linear(self.values)[:, 0]) & np.isfinite(self.target))


@dataclass(frozen=True, slots=True)
class LocalQuality:
    """How good chances are on some rows; the AUC is None where there is one outcome only."""

    rows: int
    cases: int
    auc: float | None
    brier: float
    ece: float
    loss: float


def adapted(model: Pipeline, rows: LocalRows, how: How) -> Pipeline:
    """The model fitted to these rows."""
    if how == "untouched":
        return model
    if how == "tuned":
        return _tuned(model, rows)
    if how == "head":
        return _headed(model, rows)
    return _rescaled(model, rows, stretched=how == "temperature")


def chosen(model: Pipeline, rows: LocalRows, seed: int, ways: Sequence[How] = WAYS) -> How:
    """The way with the least log-loss in cross-validation over these rows' persons; the first of equals."""
    parts = folds(rows.persons, FOLDS, seed)

    def lost(how: How) -> float:
        def of_part(own: Mask, others: Mask) -> float:
            return quality(adapted(model, rows.of(own), how), rows.of(others)).loss * int(others.sum())

        return unseen(parts, of_part)

    return min(ways, key=lost)


def folds(persons: Labels, count: int, seed: int) -> Labels:
    """In which of so many parts each row is; the rows of a person are in one."""
    each, place = np.unique(persons, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(each))
    made: Labels = (order % count)[place]
    return made


def quality(model: Pipeline, rows: LocalRows) -> LocalQuality:
    """How good a model is on rows."""
    chances = np.clip(model.score(rows.values)[:, 0], 1e-12, 1.0 - 1e-12)
    target, cases = rows.target, int(rows.target.sum())
    return LocalQuality(
        rows=len(target),
        cases=cases,
        auc=area(chances, target) if 0 < cases < len(target) else None,
        brier=float(np.square(target - chances).mean()),
        ece=calibration_error(chances, target),
        loss=float(-np.log(np.where(target == 1.0, chances, 1.0 - chances)).mean()),
    )


def calibration_error(chances: Vector, target: Vector) -> float:
    """The expected calibration error (ECE), in ten equal bins of chances."""
    place = np.minimum((chances * BINS).astype(np.int64), BINS - 1)
    return float(np.abs(np.bincount(place, target - chances, BINS)).sum()) / len(target)


def area(scores: Vector, target: Vector) -> float:
    """The area under the curve, by ranks, ties in the middle (Mann-Whitney)."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[place]
    cases = float(target.sum())
    return float((ranks[target == 1.0].sum() - cases * (cases + 1) / 2.0) / (cases * (len(target) - cases)))


def _rescaled(model: Pipeline, rows: LocalRows, *, stretched: bool) -> Pipeline:
    """Log-odds moved, or moved and stretched.

    A small penalty keeps both numbers finite where there is one outcome only.
    """
    eta = model.linear(rows.values)
    found = rescaling(BINARY, eta, rows.target, RIDGE * len(eta), scaled=stretched)
    matrix, constant = model.layers[-1]
    return _ending(model, (matrix * found.scale, found.of(constant)))


def _headed(model: Pipeline, rows: LocalRows) -> Pipeline:
    """The last layer fitted anew, with a penalty on how far it moves from where it was."""
    moved = layer(_inner(model, rows.values), rows.target, HELD, model.linear(rows.values))
    slopes = moved.weights / moved.scale
    matrix, constant = model.layers[-1]
    return _ending(model, (matrix + slopes[:, None], constant + moved.intercept - moved.centre @ slopes))


def _ending(model: Pipeline, last: Layer) -> Pipeline:
    """The model with another last layer."""
    return replace(model, layers=(*model.layers[:-1], last))


def _inner(model: Pipeline, values: Matrix) -> Matrix:
    """What goes into the last layer."""
    columns = model.arranged(values)
    for matrix, constant in model.layers[:-1]:
        columns = model.bent(columns @ matrix + constant)
    return columns


def _tuned(model: Pipeline, rows: LocalRows) -> Pipeline:
    """All layers after a few steps of gradient descent, on columns scaled by these rows."""
    columns = model.arranged(rows.values)
    middle, spread = columns.mean(axis=0), columns.std(axis=0)
    scale = np.where(spread > 0.0, spread, 1.0)
    (first, constant), *others = model.layers
    layers = ((first * scale[:, None], constant + middle @ first), *others)
    network = Perceptron((len(scale), *(matrix.shape[1] for matrix, _ in layers)), model.activation)
    now = np.concatenate([part.ravel() for layer in layers for part in layer])
    given = TrainingRows((columns - middle) / scale, rows.target, np.ones(len(columns)))
    for _ in range(STEPS):
        now = now - RATE * mean_gradient(network, now, given, 0.0)
    (first, constant), *others = network.layers(now)
    first = first / scale[:, None]
    return replace(model, layers=((first, constant - middle @ first), *others))


@dataclass(frozen=True, slots=True)
class Adaptation:
    """A model adapted to the rows of one place: how, and how good it and the untouched one are on rows set apart."""

    model: Pipeline
    how: How
    before: LocalQuality
    after: LocalQuality
    rows: int  # that it was adapted to in the end


def adaptation(model: Pipeline, rows: LocalRows, *, apart: int, seed: int, how: How | None = None) -> Adaptation:
    """Adapt a model; one in `apart` persons is set apart to compare with the untouched model.

    How is chosen on the others, unless it is given. In the end the model is adapted to all rows.

    Raises:
        TooFewRowsError: there are too few persons to choose or to compare.
    """
    known = rows.known_to(model)
    aside = folds(known.persons, apart, seed) == 0
    own, others = known.of(~aside), known.of(aside)
    if len(np.unique(own.persons)) < FEWEST or not len(others.target):
        raise TooFewRowsError(least=FEWEST * apart // (apart - 1) + 1)
    way = chosen(model, own, seed) if how is None else how
    before, after = quality(model, others), quality(adapted(model, own, way), others)
    return Adaptation(adapted(model, known, way), way, before, after, len(known.target))
