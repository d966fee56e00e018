"""What to expect of a task with noise before it is asked: from its document and public sizes alone.

Columns are taken for independent and of unit deviation, weights for typical ones, and an area under the curve of .8
for the model without noise. Noise of variance t in each of d coefficients adds d t to the variance of the predictor
in cases and in controls; where both are normal, a distance of m deviations has the area Phi(m / sqrt 2).

What all Gaussian totals of a rho together tell about one patient is what a single one tells with a distance of
sqrt(2 rho) deviations (Dong, Roth, Su, "Gaussian differential privacy", JRSS B 2022, corollary 2.1). So somebody who
knows everything else and chooses between two equally likely answers is right with probability Phi(sqrt(2 rho) / 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import NormalDist

from medspace.core.engine import RHO_ONE
from medspace.learning.glm.noisy.following import STRIDE
from medspace.learning.glm.noisy.planning import GRADIENTS, TYPICAL, NoisyPhase, Plan, newton_of, noise_of, plan
from medspace.learning.glm.task import MOST_EPSILON, GlmTask, Mechanism, Noise
from medspace.privacy.errors import NoiseInvalidError
from medspace.privacy.noise.accounting import epsilon_of, rho_of

EPSILONS = (0.5, 1.0, 3.0, 10.0)
AREA = 0.8
NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class NoiseForecast:
    """At an epsilon: the mechanism; the standard error by noise of a coefficient, per deviation of its column.

    `sampling` is the standard error without noise, None where it cannot be known before; so is `area_lost`, the loss
    of area under the curve. `guess` is the highest probability of guessing one yes/no of one patient of one hospital,
    knowing all else. Without a mechanism, noise of that epsilon hides everything.
    """

    epsilon: float
    guess: float
    mechanism: Mechanism | None = None
    noise: float | None = None
    sampling: float | None = None
    area_lost: float | None = None


def everywhere(task: GlmTask, sites: int) -> float:
    """The epsilon of somebody who is a patient of all hospitals.

    All parts fall into the same totals, so the distance grows with their number, and rho with its square.
    """
    return epsilon_of(plan(task).cost.total * sites * sites, noise_of(task).delta)


def guess(noise: Noise) -> float:
    """The highest probability of guessing a yes/no of one patient; a coin is right half the time."""
    return NORMAL.cdf(sqrt(2.0 * rho_of(noise.epsilon, noise.delta) / RHO_ONE) / 2.0)


def expected(task: GlmTask, persons: int, sites: int) -> Sequence[NoiseForecast]:
    """What to expect with about so many patients of so many hospitals, at usual epsilons and that of the task."""
    noise = replace(noise_of(task), persons=persons)
    chosen = sorted({*EPSILONS, noise.epsilon})
    tasks = (replace(task, noise=replace(noise, epsilon=epsilon)) for epsilon in chosen if epsilon <= MOST_EPSILON)
    return [_expected(one, persons, sites) for one in tasks]


def _expected(task: GlmTask, persons: int, sites: int) -> NoiseForecast:
    noise = noise_of(task)
    epsilon, told = noise.epsilon, guess(noise)
    try:
        planned = plan(task)
    except NoiseInvalidError:
        return NoiseForecast(epsilon, told)
    spread = sqrt(_variance(task, planned, persons, sites))
    half = newton_of(task).half
    if task.family != "binomial":
        return NoiseForecast(epsilon, told, planned.mechanism, spread * half)
    width = task.intercept + len(task.columns)
    apart = NORMAL.inv_cdf(AREA) * sqrt(2.0)
    left = NORMAL.cdf(apart**2 / sqrt(2.0 * (apart**2 + width * spread**2)))
    sampling = 1.0 / sqrt(persons * TYPICAL["binomial"])
    return NoiseForecast(epsilon, told, planned.mechanism, spread, sampling, AREA - left)


def _variance(task: GlmTask, planned: Plan, persons: int, sites: int) -> float:
    """That of the noise in a coefficient of a standardised column."""
    weight = TYPICAL[task.family]
    if planned.mechanism == "newton":
        last = [one for one in planned.totals if one.phase is NoisyPhase.NEWTON][-1]
        return (last.among(sites, task.min_sites).deviation * newton_of(task).slope / (persons * weight)) ** 2
    kept = 1.0 - STRIDE * weight  # of the remaining error is left by the next step
    each = (STRIDE * planned.totals[1].among(sites, task.min_sites).deviation / persons) ** 2
    return each * sum(kept ** (2 * step) for step in range(GRADIENTS))
