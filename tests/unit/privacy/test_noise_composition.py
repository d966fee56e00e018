"""What noisy totals tell together: when the mechanisms themselves are composed, and that the proof's steps hold."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from medspace.core.engine import RHO_ONE
from medspace.privacy.errors import BudgetInvalidError
from medspace.privacy.noise.accounting import epsilon_of
from medspace.privacy.noise.composition import PLD, ZCDP, EpsilonBound, LossAccountant, PrivacyLoss, ZcdpAccountant

DELTA = 1e-5


@dataclass
class Known:
    """Losses that say one epsilon, and keep what they were asked."""

    said: float
    asked: list = field(default_factory=list)

    def epsilon(self, distance, delta):
        self.asked.append((distance, delta))
        return self.said


def read(said, *spent, delta=DELTA):
    losses = Known(said)
    return LossAccountant(losses).reading(PrivacyLoss(*spent), delta), losses.asked


def test_gaussian_noise_is_read_by_its_losses_with_nothing_rounded_down():
    found, ((distance, delta),) = read(1.5, RHO_ONE // 2)
    assert found.counted == PLD
    assert 1.5 < found.epsilon < 1.5 + 1e-8
    assert 1.0 < distance**2 / (2 * 0.5) < 1 + 1e-7
    # one site's noise, of variance parameter 2**28, rounded at random from one that is 4 less
    assert distance**2 >= 1 / (1 - 4 / 2**28)
    assert DELTA * (1 - 1e-5) < delta < DELTA


@pytest.mark.parametrize(
    ("said", "spent", "delta"),
    [
        (1.5, (RHO_ONE // 2, 1), DELTA),  # of other noise only its rho is known
        (9.9, (RHO_ONE // 2,), DELTA),  # zCDP is the closer one
        (math.inf, (RHO_ONE // 2,), DELTA),
        (50.0, (30 * RHO_ONE,), DELTA),  # where 2**-149 times exp(epsilon) is no longer nothing beside delta
        (800.0, (900 * RHO_ONE,), DELTA),
        (1.5, (RHO_ONE // 2,), 1e-30),
    ],
)
def test_otherwise_zcdp_is_converted(said, spent, delta):
    assert read(said, *spent, delta=delta)[0] == EpsilonBound(epsilon_of(sum(spent), delta), ZCDP)
    assert ZcdpAccountant().reading(PrivacyLoss(*spent), delta) == EpsilonBound(epsilon_of(sum(spent), delta), ZCDP)


def test_nothing_was_spent():
    assert read(math.nan, 0) == (EpsilonBound(0.0, PLD), [])
    assert ZcdpAccountant().reading(PrivacyLoss(0), DELTA).epsilon == 0.0


def test_what_cannot_be_is_refused():
    for spent, delta in ((PrivacyLoss(-1), DELTA), (PrivacyLoss(1), 0.0), (PrivacyLoss(0), math.nan)):
        with pytest.raises(BudgetInvalidError):
            LossAccountant(Known(1.0)).reading(spent, delta)


# --- the proof, where noise is so small that its steps can be seen --------------------------------------------------
WIDTH = 60


def discrete(variance, width=WIDTH):
    """The discrete Gaussian of a variance parameter, from -width to width."""
    weights = np.exp(-np.square(np.arange(-width, width + 1.0)) / (2 * variance))
    return weights / weights.sum()


@pytest.mark.parametrize("sigma_squared", [0.5, 1.0])
@pytest.mark.parametrize("shares", [2, 4])
def test_a_sum_of_shares_is_one_discrete_gaussian_but_for_a_factor_that_tau_bounds(sigma_squared, shares):
    summed = np.ones(1)
    for _ in range(shares):
        summed = np.convolve(summed, discrete(sigma_squared))
    one = discrete(shares * sigma_squared, (len(summed) - 1) // 2)
    middle = slice(len(one) // 2 - 15, len(one) // 2 + 16)
    apart = float(np.abs(np.log(summed[middle] / one[middle])).max())
    tau = 10 * sum(math.exp(-2 * math.pi**2 * sigma_squared * k / (k + 1)) for k in range(1, shares))
    assert 1e-4 * tau < apart < tau  # it is none, and no further away


def lost(first, second, epsilon):
    """The least delta with which two distributions are told apart at an epsilon."""
    return math.fsum(np.maximum(first - math.exp(epsilon) * second, 0.0).ravel())


def lost_of_gaussian(distance, epsilon):
    """The same of N(0, 1) and N(distance, 1) (Balle, Wang 2018)."""
    tail = lambda x: 0.5 * math.erfc(x / math.sqrt(2))  # noqa: E731
    return tail(epsilon / distance - distance / 2) - math.exp(epsilon) * tail(epsilon / distance + distance / 2)


EPSILONS = np.linspace(0.0, 4.0, 41)


@pytest.mark.parametrize("move", [(1, 0), (2, 1), (3, 0), (3, 3)])
def test_a_discrete_gaussian_tells_no_more_than_a_continuous_one_of_a_variance_less_by_four(move):
    noise = discrete(25)
    both = np.outer(noise, noise)
    moved = np.roll(both, move, axis=(0, 1))  # at the edge there is nothing: 12 sigma
    length = math.hypot(*move)
    for epsilon in EPSILONS:
        assert lost(both, moved, epsilon) <= lost_of_gaussian(length / math.sqrt(25 - 4), epsilon) + 1e-15


def test_of_the_same_variance_it_does_tell_more():
    """The control: without the slack the epsilon would be below the exact one, if by very little."""
    noise = discrete(25)
    more = [lost(noise, np.roll(noise, 3), epsilon) - lost_of_gaussian(3 / 5, epsilon) for epsilon in EPSILONS]
    assert max(more) > 1e-6


def test_randomly_rounded_a_continuous_gaussian_is_the_discrete_one():
    places = np.linspace(-1.0, 1.0, 401)
    integers = np.arange(-40, 41)
    sums = np.exp(-np.square(places[:, None] - integers) / 8).sum(axis=1)
    assert np.ptp(sums) / sums.mean() < 1e-14  # the same wherever one rounds from; in truth 2**-112
    narrow = np.exp(-np.square(places[:, None] - integers) * 2).sum(axis=1)
    assert np.ptp(narrow) / narrow.mean() > 1e-3  # the control: rounding to what is nearest is another thing
