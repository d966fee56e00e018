"""Generalised linear models from sums: pure numpy, nothing here knows a site or a round.

What each party computes is additive over rows, so the sum over sites is what one party with all rows would compute,
and the fit is the pooled fit. Newton's method on the canonical links (McCullagh and Nelder 1989, 2.5), where Newton
and Fisher scoring are the same: gradient Z'(y - mu), Hessian Z'WZ.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from medspace.learning.glm.design import DesignBlock, Layout, Matrix, Vector, first_columns
from medspace.learning.glm.errors import SingularError
from medspace.learning.glm.task import Family, GlmTask

STEEPEST = 300.0  # poisson: exp(300) is about 1e130; beyond, sums overflow a double. Sites clip far below (`bounds`)
CONSTANT = 1e-13  # a variance below this share of the mean square is rounding, not variation
SINGULAR = 1e-12  # a squared Cholesky pivot below this, on unit diagonal, is rounding
NO_WORSE = 1e-6  # relative; a rise below this is the rounding of released sums, not a step too far
Products = tuple[tuple[float, ...], ...]  # row by row; one per pair of kept columns
ROUNDING = 2.0**-24  # of released sums (`privacy.rounding`), relative


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over rows: per value column over the present values; `missing` per feature."""

    rows: int
    missing: tuple[int, ...]
    sums: Vector
    squares: Vector
    target_sum: float

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.rows + other.rows,
            tuple(a + b for a, b in zip(self.missing, other.missing, strict=True)),
            self.sums + other.sums,
            self.squares + other.squares,
            self.target_sum + other.target_sum,
        )


@dataclass(frozen=True, slots=True)
class Curvature:
    """Sums over rows at one beta: deviance, gradient of the log-likelihood, its negative Hessian."""

    rows: int
    deviance: float
    gradient: Vector
    hessian: Matrix

    def __add__(self, other: "Curvature") -> "Curvature":
        return Curvature(
            self.rows + other.rows,
            self.deviance + other.deviance,
            self.gradient + other.gradient,
            self.hessian + other.hessian,
        )


@dataclass(frozen=True, slots=True)
class NewtonStep:
    """One Newton step: where it leads, and the covariance of the estimate at its start.

    `gain` is how much the objective should fall; `length` is in standard errors; `stride` is the largest relative
    change of a coefficient (absolute below 1); `resolution` the length that the rounding of the sums alone may make.
    """

    beta: Vector
    gain: float
    length: float
    stride: float
    resolution: float
    covariance: Matrix


def moments(task: GlmTask, part: DesignBlock) -> Moments:
    """The moments of a site's rows."""
    gaps = np.isnan(part.values)
    present = np.where(gaps, 0.0, part.values)
    return Moments(
        rows=len(part.target),
        missing=tuple(int(count) for count in gaps[:, first_columns(task)].sum(axis=0)),
        sums=present.sum(axis=0),
        squares=np.square(present).sum(axis=0),
        target_sum=float(part.target.sum()),
    )


def layout(task: GlmTask, total: Moments) -> Layout:
    """How every site builds its design: means, scales and varying columns of the whole federation.

    Means and standard deviations (population form) are of the present values; an indicator's follow from its count.
    Columns are always centred and scaled, which suits Newton's method; whether the penalty is on this scale or
    on the original one is the task's choice (`penalty`). Without an intercept nothing may be shifted: columns are
    only scaled, by their root mean square.
    """
    widths = [len(feature.columns) for feature in task.features]
    absent = np.repeat(np.asarray(total.missing, dtype=np.float64), widths)
    present = np.maximum(total.rows - absent, 1.0)
    fill = total.sums / present
    power = total.squares / present
    variance = power - np.square(fill)
    if task.missing != "drop":
        share = np.asarray(total.missing, dtype=np.float64) / total.rows
        mean, power = np.concatenate([fill, share]), np.concatenate([power, share])
        variance = np.concatenate([variance, share * (1.0 - share)])
    else:
        mean = fill
    return arranged(task, fill, mean, variance, power)


def arranged(task: GlmTask, fill: Vector, mean: Vector, variance: Vector, power: Vector) -> Layout:
    """The layout by mean, variance and mean square of each column of the design; elementwise, as `exact` wants it."""
    if not task.intercept:
        mean, variance = np.zeros_like(mean), power
    varies = variance > CONSTANT * power
    varies[_stand_ins(task, fill)] = False
    kept = np.flatnonzero(varies)
    centre, scale = mean[kept], np.sqrt(variance[kept])
    return Layout(_floats(fill), tuple(int(index) for index in kept), _floats(centre), _floats(scale))


