"""The fit that one party with all rows would make: an oracle.

It shares the reading of rows with the sites and little else: weighted least squares by orthogonal decomposition
instead of summed normal equations, means and deviations from the rows instead of sums.
"""

from collections.abc import Sequence

import numpy as np

from medspace.core.material import Rows
from medspace.learning.glm.design import Matrix, Vector, first_columns, sample
from medspace.learning.glm.maths import deviance, mean
from medspace.learning.glm.task import GlmTask

MOST_STEPS = 100
CLOSE = 1e-13  # relative; steps do not get smaller than rounding


def coefficients(task: GlmTask, tables: Sequence[Rows]) -> dict[str, float]:
    """The coefficients on the original scale by the names of `Model.terms`; columns that do not vary are left out."""
    parts = [sample(task, rows).fitted for rows in tables]
    values = np.concatenate([part.values for part in parts])
    target = np.concatenate([part.target for part in parts])
    matrix, names, centre, scale = _design(task, values)
    weights = np.full(len(names), task.l2) / (1.0 if task.standardise else np.square(scale))
    if task.intercept:
        matrix = np.column_stack([np.ones(len(target)), matrix])
        weights = np.concatenate([[0.0], weights])
    beta = _reweighted(task, matrix, target, weights)
    slopes = beta[int(task.intercept) :] / scale
    found = dict(zip(names, (float(slope) for slope in slopes), strict=True))
    return {"intercept": float(beta[0] - slopes @ centre), **found} if task.intercept else found


def _design(task: GlmTask, values: Matrix) -> tuple[Matrix, list[str], Vector, Vector]:
    gaps = np.isnan(values)
    known = [column[~gap] for column, gap in zip(values.T, gaps.T, strict=True)]
    centre = np.array([column.mean() if len(column) else 0.0 for column in known])
    scale = np.array([column.std() if len(column) else 0.0 for column in known])
    power = np.array([np.sqrt(np.square(column).mean()) if len(column) else 0.0 for column in known])
    full = np.where(gaps, centre, values)
    if task.missing != "drop":
        flags = gaps[:, first_columns(task)].astype(np.float64)
        full = np.column_stack([full, flags])
        centre = np.concatenate([centre, flags.mean(axis=0)])
        scale = np.concatenate([scale, flags.std(axis=0)])
        power = np.concatenate([power, np.sqrt(flags.mean(axis=0))])
    if not task.intercept:
        centre, scale = np.zeros_like(centre), power
    varies = scale > 1e-6 * power  # as in `maths.layout`, for deviations instead of variances
    names = [name for name, kept in zip(task.columns, varies, strict=True) if kept]
    return (full[:, varies] - centre[varies]) / scale[varies], names, centre[varies], scale[varies]


def _reweighted(task: GlmTask, matrix: Matrix, target: Vector, weights: Vector) -> Vector:
    """Iteratively reweighted least squares (Nelder and Wedderburn 1972), the penalty as additional rows."""
    penalty = np.diag(np.sqrt(weights))
    beta: Vector = np.zeros(matrix.shape[1])
    if task.intercept and task.family == "poisson":
        beta[0] = np.log(max(float(target.mean()), 1e-3))
    before = _objective(task, matrix, target, weights, beta)
    for _ in range(MOST_STEPS):
        mu = mean(task.family, matrix @ beta)
        variance = {"binomial": mu * (1.0 - mu), "gaussian": np.ones_like(mu), "poisson": mu}[task.family]
        root = np.sqrt(np.maximum(variance, np.finfo(np.float64).tiny))
        # For the step, not for beta itself: rounding then shrinks with the step.
        working = np.concatenate([(target - mu) / root, -penalty @ beta])
        step = np.linalg.lstsq(np.vstack([matrix * root[:, None], penalty]), working, rcond=None)[0]
        while (now := _objective(task, matrix, target, weights, beta + step)) > before + 1e-9 * abs(before):
            step = step / 2.0
        beta, before = beta + step, now
        if np.abs(step).max() <= CLOSE * max(1.0, float(np.abs(beta).max())):
            return beta
    raise AssertionError("no finite fit is best")


def _objective(task: GlmTask, matrix: Matrix, target: Vector, weights: Vector, beta: Vector) -> float:
    return deviance(task.family, matrix @ beta, target) / 2.0 + float(weights @ np.square(beta)) / 2.0
