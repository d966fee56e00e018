"""The fit under masks: where a total leads, by arithmetic that gives every site the same bits (`exact`).

    moments -> newton -> newton ... -> evaluation -> done

It takes the branches of `fit`, whose numbers come from sums that were rounded and read one by one; here they come
from one exact total. Only the step of a Newton round is somebody's proposal: it is checked, not computed again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject, exact
from medspace.core.text import msgid
from medspace.learning.glm import maths
from medspace.learning.glm.design import Layout
from medspace.learning.glm.errors import NotConvergedError, SeparatedError, SingularError
from medspace.learning.glm.evaluation import Quality
from medspace.learning.glm.exact import (
    FRACTION,
    ONE,
    ROUNDING,
    Factor,
    Rows,
    factor,
    fixed,
    logarithm,
    number,
    product,
    solution,
    solves,
    symmetric,
    times,
    triangle,
)
from medspace.learning.glm.fit import EDGE, NEAR, NOTHING, PERFECT, REACH
from medspace.learning.glm.model import Phase
from medspace.learning.glm.proposals import empty, step_of, written_step
from medspace.learning.glm.task import GlmTask
from medspace.learning.glm.totals import EvaluationTotal, MomentsTotal, NewtonTotal
from medspace.privacy.rounding import ERROR_BITS

FINE = 48  # bits behind the point of the mean products; they lie between -1 and 1 and fit an integer of JSON
SHORTEST = 64  # halvings of a step; what is left of it is nothing
NEARLY_NONE, NEARLY_ALL = 1e-3, 1.0 - 1e-3  # between these the fit starts, as in `maths.start`


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a fit under masks stands after `round` totals; the fields of `model.Fit`, exact.

    `beta` and `base` have 96 bits behind the point, `products` (upper triangle) 48; `covariance` (upper triangle,
    for the columns as measured) is rounded as it will be released.
    """

    phase: Phase = Phase.MOMENTS
    round: int = 0
    rows: int = 0
    persons: int = 0
    layout: Layout | None = None
    beta: tuple[int, ...] = ()
    base: tuple[int, ...] = ()
    objectives: tuple[float, ...] = ()
    deviance: float | None = None
    products: tuple[int, ...] = ()
    covariance: tuple[float, ...] = ()
    quality: Quality | None = None

    @property
    def objective(self) -> float | None:
        """Of the last beta that was an improvement."""
        return self.objectives[-1] if self.objectives else None

    @property
    def asked(self) -> list[float]:
        """The beta of the next question, as floats."""
        return [number(value) for value in self.beta]

    def written(self) -> JsonObject:
        """The same as canonical JSON: fractions and large integers as text."""
        said: JsonObject = exact(msgspec.to_builtins(self))
        return said | {name: [str(value) for value in getattr(self, name)] for name in ("beta", "base")}


def read(state: JsonObject) -> Stand:
    """What was written."""
    return msgspec.convert(state, Stand, strict=False)


@dataclass(frozen=True, slots=True)
class _Equations:
    """What the step of a Newton round solves: rows @ step = gradient; both with the penalty."""

    rows: Rows
    gradient: list[int]
    objective: float

    @classmethod
    def of(cls, task: GlmTask, layout: Layout, beta: Sequence[int], total: NewtonTotal) -> "_Equations":
        weights = [fixed(weight) for weight in maths.penalty(task, layout).tolist()]
        rows = [[*row] for row in total.hessian]
        for k, weight in enumerate(weights):
            rows[k][k] += weight
        pulls = [weight * value >> FRACTION for weight, value in zip(weights, beta, strict=True)]
        gradient = [slope - pull for slope, pull in zip(total.gradient, pulls, strict=True)]
        double = (total.deviance << FRACTION) + product(pulls, beta)
        return cls(rows, gradient, double / (ONE * ONE * 2))


@dataclass(frozen=True, slots=True)
class _Step:
    """A step that solves its equations, and how far it goes; the fields of `maths.NewtonStep`."""

    step: list[int]
    gain: float
    length: float
    stride: float
    resolution: float

    @classmethod
    def of(
        cls, task: GlmTask, stand: Stand, total: NewtonTotal, equations: _Equations, apart: Factor, step: list[int]
    ) -> "_Step":
        gain = max(product(equations.gradient, step), 0) / (ONE * ONE * 2)
        strides = (abs(number(move)) / max(1.0, abs(number(at))) for move, at in zip(step, stand.beta, strict=True))
        diagonal = (number(row[k]) for k, row in enumerate(total.hessian))
        inflation = math.fsum(h * v for h, v in zip(diagonal, apart.diagonal.tolist(), strict=True))
        length = math.sqrt(2.0 * gain / _dispersion(task, total))
        return cls(step, gain, length, max(strides, default=0.0), ROUNDING * math.sqrt(stand.rows * inflation))


def _dispersion(task: GlmTask, total: NewtonTotal) -> float:
    if task.family != "gaussian":
        return 1.0
    freedom = max(total.rows - len(total.gradient), 1)
    return max(number(total.deviance) / freedom, float(np.finfo(np.float64).tiny))


