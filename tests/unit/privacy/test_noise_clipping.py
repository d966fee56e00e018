"""What one person adds to a noisy sum is cut and rounded; two tables that differ in one person differ by no more."""

import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.privacy.errors import NoiseInvalidError
from medspace.privacy.noise.accounting import cost, epsilon_of, sensitivity_for
from medspace.privacy.noise.clipping import clipped, grouped, quantised, scale_for, sensitivity
from medspace.privacy.noise.gaussian import draw
from tests.examples import most

ANY = st.floats(allow_nan=True, allow_infinity=True)


@st.composite
def neighbours(draw):
    """Rows of a few persons, and the same with one person replaced."""
    width = draw(st.integers(1, 5))
    rows = st.lists(ANY, min_size=width, max_size=width)
    table = draw(st.lists(st.tuples(rows, st.integers(0, 4)), min_size=1, max_size=12))
    instead = draw(st.lists(rows, max_size=5))
    person = table[0][1]
    other = [one for one in table if one[1] != person] + [(row, person) for row in instead]
    return width, table, other


def summed(width, table, norm, scale):
    values = np.array([row for row, _ in table], dtype=np.float64).reshape(-1, width)
    persons = np.array([person for _, person in table], dtype=np.int64)
    return quantised(clipped(grouped(values, persons), norm).vectors, scale)


@settings(max_examples=most(300))
@given(neighbours(), st.floats(1e-3, 100.0), st.floats(1e-2, 1e5))
def test_one_person_changes_a_sum_by_no_more_than_its_sensitivity(both, norm, scale):
    width, table, other = both
    one, two = (summed(width, each, norm, scale) for each in (table, other))
    assert sum((a - b) ** 2 for a, b in zip(one, two, strict=True)) <= sensitivity(norm, scale, width) ** 2


def test_without_clipping_one_person_changes_it_by_more():
    """The control."""
    far = np.array([[1000.0], [0.0]])
    assert abs(quantised(far, 10.0)[0] - quantised(far[1:], 10.0)[0]) > sensitivity(1.0, 10.0, 1)


def test_the_rows_of_a_person_count_once():
    made = grouped(np.array([[3.0, 0.0], [0.0, 1.0], [0.0, 4.0]]), np.array([7, 1, 7]))
    assert sorted(made.tolist()) == [[0.0, 1.0], [3.0, 4.0]]
    cut = clipped(made, 2.5)
    assert cut.shortened.sum() == 1
    assert np.allclose(sorted(cut.vectors.tolist()), [[0.0, 1.0], [1.5, 2.0]])
    assert grouped(np.zeros((0, 2)), np.zeros(0, dtype=np.int64)).shape == (0, 2)
    assert quantised(np.zeros((0, 2)), 3.0) == [0, 0]


@given(st.integers(10, 10**9), st.floats(1e-3, 1e3), st.integers(1, 5))
def test_a_scale_has_the_sensitivity_that_it_was_made_for(most, norm, width):
    scale = scale_for(most, norm, width)
    assert sensitivity(norm, scale, width) <= most
    assert sensitivity(norm, scale * 1.01, width) > most * 1.005 - 3 * math.sqrt(width)


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_norm_or_scale_is_refused(wrong):
    some = np.ones((1, 1))
    for call in (
        lambda: clipped(some, wrong),
        lambda: quantised(some, wrong),
        lambda: sensitivity(wrong, 1.0, 1),
        lambda: sensitivity(1.0, wrong, 1),
        lambda: scale_for(100, wrong, 1),
    ):
        with pytest.raises(NoiseInvalidError):
            call()


def test_what_does_not_fit_is_refused():
    with pytest.raises(NoiseInvalidError, match="too large"):
        quantised(np.array([[2.0]]), 1e9)
    with pytest.raises(NoiseInvalidError, match="too small"):
        scale_for(1, 1.0, 100)


def outputs(value, shares, count=200_000):
    return value + sum(draw(count, os.urandom) for _ in range(shares))


def lost(one, two, epsilon):
    """The delta that two samples show at an epsilon, over cells of a sigma (the hockey-stick divergence)."""
    edges = np.arange(-12, 13) * 2**14
    shares = [np.histogram(each, edges)[0] / len(each) for each in (one, two)]
    return float(np.maximum(shares[0] - np.exp(epsilon) * shares[1], 0.0).sum())


def test_outputs_on_neighbouring_tables_are_as_alike_as_their_cost_says():
    shares, delta = 3, 1e-2
    apart = sensitivity_for(int(0.02 * 2**40), shares)
    claimed = epsilon_of(cost(apart**2, shares), delta)
    assert claimed < 0.5
    assert lost(outputs(apart, shares), outputs(0, shares), claimed) < delta
    assert lost(outputs(0, shares), outputs(apart, shares), claimed) < delta
    # The control: with the noise of one site in place of three's and twice the distance it is seen to be more.
    assert lost(outputs(2 * apart, 1), outputs(0, 1), claimed) > 5 * delta
