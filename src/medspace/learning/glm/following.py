"""The fit under masks: where a total leads, by arithmetic that gives every site the same bits (`learning.exact`).

    moments -> newton -> newton ... -> evaluation -> done

It takes the branches of `fit`, whose numbers come from sums that were rounded and read one by one; here they come
from one exact total. Only the step of a Newton round is somebody's proposal: it is checked, not computed again.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject, exact
from medspace.core.text import msgid
from medspace.learning.evaluation.model import Judgement
from medspace.learning.exact import (
    FRACTION,
    ONE,
    Factor,
    factor,
    logarithm,
    number,
    solution,
    solves,
    symmetric,
    triangle,
)
from medspace.learning.glm import maths
from medspace.learning.glm.design import Layout
from medspace.learning.glm.errors import NotConvergedError, OneClassError, SeparatedError, SingularError
from medspace.learning.glm.evaluation import Quality
from medspace.learning.glm.fit import PERFECT
from medspace.learning.glm.mitigating import MitigationStand, stand_of
from medspace.learning.glm.model import FitPhase
from medspace.learning.glm.task import GlmTask
from medspace.learning.glm.totals import EvaluationTotal, MomentsTotal
from medspace.learning.mitigation.balance import penalised
from medspace.learning.newton import (
    EDGE,
    FINE,
    NOTHING,
    REACH,
    Equations,
    NewtonTotal,
    SolvedStep,
    coarse_covariance,
    halfway,
    keeps_growing,
    spread_of,
    within_reach,
)
from medspace.learning.proposals import empty, step_of, written_step

NEARLY_NONE, NEARLY_ALL = 1e-3, 1.0 - 1e-3  # between these the fit starts, as in `maths.start`


@dataclass(frozen=True, slots=True)
class MaskedFitState:
    """Where a fit under masks stands after `round` totals; the fields of `model.Fit`, exact.

    `beta` and `base` have 96 bits behind the point, `products` (upper triangle) 48; `covariance` (upper triangle,
    for the columns as measured) is rounded as it will be released. `groups` are those that the model is judged for,
    attribute by attribute, `having` how many sites have each of them.
    """

    phase: FitPhase = FitPhase.MOMENTS
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
    groups: tuple[tuple[int, ...], ...] = ()
    having: tuple[tuple[int, ...], ...] = ()
    judged: Judgement | None = None
    mitigation: MitigationStand | None = None

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
        for name in (
            "groups",
            "having",
            "judged",
            "mitigation",
        ):  # states of tasks without groups are those of earlier versions
            if not said[name]:
                del said[name]
        return said | {name: [str(value) for value in getattr(self, name)] for name in ("beta", "base")}


def read(state: JsonObject) -> MaskedFitState:
    """What was written."""
    return msgspec.convert(state, MaskedFitState, strict=False)


def _dispersion(task: GlmTask, total: NewtonTotal) -> float:
    if task.family != "gaussian":
        return 1.0
    freedom = max(total.rows - len(total.gradient), 1)
    return max(number(total.deviance) / freedom, float(np.finfo(np.float64).tiny))


def after_moments(task: GlmTask, stand: MaskedFitState, total: MomentsTotal) -> MaskedFitState:
    """The fit begins: layout and first beta.

    Raises:
        OneClassError: there is one outcome only.
    """
    if task.family == "binomial" and total.target_sum >> FRACTION in (0, total.rows):
        raise OneClassError
    layout = layout_of(task, total)
    beta = [0] * (len(layout.kept) + task.intercept)
    if task.intercept:
        beta[0] = _link(task, total)
    return replace(
        stand,
        phase=FitPhase.NEWTON,
        round=stand.round + 1,
        rows=total.rows,
        persons=total.persons,
        layout=layout,
        beta=tuple(beta),
        base=tuple(beta),
    )


def layout_of(task: GlmTask, total: MomentsTotal) -> Layout:
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


def proposed(task: GlmTask, stand: MaskedFitState, total: NewtonTotal) -> JsonObject:
    """The step of a Newton round; nothing where the round takes none."""
    found = _taken(task, stand, total)
    step = None if found is None else solution(found[0].rows, found[1], found[0].gradient)
    return {} if step is None else written_step(step)


def _equations(task: GlmTask, stand: MaskedFitState, total: NewtonTotal) -> Equations:
    held = total
    if task.mitigate is not None:
        first = [0] * int(task.intercept)  # the groups' mean scores have it in common
        apart = [[*first, *map(int, one)] for one in stand_of(stand).apart]
        held = penalised(total, stand.beta, apart, task.mitigate.penalty)
    return Equations.of(maths.penalty(task, layout_in(stand)).tolist(), stand.beta, held)


def _taken(task: GlmTask, stand: MaskedFitState, total: NewtonTotal) -> tuple[Equations, Factor] | None:
    """The equations of the round and their factored matrix; None where no step follows."""
    equations = _equations(task, stand, total)
    if not maths.no_worse(equations.objective, stand.objective):
        return None
    apart = factor(equations.rows, maths.SINGULAR)
    return None if apart is None else (equations, apart)


def after_newton(task: GlmTask, stand: MaskedFitState, total: NewtonTotal, proposal: JsonObject) -> MaskedFitState:
    """Halve, step, or step for the last time.

    Raises:
        ProposalInvalidError: what was proposed is not the step of this total.
        SingularError, SeparatedError: as `fit.after_newton`.
        NotConvergedError: the task allows no further round.
    """
    equations = _equations(task, stand, total)
    after = stand.round + 1
    if not maths.no_worse(equations.objective, stand.objective):
        empty(proposal, after)
        return _allowed(task, replace(stand, round=after, beta=halfway(stand.base, stand.beta)))
    apart = factor(equations.rows, maths.SINGULAR)
    if apart is None or (proposal == {} and solution(equations.rows, apart, equations.gradient) is None):
        raise SingularError if stand.objective is None or task.family == "gaussian" else SeparatedError
    given = step_of(proposal, len(stand.beta), after)
    given.that(solves(equations.rows, given.step, equations.gradient), msgid("the step does not solve its equations"))
    dispersion = _dispersion(task, total)
    step = SolvedStep.of(stand.beta, total, equations, apart, given.step, dispersion)
    products = stand.products or _products(task, total)
    moved = replace(
        stand,
        round=after,
        beta=_reached(task, stand, products, step.step),
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
    covariance = coarse_covariance(maths.measured(task, layout_in(stand)), total, equations, apart, dispersion)
    equal = task.mitigate is not None and task.mitigate.equal is not None
    after_fit = FitPhase.THRESHOLDS if equal else FitPhase.EVALUATION
    return _allowed(task, replace(moved, phase=after_fit, covariance=covariance))


def layout_in(stand: MaskedFitState) -> Layout:
    """The layout of a fit that has one.

    Raises:
        SingularError: it has none.
    """
    if stand.layout is None:  # a fit in this phase has one
        raise SingularError
    return stand.layout


def _slopes(task: GlmTask, stand: MaskedFitState) -> int:
    return len(stand.beta) - task.intercept


def _products(task: GlmTask, total: NewtonTotal) -> tuple[int, ...]:
    """As `maths.products`: at the first beta all rows have one weight; with an intercept, the corner is its sum."""
    first = int(task.intercept)
    weights = total.hessian[0][0] if first else total.rows * ONE // (4 if task.family == "binomial" else 1)
    return tuple((value << FINE) // weights for value in triangle([row[first:] for row in total.hessian[first:]]))


def _reached(task: GlmTask, stand: MaskedFitState, products: tuple[int, ...], step: list[int]) -> tuple[int, ...]:
    """As `fit._within_reach`.

    Raises:
        SeparatedError: it is a step from the edge outwards, or nothing of it is left.
    """
    if task.family == "gaussian":
        return tuple(map(sum, zip(stand.beta, step, strict=True)))
    rows, first = symmetric(products, _slopes(task, stand)), int(task.intercept)
    reached = within_reach(rows, first, stand.beta, step, ends=task.family == "binomial")
    if reached is None:
        raise SeparatedError
    return reached


def _runs_away(task: GlmTask, stand: MaskedFitState, step: SolvedStep) -> bool:
    """As `fit._runs_away`."""
    if task.family == "gaussian" or task.l2 or stand.objective is None:
        return False
    return keeps_growing(stand.base, stand.beta, step)


def _allowed(task: GlmTask, stand: MaskedFitState) -> MaskedFitState:
    """A state that asks one more question, if the task allows one.

    Raises:
        SeparatedError, NotConvergedError: it allows none.
    """
    needed = 2 if stand.phase is FitPhase.THRESHOLDS else 1
    if stand.round + needed <= task.max_rounds:
        return stand
    raise SeparatedError if _separates(task, stand) else NotConvergedError(rounds=task.max_rounds)


def _separates(task: GlmTask, stand: MaskedFitState) -> bool:
    """As `fit.separates`."""
    if task.family == "gaussian" or task.l2 or stand.deviance is None:
        return False
    slopes = stand.beta[int(task.intercept) :]
    width = spread_of(symmetric(stand.products, len(slopes)), slopes)
    return stand.deviance < PERFECT * stand.rows or width > EDGE * REACH


def after_evaluation(stand: MaskedFitState, total: EvaluationTotal) -> MaskedFitState:
    """The fit is done."""
    return replace(stand, phase=FitPhase.DONE, round=stand.round + 1, quality=quality(total))


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
