"""A survival fit under masks: where a total leads, by arithmetic that gives every site the same bits.

    moments -> newton -> newton ... -> evaluation -> done
                                  or -> scores -> evaluation, where standard errors are robust

The branches are those of a GLM (`glm.following`); there is no intercept, and the fit starts from 0. How a total says
deviance, gradient and Hessian depends on the baseline: one for each site (`totals`), or one for all (`shared`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject, exact
from medspace.core.text import msgid
from medspace.learning.cox.errors import NoEventError
from medspace.learning.cox.model import CoxPhase, SurvivalQuality
from medspace.learning.cox.robust import sandwich
from medspace.learning.cox.shared import BaselineForm
from medspace.learning.cox.task import CoxTask
from medspace.learning.cox.totals import RankedTotal
from medspace.learning.exact import FRACTION, Factor, Rows, factor, number, solution, solves, symmetric, triangle
from medspace.learning.glm import maths
from medspace.learning.glm.design import Layout
from medspace.learning.glm.errors import NotConvergedError, SeparatedError, SingularError
from medspace.learning.glm.following import layout_of
from medspace.learning.glm.outcome import covariance_of
from medspace.learning.glm.totals import MomentsTotal
from medspace.learning.newton import (
    EDGE,
    FINE,
    NOTHING,
    REACH,
    Equations,
    NewtonTotal,
    SolvedStep,
    coarse,
    coarse_covariance,
    halfway,
    keeps_growing,
    spread_of,
    within_reach,
)
from medspace.learning.proposals import empty, step_of, written_step


@dataclass(frozen=True, slots=True)
class CoxState:
    """Where a fit stands after `round` totals.

    `beta` and `base` (the last that was an improvement) have 96 bits behind the point, `products` 48: the upper
    triangle of the mean variance of the columns among those at risk, from the first Hessian. `deviances` are those
    of the betas that were improvements, the first that of coefficients of 0. `covariance` (upper triangle, for the
    columns as measured) is rounded as it will be released. `deaths` are the events at each time of a common grid;
    `baseline` and `inverse` (upper triangle, of the Hessian) are there where robust errors are asked about next.
    """

    phase: CoxPhase = CoxPhase.MOMENTS
    round: int = 0
    rows: int = 0
    persons: int = 0
    events: int = 0
    layout: Layout | None = None
    beta: tuple[int, ...] = ()
    base: tuple[int, ...] = ()
    objectives: tuple[float, ...] = ()
    deviances: tuple[float, ...] = ()
    products: tuple[int, ...] = ()
    covariance: tuple[float, ...] = ()
    quality: SurvivalQuality | None = None
    deaths: tuple[int, ...] = ()
    baseline: BaselineForm | None = None
    inverse: tuple[float, ...] = ()

    @property
    def objective(self) -> float | None:
        """Of the last beta that was an improvement."""
        return self.objectives[-1] if self.objectives else None

    @property
    def asked(self) -> list[float]:
        """The beta of the next question, as floats."""
        return [number(value) for value in self.beta]

    @property
    def arranged(self) -> Layout:
        """The layout of a fit that has one.

        Raises:
            SingularError: it has none.
        """
        if self.layout is None:
            raise SingularError
        return self.layout

    def written(self) -> JsonObject:
        """The same as canonical JSON: fractions and large integers as text."""
        said: JsonObject = exact(msgspec.to_builtins(self))
        for name in ("deaths", "baseline", "inverse"):  # states of tasks without them are those of earlier versions
            if not said[name]:
                del said[name]
        return said | {name: [str(value) for value in getattr(self, name)] for name in ("beta", "base")}


def read(state: JsonObject) -> CoxState:
    """What was written."""
    return msgspec.convert(state, CoxState, strict=False)


def after_moments(task: CoxTask, stand: CoxState, total: MomentsTotal, deaths: tuple[int, ...] = ()) -> CoxState:
    """The fit begins: layout, and coefficients of 0; `deaths` at each time of the grid, if there is one.

    Raises:
        NoEventError: nobody had the event.
        SingularError: no column varies.
    """
    events = sum(deaths) if task.grid else total.target_sum >> FRACTION
    if not events:
        raise NoEventError
    layout = layout_of(task.table, total)
    if not layout.kept:
        raise SingularError
    beta = (0,) * len(layout.kept)
    return replace(
        stand,
        phase=CoxPhase.NEWTON,
        round=stand.round + 1,
        rows=total.rows,
        persons=total.persons,
        events=events,
        layout=layout,
        beta=beta,
        base=beta,
        deaths=deaths,
    )


def proposed(task: CoxTask, stand: CoxState, total: NewtonTotal) -> JsonObject:
    """The step of a Newton round; nothing where the round takes none."""
    equations = _equations(task, stand, total)
    apart = _apart(stand, equations)
    step = None if apart is None else solution(equations.rows, apart, equations.gradient)
    return {} if step is None else written_step(step)


def _equations(task: CoxTask, stand: CoxState, total: NewtonTotal) -> Equations:
    return Equations.of(penalty(task, stand.arranged), stand.beta, total)


def penalty(task: CoxTask, layout: Layout) -> list[float]:
    """The weight of each squared coefficient."""
    weights: list[float] = maths.penalty(task.table, layout).tolist()[1:]  # there is no intercept
    return weights


def _apart(stand: CoxState, equations: Equations) -> Factor | None:
    """The factored matrix of the equations; None where no step follows."""
    if not maths.no_worse(equations.objective, stand.objective):
        return None
    return factor(equations.rows, maths.SINGULAR)


def after_newton(
    task: CoxTask,
    stand: CoxState,
    total: NewtonTotal,
    proposal: JsonObject,
    baseline: Callable[[], BaselineForm] | None = None,
) -> CoxState:
    """Halve, step, or step for the last time; `baseline` is the common one of this total, if there is one.

    Raises:
        ProposalInvalidError: what was proposed is not the step of this total.
        SingularError: columns are collinear.
        SeparatedError: some coefficient would grow without end.
        NotConvergedError: the task allows no further round.
    """
    equations, after = _equations(task, stand, total), stand.round + 1
    if not maths.no_worse(equations.objective, stand.objective):
        empty(proposal, after)
        return _allowed(task, replace(stand, round=after, beta=halfway(stand.base, stand.beta)))
    apart = factor(equations.rows, maths.SINGULAR)
    if apart is None or (proposal == {} and solution(equations.rows, apart, equations.gradient) is None):
        raise SingularError if stand.objective is None else SeparatedError
    given = step_of(proposal, len(stand.beta), after)
    given.that(solves(equations.rows, given.step, equations.gradient), msgid("the step does not solve its equations"))
    step = SolvedStep.of(stand.beta, total, equations, apart, given.step)
    moved = _moved(stand, total, equations, step)
    if step.length > max(task.table.tolerance, step.resolution) and step.gain > NOTHING * (stand.objective or 0.0):
        if stand.objective is not None and not task.table.l2 and keeps_growing(stand.base, stand.beta, step):
            raise SeparatedError
        return _allowed(task, moved)
    if step.stride > math.sqrt(task.table.tolerance):
        raise SeparatedError
    back = np.diag(1.0 / np.asarray(stand.arranged.scale, dtype=np.float64))
    if task.errors == "model":
        covariance = coarse_covariance(back, total, equations, apart)
        return _allowed(task, replace(moved, phase=CoxPhase.EVALUATION, covariance=covariance))
    inverse = apart.inverse()[np.triu_indices(len(stand.beta))]
    told = None if baseline is None else baseline()
    return _allowed(task, replace(moved, phase=CoxPhase.SCORES, inverse=tuple(inverse.tolist()), baseline=told))


def after_scores(task: CoxTask, stand: CoxState, middle: Rows) -> CoxState:
    """The robust covariance, coarsely rounded.

    Raises:
        NotConvergedError: the task allows no further round.
    """
    inverse = np.asarray(covariance_of(stand.inverse, len(stand.beta)), dtype=np.float64)
    back = np.diag(1.0 / np.asarray(stand.arranged.scale, dtype=np.float64))
    made = sandwich(back, inverse, np.array([[number(value) for value in row] for row in middle], dtype=np.float64))
    after = replace(stand, phase=CoxPhase.EVALUATION, round=stand.round + 1, covariance=coarse(made))
    return _allowed(task, replace(after, inverse=(), baseline=None))


def _moved(stand: CoxState, total: NewtonTotal, equations: Equations, step: SolvedStep) -> CoxState:
    """The state after a step, or a part of it about which sites still answer.

    Raises:
        SeparatedError: it is a step from the edge outwards.
    """
    products = stand.products or _products(stand, total)
    reached = within_reach(symmetric(products, len(stand.beta)), 0, stand.beta, step.step, ends=True)
    if reached is None:
        raise SeparatedError
    return replace(
        stand,
        round=stand.round + 1,
        beta=reached,
        base=stand.beta,
        objectives=(*stand.objectives, equations.objective),
        deviances=(*stand.deviances, number(total.deviance)),
        products=products,
    )


def _products(stand: CoxState, total: NewtonTotal) -> tuple[int, ...]:
    """The mean variance of the columns at an event, of a Hessian at coefficients of 0."""
    return tuple((value << FINE) // (stand.events << FRACTION) for value in triangle(total.hessian))


def _allowed(task: CoxTask, stand: CoxState) -> CoxState:
    """A state that asks one more question, if the task allows one.

    Raises:
        SeparatedError, NotConvergedError: it allows none.
    """
    if stand.round < task.table.max_rounds:
        return stand
    edge = not task.table.l2 and spread_of(symmetric(stand.products, len(stand.beta)), stand.beta) > EDGE * REACH
    raise SeparatedError if edge else NotConvergedError(rounds=task.table.max_rounds)


def after_evaluation(stand: CoxState, total: RankedTotal) -> CoxState:
    """The fit is done."""
    return replace(stand, phase=CoxPhase.DONE, round=stand.round + 1, quality=quality(total))


def quality(total: RankedTotal) -> SurvivalQuality:
    """The quality that follows from sums."""
    share = total.ordered / (2 * total.pairs) if total.pairs else None
    return SurvivalQuality(total.rows, total.persons, total.events, number(total.deviance), share)
