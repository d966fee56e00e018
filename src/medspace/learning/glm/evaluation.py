"""Quality per site and over all sites, from counts that add up.

Per site: AUC by exact ranks, Brier score, expected calibration error (ECE). Over all sites only sums are used:
TP/FP/TN/FN at thresholds and (n, sum of y, sum of p) per calibration bin, so the pooled AUC is known up to a stated
resolution; Brier and ECE are exact. For gaussian and poisson: root mean squared error and mean deviance.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medspace.learning.glm.design import Vector
from medspace.learning.glm.maths import deviance, mean
from medspace.learning.glm.task import GlmTask
from medspace.privacy.disclosure import Persons, grouped


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over rows; the lists are per threshold and per bin, and empty where the target is not yes or no."""

    rows: int
    squared: float  # sum of (y - mu)^2
    deviance: float
    tp: tuple[int, ...] = ()
    fp: tuple[int, ...] = ()
    tn: tuple[int, ...] = ()
    fn: tuple[int, ...] = ()
    bin_rows: tuple[int, ...] = ()
    bin_targets: tuple[float, ...] = ()
    bin_means: tuple[float, ...] = ()

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.rows + other.rows,
            self.squared + other.squared,
            self.deviance + other.deviance,
            *(_integers(self, other, name) for name in ("tp", "fp", "tn", "fn", "bin_rows")),
            *(_fractions(self, other, name) for name in ("bin_targets", "bin_means")),
        )


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a model does on some rows; None where it is not defined (AUC with one class only).

    `auc_resolution`: the exact AUC lies within `auc` +- this; 0 where it was computed from ranks.
    """

    rows: int
    deviance: float  # per row
    rmse: float
    auc: float | None = None
    auc_resolution: float | None = None
    brier: float | None = None
    ece: float | None = None


def auc(target: Vector, score: Vector) -> float | None:
    """The chance that a case scores higher than a control, ties counted half (Mann-Whitney U); None without both."""
    cases = target == 1.0
    positives, negatives = int(cases.sum()), int((~cases).sum())
    if positives == 0 or negatives == 0:
        return None
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2.0)[place]  # the mean rank of those that tie
    return float((rank[cases].sum() - positives * (positives + 1) / 2.0) / (positives * negatives))


def tally(task: GlmTask, target: Vector, eta: Vector, persons: Persons, least: int) -> Tally:
    """The sums of one site. Counts are of scores averaged over groups of at least `least` persons."""
    mu = mean(task.family, eta)
    squared = float(np.square(target - mu).sum())
    lost = deviance(task.family, eta, target)
    if task.family != "binomial":
        return Tally(len(target), squared, lost)
    mu = grouped(mu, persons, least)
    cases = target == 1.0
    said = mu[:, None] >= np.asarray(thresholds(task.evaluation.thresholds))
    place = np.minimum((mu * task.evaluation.bins).astype(int), task.evaluation.bins - 1)
    bins = task.evaluation.bins
    return Tally(
        len(target),
        squared,
        lost,
        tp=_counts(said[cases]),
        fp=_counts(said[~cases]),
        tn=_counts(~said[~cases]),
        fn=_counts(~said[cases]),
        bin_rows=tuple(int(count) for count in np.bincount(place, minlength=bins)),
        bin_targets=tuple(float(value) for value in np.bincount(place, target, bins)),
        bin_means=tuple(float(value) for value in np.bincount(place, mu, bins)),
    )


def thresholds(count: int) -> tuple[float, ...]:
    """`count` thresholds that cut [0, 1] into equal parts."""
    return tuple(position / (count + 1) for position in range(1, count + 1))


def site_quality(task: GlmTask, target: Vector, eta: Vector, total: Tally) -> Quality:
    """The quality on one site's rows, AUC from exact ranks; `total` are its sums."""
    pooled = quality(total)
    if task.family != "binomial":
        return pooled
    exact = auc(target, mean(task.family, eta))
    return Quality(
        pooled.rows,
        pooled.deviance,
        pooled.rmse,
        exact,
        None if exact is None else 0.0,
        pooled.brier,
        pooled.ece,
    )


def quality(total: Tally) -> Quality:
    """The quality that sums tell."""
    squared = total.squared / total.rows
    plain = Quality(total.rows, total.deviance / total.rows, math.sqrt(squared))
    if not total.tp:
        return plain
    area, resolution = _area(total)
    gaps = (abs(y - p) for y, p in zip(total.bin_targets, total.bin_means, strict=True))
    return Quality(plain.rows, plain.deviance, plain.rmse, area, resolution, squared, math.fsum(gaps) / total.rows)


def _area(total: Tally) -> tuple[float | None, float | None]:
    # The trapezoidal rule counts pairs between the same two thresholds as ties; at worst all of them go one way.
    positives, negatives = total.tp[0] + total.fn[0], total.fp[0] + total.tn[0]
    if positives == 0 or negatives == 0:
        return None, None
    cases = -np.diff([positives, *total.tp, 0]).astype(np.float64)
    controls = -np.diff([negatives, *total.fp, 0]).astype(np.float64)
    pairs = float(positives) * negatives
    below = np.concatenate([[0.0], np.cumsum(controls)[:-1]])
    tied = float(cases @ controls) / pairs / 2.0
    return float(cases @ below) / pairs + tied, tied


def _counts(said: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[int, ...]:
    return tuple(int(count) for count in said.sum(axis=0))


def _integers(left: Tally, right: Tally, name: str) -> tuple[int, ...]:
    values: tuple[Sequence[int], Sequence[int]] = (getattr(left, name), getattr(right, name))
    return tuple(a + b for a, b in zip(*values, strict=True))


def _fractions(left: Tally, right: Tally, name: str) -> tuple[float, ...]:
    values: tuple[Sequence[float], Sequence[float]] = (getattr(left, name), getattr(right, name))
    return tuple(a + b for a, b in zip(*values, strict=True))
