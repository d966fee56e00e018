"""What many answers tell together, and the rounding of each."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.privacy.errors import DisclosureError
from medspace.privacy.exposure import MOST_PLACES, differs_by_few, exposes, extended, leverages, places
from medspace.privacy.rounding import quanta, rounded, unrounded


def nothing(count):
    return np.empty((count, 0))


def test_ones_rest_on_everybody_alike():
    basis = extended(nothing(50), np.ones((50, 1)))
    assert leverages(basis) == pytest.approx(np.full(50, 0.02))


def test_the_difference_of_two_planes_rests_on_the_person_between_them():
    planes = np.array([[1.0, 1.0]] * 30 + [[1.0, 0.0]] + [[0.0, 0.0]] * 30)
    one = extended(nothing(61), planes[:, :1])
    both = extended(one, planes[:, 1:])
    assert not exposes(nothing(61), one)
    assert exposes(one, both)
    assert leverages(both)[30] == pytest.approx(1.0)


def test_what_was_answered_before_adds_nothing():
    vectors = np.random.default_rng(1).normal(size=(40, 39))
    basis = extended(nothing(40), vectors)
    again = extended(basis, vectors[:, ::-1] @ np.diag(np.linspace(1.0, 9.0, 39)))
    assert again.shape == basis.shape
    assert not exposes(basis, again)


def test_directions_below_the_rounding_do_not_count_and_those_above_do():
    source = np.random.default_rng(2)
    first = source.random((100, 1)) + 1.0
    basis = extended(nothing(100), first)
    other = source.normal(size=(100, 1))
    for size, count in ((1e-9, 1), (1e-3, 2)):
        assert extended(basis, first + size * other).shape[1] == count
    assert extended(basis, np.zeros((100, 1))).shape[1] == 1


@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(1, 30))
def test_leverages_are_those_of_the_projection(seed, count, width):
    vectors = np.random.default_rng(seed).normal(size=(count, width))
    found = leverages(extended(nothing(count), vectors))
    expected = np.diag(vectors @ np.linalg.pinv(vectors, rcond=1e-12))
    assert found == pytest.approx(expected, abs=1e-5)


def test_persons_have_places_and_many_share_them():
    place, width = places(np.array([7, 7, 3], dtype=np.uint64))
    assert (place.tolist(), width) == ([1, 1, 0], 2)
    many = np.arange(10_000, dtype=np.uint64) * np.uint64(2**40 + 1)
    place, width = places(many)
    assert width == MOST_PLACES
    assert place.max() < width


def test_sets_may_be_the_same_or_differ_by_many():
    one = np.arange(50) < 30
    for other, few in ((30, False), (31, True), (39, True), (40, False), (20, False), (21, True)):
        assert differs_by_few(one, np.arange(50) < other, 10) is few


@given(st.integers(-(10**12), 10**12), st.floats(0.0, 1e12))
def test_a_rounded_sum_is_a_multiple_of_its_quantum_and_near(millions, slack):
    total = millions * 1e-6
    bound = abs(total) + slack
    made, step = float(rounded(total, bound)), float(quanta(np.float64(bound)))
    assert abs(made - total) <= bound * 2.0**-24
    assert step == 0.0 or (made / step == round(made / step) and np.log2(step) == round(np.log2(step)))


def test_whole_numbers_stay_whole_and_nothing_stays_nothing():
    assert rounded(np.array([3.0, 0.0, 12345.0]), np.array([304.0, 0.0, 2e6])).tolist() == [3.0, 0.0, 12345.0]
    assert float(unrounded(0.1 + 0.2, 1.0)) == 0.1 + 0.2


def test_a_refusal_says_the_same_whatever_its_cause():
    one, other = DisclosureError("release.weight"), DisclosureError("release.exposure")
    assert (one.code, str(one)) == (other.code, str(other)) == ("privacy.withheld", str(other))
    assert (one.cause_code, other.cause_code) == ("release.weight", "release.exposure")
    assert "release." not in str(one)
