"""Where noisy totals lead: every site comes to the same state from the same integers.

Quotients of integers, + - * / and square roots of single floats are rounded alike on every processor (IEEE 754), and
nothing else is used.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import msgspec

from medspace.core.canonical import JsonObject, exact
from medspace.learning.glm.design import Layout
from medspace.learning.glm.errors import NoiseHidesError
from medspace.learning.glm.noisy.planning import STEPS, Plan
from medspace.learning.glm.task import Feature, GlmTask

STRIDE = 2.0  # of a step, in gradients per row: half of what a standardised column alone would need
LEAST_SPREAD = 0.15  # of half a range: columns that vary less would be mostly noise
LEAST_SHARE = 0.02  # of rows with a code, or with a gap, likewise
MOST_GAPS = 0.95  # of the rows; of a column with more hardly anything is known


class Phase(StrEnum):
    """What the next question asks; DONE asks nothing."""

    MOMENTS = "noisy-moments"
    GRADIENT = "noisy-gradient"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a fit with noise stands after `round` totals; `rows` is how many rows it seems to have."""

    phase: Phase = Phase.MOMENTS
    round: int = 0
    rows: float = 0.0
    layout: Layout | None = None
    beta: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()  # how many patients each group of sites seems to have, as its first total says it

    def written(self) -> JsonObject:
        """The same as canonical JSON: fractions as text; without groups nothing is said of them."""
        said: JsonObject = exact(msgspec.to_builtins(self))
        return said if self.counts else {name: value for name, value in said.items() if name != "counts"}


def read(state: JsonObject) -> Stand:
    """What was written."""
    return msgspec.convert(state, Stand, strict=False)


def after_moments(task: GlmTask, plan: Plan, stand: Stand, total: Sequence[int]) -> Stand:
    """Means and deviations, and coefficients of 0.

    Raises:
        NoiseHidesError: the noise is as large as the number of rows.
    """
    rows = total[0] / plan.moments.scale
    if rows < 1.0:
        raise NoiseHidesError
    shares = [count / total[0] for count in total[1:]]  # of each number, per row
    return replace(
        stand,
        phase=Phase.GRADIENT,
        round=stand.round + 1,
        rows=rows,
        layout=_layout(task, shares),
        beta=(0.0,) * plan.gradient.numbers,
    )


def _layout(task: GlmTask, shares: Sequence[float]) -> Layout:
    values = sum(len(feature.columns) for feature in task.features)
    plain = sum(not feature.coded for feature in task.features)
    means, squares, gaps = shares[:values], iter(shares[values : values + plain]), shares[values + plain :]
    absent = [_within(gap, 0.0, MOST_GAPS) for gap in gaps] or [0.0] * len(task.features)
    fill: list[float] = []
    scale: list[float] = []
    for feature, gap in zip(task.features, absent, strict=True):
        at = len(fill)
        found = [mean / (1.0 - gap) for mean in means[at : at + len(feature.columns)]]
        if feature.coded:
            chances = [_within(one, LEAST_SHARE, 1.0 - LEAST_SHARE) for one in found]
            fill += chances
            scale += [math.sqrt(one * (1.0 - one)) for one in chances]
        else:
            middle, spread = _unranged(feature, found[0], next(squares) / (1.0 - gap))
            fill.append(middle)
            scale.append(spread)
    known = [_within(gap, LEAST_SHARE, 1.0 - LEAST_SHARE) for gap in absent] if gaps else []
    spreads = [math.sqrt(one * (1.0 - one)) for one in known]
    kept = tuple(range(values + len(known)))
    return Layout(tuple(fill), kept, (*fill, *known), (*scale, *spreads))


def _unranged(feature: Feature, mean: float, square: float) -> tuple[float, float]:
    """Mean and deviation of a number as it was measured, from those within its range as -1 to 1."""
    low, high = feature.span or (-1.0, 1.0)
    half = (high - low) / 2.0
    centre = _within(mean, -1.0, 1.0)
    variance = _within(square - centre * centre, LEAST_SPREAD * LEAST_SPREAD, 1.0)
    return (low + high) / 2.0 + half * centre, half * math.sqrt(variance)


def _within(value: float, least: float, most: float) -> float:
    return min(max(value, least), most)


def after_gradient(plan: Plan, stand: Stand, total: Sequence[int]) -> Stand:
    """One step along it, or the last one."""
    taken = stand.round + 1
    per_row = [slope / plan.gradient.scale / stand.rows for slope in total]
    beta = tuple(at + STRIDE * slope for at, slope in zip(stand.beta, per_row, strict=True))
    phase = Phase.DONE if taken == 1 + STEPS else Phase.GRADIENT
    return replace(stand, phase=phase, round=taken, beta=beta)
