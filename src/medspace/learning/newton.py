"""Newton steps that every site takes to the same bits (`exact`): equations, steps, how far they may go.

What a fit under masks has in common, whatever its likelihood: a total gives a deviance (minus twice the
log-likelihood), a gradient and a Hessian; one site proposes the step, and all check it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medspace.learning.exact import (
    FRACTION,
    ONE,
    ROUNDING,
    Factor,
    Rows,
    fixed,
    number,
    product,
    times,
)
from medspace.privacy.disclosure import Matrix
from medspace.privacy.rounding import ERROR_BITS

WIDEST = 6.0  # the standard deviation of a predictor that sites still answer about
REACH = 0.9 * WIDEST  # of the predictor over all rows; one site's own may be somewhat wider
EDGE = 0.9  # of the reach: a fit here that wants to go further has no optimum within it
NEAR = 0.1  # a step of so few standard errors is among the last ones, and much shorter than the one before
NOTHING = 1e-22  # of the objective before: a smaller gain is rounding; it happens where gaussian rows fit perfectly
FINE = 48  # bits behind the point of the mean products; they lie between -1 and 1 and fit an integer of JSON
SHORTEST = 64  # halvings of a step; after them nothing of it is left


@dataclass(frozen=True, slots=True)
class NewtonTotal:
    """The total of a Newton question: rows as they are, all else with 96 bits behind the point."""

    rows: int
    deviance: int
    gradient: tuple[int, ...]
    hessian: Rows


@dataclass(frozen=True, slots=True)
class Equations:
    """What the step of a Newton round solves: rows @ step = gradient; both with the penalty."""

    rows: Rows
    gradient: list[int]
    objective: float

    @classmethod
    def of(cls, penalty: Sequence[float], beta: Sequence[int], total: NewtonTotal) -> "Equations":
        """The equations at a beta; `penalty` is the weight of each squared coefficient."""
        weights = [fixed(weight) for weight in penalty]
        rows = [[*row] for row in total.hessian]
        for k, weight in enumerate(weights):
            rows[k][k] += weight
        pulls = [weight * value >> FRACTION for weight, value in zip(weights, beta, strict=True)]
        gradient = [slope - pull for slope, pull in zip(total.gradient, pulls, strict=True)]
        double = (total.deviance << FRACTION) + product(pulls, beta)
        return cls(rows, gradient, double / (ONE * ONE * 2))


@dataclass(frozen=True, slots=True)
class SolvedStep:
    """A step that solves its equations, and how far it goes; the fields of `glm.maths.NewtonStep`."""

    step: list[int]
    gain: float
    length: float
    stride: float
    resolution: float

    @classmethod
    def of(
        cls,
        beta: Sequence[int],
        total: NewtonTotal,
        equations: Equations,
        apart: Factor,
        step: list[int],
        dispersion: float = 1.0,
    ) -> "SolvedStep":
        """How far a step from a beta goes; `apart` is the factored matrix of the equations."""
        gain = max(product(equations.gradient, step), 0) / (ONE * ONE * 2)
        strides = (abs(number(move)) / max(1.0, abs(number(at))) for move, at in zip(step, beta, strict=True))
        diagonal = (number(row[k]) for k, row in enumerate(total.hessian))
        inflation = math.fsum(h * v for h, v in zip(diagonal, apart.diagonal.tolist(), strict=True))
        length = math.sqrt(2.0 * gain / dispersion)
        return cls(step, gain, length, max(strides, default=0.0), ROUNDING * math.sqrt(total.rows * inflation))


def halfway(base: Sequence[int], beta: Sequence[int]) -> tuple[int, ...]:
    """The middle between the last beta that was an improvement and one that was not."""
    return tuple(one + other >> 1 for one, other in zip(base, beta, strict=True))


def within_reach(
    products: Rows, first: int, beta: Sequence[int], step: Sequence[int], *, ends: bool
) -> tuple[int, ...] | None:
    """Where a step leads, or a point on the way to it about which sites still answer.

    The spread of beta + step / 2^k has three parts, which are computed once; `products` are the mean products of the
    columns whose coefficients stand behind the `first` ones. None where nothing of the step is left, or where it is
    one from the edge outwards, if that `ends` a fit.
    """
    at, move = beta[first:], step[first:]
    turned = [product(row, move) for row in products]
    still = product([product(row, at) for row in products], at)
    both, moving = product(turned, at), product(turned, move)
    halvings = 0
    while spread(still * 4**halvings + (both << halvings + 1) + moving, halvings) > REACH:
        if halvings == SHORTEST or (ends and spread(still, 0) > EDGE * REACH):
            return None
        halvings += 1
    return tuple(value + (change >> halvings) for value, change in zip(beta, step, strict=True))


def spread(square: int, halvings: int) -> float:
    """The deviation of a predictor whose square is given, with the bits of products and beta behind the point."""
    return math.sqrt(max(square, 0) / (1 << FINE + 2 * FRACTION + 2 * halvings))


def spread_of(products: Rows, slopes: Sequence[int]) -> float:
    """The deviation of the predictor over all rows."""
    return spread(product([product(row, slopes) for row in products], slopes), 0)


def keeps_growing(base: Sequence[int], beta: Sequence[int], step: SolvedStep) -> bool:
    """Whether some coefficient grows on while nothing is left to be gained, as in `glm.fit`."""
    if step.length > NEAR:
        return False
    before = max((abs(now - start) for now, start in zip(beta, base, strict=True)), default=0)
    return 2 * max(map(abs, step.step), default=0) > before


def coarse_covariance(
    back: Matrix, total: NewtonTotal, equations: Equations, apart: Factor, dispersion: float = 1.0
) -> tuple[float, ...]:
    """The upper triangle of the covariance, for the columns as they were measured (`back`), coarsely rounded.

    It is for standard errors, and no finer than these need: in full precision it would reveal the Hessian, whose
    elements are linear in how many patients have which values, so that a few models would reveal each patient who is
    alone with some codes (`privacy.rounding.ERROR_BITS`). An element is rounded by the root of the product of the
    two diagonal elements, which bounds it (Cauchy-Schwarz), raised to a power of two. The scale is that of the
    terms: what is rounded before it is moved there may lose an error altogether.
    """
    made = apart.inverse()
    if equations.rows != total.hessian:  # penalised
        hessian = np.array([[number(value) for value in row] for row in total.hessian], dtype=np.float64)
        made = times(times(made, hessian), made)
    return coarse(times(times(back, made), back.T) * dispersion)


def coarse(covariance: Matrix) -> tuple[float, ...]:
    """The upper triangle of a covariance, each element rounded by what bounds it."""
    scaled, made = covariance.tolist(), []
    for k, row in enumerate(scaled):
        for j in range(k, len(row)):
            _, exponent = math.frexp(math.sqrt(max(row[k], 0.0) * max(scaled[j][j], 0.0)))
            made.append(math.ldexp(round(math.ldexp(row[j], ERROR_BITS - exponent)), exponent - ERROR_BITS))
    return tuple(made)
