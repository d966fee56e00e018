"""The epsilon that people see, against others' ways to work it out: never below the exact one, and close to it."""

import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from medspace.adapters.extras import MissingExtraError
from medspace.adapters.losses import GaussianLosses, _epsilon, installed
from medspace.app.features.budget import service
from medspace.core.engine import RHO_ONE
from medspace.privacy.noise.accounting import cost, epsilon_of
from medspace.privacy.noise.composition import PLD, LossAccountant, PrivacyLoss, ZcdpAccountant
from medspace.privacy.noise.gaussian import draw, seeded
from medspace.privacy.noise.sigma import SIGMA

mpmath = pytest.importorskip("mpmath", reason="the extra `dp` is not installed")
pld = pytest.importorskip("dp_accounting.pld.privacy_loss_distribution")
gaussian_mechanism = pytest.importorskip("dp_accounting.gaussian_mechanism")
rdp = pytest.importorskip("dp_accounting.rdp")

DELTAS = (1e-9, 1e-6, 1e-5, 1e-2)
RHOS = (1e-4, 0.01, 0.1, 1.04, 5.0)
ACCOUNTANT = LossAccountant(GaussianLosses())
CLOSE = 2e-4  # relative


def shown(rho, delta):
    found = ACCOUNTANT.reading(PrivacyLoss(rho), delta)
    assert found.counted == PLD
    return found.epsilon


def units(rho):
    return round(rho * RHO_ONE)


def exact(rho, delta):
    """The epsilon of one Gaussian of that rho (Balle, Wang 2018), with forty digits."""
    with mpmath.workdps(40):
        distance = mpmath.sqrt(mpmath.mpf(2) * rho)

        def lost(epsilon):
            tail = lambda x: mpmath.erfc(x / mpmath.sqrt(2)) / 2  # noqa: E731
            return tail(epsilon / distance - distance / 2) - mpmath.exp(epsilon) * tail(
                epsilon / distance + distance / 2
            )

        low, high = mpmath.mpf(0), mpmath.mpf(100)
        if lost(low) <= delta:
            return 0.0
        for _ in range(120):
            middle = (low + high) / 2
            low, high = (low, middle) if lost(middle) <= delta else (middle, high)
        return float(high)


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("rho", RHOS)
def test_it_is_never_below_the_exact_one_and_close_to_it(rho, delta):
    found, least = shown(units(rho), delta), exact(units(rho) / RHO_ONE, delta)
    assert least <= found <= least * (1 + CLOSE) + 1e-9
    assert found <= epsilon_of(units(rho), delta)
    if least:  # dp-accounting's own formula for one Gaussian, another code than its distributions
        other = gaussian_mechanism.get_epsilon_gaussian(1 / math.sqrt(2 * rho), delta)
        assert found == pytest.approx(other, rel=CLOSE)