def without_reference(shares: Iterable[float]) -> bool:
    """Whether the levels with these shares leave nothing to the first one."""
    return math.fsum(shares) > 1.0 - CONSTANT


def _stand_ins(task: GlmTask, fill: Vector) -> list[int]:
    """The columns of the most frequent levels where nobody has the reference: each takes its place."""
    found, first = [], 0
    for feature in task.features:
        shares = fill[first : first + len(feature.columns)]
        if feature.coded and task.intercept and without_reference(shares):
            found.append(first + int(np.argmax(shares)))
        first += len(feature.columns)
    return found


def start(task: GlmTask, total: Moments, width: int) -> Vector:
    """Where Newton begins: the intercept alone explains the mean of the target."""
    beta = np.zeros(width)
    if task.intercept:
        beta[0] = _link(task.family, total.target_sum / total.rows)
    return beta


def _link(family: Family, mean: float) -> float:
    if family == "binomial":
        mean = min(max(mean, 1e-3), 1.0 - 1e-3)
        return math.log(mean / (1.0 - mean))
    return math.log(max(mean, 1e-3)) if family == "poisson" else mean


def mean(family: Family, eta: Vector) -> Vector:
    """The expected target for a linear predictor."""
    if family == "gaussian":
        return eta
    if family == "poisson":
        return np.exp(np.minimum(eta, STEEPEST))
    small = np.exp(-np.abs(eta))
    return np.where(eta >= 0.0, 1.0, small) / (1.0 + small)


def weights_of(family: Family, eta: Vector, mu: Vector) -> Vector:
    """The weight of each row in the Hessian: the variance of the target at this linear predictor."""
    if family == "gaussian":
        return np.ones_like(eta)
    if family == "poisson":
        return mu
    small = np.exp(-np.abs(eta))  # mu * (1 - mu) without the cancellation where mu is near 1
    return small / np.square(1.0 + small)


def losses(family: Family, eta: Vector, target: Vector) -> Vector:
    """Twice the log-likelihood that each row loses against the saturated model (gaussian: the squared residual)."""
    if family == "gaussian":
        squares: Vector = np.square(target - eta)
        return squares
    if family == "binomial":
        return 2.0 * (np.maximum(eta, 0.0) + np.log1p(np.exp(-np.abs(eta))) - target * eta)
    bounded = np.minimum(eta, STEEPEST)
    own = target * (np.log(np.where(target > 0.0, target, 1.0)) - bounded)  # y log(y / mu), 0 at y = 0
    return np.asarray(2.0 * (own - target + np.exp(bounded)))


def deviance(family: Family, eta: Vector, target: Vector) -> float:
    """The sum of the losses of the rows."""
    return float(losses(family, eta, target).sum())


def curvature(family: Family, matrix: Matrix, target: Vector, eta: Vector, counts: Vector | None = None) -> Curvature:
    """The sums of one site at one linear predictor; `counts` says how much each row counts, if not 1."""
    mu = mean(family, eta)
    half = matrix * np.sqrt(weights_of(family, eta, mu) * (1.0 if counts is None else counts))[:, None]
    lost = deviance(family, eta, target) if counts is None else float(losses(family, eta, target) @ counts)
    return Curvature(
        rows=len(target),
        deviance=lost,
        gradient=matrix.T @ ((target - mu) * (1.0 if counts is None else counts)),
        hessian=half.T @ half,  # symmetric to the last bit
    )


def resolution(rows: int, hessian: Matrix, inverse: Matrix) -> float:
    """The length of a Newton step, in standard errors, that the rounding of the sums alone may make.

    The gradient of a column is a sum of n terms whose squares add up to about its diagonal element h of the Hessian
    (times the dispersion), so it is rounded to about 2^-24 sqrt(n h); that is 2^-24 sqrt(n v) standard errors, where
    v is the column's variance inflation factor: 1 for an uncorrelated column, large where columns are nearly
    collinear.
    """
    inflation = float((np.diag(hessian) * np.diag(inverse)).sum())
    return ROUNDING * math.sqrt(rows * inflation)


