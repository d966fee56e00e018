"""Robust standard errors (Lin and Wei 1989): they hold where the hazards are not proportional, too.

The score of a row is what it adds to the gradient, those at risk included: its own x less the mean that its event was
compared with, less its share of each comparison times its distance from that mean. With ties by Efron it is the
derivative of the gradient by the weight of the row. The variance is A B A, A the inverse of the Hessian and B the sum
over persons of u u', u the scores of all rows of a person. So B is a sum over sites, as the Hessian is.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from medspace.learning.cox.maths import Comparisons, Places, Survival, centred, comparisons
from medspace.learning.exact import times
from medspace.privacy.disclosure import Matrix, Persons, Vector


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the rows at risk at each moment of an event are compared with.

    Of the d comparisons at a moment, with shares s = l/d and phi (`maths`): `inverse` is the sum of 1/phi, `tied`
    that of s/phi; `means` is the mean of the means of x under phi, `pulls` the sum of these over phi, `tied_pulls`
    that of s times them over phi.
    """

    moments: Vector
    inverse: Vector
    tied: Vector
    means: Matrix
    pulls: Matrix
    tied_pulls: Matrix

    @classmethod
    def of(cls, found: Comparisons) -> "Baseline":
        """That of a stratum, by its comparisons."""
        inverse = 1.0 / found.phi
        deaths = np.bincount(found.at)

        def added(weights: Vector) -> Vector:
            return np.asarray(np.bincount(found.at, weights), dtype=np.float64)

        def pulled(weights: Vector) -> Matrix:
            return np.column_stack([added(weights * column) for column in found.means.T])

        return cls(
            moments=found.moments,
            inverse=added(inverse),
            tied=added(found.share * inverse),
            means=pulled(np.ones(len(inverse))) / deaths[:, None],
            pulls=pulled(inverse),
            tied_pulls=pulled(found.share * inverse),
        )


@dataclass(frozen=True, slots=True)
class RowScores:
    """The scores of some rows (rows x columns), and their martingale residuals: what each carries of its score."""

    scores: Matrix
    residuals: Vector


def stratum_scores(matrix: Matrix, survival: Survival, eta: Vector, ties: Literal["efron", "breslow"]) -> RowScores:
    """Those of the rows of a stratum; the scores add up to its gradient."""
    if not survival.event.any():
        return RowScores(np.zeros_like(matrix), np.zeros(len(eta)))
    matrix, eta = centred(matrix, eta)
    risk = np.exp(eta)
    return row_scores(matrix, survival, risk, Baseline.of(comparisons(matrix, survival, risk, ties)))


def row_scores(matrix: Matrix, survival: Survival, risk: Vector, baseline: Baseline) -> RowScores:
    """Those of rows with these risks, by what they were compared with."""
    event = survival.event
    until = np.searchsorted(baseline.moments, survival.time, side="right")
    since = np.zeros_like(until)
    if survival.entry is not None:
        since = np.searchsorted(baseline.moments, survival.entry, side="right")
    shares = _between(baseline.inverse[:, None], since, until)[:, 0]
    pulls = _between(baseline.pulls, since, until)
    own = until[event] - 1  # the moment of each row with the event
    shares[event] -= baseline.tied[own]
    pulls[event] -= baseline.tied_pulls[own]
    made = risk[:, None] * (pulls - matrix * shares[:, None])
    made[event] += matrix[event] - baseline.means[own]
    return RowScores(made, event.astype(np.float64) - risk * shares)


def _between(values: Matrix, since: Places, until: Places) -> Matrix:
    """The sum of the values of the moments for which each row was at risk."""
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    return np.asarray(total[until] - total[since], dtype=np.float64)


def by_persons(found: Matrix, persons: Persons) -> Matrix:
    """The scores of each person: persons x columns."""
    _, person = np.unique(persons, return_inverse=True)
    made = np.zeros((int(person.max(initial=-1)) + 1, found.shape[1]))
    np.add.at(made, person, found)
    return made


def squared(found: Matrix, persons: Persons) -> Matrix:
    """The sum over persons of u u'."""
    own = by_persons(found, persons)
    return np.asarray(own.T @ own, dtype=np.float64)


def sandwich(back: Matrix, inverse: Matrix, middle: Matrix) -> Matrix:
    """A B A for the columns as measured, the same on every processor."""
    made = times(back, inverse)
    return times(times(made, middle), made.T)
