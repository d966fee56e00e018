"""What noise costs: the conversions, the costs of sums, and decisions on amounts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from medspace.core.engine import RHO_ONE
from medspace.privacy.errors import BudgetInvalidError
from medspace.privacy.noise.accounting import cost, epsilon_of, rho_of, sensitivity_for
from medspace.privacy.noise.budget import Allowed, Taken, decide
from medspace.privacy.noise.sigma import SIGMA

DELTAS = (1e-9, 1e-6, 1e-5, 1e-2)


def oracle(rho, delta):
    """The least epsilon of the formula, found by scipy in another variable."""

    def epsilon(inverse):
        alpha = 1.0 / inverse
        return (
            alpha * rho + math.log1p(-1 / alpha) * alpha / (alpha - 1) - math.log(delta * (alpha - 1)) / (alpha - 1)
        )

    found = [
        minimize_scalar(epsilon, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).fun
        for low, high in ((1e-7, 1e-3), (1e-3, 0.1), (0.1, 0.999))
    ]
    return max(min(found), 0.0)


def exact(rho, delta):
    """The epsilon of one Gaussian of that rho (Balle, Wang 2018), by bisection: what no conversion may be below."""
    mu = math.sqrt(2 * rho)

    def lost(epsilon):
        tail = lambda x: 0.5 * math.erfc(x / math.sqrt(2))  # noqa: E731
        return tail(epsilon / mu - mu / 2) - math.exp(epsilon) * tail(epsilon / mu + mu / 2)

    low, high = 0.0, 500.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (low, middle) if lost(middle) <= delta else (middle, high)
    return high


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("rho", [1e-4, 0.01, 0.1, 1.0, 5.0])
def test_an_epsilon_is_nearly_the_least_and_never_too_small(rho, delta):
    found = epsilon_of(round(rho * RHO_ONE), delta)
    assert found == pytest.approx(oracle(rho, delta), abs=1e-6)
    assert found >= exact(rho, delta) - 1e-12  # its bisection ends there
    assert found <= rho + 2 * math.sqrt(rho * math.log(1 / delta)) + 1e-9  # the conversion of Bun and Steinke


@given(st.floats(1e-3, 1000.0), st.floats(1e-12, 0.5))
def test_the_rho_of_an_epsilon_is_the_largest_within_it(epsilon, delta):
    rho = rho_of(epsilon, delta)
    assert epsilon_of(rho, delta) <= epsilon < epsilon_of(rho + 1, delta) + 1e-9


def test_nothing_costs_nothing():
    assert epsilon_of(0, 1e-5) == 0.0


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.nan, math.inf, 1000.1])
def test_what_is_no_epsilon_is_refused(epsilon):
    with pytest.raises(BudgetInvalidError, match="epsilon"):
        rho_of(epsilon, 1e-5)


@pytest.mark.parametrize("delta", [0.0, -1e-5, 1.0, math.nan, math.inf])
def test_what_is_no_delta_is_refused(delta):
    with pytest.raises(BudgetInvalidError, match="delta"):
        rho_of(1.0, delta)
    with pytest.raises(BudgetInvalidError, match="delta"):
        epsilon_of(1, delta)


def test_a_rho_below_nothing_is_refused():
    with pytest.raises(BudgetInvalidError, match="rho"):
        epsilon_of(-1, 1e-5)


def test_a_sum_costs_what_the_noise_of_all_its_sites_leaves():
    # D² / (2 n sigma²), and one unit for the sum being no discrete Gaussian.
    assert cost(SIGMA * SIGMA, 1) == RHO_ONE // 2 + 1
    assert cost(SIGMA * SIGMA, 4) == RHO_ONE // 8 + 1
    assert cost(1, 3) == math.ceil(RHO_ONE / (6 * SIGMA * SIGMA)) + 1
    assert cost(0, 1) == 1


@given(st.integers(0, 100 * RHO_ONE), st.integers(1, 1000))
def test_the_sensitivity_of_a_rho_is_the_largest_within_it(rho, shares):
    found = sensitivity_for(rho, shares)
    assert found == 0 or cost(found**2, shares) <= rho
    assert cost((found + 1) ** 2, shares) > rho


def test_what_cannot_be_is_refused():
    for call in (lambda: cost(-1, 1), lambda: cost(1, 0), lambda: sensitivity_for(1, 0)):
        with pytest.raises(ValueError, match="noise is somebody's"):
            call()
    with pytest.raises(ValueError, match="gives back"):
        decide(Allowed(1), Taken(0, 0), -1)


def test_a_demand_must_fit_into_each_limit():
    one = rho_of(1.0, 1e-5)
    allowed = Allowed(3 * one, 2 * one, one)
    assert decide(allowed, Taken(0, 0), one).permitted
    assert decide(allowed, Taken(2 * one, one), one).permitted
    assert decide(Allowed(one), Taken(0, 9 * one), one).permitted
    for taken, demand, code in (
        (Taken(2 * one + 1, 0), one, "budget.year"),
        (Taken(0, one + 1), one, "budget.agreement"),
        (Taken(0, 0), one + 1, "budget.task"),
    ):
        assert decide(allowed, taken, demand).code == code


def test_what_is_left_is_not_overstated():
    allowed = Allowed(rho_of(1.0, 1e-5))
    (premise,) = decide(allowed, Taken(rho_of(0.5, 1e-5), 0), rho_of(0.9, 1e-5)).failures
    assert premise.asked.facts["most"] in ("1.00", "0.99")
    assert float(premise.held.facts["wanted"]) >= 0.9
    left = float(premise.held.facts["left"])
    assert rho_of(left, 1e-5) <= allowed.year - rho_of(0.5, 1e-5)
    assert np.isclose(left, epsilon_of(allowed.year - rho_of(0.5, 1e-5), 1e-5), atol=0.01)