def products(task: GlmTask, total: Curvature, beta: Vector) -> Products:
    """The mean products of the scaled columns, from the Hessian of the first Newton round.

    There all rows have one predictor and so one weight: the Hessian is that weight times the sums of products.
    """
    first = int(task.intercept)
    eta = np.asarray(beta[:first] if first else [0.0], dtype=np.float64)
    weight = float(weights_of(task.family, eta, mean(task.family, eta))[0])
    return tuple(_floats(row) for row in total.hessian[first:, first:] / (total.rows * weight))


def spread(task: GlmTask, products: Products, beta: Vector) -> float:
    """The standard deviation of the predictor over all rows (without an intercept, its root mean square)."""
    slopes = beta[int(task.intercept) :]
    if not products:  # of a fit that was begun without them: the length of beta is of the same order
        return float(np.linalg.norm(slopes))
    return math.sqrt(max(float(slopes @ np.asarray(products) @ slopes), 0.0))


def penalty(task: GlmTask, layout: Layout) -> Vector:
    """The weight of each squared coefficient: l2 on the scale that the task names, 0 for the intercept."""
    weights = np.full(len(layout.scale), task.l2)
    if not task.standardise:
        weights = weights / np.square(np.asarray(layout.scale))
    return np.concatenate([[0.0], weights]) if task.intercept else weights


def objective(total: Curvature, weights: Vector, beta: Vector) -> float:
    """What the fit minimises: half the deviance and half the penalty."""
    return total.deviance / 2.0 + float(weights @ np.square(beta)) / 2.0


def no_worse(now: float, before: float | None) -> bool:
    """Whether the objective did not rise, apart from rounding."""
    return before is None or now <= before + NO_WORSE * (abs(before) + 1.0)


def newton(task: GlmTask, total: Curvature, weights: Vector, beta: Vector) -> NewtonStep:
    """One step from summed statistics.

    The covariance is that of the estimate on the scale of the fit: H^-1 times the dispersion without penalty, and
    (H + P)^-1 H (H + P)^-1 times the dispersion with one (the variance of the ridge estimate; not its bias).

    Raises:
        SingularError: the penalised Hessian has no inverse.
    """
    inverse = _inverse(total.hessian + np.diag(weights))
    gradient = total.gradient - weights * beta
    step = inverse @ gradient
    gain = max(float(gradient @ step), 0.0) / 2.0
    scatter = dispersion(task, total)
    return NewtonStep(
        beta=beta + step,
        gain=gain,
        length=math.sqrt(2.0 * gain / scatter),
        stride=float((np.abs(step) / np.maximum(1.0, np.abs(beta))).max(initial=0.0)),
        resolution=resolution(total.rows, total.hessian, inverse),
        covariance=inverse @ total.hessian @ inverse * scatter,
    )


def dispersion(task: GlmTask, total: Curvature) -> float:
    """The dispersion: 1, or for gaussian the residual variance (rows less coefficients in the divisor)."""
    if task.family != "gaussian":
        return 1.0
    freedom = max(total.rows - len(total.gradient), 1)
    return max(total.deviance / freedom, np.finfo(np.float64).tiny)


def original_scale(task: GlmTask, layout: Layout, beta: Vector, covariance: Matrix) -> tuple[Vector, Vector]:
    """Coefficients and standard errors for the columns as they were measured."""
    back = measured(task, layout)
    variance = np.einsum("ij,jk,ik->i", back, covariance, back)
    return back @ beta, np.sqrt(np.maximum(variance, 0.0))


def measured(task: GlmTask, layout: Layout) -> Matrix:
    """The transformation of coefficients from the scale of the fit to the columns as measured."""
    back = np.diag(1.0 / np.asarray(layout.scale))
    if not task.intercept:
        return back
    moved = np.zeros((len(back) + 1, len(back) + 1))
    moved[0, 0] = 1.0
    moved[1:, 1:] = back
    moved[0, 1:] = -np.asarray(layout.centre) / np.asarray(layout.scale)
    return moved


def _inverse(hessian: Matrix) -> Matrix:
    diagonal = np.diag(hessian)
    if not (diagonal > 0.0).all():
        raise SingularError
    unit = 1.0 / np.sqrt(diagonal)  # with unit diagonal, a pivot says how much of a column is its own
    try:
        lower = np.linalg.cholesky(hessian * np.outer(unit, unit))
    except np.linalg.LinAlgError:
        raise SingularError from None
    if np.square(np.diag(lower)).min() < SINGULAR:
        raise SingularError
    half = np.linalg.solve(lower, np.diag(unit))
    return half.T @ half


def _floats(values: Vector) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
