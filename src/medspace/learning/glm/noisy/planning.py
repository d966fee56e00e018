"""What the totals of a task with noise cost, and how large their noise is: from its document alone.

The noise of a site is a discrete Gaussian of one sigma for all tasks (`privacy.noise.gaussian`); a task says how
large it is beside the data by the scale that turns its numbers into integers. The honest sites of a total are at
least `min_sites`, so the noise of that many is counted on.

The norms follow from the number of columns alone. A row of the first total has a one, each number between -1 and 1
and its square, a one per code, a one per gap; what most rows have of that is well below the number of columns. Scores
are residuals times standardised columns: residuals are about a half at the start, and less later.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

from medspace.core.engine import Cost
from medspace.learning.glm.task import GlmTask, Noise
from medspace.privacy.noise.accounting import cost, rho_of, sensitivity_for
from medspace.privacy.noise.clipping import scale_for, sensitivity
from medspace.runs.errors import RunError
from medspace.runs.masked.messages import CONTRIBUTE

STEPS = 4  # gradients; more of them would each have more noise
FIRST = 15  # hundredths of the budget that go to the first total
KEPT = 64  # plans that stay worked out


@dataclass(frozen=True, slots=True)
class Total:
    """One noisy total: how many numbers, to which norm a person's are clipped, their scale, and its cost."""

    numbers: int
    norm: float
    scale: float
    rho: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The totals of a task, in their order: the moments, then the gradients, which are all alike."""

    moments: Total
    gradient: Total
    cost: Cost


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
    first = whole * FIRST // 100
    plain = [feature for feature in task.features if not feature.coded]
    values = sum(len(feature.columns) for feature in task.features)
    gaps = len(task.columns) - values
    coded = len(task.features) - len(plain)
    width = task.intercept + len(task.columns)
    moments = _total(
        first, 1 + values + len(plain) + gaps, sqrt(2.0 + 0.3 * len(plain) + 0.6 * coded), task.min_sites
    )
    gradient = _total((whole - first) // STEPS, width, sqrt(width) / 4.0, task.min_sites)
    spent = (moments.rho, *[gradient.rho] * STEPS)
    return Plan(moments, gradient, Cost(spent, noise.unit, frozenset({CONTRIBUTE})))


def _total(rho: int, numbers: int, norm: float, shares: int) -> Total:
    scale = scale_for(sensitivity_for(rho, shares), norm, numbers)
    return Total(numbers, norm, scale, cost(sensitivity(norm, scale, numbers) ** 2, shares))
