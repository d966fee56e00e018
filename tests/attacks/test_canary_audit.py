"""The claimed epsilon, held against what many canaries in one run tell of their coins."""

import math

import numpy as np
import pytest
from scipy.stats import beta

from tests.attacks.canaries import CLAIMED, DELTA, Audit, CanaryFits, audit_of_sums

NAMED = "canary audit of {} at a claimed epsilon of 1: empirical lower bound (95 %)"


# --- the auditor ---------------------------------------------------------------------------------------------------
def answers(epsilon, count, seed):
    """Guesses by what randomised response says: right with a chance of e^epsilon / (1 + e^epsilon)."""
    right = np.random.default_rng(seed).random(count) < 1.0 / (1.0 + math.exp(-epsilon))
    return Audit(count, count, int(right.sum()))


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 2.0, 4.0])
def test_of_randomised_response_the_bound_is_near_the_truth_and_seldom_above_it(epsilon):
    bounds = [answers(epsilon, 10_000, seed).bound(0.0) for seed in range(50)]
    assert sum(bound > epsilon for bound in bounds) <= 8  # of 2.5 to expect; more has a chance of .1 %
    assert np.median(bounds) > 0.9 * epsilon


@pytest.mark.parametrize(("count", "right"), [(50, 41), (500, 300), (2000, 1990)])
def test_without_delta_it_is_the_exact_interval_of_a_share(count, right):
    """Clopper and Pearson."""
    share = beta.ppf(0.05, right, count - right + 1)
    assert Audit(count, count, right).bound(0.0) == pytest.approx(math.log(share / (1 - share)), abs=0.006)


def test_who_tells_everything_with_a_chance_of_delta_is_found_to_keep_no_more_than_delta():
    """Each of 1000 coins is told with a chance of .03: that is (0, .03)-DP, and all guesses are right."""
    told = int((np.random.default_rng(1).random(1000) < 0.03).sum())
    found = Audit(1000, told, told)
    assert found.bound(0.0) > 2.0
    assert found.bound(0.03) == 0.0


def test_coins_that_are_guessed_by_chance_refute_nothing():
    assert Audit(1000, 100, 50).bound(DELTA) == Audit(10, 0, 0).bound(DELTA) == Audit(10, 5, 0).bound(DELTA) == 0.0


# --- what it finds -------------------------------------------------------------------------------------------------
def test_canaries_in_noisy_sums_refute_no_epsilon_above_the_claimed_one(attack_report):
    bound = audit_of_sums(runs=80).bound(DELTA)
    assert 0.1 < bound <= CLAIMED  # of whom the auditor is surest, coins are told a little
    attack_report(NAMED.format("sums"), got=bound, of=CLAIMED, unit="epsilon")


@pytest.mark.parametrize("parts", [20, 0])
def test_with_a_twentieth_of_the_noise_or_none_they_refute_it(parts, attack_report):
    bound = audit_of_sums(runs=4, parts=parts).bound(DELTA)
    assert bound > 3.0 * CLAIMED
    attack_report(NAMED.format("sums"), control=bound, of=CLAIMED, unit="epsilon")


def test_canaries_in_noisy_fits_refute_no_epsilon_above_the_claimed_one(attack_report):
    bound = CanaryFits().audit(runs=40).bound(DELTA)
    assert bound <= CLAIMED
    attack_report(NAMED.format("fits"), got=bound, of=CLAIMED, unit="epsilon")


@pytest.mark.parametrize("parts", [20, 0])
def test_of_fits_with_a_twentieth_of_the_noise_or_none_they_refute_it(parts, attack_report):
    bound = CanaryFits(parts=parts).audit(runs=6).bound(DELTA)
    assert bound > 2.5 * CLAIMED
    attack_report(NAMED.format("fits"), control=bound, of=CLAIMED, unit="epsilon")
