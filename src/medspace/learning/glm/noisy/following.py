"""Where noisy totals lead: every site comes to the same state from the same integers.

Quotients of integers, + - * / and square roots of single floats are rounded alike on every processor (IEEE 754), and
nothing else is used.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from medspace.core.canonical import JsonObject, exact
from medspace.learning.glm.design import Layout
from medspace.learning.glm.errors import NoiseHidesError
from medspace.learning.glm.noisy import stepping
from medspace.learning.glm.noisy.planning import NoisyPhase, Plan, Total
from medspace.learning.glm.noisy.solving import logarithm
from medspace.learning.glm.task import FeatureColumn, GlmTask

STRIDE = 2.0  # of a step, in gradients per row: half of what a standardised column alone would need
LEAST_SPREAD = 0.15  # of half a range: columns that vary less would be mostly noise
LEAST_SHARE = 0.02  # of rows with a code, or with a gap, likewise; of a target's range, or of cases
CLEAR = 2.0  # deviations of the noise
MOST_GAPS = 0.95  # of the rows; a column with more is hardly known


@dataclass(frozen=True, slots=True)
class NoisyFitState:
    """The state of a noisy fit after `round` totals; `rows` is its estimated number of rows.

    `covariance` is the upper triangle of that of the last beta, row by row; empty where it is not known.
    `measured` is the total that says how good the model is, with the noise of `shares` sites.
    """

    round: int = 0
    rows: float = 0.0
    layout: Layout | None = None
    beta: tuple[float, ...] = ()
    covariance: tuple[float, ...] = ()
    measured: tuple[float, ...] = ()
    shares: int = 0
    counts: tuple[int, ...] = ()  # how many patients each group of sites seems to have, as its first total says it

    def written(self) -> JsonObject:
        """The same as canonical JSON: fractions as text; groups only if there are any."""
        said: JsonObject = exact(msgspec.to_builtins(self))
        return said if self.counts else {name: value for name, value in said.items() if name != "counts"}


def read(state: JsonObject) -> NoisyFitState:
    """What was written."""
    return msgspec.convert(state, NoisyFitState, strict=False)


def follow(task: GlmTask, plan: Plan, stand: NoisyFitState, total: Sequence[int], sites: int) -> NoisyFitState:
    """The state that the total of a question over so many sites leads to.

    Raises:
        NoiseHidesError: the noise is as large as the number of rows.
    """
    at = plan.totals[stand.round].among(sites, task.min_sites)
    numbers = [count / at.scale for count in total]
    after = replace(stand, round=stand.round + 1)
    if at.phase is NoisyPhase.MOMENTS:
        return _after_moments(task, plan, at, after, numbers)
    if at.phase is NoisyPhase.GRADIENT:
        return _after_gradient(after, numbers)
    if at.phase is NoisyPhase.NEWTON:
        last = plan.phase(after.round) is not NoisyPhase.NEWTON
        return _after_newton(task, after, at, numbers, last=last)
    return replace(after, measured=tuple(numbers), shares=sites)


def _after_moments(
    task: GlmTask, plan: Plan, at: Total, stand: NoisyFitState, numbers: Sequence[float]
) -> NoisyFitState:
    """Means and deviations; coefficients of 0 but for the intercept, which is that of the mean target."""
    rows = numbers[0]
    if rows < 1.0:
        raise NoiseHidesError
    target, *shares = (number / rows for number in numbers[1:])
    clear = plan.mechanism == "newton"
    layout = _layout(task, shares, max(LEAST_SHARE, CLEAR * at.deviation / rows) if clear else -math.inf)
    return replace(stand, rows=rows, layout=layout, beta=(_start(task, target), *[0.0] * len(layout.kept)))


def _start(task: GlmTask, share: float) -> float:
    """The intercept that makes the mean target the expected one, on the scale of the fit."""
    within = _within(share, LEAST_SHARE, 1.0 - LEAST_SHARE)
    if task.family == "binomial":
        return logarithm(within) - logarithm(1.0 - within)
    low, high = task.target.span or (0.0, 1.0)
    return logarithm(low + within * (high - low)) if task.family == "poisson" else 2.0 * within - 1.0


def _layout(task: GlmTask, shares: Sequence[float], clear: float) -> Layout:
    """The layout by what stands in the moments per row.

    A column of codes or gaps with a smaller share than `clear` is dropped: it would be mostly noise.
    """
    values = sum(len(feature.columns) for feature in task.features)
    plain = sum(not feature.coded for feature in task.features)
    means, squares, gaps = shares[:values], iter(shares[values : values + plain]), shares[values + plain :]
    absent = [_within(gap, 0.0, MOST_GAPS) for gap in gaps] or [0.0] * len(task.features)
    found: list[tuple[float, float, bool]] = []  # of each column: mean, deviation, whether it is kept
    for feature, gap in zip(task.features, absent, strict=True):
        here = means[len(found) : len(found) + len(feature.columns)]
        if feature.coded:
            found += [_chance(mean / (1.0 - gap), clear) for mean in here]
        else:
            found.append((*_unranged(feature, here[0] / (1.0 - gap), next(squares) / (1.0 - gap)), True))
    fill = tuple(mean if kept else 0.0 for mean, _, kept in found)
    found += [_chance(gap, clear) for gap in (absent if gaps else ())]
    kept = tuple(column for column, (_, _, kept) in enumerate(found) if kept)
    return Layout(fill, kept, tuple(found[column][0] for column in kept), tuple(found[column][1] for column in kept))


def _chance(share: float, clear: float) -> tuple[float, float, bool]:
    within = _within(share, LEAST_SHARE, 1.0 - LEAST_SHARE)
    return within, math.sqrt(within * (1.0 - within)), clear <= share <= 1.0 - clear


def _unranged(feature: FeatureColumn, mean: float, square: float) -> tuple[float, float]:
    """Mean and deviation of a number as it was measured, from those within its range as -1 to 1."""
    low, high = feature.span or (-1.0, 1.0)
    half = (high - low) / 2.0
    centre = _within(mean, -1.0, 1.0)
    variance = _within(square - centre * centre, LEAST_SPREAD * LEAST_SPREAD, 1.0)
    return (low + high) / 2.0 + half * centre, half * math.sqrt(variance)


def _within(value: float, least: float, most: float) -> float:
    return min(max(value, least), most)


def _after_gradient(stand: NoisyFitState, numbers: Sequence[float]) -> NoisyFitState:
    """One step along it; every column is kept."""
    slopes = (slope / stand.rows for slope in numbers)
    return replace(stand, beta=tuple(at + STRIDE * slope for at, slope in zip(stand.beta, slopes, strict=True)))


def _after_newton(
    task: GlmTask, stand: NoisyFitState, at: Total, numbers: Sequence[float], *, last: bool
) -> NoisyFitState:
    """One Newton step; after the last one the covariance of where it leads."""
    made = stepping.step(task, at, numbers, stand, last=last)
    return replace(stand, beta=made.beta, covariance=made.covariance)
