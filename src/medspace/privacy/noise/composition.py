"""What all noisy releases reveal together, as an epsilon at a delta.

Limits are kept in zCDP, which adds up whatever the mechanisms are. Where all of them are integers with the noise of
`gaussian`, what they reveal together is known more tightly: no more than one continuous Gaussian, whose privacy
loss distribution gives the least epsilon. Why that holds, for totals of d numbers, of L2 sensitivity D, to which n
sites each add discrete Gaussians of parameter sigma:

1. The sum of the n shares has, at every integer, the probability of one discrete Gaussian of variance parameter
   n sigma², but for a factor between exp(-h) and exp(h), h < 2**-(10**9): `accounting` has this as tau (Kairouz, Liu,
   Steinke 2021; their proof compares probabilities one by one).
2. One discrete Gaussian of variance parameter S is a continuous one of variance s = S - 4, rounded at random: from x
   to the integer k with a probability proportional to exp(-(k - x)²/8). By Poisson summation the sum of these over k
   is the same for all x but for a factor of at most (1 + t)/(1 - t), t < 2**-112, so k has the probabilities of the
   discrete one but for such a factor. The rounding moves with integers, so tables whose integers differ by v make of
   it the discrete Gaussian moved by v: no test tells them apart better than N(0, s) and N(v, s).
3. So a total tells no more than a Gaussian at distance mu, mu² = D²/(n sigma² - 4), but for factors of exp(2**-109)
   for each of its d numbers. With rho >= D²/(2 n sigma²) (`accounting.cost`) and sigma = 2**14, mu² is at most
   2 rho (1 + 2**-25). More sites add more noise, and the sum modulo the ring's size hides more: both are
   post-processing.
4. Gaussians compose, also where each is chosen by what those before have said, into the one whose mu² is the sum of
   theirs (Dong, Roth, Su, "Gaussian differential privacy", 2019, corollary 3.3; with amounts chosen on the way and a
   limit on their sum, Smith, Thakurta, "Fully adaptive composition for Gaussian differential privacy", 2022).
5. For fewer than 2**40 numbers in all the factors of 3 are below exp(2**-69): they move epsilon by less than the
   doubles of this module round. That noise is drawn to within 2**-149 of the distribution adds
   (1 + exp(epsilon)) 2**-109 to delta: `_SPARE` of it is set aside, and where that would not do, the epsilon of zCDP
   is told.

The factor of 3, the spare delta and `ROUNDING` are all upwards, so the epsilon told is never below that of what left.
"""

from dataclasses import dataclass
from math import log, sqrt
from typing import Protocol

from medspace.core.engine import RHO_ONE
from medspace.privacy.noise.accounting import epsilon_of

ZCDP = "zcdp"  # the conversion of zCDP, which holds for every mechanism
PLD = "pld"  # the privacy loss distribution of the mechanisms themselves
_INFLATION = 1.0 + 2.0**-25
_SPARE = 2.0**-20  # of delta
_DRAWN = log(
    _SPARE * 2.0**108
)  # for 2**40 numbers, as 1 + exp(epsilon) <= 2 exp(epsilon): epsilon - log(delta) at most
_ROUNDING = 1e-9  # relative; far more than doubles lose when distributions are summed up


@dataclass(frozen=True, slots=True)
class PrivacyLoss:
    """What was released, in rho of 2**-40: with the noise of this room (`gaussian`), and with any other."""

    gaussian: int
    other: int = 0

    @property
    def rho(self) -> int:
        """The total."""
        return self.gaussian + self.other


@dataclass(frozen=True, slots=True)
class EpsilonBound:
    """An epsilon that is never too small, and how it was worked out: `ZCDP` or `PLD`."""

    epsilon: float
    counted: str


class Accountant(Protocol):
    """Converts what was spent into an epsilon for people."""

    def reading(self, spent: PrivacyLoss, delta: float) -> EpsilonBound:
        """The epsilon, at a delta, of all releases together.

        Raises:
            BudgetInvalidError: a rho is negative, or delta not between 0 and 1.
        """
        ...


class Losses(Protocol):
    """Privacy loss distributions, as an outside library computes them."""

    def epsilon(self, distance: float, delta: float) -> float:
        """The epsilon of telling N(0, 1) from N(distance, 1), distance > 0: not below the least, and close to it."""
        ...


@dataclass(frozen=True, slots=True)
class ZcdpAccountant:
    """Converts zCDP: a little more than what was spent."""

    def reading(self, spent: PrivacyLoss, delta: float) -> EpsilonBound:
        """The epsilon of the sum of all rho."""
        return EpsilonBound(epsilon_of(spent.rho, delta), ZCDP)


@dataclass(frozen=True, slots=True)
class LossAccountant:
    """Composes the mechanisms themselves, where all of them are Gaussian; otherwise it converts zCDP."""

    losses: Losses

    def reading(self, spent: PrivacyLoss, delta: float) -> EpsilonBound:
        """The epsilon of one Gaussian that reveals at least as much as all of them."""
        zcdp = epsilon_of(spent.rho, delta)
        if not spent.rho:
            return EpsilonBound(0.0, PLD)
        if spent.other:
            return EpsilonBound(zcdp, ZCDP)
        found = self.losses.epsilon(_distance(spent.gaussian), delta * (1.0 - _SPARE)) * (1.0 + _ROUNDING)
        if found <= zcdp and found <= log(delta) + _DRAWN:
            return EpsilonBound(found, PLD)
        return EpsilonBound(zcdp, ZCDP)


def _distance(rho: int) -> float:
    """The distance of two Gaussians of variance 1 that reveal at least as much as totals of a rho."""
    return sqrt(2.0 * (rho / RHO_ONE) * _INFLATION)
