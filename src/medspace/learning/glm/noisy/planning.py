"""What the totals of a task with noise cost, and how large their noise is: from its document alone.

The noise of a site is a discrete Gaussian of one sigma for all tasks (`privacy.noise.gaussian`); a task says how
large it is beside the data by the scale that turns its numbers into integers. The honest sites of a total are at
least `min_sites`, so the noise of that many is counted on.

Two mechanisms lead to a model. Noisy gradients suit few patients and many columns, and only rank
patients. Noisy Newton sums have a number for each pair of columns, which takes many patients; they give coefficients
that are not shrunk towards 0, with intervals. `mechanism` chooses by public numbers, where the task does not.

Norms follow from the number of columns alone. A row of the first total has a one, its target, each number between
-1 and 1 and its square, a one per code, a one per gap; what most rows have of that is well below the number of
columns. For gradients, scores are residuals times standardised columns: residuals are about a half at the start, and
less later. For Newton sums it is the row of standardised columns that is cut to a length (`reach`), so that the model
stays that of the rows that are not cut.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from math import sqrt

from medspace.core.engine import Cost
from medspace.learning.glm.task import MOST_CURVED, GlmTask, Mechanism, Noise
from medspace.privacy.noise.accounting import cost, rho_of, sensitivity_for
from medspace.privacy.noise.clipping import scale_for, sensitivity
from medspace.privacy.noise.sigma import SIGMA
from medspace.runs.errors import RunError
from medspace.runs.masked.messages import CONTRIBUTE

GRADIENTS = 4  # more of them would each have more noise
MOMENTS = 0.15  # of what the fit may cost, with gradients after them
# Of what the fit may cost: moments, then each of the Newton sums. The last one has most, as its noise is in the
# model; it begins near the end, so that noise in the pairs moves little. Gaussian models need fewer.
NEWTON = {
    "binomial": (0.08, 0.07, 0.12, 0.23, 0.5),
    "poisson": (0.08, 0.07, 0.12, 0.23, 0.5),
    "gaussian": (0.1, 0.3, 0.6),
}
SLOPE, CURVE = 0.8, 0.6  # of the norm of a Newton sum; squares are 1 together
RESPONSE = 0.4  # for gaussian, of the square of the target beside them
TYPICAL = {"binomial": 0.2, "poisson": 1.0, "gaussian": 1.0}  # weight of a row in the sum of pairs
CLEAR = 0.25  # of the sum of pairs: noise of at most this leaves all but little of it
BINS = 20  # of the linear predictor, for the area under the curve
KEPT = 64  # cached plans


class NoisyPhase(StrEnum):
    """What a question asks; DONE asks nothing."""

    MOMENTS = "noisy-moments"
    GRADIENT = "noisy-gradient"
    NEWTON = "noisy-newton"
    EVALUATION = "noisy-evaluation"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Total:
    """One noisy total: how many numbers, to which norm a person's are clipped, their scale, its cost and noise.

    `deviation` is that of the noise that is counted on, in what the numbers stand for; there is more of it in a total
    of more sites (`among`).
    """

    phase: NoisyPhase
    numbers: int
    norm: float
    scale: float
    rho: int
    deviation: float

    def among(self, sites: int, counted_on: int) -> "Total":
        """The same with the deviation of the noise of so many sites, but of no fewer than are counted on."""
        return replace(self, deviation=self.deviation * sqrt(max(sites, counted_on) / counted_on))


@dataclass(frozen=True, slots=True)
class Plan:
    """The totals of a task, in their order, and what they cost a holder together."""

    mechanism: Mechanism
    totals: tuple[Total, ...]
    cost: Cost

    def phase(self, taken: int) -> NoisyPhase:
        """What is asked after so many totals."""
        return self.totals[taken].phase if taken < len(self.totals) else NoisyPhase.DONE


@dataclass(frozen=True, slots=True)
class Newton:
    """How a row's part of a Newton sum is scaled to norm one, and back, by the bounds of its components.

    `reach` is how long a row of standardised columns may be, `residual` and `weight` how large those may be. `middle`
    and `half` turn a target into what is fitted (gaussian: -1 to 1 over its range).
    """

    width: int
    reach: float
    residual: float
    weight: float
    middle: float = 0.0
    half: float = 1.0
    response: float = 0.0

    @property
    def slope(self) -> float:
        """A number of the gradient is this many times what stands in the total."""
        return self.reach * self.residual / (SLOPE * sqrt(1.0 - self.response * self.response))

    @property
    def curve(self) -> float:
        """The same for a number of the sum of pairs, on the diagonal; others stand there times the root of 2."""
        return self.reach * self.reach * self.weight / (CURVE * sqrt(1.0 - self.response * self.response))

    @property
    def numbers(self) -> int:
        """Of the total."""
        return self.width + self.width * (self.width + 1) // 2 + bool(self.response)


def noise_of(task: GlmTask) -> Noise:
    """The noise of a task that has some.

    Raises:
        RunError: it has none.
    """
    if task.noise is None:
        raise RunError
    return task.noise


@lru_cache(maxsize=KEPT)
def plan(task: GlmTask) -> Plan:
    """The totals of a task with noise.

    Raises:
        NoiseInvalidError: its epsilon is too small for its columns.
        RunError: it has no noise.
    """
    noise = noise_of(task)
    whole = rho_of(noise.epsilon, noise.delta)
    measuring = _share(whole, noise.evaluation)
    way = mechanism(task)
    fitting = _gradients(task, whole - measuring) if way == "gradient" else _newton(task, whole - measuring)
    totals = (*fitting, _evaluation(task, measuring)) if measuring else fitting
    return Plan(
        way, totals, Cost(tuple(one.rho for one in totals), noise.unit, frozenset({CONTRIBUTE}), gaussian=True)
    )


def mechanism(task: GlmTask) -> Mechanism:
    """What the task names; else Newton sums where their last one's noise is small beside what so many patients make.

    In groups it uses gradients: pairs trimmed one by one may not form a valid sum of pairs.

    The noise of a symmetric matrix of that width stretches no direction by much more than 2 sqrt(width) times its
    deviation; the sum of pairs of n standardised rows is about n times a typical weight.
    """
    noise = noise_of(task)
    if noise.mechanism is not None:
        return noise.mechanism
    if task.family != "binomial":
        return "newton"
    if task.robust is not None or noise.persons is None or _width(task) > MOST_CURVED:
        return "gradient"
    whole = rho_of(noise.epsilon, noise.delta)
    last = _newton(task, whole - _share(whole, noise.evaluation))[-1]
    made = noise.persons * TYPICAL[task.family]
    return "newton" if 2.0 * spread_of(newton_of(task), last) * sqrt(_width(task)) <= CLEAR * made else "gradient"


def spread_of(sums: Newton, total: Total) -> float:
    """The deviation of the noise of a pair of two columns."""
    return total.deviation * sums.curve / sqrt(2.0)


@lru_cache(maxsize=KEPT)
def newton_of(task: GlmTask) -> Newton:
    """The bounds of a task's Newton sums."""
    width = _width(task)
    reach = sqrt(width + 3.0 * sqrt(2.0 * width))  # three deviations above the mean of a chi-square of that width
    low, high = task.target.span or (0.0, 1.0)
    if task.family == "binomial":
        return Newton(width, reach, 1.0, 0.25)
    if task.family == "poisson":
        return Newton(width, reach, high, high)
    return Newton(width, reach, 1.0, 1.0, (low + high) / 2.0, (high - low) / 2.0, RESPONSE)


