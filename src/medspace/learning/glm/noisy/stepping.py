"""One Newton step from noisy sums, and how far off it is: sampling and noise together.

With gradient g, sum of pairs H, noise n and E in them, the step is D = (H + E)^-1 (g + n), and to first order it is
off the step without noise by H^-1 (n - E D). Its covariance is so A^-1 (s A + N) A^-1 with A = H + E, s the
dispersion and N = v I + u (|D|² I + D D'): v is the variance of a number of n, u that of a pair of two columns in E
(the diagonal has twice that). A person of several rows counts with their mean: the variance of a mean is at most the
mean of the variances, so s A is at least what it has to be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Protocol

from medspace.learning.glm.design import Layout
from medspace.learning.glm.errors import NoiseHidesError
from medspace.learning.glm.noisy.planning import Newton, Total, newton_of, spread_of
from medspace.learning.glm.noisy.solving import Row, Rows, dot, factor, sandwich, solved
from medspace.learning.glm.task import GlmTask

FARTHEST = 2.0  # a step of one coefficient, in standard deviations of its column
CLEARLY = 3.0  # times the noise of pairs that decides a pivot: with less, the error of a step is unknown
MOST_DOUBLINGS = 100  # of the damping; with so much the pairs are nothing beside it
LEAST_DISPERSION = 1e-6  # gaussian; of the square of half the target's range
ROOT = sqrt(2.0)


class StepStart(Protocol):
    """The start of a step: about how many rows there are, the columns that are kept, their coefficients."""

    @property
    def rows(self) -> float:
        """As the moments told, with noise."""
        ...

    @property
    def layout(self) -> Layout | None:
        """There, once the moments are known."""
        ...

    @property
    def beta(self) -> tuple[float, ...]:
        """Of the standardised columns."""
        ...


@dataclass(frozen=True, slots=True)
class Stepped:
    """Where the step leads; the upper triangle of the covariance, row by row, if it is the last one and known."""

    beta: tuple[float, ...]
    covariance: tuple[float, ...]


def step(task: GlmTask, at: Total, numbers: Sequence[float], stand: StepStart, *, last: bool) -> Stepped:
    """The step of a total. Before the last one it is damped by as much as noise may stretch it."""
    sums, places = newton_of(task), kept(stand.layout)
    width, spread = len(places), spread_of(sums, at)
    slopes = [numbers[place] * sums.slope for place in places]
    pairs = _pairs(sums, numbers[sums.width :], places)
    most = spread * sqrt(width)
    lower, damped = _factored(pairs, most, 0.0 if last else most)
    moved = [min(max(one, -FARTHEST), FARTHEST) for one in solved(lower, slopes)]
    beta = tuple(at + one for at, one in zip(stand.beta, moved, strict=True))
    if not last or factor(pairs, CLEARLY * most) is None:
        return Stepped(beta, ())
    scale = _dispersion(sums, numbers, slopes, pairs, stand, moved)
    slope = at.deviation * sums.slope
    noise = slope * slope + spread * spread * dot(moved, moved, width)
    made = sandwich(lower, _middle(damped, scale, noise, [spread * one for one in moved]))
    return Stepped(beta, tuple(made[j][k] for j in range(width) for k in range(j, width)))


def kept(layout: Layout | None) -> list[int]:
    """Where the intercept and the columns that are kept stand among all."""
    return [0, *(column + 1 for column in layout.kept)] if layout is not None else [0]


def _middle(pairs: Rows, scale: float, noise: float, moved: Row) -> list[list[float]]:
    """The middle of the covariance: s A + N."""
    return [
        [scale * one + moved[j] * moved[k] + (noise if j == k else 0.0) for k, one in enumerate(row)]
        for j, row in enumerate(pairs)
    ]


def _pairs(sums: Newton, numbers: Row, places: Sequence[int]) -> list[list[float]]:
    """The sum of pairs of these columns, from the upper triangle of all as it stands in a total."""
    made = [[0.0] * sums.width for _ in range(sums.width)]
    given = iter(numbers)
    for j in range(sums.width):
        for k in range(j, sums.width):
            made[j][k] = made[k][j] = next(given) * sums.curve / (1.0 if j == k else ROOT)
    return [[made[j][k] for k in places] for j in places]


def _factored(pairs: list[list[float]], most: float, damping: float) -> tuple[list[list[float]], list[list[float]]]:
    """Factor of the pairs, and them, with the least damping of a public series that leaves no pivot to the noise."""
    for _ in range(MOST_DOUBLINGS):
        damped = [[one + damping * (j == k) for k, one in enumerate(row)] for j, row in enumerate(pairs)]
        lower = factor(damped, most)
        if lower is not None:
            return lower, damped
        damping = max(most, 2.0 * damping)
    raise NoiseHidesError


def _dispersion(
    sums: Newton,
    numbers: Row,
    slopes: Row,
    pairs: Rows,
    stand: StepStart,
    moved: Row,
) -> float:
    """The variance of the target around the model (gaussian), from that around where the step began; else 1."""
    if not sums.response:
        return 1.0
    squares = numbers[-1] / sums.response
    explained = 0.0
    for j, one in enumerate(moved):
        explained += 2.0 * one * slopes[j]
        for k, other in enumerate(moved):
            explained -= one * other * pairs[j][k]
    freedom = max(stand.rows - len(moved), 1.0)
    return max((squares - explained) / freedom, LEAST_DISPERSION)
