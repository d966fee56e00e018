"""What noisy sums cost, in zero-concentrated differential privacy (zCDP), and that as an epsilon at a delta.

A mechanism is rho-zCDP if, for every alpha > 1, the Rényi divergence of order alpha of its outputs on two
neighbouring tables is at most rho * alpha (Bun, Steinke, "Concentrated differential privacy", TCC 2016). It adds up
over releases, also where each is chosen by what the ones before said, so it is what accounts are kept in. Here rho is
an integer, in units of 2**-40 (`core.engine.RHO_ONE`): costs are rounded up, what is allowed is rounded down.

From rho to (epsilon, delta): Canonne, Kamath, Steinke, "The discrete Gaussian for differential privacy" (NeurIPS
2020), proposition 12: for every alpha > 1, rho-zCDP implies

    delta = exp((alpha - 1) (alpha rho - epsilon)) / (alpha - 1) * (1 - 1/alpha)**alpha

so every alpha gives a valid epsilon, and the least of those tried is reported.

A sum of discrete Gaussians is not a discrete Gaussian. Kairouz, Liu, Steinke, "The distributed discrete Gaussian
mechanism for federated learning with secure aggregation" (ICML 2021), theorem 1: integers of d dimensions and L2
sensitivity D, to which n independent ones of parameter sigma are added, are (e²/2)-zCDP with
e² <= D² / (n sigma²) + tau d / 2, where tau = 10 * sum over k < n of exp(-2 pi² sigma² k / (k + 1)). As k / (k + 1)
is at least 1/2 and sigma is 2**14, tau is below 10 n exp(-pi² 2**28) < n * 2**-(10**9): one unit of 2**-40 is more
than tau d / 4 for any n and d of a computer.
"""

from collections.abc import Callable
from functools import lru_cache
from math import exp, inf, isfinite, isqrt, log, log1p

from medspace.core.engine import RHO_ONE
from medspace.core.text import Text, msgid
from medspace.privacy.errors import BudgetInvalidError
from medspace.privacy.noise.sigma import SIGMA

MOST_EPSILON = 1000.0
ROUNDING = 1e-10  # relative; more than all rounding of doubles on the way to an epsilon
_TAU = 1  # units, for what tells a sum of discrete Gaussians from one
_STEPS = 160  # of the search for alpha; each shrinks the interval to five eighths


def rho_of(epsilon: float, delta: float) -> int:
    """The largest rho, in units of 2**-40, that keeps within an epsilon at a delta.

    Raises:
        BudgetInvalidError: epsilon is not between 0 and 1000, or delta not between 0 and 1.
    """
    _check_delta(delta)
    if not (isfinite(epsilon) and 0.0 < epsilon <= MOST_EPSILON):
        raise BudgetInvalidError(reason=Text(msgid("epsilon is not a number between 0 and 1000")))
    return _rho_of(epsilon, delta)


@lru_cache(maxsize=256)
def _rho_of(epsilon: float, delta: float) -> int:
    low, high = 0, round(MOST_EPSILON) * RHO_ONE
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if epsilon_of(middle, delta) <= epsilon else (low, middle)
    return low


def epsilon_of(rho: int, delta: float) -> float:
    """An epsilon that a rho, in units of 2**-40, keeps within at a delta: nearly the least, and never too small.

    Raises:
        BudgetInvalidError: rho is negative, or delta not between 0 and 1.
    """
    _check_delta(delta)
    if rho < 0:
        raise BudgetInvalidError(reason=Text(msgid("a rho is below 0")))
    return _epsilon_of(rho, delta) if rho else 0.0


@lru_cache(maxsize=4096)
def _epsilon_of(rho: int, delta: float) -> float:
    share = rho / RHO_ONE

    def at(place: float) -> float:
        less = exp(place)  # alpha - 1
        alpha = 1.0 + less
        tail = -log(delta) - place - alpha * log1p(1.0 / less)  # log(1 - 1/alpha) = -log(1 + 1/(alpha - 1))
        return alpha * share + tail / less

    best = _least(at, -40.0, 40.0)
    return max(best * (1.0 + ROUNDING), 0.0)


def _least(function: Callable[[float], float], low: float, high: float) -> float:
    """The least value found between two places, of a function that falls and then rises."""
    golden = (5**0.5 - 1.0) / 2.0
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right, best = function(left), function(right), inf
    for _ in range(_STEPS):
        best = min(best, at_left, at_right)
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = function(right)
    return best


def cost(sensitivity_squared: int, shares: int) -> int:
    """The rho, in units of 2**-40, of integers that the noise of so many sites is added to.

    `sensitivity_squared` is the square of the L2 distance that two neighbouring tables can make; each site adds
    independent discrete Gaussians of `sigma.SIGMA` to all numbers.

    Raises:
        ValueError: the sensitivity is negative, or nobody adds noise.
    """
    if sensitivity_squared < 0 or shares < 1:
        raise ValueError("a sensitivity is not below 0, and noise is somebody's")
    whole = sensitivity_squared * RHO_ONE
    return -(-whole // (2 * shares * SIGMA * SIGMA)) + _TAU


def sensitivity_for(rho: int, shares: int) -> int:
    """The largest L2 sensitivity of integers whose `cost` is within a rho; 0 where there is none.

    Raises:
        ValueError: nobody adds noise.
    """
    if shares < 1:
        raise ValueError("noise is somebody's")
    return isqrt(max(rho - _TAU, 0) * 2 * shares * SIGMA * SIGMA // RHO_ONE)


def _check_delta(delta: float) -> None:
    if not (isfinite(delta) and 0.0 < delta < 1.0):
        raise BudgetInvalidError(reason=Text(msgid("delta is not a number between 0 and 1")))
