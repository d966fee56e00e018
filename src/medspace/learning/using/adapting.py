"""A model for a yes/no outcome or for ordered classes, fitted to the rows of one place: what is learned stays here.

    intercept    the log-odds are moved by one number, so that as many cases are expected as there are
    temperature  they are also stretched or pressed together (Platt scaling)
    normalised   columns are centred and scaled as they are here (the place of FedBN), then as `intercept`
    head         the last layer is trained on, held to where it was (of a yes/no outcome)
    ditto        all layers are trained on, held to where they were
    tuned        all layers are trained on, for a few steps

How is chosen by cross-validation on the log-loss; the more numbers are learned, the later a way is tried. How
strongly Ditto holds is chosen likewise, by the rows that it learns from. "Rows" are images where a model takes these,
and "columns" their channels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from medspace.learning.glm.design import Matrix, Vector
from medspace.learning.net.heads import BINARY
from medspace.learning.using.errors import NotNormalisedError, TooFewRowsError, WayMissingError
from medspace.learning.using.normalising import normalised, scales
from medspace.learning.using.packing import Computed, Values
from medspace.learning.using.pipeline import Layer
from medspace.learning.using.refitting import layer, rescaling, unseen
from medspace.learning.using.retraining import held, tuned
from medspace.privacy.disclosure import Labels, Mask

How = Literal["untouched", "intercept", "temperature", "normalised", "head", "ditto", "tuned"]
WAYS: tuple[How, ...] = ("untouched", "intercept", "temperature", "normalised", "head", "ditto", "tuned")
FOLDS, BINS = 5, 10
FEWEST = 20  # persons
PULLS, PULL_FOLDS = (1.0, 0.1, 0.01), 3  # of Ditto, the strongest first
HELD = 20.0  # rows that the model from elsewhere counts for, where the last layer is trained on
RIDGE = 1e-3  # a row, on the squared distance from no change


@dataclass(frozen=True, slots=True)
class LocalRows:
    """Rows of one's own: value columns or images, outcome (the place of its class, of yes 1), whose they are."""

    values: Values
    target: Vector
    persons: Labels

    def of(self, chosen: Mask) -> "LocalRows":
        """Some of them."""
        return LocalRows(self.values[chosen], self.target[chosen], self.persons[chosen])

    def known_to(self, model: Computed) -> "LocalRows":
        """Those with an outcome, of which the model knows something."""
        return self.of(np.isfinite(linear(model, self.values)).all(axis=1) & np.isfinite(self.target))


@dataclass(frozen=True, slots=True)
class LocalQuality:
    """How good chances are on some rows; the AUC is None where there is one outcome only.

    Of several classes `cases` are those of all but the first, the AUC is the mean over classes of each against the
    others, the Brier score the sum over classes, and the calibration error that of the likeliest class.
    """

    rows: int
    cases: int
    auc: float | None
    brier: float
    ece: float
    loss: float


def adaptable(model: Computed) -> bool:
    """Whether a model can be adapted: its loss is a sum of logistic ones, so that one search fits all."""
    return model.head in ("logistic", "ordinal")


def linear(model: Computed, values: Values) -> Matrix:
    """What the head of a model makes scores of; `values` are what it takes."""
    return model.linear(values)  # type: ignore[arg-type]  # those that belong to the model


def ways(model: Computed) -> tuple[How, ...]:
    """Those that there are for a model."""
    lacking = {"normalised": not scales(model), "head": model.head != "logistic"}
    return tuple(how for how in WAYS if not lacking.get(how, False))


def adapted(model: Computed, rows: LocalRows, how: How) -> Computed:
    """The model fitted to these rows.

    Raises:
        NotNormalisedError: it is to be normalised, and does not scale its columns.
        WayMissingError: its last layer is to be trained on, and has several outputs.
    """
    if how == "untouched":
        return model
    if how == "normalised":
        if not scales(model):
            raise NotNormalisedError
        return _rescaled(normalised(model, rows.values), rows, stretched=False)
    if how == "tuned":
        return tuned(model, rows.values, rows.target)
    if how == "ditto":
        return held(model, rows.values, rows.target, best_pull(model, rows))
    if how == "head":
        if model.head != "logistic":
            raise WayMissingError(target=model.target.words)
        return _headed(model, rows)
    return _rescaled(model, rows, stretched=how == "temperature")


def best_pull(model: Computed, rows: LocalRows) -> float:
    """How strongly Ditto holds these rows' model to the shared one, by cross-validation over their persons."""

    def held_so(pull: float) -> float:
        return _lost(rows, PULL_FOLDS, 0, lambda own: held(model, own.values, own.target, pull))

    return min(PULLS, key=held_so)


def compared(model: Computed, rows: LocalRows, seed: int) -> dict[How, float]:
    """The mean log-loss of each way in cross-validation over these rows' persons."""

    def lost(how: How) -> float:
        return _lost(rows, FOLDS, seed, lambda own: adapted(model, own, how))

    return {how: lost(how) for how in ways(model)}