def test_the_smallest_and_the_largest_amounts_are_read_as_well():
    for rho in (1, 100, RHO_ONE // 10**6, 7 * RHO_ONE):
        assert exact(rho / RHO_ONE, 1e-5) <= shown(rho, 1e-5) <= epsilon_of(rho, 1e-5)


@settings(max_examples=30, deadline=None)
@given(st.floats(-9.0, 0.7).map(lambda power: 10**power), st.floats(-10.0, -1.0).map(lambda power: 10**power))
def test_whatever_was_spent_it_is_never_below_the_exact_one(rho, delta):
    found = ACCOUNTANT.reading(PrivacyLoss(units(rho)), delta).epsilon
    least = exact(units(rho) / RHO_ONE, delta)
    assert least <= found <= least * (1 + CLOSE) + 1e-9


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("rho", RHOS)
def test_it_is_not_above_what_renyi_accounting_says(rho, delta):
    dp_event = pytest.importorskip("dp_accounting.dp_event")
    accountant = rdp.RdpAccountant(np.concatenate([np.linspace(1.01, 20, 2000), np.geomspace(20, 1e5, 500)]))
    accountant.compose(dp_event.GaussianDpEvent(1 / math.sqrt(2 * rho)))
    # its orders end somewhere, and it may find a little more than the least
    assert shown(units(rho), delta) <= accountant.get_epsilon(delta) * (1 + 1e-6)


# --- the integers that really leave ---------------------------------------------------------------------------------


def lost(epsilon, variance, move):
    """The exact delta of a discrete Gaussian of a variance parameter and itself moved, by summing over integers."""
    width = int(14 * math.sqrt(variance)) + move
    places = np.arange(-width, width + 1, dtype=np.float64)
    logs = -np.square(places) / (2 * variance) - 0.5 * math.log(2 * math.pi * variance)
    losses = (np.square(places - move) - np.square(places)) / (2 * variance)
    gain = -np.expm1(np.minimum(epsilon - losses, 0.0))
    return math.fsum(np.exp(logs) * gain)


@pytest.mark.parametrize("shares", [1, 3])
@pytest.mark.parametrize(("move", "delta"), [(3276, 1e-6), (SIGMA, 1e-5), (2 * SIGMA + 1, 1e-9), (100, 1e-9)])
def test_it_is_not_below_the_exact_one_of_integers(move, delta, shares):
    """A sum of shares is, to 2**-(10**9), the discrete Gaussian of the summed variance."""
    found = shown(cost(move**2, shares), delta)
    variance = shares * SIGMA**2
    assert lost(found, variance, move) <= delta < lost(found * (1 - CLOSE), variance, move)


def test_fifty_two_weeks_are_composed_as_dp_accounting_composes_discrete_gaussians():
    """At sigma 5 and sensitivity 1, week by week; ours have the same rho at a sigma of 2**14."""
    weekly = pld.from_discrete_gaussian_mechanism(5.0, 1, value_discretization_interval=1e-4)
    yearly = weekly.self_compose(52).get_epsilon_for_delta(1e-6)
    assert yearly == pytest.approx(7.46, abs=0.01)
    assert 1.04 + 2 * math.sqrt(1.04 * math.log(1e6)) == pytest.approx(8.62, abs=0.01)  # zCDP, by Bun and Steinke
    assert shown(52 * units(0.02), 1e-6) == pytest.approx(yearly, abs=0.01)


# --- OpenDP ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opendp():
    found = pytest.importorskip("opendp.prelude", reason="OpenDP is not installed")
    found.enable_features("contrib")
    return found


def noise(opendp):
    """OpenDP's discrete Gaussian mechanism on vectors of integers."""
    return opendp.m.make_gaussian(
        opendp.vector_domain(opendp.atom_domain(T=int)), opendp.l2_distance(T=float), scale=float(SIGMA)
    )


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("move", [232, 2317, SIGMA, 3 * SIGMA])
def test_opendp_says_the_same_of_zcdp_and_no_less_than_is_shown(opendp, move, delta):
    mechanism = noise(opendp)
    rho = cost(move**2, 1)
    assert rho / RHO_ONE == pytest.approx(mechanism.map(float(move)), abs=2**-38)
    theirs = opendp.c.make_zCDP_to_approxDP(mechanism).map(float(move)).epsilon(delta)
    assert epsilon_of(rho, delta) == pytest.approx(theirs, rel=1e-6)
    assert shown(rho, delta) <= theirs


def alike(first, second, cells=100):
    """The chance that two samples of one distribution differ as much, over cells of like counts."""
    edges = np.quantile(np.concatenate([first, second]), np.arange(1, cells) / cells)
    table = [np.bincount(np.searchsorted(edges, drawn), minlength=cells) for drawn in (first, second)]
    return chi2_contingency(np.array(table)).pvalue


def test_our_draws_have_the_distribution_of_opendps(opendp):
    """OpenDP takes no seed, so the bound is one that no run meets by chance."""
    ours, theirs = draw(40_000, seeded(bytes(32), "opendp")), np.array(noise(opendp)([0] * 40_000))
    assert alike(ours, theirs) > 1e-9
    assert alike(ours * 12 // 10, theirs) < 1e-9  # the control: a fifth more sigma is seen


# --- without the extra ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("there", "accountant"), [(True, LossAccountant), (False, ZcdpAccountant)])
def test_a_connector_reads_budgets_by_what_is_installed(there, accountant, monkeypatch):
    monkeypatch.setattr(service, "installed", lambda: there)
    space = SimpleNamespace(space=SimpleNamespace(authority="did:web:x"))
    base = SimpleNamespace(database=None, local=None, book=None, sealer=None, config=space)
    assert isinstance(service.budgets_of(base).accountant, accountant)


def test_without_it_the_command_is_said(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "dp_accounting"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    _epsilon.cache_clear()
    with pytest.raises(MissingExtraError) as missing:
        GaussianLosses().epsilon(1.0, 1e-5)
    assert str(missing.value.advice) == 'Run: pip install "medspace[dp]"'


def test_a_connector_loads_it_for_the_first_reading_only():
    program = """
import sys
from medspace.app.features.budget import service
from medspace.adapters.losses import GaussianLosses, installed
heavy = lambda: sorted({"scipy", "dp_accounting", "absl", "tree"} & set(sys.modules))
print(installed(), heavy(), GaussianLosses().epsilon(1.0, 1e-5) > 4.3, bool(heavy()))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "[]", "True", "True"]
    assert installed()