def after_moments(task: GlmTask, stand: Stand, total: MomentsTotal) -> Stand:
    """The fit begins: layout and first beta."""
    layout = _layout(task, total)
    beta = [0] * (len(layout.kept) + task.intercept)
    if task.intercept:
        beta[0] = _link(task, total)
    return replace(
        stand,
        phase=Phase.NEWTON,
        round=stand.round + 1,
        rows=total.rows,
        persons=total.persons,
        layout=layout,
        beta=tuple(beta),
        base=tuple(beta),
    )


def _layout(task: GlmTask, total: MomentsTotal) -> Layout:
    """As `maths.layout`; each mean, variance and mean square is the float nearest to the exact one."""
    absent = [count for feature, count in zip(task.features, total.missing, strict=True) for _ in feature.columns]
    fill, power, variance = [], [], []
    for one, square, missing in zip(total.sums, total.squares, absent, strict=True):
        present = max(total.rows - missing, 1)
        fill.append(one / (present << FRACTION))
        power.append(square / (present << FRACTION))
        variance.append(max((square * present << FRACTION) - one * one, 0) / (present * present << 2 * FRACTION))
    mean = [*fill]
    if task.missing != "drop":
        shares = [(count / total.rows, count * (total.rows - count) / total.rows**2) for count in total.missing]
        mean += [share for share, _ in shares]
        power += [share for share, _ in shares]
        variance += [spread for _, spread in shares]
    return maths.arranged(task, *(np.array(values, dtype=np.float64) for values in (fill, mean, variance, power)))


def _link(task: GlmTask, total: MomentsTotal) -> int:
    if task.family == "gaussian":
        return total.target_sum // total.rows
    mean = max(total.target_sum / (total.rows << FRACTION), NEARLY_NONE)
    if task.family == "poisson":
        return logarithm(mean)
    return logarithm(min(mean, NEARLY_ALL) / (1.0 - min(mean, NEARLY_ALL)))


def proposed(task: GlmTask, stand: Stand, total: NewtonTotal) -> JsonObject:
    """The step of a Newton round; nothing where the round takes none."""
    found = _taken(task, stand, total)
    step = None if found is None else solution(found[0].rows, found[1], found[0].gradient)
    return {} if step is None else written_step(step)


def _taken(task: GlmTask, stand: Stand, total: NewtonTotal) -> tuple[_Equations, Factor] | None:
    """The equations of the round and their matrix, taken apart; None where no step follows."""
    equations = _Equations.of(task, _of(stand), stand.beta, total)
    if not maths.no_worse(equations.objective, stand.objective):
        return None
    apart = factor(equations.rows, maths.SINGULAR)
    return None if apart is None else (equations, apart)


def after_newton(task: GlmTask, stand: Stand, total: NewtonTotal, proposal: JsonObject) -> Stand:
    """Halve, step, or step for the last time.

    Raises:
        ProposalInvalidError: what was proposed is not the step of this total.
        SingularError, SeparatedError: as `fit.after_newton`.
        NotConvergedError: the task allows no further round.
    """
    equations = _Equations.of(task, _of(stand), stand.beta, total)
    after = stand.round + 1
    if not maths.no_worse(equations.objective, stand.objective):
        empty(proposal, after)
        middle = tuple(base + beta >> 1 for base, beta in zip(stand.base, stand.beta, strict=True))
        return _allowed(task, replace(stand, round=after, beta=middle))
    apart = factor(equations.rows, maths.SINGULAR)
    if apart is None or (proposal == {} and solution(equations.rows, apart, equations.gradient) is None):
        raise SingularError if stand.objective is None or task.family == "gaussian" else SeparatedError
    given = step_of(proposal, len(stand.beta), after)
    given.that(solves(equations.rows, given.step, equations.gradient), msgid("the step does not solve its equations"))
    step = _Step.of(task, stand, total, equations, apart, given.step)
    products = stand.products or _products(task, total)
    moved = replace(
        stand,
        round=after,
        beta=_within_reach(task, symmetric(products, _slopes(task, stand)), stand.beta, step.step),
        base=stand.beta,
        objectives=(*stand.objectives, equations.objective),
        deviance=number(total.deviance),
        products=products,
    )
    if step.length > max(task.tolerance, step.resolution) and step.gain > NOTHING * (stand.objective or 0.0):
        if _runs_away(task, stand, step):
            raise SeparatedError
        return _allowed(task, moved)
    if step.stride > math.sqrt(task.tolerance):
        raise SeparatedError
    return _allowed(
        task,
        replace(moved, phase=Phase.EVALUATION, covariance=_covariance(task, _of(stand), total, equations, apart)),
    )


def _of(stand: Stand) -> Layout:
    if stand.layout is None:  # a fit in this phase has one
        raise SingularError
    return stand.layout


def _slopes(task: GlmTask, stand: Stand) -> int:
    return len(stand.beta) - task.intercept