def chosen(model: Computed, rows: LocalRows, seed: int) -> How:
    """The way with the least log-loss; the first of equals."""
    return best(compared(model, rows, seed))


def best(losses: Mapping[How, float]) -> How:
    """The way with the least loss; the first of equals."""
    return min(losses, key=lambda how: losses[how])


def _lost(rows: LocalRows, count: int, seed: int, fitted: Callable[[LocalRows], Computed]) -> float:
    """The mean log-loss of the rows of each part, under the model that is fitted to all other parts."""

    def of_part(own: Mask, others: Mask) -> float:
        return quality(fitted(rows.of(own)), rows.of(others)).loss * int(others.sum())

    return unseen(folds(rows.persons, count, seed), of_part) / len(rows.target)


def folds(persons: Labels, count: int, seed: int) -> Labels:
    """In which of so many parts each row is; the rows of a person are in one."""
    each, place = np.unique(persons, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(each))
    made: Labels = (order % count)[place]
    return made


def quality(model: Computed, rows: LocalRows) -> LocalQuality:
    """How good a model is on rows."""
    found = np.clip(model.score(rows.values), 1e-12, 1.0 - 1e-12)  # type: ignore[arg-type]  # as for `linear`
    target, count = rows.target, len(rows.target)
    chances = np.column_stack([1.0 - found, found]) if model.head == "logistic" else found
    has = target[:, None] == np.arange(chances.shape[1])
    binary = model.head == "logistic"
    sure, right = (found[:, 0], target) if binary else (chances.max(axis=1), chances.argmax(axis=1) == target)
    squares = np.square(has - chances).sum(axis=1)
    return LocalQuality(
        rows=count,
        cases=int((target > 0).sum()),
        auc=_areas(found, has[:, 1:] if binary else has),
        brier=float(squares.mean()) / (2.0 if binary else 1.0),
        ece=calibration_error(sure, right.astype(np.float64)),
        loss=float(-np.log(chances[has]).mean()),
    )


def _areas(chances: Matrix, has: Mask) -> float | None:
    """The mean area over classes that some rows have, and others have not."""
    each = [
        area(chances[:, place], one.astype(np.float64)) for place, one in enumerate(has.T) if 0 < one.sum() < len(one)
    ]
    return float(np.mean(each)) if each else None


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


def _rescaled(model: Computed, rows: LocalRows, *, stretched: bool) -> Computed:
    """Log-odds moved, or moved and stretched.

    A small penalty keeps both numbers finite where there is one outcome only.
    """
    eta = linear(model, rows.values)
    found = rescaling(model.output_head or BINARY, eta, rows.target, RIDGE * len(eta), scaled=stretched)
    matrix, constant = model.layers[-1]
    return _ending(model, (matrix * found.scale, found.of(constant)))


def _headed(model: Computed, rows: LocalRows) -> Computed:
    """The last layer fitted anew, with a penalty on how far it moves from where it was."""
    inner = model.inner(rows.values)  # type: ignore[arg-type]  # as for `linear`
    moved = layer(inner, rows.target, HELD, linear(model, rows.values))
    slopes = moved.weights / moved.scale
    matrix, constant = model.layers[-1]
    return _ending(model, (matrix + slopes[:, None], constant + moved.intercept - moved.centre @ slopes))


def _ending(model: Computed, last: Layer) -> Computed:
    """The model with another last layer."""
    return replace(model, layers=(*model.layers[:-1], last))


@dataclass(frozen=True, slots=True)
class Adaptation:
    """A model adapted to the rows of one place: how, and how good it and the untouched one are on rows set apart.

    `compared` is the mean log-loss of each way in cross-validation, where one was chosen; `pull` is Ditto's.
    """

    model: Computed
    how: How
    before: LocalQuality
    after: LocalQuality
    rows: int  # that it was adapted to in the end
    compared: Mapping[How, float] = field(default_factory=dict)
    pull: float | None = None


def adaptation(model: Computed, rows: LocalRows, *, apart: int, seed: int, how: How | None = None) -> Adaptation:
    """Adapt a model; one in `apart` persons is set apart to compare with the untouched model.

    How is chosen on the others, unless it is given. In the end the model is adapted to all rows.

    Raises:
        TooFewRowsError: there are too few persons to choose or to compare.
        NotNormalisedError, WayMissingError: that way is not there for this model.
    """
    known = rows.known_to(model)
    aside = folds(known.persons, apart, seed) == 0
    own, others = known.of(~aside), known.of(aside)
    if len(np.unique(own.persons)) < FEWEST or not len(others.target):
        raise TooFewRowsError(least=FEWEST * apart // (apart - 1) + 1)
    tried = compared(model, own, seed) if how is None else {}
    way = best(tried) if how is None else how
    before, after = quality(model, others), quality(adapted(model, own, way), others)
    pull = best_pull(model, known) if way == "ditto" else None
    made = adapted(model, known, way) if pull is None else held(model, known.values, known.target, pull)
    return Adaptation(made, way, before, after, len(known.target), tried, pull)
