"""The fit as a pure sequence: what to ask next, and where the sums of the answers lead.

    moments -> newton -> newton ... -> evaluation -> done

A Newton round sees the deviance at the beta that the last step led to. Where it rose, the round halves the step;
otherwise it takes the next one. Once a step is shorter than the tolerance it is still taken, and the fit has
converged: the error left is of the order of its square.
"""

import math
from dataclasses import replace

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject
from medspace.learning.glm import maths
from medspace.learning.glm.answers import question
from medspace.learning.glm.design import Layout, Vector
from medspace.learning.glm.errors import OneClassError, SeparatedError, SingularError
from medspace.learning.glm.evaluation import Tally, quality
from medspace.learning.glm.maths import Curvature, Moments
from medspace.learning.glm.model import Fit, FitPhase, SiteQuality
from medspace.learning.glm.task import GlmTask
from medspace.learning.newton import EDGE, NEAR, NOTHING, REACH

PERFECT = 1e-3  # of deviance per row


def written(fit: Fit) -> JsonObject:
    """The fit as JSON; `read` restores it to the last bit."""
    state: JsonObject = msgspec.to_builtins(fit)
    return state


def read(state: JsonObject) -> Fit:
    """The fit that was written."""
    return msgspec.convert(state, Fit)


def inputs(fit: Fit) -> JsonObject:
    """What the next round needs to know at a site."""
    return {} if fit.layout is None else question(fit.beta, fit.layout)


def after_moments(task: GlmTask, total: Moments, sites: tuple[SiteQuality, ...]) -> Fit:
    """The fit begins: layout and first beta.

    Raises:
        OneClassError: there is one outcome only.
    """
    if task.family == "binomial" and round(total.target_sum) in (0, total.rows):
        raise OneClassError
    layout = maths.layout(task, total)
    beta = maths.start(task, total, width(task, layout))
    return Fit(phase=FitPhase.NEWTON, layout=layout, beta=_floats(beta), base=_floats(beta), sites=sites)


def after_newton(task: GlmTask, fit: Fit, total: Curvature) -> Fit:
    """Halve, step, or step for the last time.

    Raises:
        SingularError: there is no step.
        SeparatedError: there is no step any more, or steps do not shrink while standard errors grow faster,
            which is what happens where columns separate the outcome perfectly and no finite fit is best.
    """
    if fit.layout is None:  # a fit in this phase has one
        raise SingularError
    beta, weights = _vector(fit.beta), maths.penalty(task, fit.layout)
    now = maths.objective(total, weights, beta)
    if not maths.no_worse(now, fit.objective):
        return replace(fit, beta=_floats((_vector(fit.base) + beta) / 2.0))
    step = _step(task, fit, total, weights, beta)
    products = fit.products or maths.products(task, total, beta)
    reached = _within_reach(task, products, beta, step.beta)
    moved = replace(
        fit, beta=_floats(reached), base=fit.beta, objective=now, deviance=total.deviance, products=products
    )
    if step.length > max(task.tolerance, step.resolution) and step.gain > NOTHING * (fit.objective or 0.0):
        if _runs_away(task, fit, step):
            raise SeparatedError
        return moved
    if step.stride > math.sqrt(task.tolerance):
        raise SeparatedError
    covariance = tuple(_floats(row) for row in step.covariance)
    return replace(moved, phase=FitPhase.EVALUATION, covariance=covariance)


def _step(task: GlmTask, fit: Fit, total: Curvature, weights: Vector, beta: Vector) -> maths.NewtonStep:
    try:
        return maths.newton(task, total, weights, beta)
    except SingularError:
        # Collinear columns are so from the first step on; later singularity comes from the coefficients.
        if fit.objective is None or task.family == "gaussian":
            raise
        raise SeparatedError from None


def separates(task: GlmTask, fit: Fit) -> bool:
    """Whether a fit that ran out of rounds was diverging.

    It misses almost no row, or its predictor is as wide as sites answer about.
    """
    if task.family == "gaussian" or task.l2 or fit.deviance is None:
        return False
    rows = sum(site.rows for site in fit.sites)
    spread = maths.spread(task, fit.products, _vector(fit.beta))
    return fit.deviance < PERFECT * rows or spread > EDGE * REACH


def _runs_away(task: GlmTask, fit: Fit, step: maths.NewtonStep) -> bool:
    """Whether some coefficient keeps growing while nothing is left to be gained.

    This happens where a column predicts the outcome of some rows perfectly: each step adds 1 to their predictor. Near
    a finite fit, steps become much shorter each time. (Sites clip the predictor, so that it would go on for ever.)
    """
    if task.family == "gaussian" or task.l2 or fit.objective is None or step.length > NEAR:
        return False
    beta = _vector(fit.beta)
    before, now = np.abs(beta - _vector(fit.base)).max(), np.abs(step.beta - beta).max()
    return bool(now > before / 2.0)


def _within_reach(task: GlmTask, products: maths.Products, beta: Vector, following: Vector) -> Vector:
    """The beta that a step leads to, or one on the way to it that sites still answer about.

    Raises:
        SeparatedError: it is a step from the edge outwards. (A poisson fit may still come back from there.)
    """
    if task.family == "gaussian" or maths.spread(task, products, following) <= REACH:
        return following
    if task.family == "binomial" and maths.spread(task, products, beta) > EDGE * REACH:
        raise SeparatedError
    return _within_reach(task, products, beta, (beta + following) / 2.0)


def after_evaluation(fit: Fit, total: Tally, sites: tuple[SiteQuality, ...]) -> Fit:
    """The fit is done."""
    return replace(fit, phase=FitPhase.DONE, sites=sites, pooled=quality(total))


def width(task: GlmTask, layout: Layout) -> int:
    """How long beta is."""
    return len(layout.kept) + task.intercept


def _vector(values: tuple[float, ...]) -> Vector:
    return np.asarray(values, dtype=np.float64)


def _floats(values: Vector) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
