"""The partial likelihood by its definition, against an independent library, and how rows carry its sums."""

import itertools
import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.learning.cox.maths import Survival, concordance, partial
from medspace.privacy.exposure import extended, leverages
from tests.examples import most
from tests.unit.learning.survivals import made

TIES = ("efron", "breslow")


def survival(table, *, entry=False):
    return Survival(
        np.array(table["time"]),
        np.array(table["event"]) == 1.0,
        np.array(table["start"]) if entry else None,
    )


def matrix(table):
    return np.column_stack([table[f"x{k}"] for k in range(3)])


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("entry", [False, True])
def test_the_sums_are_those_of_statsmodels(ties, tied, entry):
    table = made(120, 3, ties=tied, entry=entry)
    beta = np.array([0.4, -0.3, 0.1])
    found = partial(matrix(table), survival(table, entry=entry), matrix(table) @ beta, ties)
    start = np.array(table["start"]) if entry else None
    oracle = sm.PHReg(np.array(table["time"]), matrix(table), np.array(table["event"]), entry=start, ties=ties)
    assert found.deviance == pytest.approx(-2.0 * oracle.loglike(beta), rel=1e-10)
    assert found.gradient == pytest.approx(oracle.score(beta), rel=1e-9, abs=1e-9)
    assert found.hessian == pytest.approx(-oracle.hessian(beta), rel=1e-9, abs=1e-9)


def by_definition(x, time, event, entry, beta, efron):
    """Each event compared with who is at risk, one after the other."""
    risk = np.exp(x @ beta)
    likelihood = 0.0
    for moment in sorted(set(time[event])):
        at_risk = (time >= moment) & (entry < moment)
        dying = (time == moment) & event
        for place, row in enumerate(np.flatnonzero(dying)):
            share = place / dying.sum() if efron else 0.0
            likelihood += x[row] @ beta - math.log(risk[at_risk].sum() - share * risk[dying].sum())
    return likelihood


@settings(max_examples=most(60), deadline=None)
@given(seed=st.integers(0, 10**6), efron=st.booleans(), count=st.integers(2, 25))
def test_it_is_the_likelihood_by_its_definition_and_its_derivatives(seed, efron, count):
    source = np.random.default_rng(seed)
    x = source.normal(size=(count, 2))
    entry = source.integers(0, 3, count).astype(float)
    time = entry + source.integers(1, 6, count)
    event = source.random(count) < 0.7
    beta = source.normal(size=2)
    ties = "efron" if efron else "breslow"

    def deviance(at):
        return partial(x, Survival(time, event, entry), x @ at, ties)

    found = deviance(beta)
    assert found.deviance == pytest.approx(-2.0 * by_definition(x, time, event, entry, beta, efron), abs=1e-9)
    step = 1e-5
    for k in range(2):
        move = np.eye(2)[k] * step
        up, down = deviance(beta + move), deviance(beta - move)
        assert (down.deviance - up.deviance) / (4.0 * step) == pytest.approx(found.gradient[k], abs=1e-5)
        assert (down.gradient - up.gradient) / (2.0 * step) == pytest.approx(found.hessian[k], abs=1e-5)


@settings(max_examples=most(40), deadline=None)
@given(seed=st.integers(0, 10**6), efron=st.booleans())
def test_residuals_and_weights_are_what_each_row_carries(seed, efron):
    table = made(30, seed, ties=True, entry=True)
    x, timed = matrix(table), survival(table, entry=True)
    eta = x @ np.array([0.5, 0.2, -0.4])
    found = partial(x, timed, eta, "efron" if efron else "breslow")
    assert x.T @ found.residuals == pytest.approx(found.gradient, abs=1e-9)
    assert found.residuals.sum() == pytest.approx(0.0, abs=1e-9)
    assert found.weights.sum() == pytest.approx(found.events)
    shares = list(shares_of(timed, eta, efron=efron))
    assert found.weights == pytest.approx(sum(shares, np.zeros(30)), abs=1e-9)
    kernel = np.diag(found.weights) - sum((np.outer(one, one) for one in shares), np.zeros((30, 30)))
    assert x.T @ kernel @ x == pytest.approx(found.hessian, abs=1e-9)


