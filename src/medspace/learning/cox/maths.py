"""The partial likelihood of proportional hazards at one predictor, and what each row carries of it.

With r = exp(eta), S(t) the sum of r over the rows at risk at t, and D(t) that over those with the event at t, the
l-th of the d events at t (l = 0 to d - 1) is compared with phi = S - l/d D (Efron 1977; with Breslow's ties l/d is
0). The log-likelihood is the sum of eta over the events less that of log phi; its gradient the sum of x over the
events less that of the mean of x under phi, its negative Hessian the sum of the variances of x under phi. A row is at
risk from after its entry until its time.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medspace.privacy.disclosure import Labels, Mask, Matrix, Vector

Places = NDArray[np.intp]
LEFT_OVER = 1e-9  # of the risk of all rows: where those at risk have less of it, the difference has few digits


@dataclass(frozen=True, slots=True)
class Survival:
    """How long rows were observed: `entry` (or None) < `time`, and whether that ended by the event."""

    time: Vector
    event: Mask
    entry: Vector | None = None


@dataclass(frozen=True, slots=True)
class PartialSums:
    """The sums over a stratum. `weights` and `residuals` say what each row carries of them.

    A weight is how many events are expected of a row, and a residual how many more it had (the martingale residual).
    The gradient is the sum of x times the residual, the Hessian that of x x' times the weight, less the squared
    means of x at each event, which mix the rows at risk: a row is never nearer to what is summed than by these two
    (docs/decisions/0038).
    """

    events: int
    deviance: float  # minus twice the log-likelihood
    gradient: Vector
    hessian: Matrix
    weights: Vector
    residuals: Vector


@dataclass(frozen=True, slots=True)
class Comparisons:
    """The events one by one: at which moment each is, its share l/d, phi, the mean of x, under phi."""

    moments: Vector  # the different times of events, sorted
    own: Places  # the moment of each row with the event
    at: Places
    share: Vector
    phi: Vector
    means: Matrix


def partial(matrix: Matrix, survival: Survival, eta: Vector, ties: Literal["efron", "breslow"]) -> PartialSums:
    """The sums of one stratum; `matrix` is rows x columns, `eta` the predictor of each row.

    They are NaN where the rows at risk have next to no risk beside those that enter later.

    Only differences of predictors and of columns matter: both are centred first, which keeps digits.
    """
    matrix, eta = centred(matrix, eta)
    risk = np.exp(eta)
    event = survival.event
    if not event.any():
        nothing = np.zeros(len(eta))
        width = matrix.shape[1]
        return PartialSums(0, 0.0, np.zeros(width), np.zeros((width, width)), nothing, nothing)
    found = comparisons(matrix, survival, risk, ties)
    expected = _expected(survival, risk, found)
    half = matrix * np.sqrt(expected)[:, None]
    hessian = half.T @ half - found.means.T @ found.means
    np.fill_diagonal(hessian, np.maximum(np.diag(hessian), 0.0))
    return PartialSums(
        events=int(event.sum()),
        deviance=max(2.0 * (float(np.log(found.phi).sum()) - float(eta[event].sum())), 0.0),
        gradient=matrix[event].sum(axis=0) - found.means.sum(axis=0),
        hessian=hessian,
        weights=expected,
        residuals=event.astype(np.float64) - expected,
    )


def centred(matrix: Matrix, eta: Vector) -> tuple[Matrix, Vector]:
    """Columns about their means, and predictors below their largest."""
    return matrix - matrix.mean(axis=0, keepdims=True), eta - eta.max(initial=-np.inf)


def comparisons(matrix: Matrix, survival: Survival, risk: Vector, ties: str) -> Comparisons:
    """All events of a stratum, each with whom it is compared with."""
    event = survival.event
    moments, own = np.unique(survival.time[event], return_inverse=True)
    deaths = np.bincount(own)
    weighed = np.column_stack([risk, matrix * risk[:, None]])
    at_risk = _still(weighed, survival.time, moments)
    if survival.entry is not None:  # who enters at a moment or later is not at risk yet
        present = at_risk - _still(weighed, survival.entry, moments)
        lost = present[:, 0] < LEFT_OVER * at_risk[:, 0]  # of few digits, or none: no sum is better than a wrong one
        at_risk = np.where(lost[:, None], np.nan, present)
    dying = np.zeros_like(at_risk)
    np.add.at(dying, own, weighed[event])
    at = np.repeat(np.arange(len(moments)), deaths)
    order = np.arange(len(at)) - np.repeat(np.cumsum(deaths) - deaths, deaths)
    share = order / deaths[at] if ties == "efron" else np.zeros(len(at))
    compared = at_risk[at] - share[:, None] * dying[at]
    return Comparisons(moments, own, at, share, compared[:, 0], compared[:, 1:] / compared[:, :1])


def _still(weighed: Matrix, time: Vector, moments: Vector) -> Matrix:
    """The sums over the rows whose time is at a moment or after it."""
    order = np.argsort(time, kind="stable")
    after = np.zeros((len(time) + 1, weighed.shape[1]))
    after[:-1] = np.cumsum(weighed[order][::-1], axis=0)[::-1]
    return np.asarray(after[np.searchsorted(time[order], moments, side="left")], dtype=np.float64)


def _expected(survival: Survival, risk: Vector, found: Comparisons) -> Vector:
    """The expected events of each row: its shares of all comparisons for which it was at risk."""
    inverse = 1.0 / found.phi
    own = survival.event
    expected = risk * _until(survival, found, inverse)
    expected[own] -= risk[own] * np.bincount(found.at, found.share * inverse)[found.own]
    return np.maximum(expected, 0.0)


def _until(survival: Survival, found: Comparisons, values: Vector) -> Vector:
    """The sum of the values of the comparisons for which each row was at risk."""
    total = np.concatenate([[0.0], np.cumsum(np.bincount(found.at, values))])
    until = total[np.searchsorted(found.moments, survival.time, side="right")]
    if survival.entry is None:
        return np.asarray(until, dtype=np.float64)
    return np.asarray(until - total[np.searchsorted(found.moments, survival.entry, side="right")], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Concordance:
    """Pairs of patients of whom one is known to have the event first (Harrell 1982).

    `pairs` are those that can be compared; of them `ordered` count twice where the predictor is higher for who has
    the event first, and once where it is the same.
    """

    pairs: int
    ordered: int

    @property
    def index(self) -> float | None:
        """The share of pairs that the predictor puts in order, from 0 to 1; None where there is no pair."""
        return self.ordered / (2 * self.pairs) if self.pairs else None


def concordance(survival: Survival, groups: Labels) -> Concordance:
    """The pairs within a stratum; `groups` ranks the predictors, alike in one group.

    A row with an event is compared with every row at risk then that is observed for longer, or that is censored at
    the same time.
    """
    width = int(groups.max(initial=-1)) + 1
    tree = _Counts(width)
    leaving = _LateEntries(survival, groups)
    order = np.lexsort((survival.event, survival.time))[::-1]  # the last first; of one time, events before censored
    pairs = ordered = 0
    start = 0
    while start < len(order):
        time = survival.time[order[start]]
        stop = start
        while stop < len(order) and survival.time[order[stop]] == time:
            stop += 1
        together = order[start:stop]
        for row in together[~survival.event[together]]:
            tree.add(int(groups[row]), 1)
        dying = together[survival.event[together]]
        leaving.before(float(time), tree)
        for row in dying:
            below, same = tree.below(int(groups[row])), tree.own(int(groups[row]))
            pairs += tree.total
            ordered += 2 * below + same
        for row in dying:
            tree.add(int(groups[row]), 1)
        start = stop
    return Concordance(pairs, ordered)


class _LateEntries:
    """Takes rows out of the counts that had not entered yet, as time goes backwards."""

    def __init__(self, survival: Survival, groups: Labels) -> None:
        entry = survival.entry
        self._groups = groups
        self._entry = np.zeros(0) if entry is None else entry
        self._order = np.argsort(self._entry, kind="stable")[::-1].tolist()
        self._next = 0

    def before(self, time: float, tree: "_Counts") -> None:
        """Take out whoever enters at this time or later."""
        while self._next < len(self._order) and self._entry[self._order[self._next]] >= time:
            tree.add(int(self._groups[self._order[self._next]]), -1)
            self._next += 1


class _Counts:
    """How many rows are in each group, and in all groups below one (a Fenwick tree)."""

    def __init__(self, width: int) -> None:
        self.total = 0
        self._each = [0] * width
        self._sums = [0] * (width + 1)

    def add(self, group: int, change: int) -> None:
        """Put rows into a group, or take them out."""
        self.total += change
        self._each[group] += change
        place = group + 1
        while place < len(self._sums):
            self._sums[place] += change
            place += place & -place

    def own(self, group: int) -> int:
        """The rows of a group."""
        return self._each[group]

    def below(self, group: int) -> int:
        """The rows of all groups below one."""
        found, place = 0, group
        while place:
            found += self._sums[place]
            place -= place & -place
        return found