def _products(task: GlmTask, total: NewtonTotal) -> tuple[int, ...]:
    """As `maths.products`: at the first beta all rows have one weight; with an intercept, the corner is its sum."""
    first = int(task.intercept)
    weights = total.hessian[0][0] if first else total.rows * ONE // (4 if task.family == "binomial" else 1)
    return tuple((value << FINE) // weights for value in triangle([row[first:] for row in total.hessian[first:]]))


def _within_reach(task: GlmTask, products: Rows, beta: tuple[int, ...], step: list[int]) -> tuple[int, ...]:
    """As `fit._within_reach`: the spread of beta + step / 2^k has three parts, which are computed once.

    Raises:
        SeparatedError: it is a step from the edge outwards, or nothing of it is left.
    """
    if task.family == "gaussian":
        return tuple(map(sum, zip(beta, step, strict=True)))
    first = int(task.intercept)
    at, move = beta[first:], step[first:]
    turned = [product(row, move) for row in products]
    still = product([product(row, at) for row in products], at)
    both, moving = product(turned, at), product(turned, move)
    halvings = 0
    while _spread(still * 4**halvings + (both << halvings + 1) + moving, halvings) > REACH:
        if halvings == SHORTEST or (task.family == "binomial" and _spread(still, 0) > EDGE * REACH):
            raise SeparatedError
        halvings += 1
    return tuple(value + (change >> halvings) for value, change in zip(beta, step, strict=True))


def _spread(square: int, halvings: int) -> float:
    return math.sqrt(max(square, 0) / (1 << FINE + 2 * FRACTION + 2 * halvings))


def _runs_away(task: GlmTask, stand: Stand, step: _Step) -> bool:
    """As `fit._runs_away`."""
    if task.family == "gaussian" or task.l2 or stand.objective is None or step.length > NEAR:
        return False
    before = max((abs(now - base) for now, base in zip(stand.beta, stand.base, strict=True)), default=0)
    return 2 * max(map(abs, step.step), default=0) > before


def _allowed(task: GlmTask, stand: Stand) -> Stand:
    """A state that asks one more question, if the task allows one.

    Raises:
        SeparatedError, NotConvergedError: it allows none.
    """
    if stand.round < task.max_rounds:
        return stand
    raise SeparatedError if _separates(task, stand) else NotConvergedError(rounds=task.max_rounds)


def _separates(task: GlmTask, stand: Stand) -> bool:
    """As `fit.separates`."""
    if task.family == "gaussian" or task.l2 or stand.deviance is None:
        return False
    slopes = stand.beta[int(task.intercept) :]
    products = symmetric(stand.products, len(slopes))
    spread = _spread(product([product(row, slopes) for row in products], slopes), 0)
    return stand.deviance < PERFECT * stand.rows or spread > EDGE * REACH


def _covariance(
    task: GlmTask, layout: Layout, total: NewtonTotal, equations: _Equations, apart: Factor
) -> tuple[float, ...]:
    """The upper triangle of that of `maths.newton`, for the columns as they were measured, coarsely rounded.

    It is for standard errors, and no finer than these need: to the last bits it would tell the Hessian, whose
    elements are linear in how many patients have which values, so that a few models would tell each patient who is
    alone with some codes (`privacy.rounding.ERROR_BITS`). An element is rounded by the root of the product of the
    two diagonal elements, which bounds it (Cauchy-Schwarz), raised to a power of two. The scale is that of the
    terms: what is rounded before it is moved there may lose an error altogether.
    """
    made = apart.inverse()
    if equations.rows != total.hessian:  # penalised
        hessian = np.array([[number(value) for value in row] for row in total.hessian], dtype=np.float64)
        made = times(times(made, hessian), made)
    back = maths.measured(task, layout)
    scaled = (times(times(back, made), back.T) * _dispersion(task, total)).tolist()
    coarse = []
    for k, row in enumerate(scaled):
        for j in range(k, len(row)):
            _, exponent = math.frexp(math.sqrt(max(row[k], 0.0) * max(scaled[j][j], 0.0)))
            coarse.append(math.ldexp(round(math.ldexp(row[j], ERROR_BITS - exponent)), exponent - ERROR_BITS))
    return tuple(coarse)


def after_evaluation(stand: Stand, total: EvaluationTotal) -> Stand:
    """The fit is done."""
    return replace(stand, phase=Phase.DONE, round=stand.round + 1, quality=quality(total))


def quality(total: EvaluationTotal) -> Quality:
    """As `evaluation.quality`; a case and a control of one bin may be in either order."""
    rows = total.rows
    squared = total.squared / (rows << FRACTION)
    plain: dict[str, Any] = {
        "rows": rows,
        "deviance": total.deviance / (rows << FRACTION),
        "rmse": math.sqrt(squared),
        "persons": total.persons,
    }
    if not total.cases:
        return Quality(**plain)
    before = ties = below = 0
    for case, control in zip(total.cases, total.controls, strict=True):
        before += case * below
        ties += case * control
        below += control
    pairs = 2 * sum(total.cases) * below
    gaps = sum(abs(y - p) for y, p in zip(total.bin_targets, total.bin_means, strict=True))
    return Quality(
        **plain,
        auc=(2 * before + ties) / pairs if pairs else None,
        auc_resolution=ties / pairs if pairs else None,
        brier=squared,
        ece=gaps / (rows << FRACTION),
    )