def _width(task: GlmTask) -> int:
    return task.intercept + len(task.columns)


def _gradients(task: GlmTask, rho: int) -> tuple[Total, ...]:
    first, width = _share(rho, MOMENTS), _width(task)
    each = _total(NoisyPhase.GRADIENT, (rho - first) // GRADIENTS, width, sqrt(width) / 4.0, task.min_sites)
    return (_moments(task, first), *[each] * GRADIENTS)


def _newton(task: GlmTask, rho: int) -> tuple[Total, ...]:
    first, *shares = (_share(rho, share) for share in NEWTON[task.family])
    numbers = newton_of(task).numbers
    sums = (_total(NoisyPhase.NEWTON, share, numbers, 1.0, task.min_sites) for share in shares)
    return (_moments(task, first), *sums)


def _moments(task: GlmTask, rho: int) -> Total:
    plain = sum(not feature.coded for feature in task.features)
    coded = len(task.features) - plain
    numbers = 2 + len(task.columns) + plain
    return _total(NoisyPhase.MOMENTS, rho, numbers, sqrt(2.5 + 0.3 * plain + 0.6 * coded), task.min_sites)


def _evaluation(task: GlmTask, rho: int) -> Total:
    if task.family == "binomial":  # a row stands in one bin, of cases or of controls
        return _total(NoisyPhase.EVALUATION, rho, 2 * BINS, 1.0, task.min_sites)
    return _total(NoisyPhase.EVALUATION, rho, 2, sqrt(2.0), task.min_sites)  # a one, a squared share of the range


def _share(rho: int, share: float) -> int:
    return int(rho * share)


def _total(phase: NoisyPhase, rho: int, numbers: int, norm: float, shares: int) -> Total:
    scale = scale_for(sensitivity_for(rho, shares), norm, numbers)
    apart = sensitivity(norm, scale, numbers)
    return Total(phase, numbers, norm, scale, cost(apart * apart, shares), SIGMA * sqrt(shares) / scale)
