"""Quality per site and over all sites, from counts that add up.

Over all sites only sums are used: cases and controls in bins of the linear predictor, and (n, sum of y, sum of p) per
bin of chances; so the AUC is known up to a stated resolution, the Brier score is exact, and the expected calibration
error (ECE) is that of chances averaged over groups of neighbours. For gaussian and poisson: root mean squared error
and mean deviance.

The bins of the predictor are quantiles of its expected distribution by the question itself: centred on the
intercept, as wide as the norm of the coefficients of scaled columns. A site puts rows in groups of enough persons, by
the order of their predictors alone, and says of each row the first and the last bin of its group. (Groups that began
and ended with bins would be other groups for every number of bins; one person more in one of them would stand in the
difference.) Pairs whose groups overlap may be in either order: they count half, and half of them is the resolution.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medspace.learning.glm.design import Vector
from medspace.learning.glm.maths import losses, mean
from medspace.learning.glm.task import GlmTask
from medspace.privacy.disclosure import Persons, grouped, ranked, reach
from medspace.privacy.rounding import Rounding, rounded


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over rows; the lists are per bin, and empty unless the target is yes/no.

    `case_first` counts the cases by the first bin of their group, `case_last` by its last one; controls alike.
    """

    rows: int
    persons: int
    squared: float  # sum of (y - mu)^2
    deviance: float
    case_first: tuple[int, ...] = ()
    case_last: tuple[int, ...] = ()
    control_first: tuple[int, ...] = ()
    control_last: tuple[int, ...] = ()
    bin_rows: tuple[int, ...] = ()
    bin_targets: tuple[float, ...] = ()
    bin_means: tuple[float, ...] = ()

    def __add__(self, other: "Tally") -> "Tally":
        counts = ("case_first", "case_last", "control_first", "control_last", "bin_rows")
        return Tally(
            self.rows + other.rows,
            self.persons + other.persons,
            self.squared + other.squared,
            self.deviance + other.deviance,
            *(_integers(self, other, name) for name in counts),
            *(_fractions(self, other, name) for name in ("bin_targets", "bin_means")),
        )


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a model does on some rows; None where it is not defined (AUC with one class only) or not known.

    `auc_resolution`: the exact AUC lies within `auc` +- this.
    """

    rows: int
    deviance: float | None  # per row
    rmse: float | None
    auc: float | None = None
    auc_resolution: float | None = None
    brier: float | None = None
    ece: float | None = None
    persons: int = 0  # 0 in models of versions that did not count them


@dataclass(frozen=True, slots=True)
class Scores:
    """What the rows of a site get at one question: linear predictor, expected target, and where predictors lie.

    `middle` and `spread` follow from the question alone.
    """

    eta: Vector
    mu: Vector
    middle: float
    spread: float

    def places(self, count: int) -> NDArray[np.int64]:
        """In which of so many bins of the predictor each row lies.

        They are quantiles of a Cauchy distribution: fine in the middle, and its tails are long enough for correlated
        columns.
        """
        share = 0.5 + np.arctan((self.eta - self.middle) / self.spread) / math.pi
        return np.minimum((share * count).astype(np.int64), count - 1)


def scores(task: GlmTask, beta: Vector, eta: Vector) -> Scores:
    """The scores at a question with these coefficients of scaled columns."""
    first = int(task.intercept)
    spread = max(float(np.linalg.norm(beta[first:])), float(np.finfo(np.float64).tiny))
    return Scores(eta, mean(task.family, eta), float(beta[0]) if first else 0.0, spread)


def tally(
    task: GlmTask, target: Vector, made: Scores, persons: Persons, least: int, near: Rounding = rounded
) -> Tally:
    """The sums of one site, rounded by `near`. Counts are of groups of `least` or more persons with like scores."""
    squares = np.square(target - made.mu)
    lost = losses(task.family, made.eta, target)
    squared, deviance = (float(near(terms.sum(), np.abs(terms).sum())) for terms in (squares, lost))
    plain = Tally(len(target), len(np.unique(persons)), squared, deviance)
    if task.family != "binomial":
        return plain
    return _with_bins(
        _with_ranks(plain, task, target, made, persons, least), task, target, made, persons, least, near
    )


def _with_ranks(plain: Tally, task: GlmTask, target: Vector, made: Scores, persons: Persons, least: int) -> Tally:
    count = task.evaluation.thresholds
    place = made.places(count)
    groups = ranked(made.eta, persons, least)
    first, last = (ends[groups] for ends in reach(place, groups, count))
    cases = target == 1.0
    return replace(
        plain,
        case_first=_counts(first[cases], count),
        case_last=_counts(last[cases], count),
        control_first=_counts(first[~cases], count),
        control_last=_counts(last[~cases], count),
    )


def _with_bins(
    plain: Tally, task: GlmTask, target: Vector, made: Scores, persons: Persons, least: int, near: Rounding
) -> Tally:
    count = task.evaluation.bins
    chance = grouped(made.mu, persons, least)
    place = np.minimum((chance * count).astype(np.int64), count - 1)
    means = np.bincount(place, chance, count).astype(np.float64)
    return replace(
        plain,
        bin_rows=_counts(place, count),
        bin_targets=tuple(float(value) for value in np.bincount(place, target, count)),
        bin_means=tuple(float(value) for value in near(means, means)),
    )


def quality(total: Tally) -> Quality:
    """The quality that follows from sums."""
    squared = total.squared / total.rows
    plain = Quality(total.rows, total.deviance / total.rows, math.sqrt(squared), persons=total.persons)
    if not total.case_first:
        return plain
    area, resolution = _area(total)
    gaps = (abs(y - p) for y, p in zip(total.bin_targets, total.bin_means, strict=True))
    return replace(plain, auc=area, auc_resolution=resolution, brier=squared, ece=math.fsum(gaps) / total.rows)


def _area(total: Tally) -> tuple[float | None, float | None]:
    """The middle between the least and the greatest AUC that the counts allow, and how far both are from it."""
    case_first, case_last, control_first, control_last = (
        np.asarray(counts, dtype=np.float64)
        for counts in (total.case_first, total.case_last, total.control_first, total.control_last)
    )
    pairs = float(case_first.sum() * control_first.sum())
    if not pairs > 0.0:
        return None, None
    least = float(case_first @ _before(control_last)) / pairs
    most = 1.0 - float(control_first @ _before(case_last)) / pairs
    return (least + most) / 2.0, (most - least) / 2.0


def _before(counts: Vector) -> Vector:
    """The cumulative count before each bin."""
    return np.concatenate([[0.0], np.cumsum(counts)[:-1]])


def _counts(places: NDArray[np.int64], width: int) -> tuple[int, ...]:
    return tuple(int(count) for count in np.bincount(places, minlength=width))


def _integers(left: Tally, right: Tally, name: str) -> tuple[int, ...]:
    values: tuple[Sequence[int], Sequence[int]] = (getattr(left, name), getattr(right, name))
    return tuple(a + b for a, b in zip(*values, strict=True))


def _fractions(left: Tally, right: Tally, name: str) -> tuple[float, ...]:
    values: tuple[Sequence[float], Sequence[float]] = (getattr(left, name), getattr(right, name))
    return tuple(a + b for a, b in zip(*values, strict=True))