def shares_of(timed, eta, *, efron):
    """Each row's share of each comparison, event by event."""
    risk, entry = np.exp(eta), timed.entry if timed.entry is not None else np.full(len(eta), -1.0)
    for moment in sorted(set(timed.time[timed.event])):
        dying = (timed.time == moment) & timed.event
        for place in range(dying.sum()):
            share = place / dying.sum() if efron else 0.0
            weights = risk * ((timed.time >= moment) & (entry < moment)) * (1.0 - share * dying)
            yield weights / weights.sum()


@pytest.mark.parametrize("seed", range(4))
def test_no_person_or_pair_is_nearer_to_the_sums_than_by_weights_and_residuals(seed):
    """The Hessian holds products of two rows too: in the space of all rows and pairs nobody stands out more."""
    table = made(60, seed)
    x, timed = matrix(table), survival(table)
    pairs = np.triu_indices(60, 1)
    everybody = np.concatenate([np.ones(60), np.zeros(len(pairs[0]))])[:, None]
    judged, whole = (extended(rows[:, :0], rows) for rows in (np.ones((60, 1)), everybody))
    for step in np.linspace(0.0, 1.0, 6):
        eta = step * x @ np.array([0.7, -0.4, 0.1])
        found = partial(x, timed, eta, "efron")
        kernel = np.diag(found.weights) - sum(np.outer(one, one) for one in shares_of(timed, eta, efron=True))
        linear = np.concatenate([found.residuals, np.zeros(len(pairs[0]))])
        judged = extended(judged, np.column_stack([found.weights, found.residuals]))
        whole = extended(whole, np.column_stack([linear, np.concatenate([np.diag(kernel), 2.0 * kernel[pairs]])]))
        assert leverages(whole).max() <= leverages(judged).max() + 0.035


def test_only_differences_matter():
    table = made(50, 8)
    x, timed = matrix(table), survival(table)
    eta = x @ np.array([0.5, 0.2, -0.4])
    found, moved = partial(x, timed, eta, "efron"), partial(x + 1e6, timed, eta + 500.0, "efron")
    assert moved.deviance == pytest.approx(found.deviance, rel=1e-9)
    assert moved.gradient == pytest.approx(found.gradient, abs=1e-6)
    assert moved.hessian == pytest.approx(found.hessian, abs=1e-6)


def test_without_events_there_is_nothing():
    found = partial(np.ones((3, 2)), Survival(np.arange(1.0, 4.0), np.zeros(3, bool)), np.zeros(3), "efron")
    assert (found.events, found.deviance) == (0, 0.0)
    assert not any(part.any() for part in (found.gradient, found.hessian, found.weights))


def pairs_by_definition(time, event, entry, groups):
    pairs = ordered = 0
    for one, other in itertools.permutations(range(len(time)), 2):
        later = time[other] > time[one] or (time[other] == time[one] and not event[other])
        if event[one] and later and entry[other] < time[one]:
            pairs += 1
            ordered += 2 * (groups[one] > groups[other]) + (groups[one] == groups[other])
    return pairs, ordered


@settings(max_examples=most(100), deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 20), late=st.booleans())
def test_pairs_are_counted_as_by_their_definition(seed, count, late):
    source = np.random.default_rng(seed)
    entry = source.integers(0, 3, count).astype(float) if late else np.zeros(count)
    time = entry + source.integers(1, 5, count)
    event, groups = source.random(count) < 0.6, source.integers(0, 4, count)
    found = concordance(Survival(time, event, entry if late else None), groups)
    assert (found.pairs, found.ordered) == pairs_by_definition(time, event, entry, groups)
    assert found.index == (found.ordered / (2 * found.pairs) if found.pairs else None)


def test_sums_that_would_have_no_digits_are_no_numbers():
    """Two rows early, and many that enter later with a risk 1e13 times as high."""
    time = np.array([1.0, 2.0, *range(12, 32)])
    entry = np.array([0.0, 0.0, *[10.0] * 20])
    eta = np.array([-15.0, -15.0, *[15.0] * 20])
    found = partial(np.ones((22, 1)) * time[:, None], Survival(time, time > 0.0, entry), eta, "efron")
    assert np.isnan(found.hessian).all()
    near = partial(np.ones((22, 1)) * time[:, None], Survival(time, time > 0.0, entry), eta / 2.0, "efron")
    assert np.isfinite(near.hessian).all()
