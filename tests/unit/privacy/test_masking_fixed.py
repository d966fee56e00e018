"""Fixed point: exact both ways, and a bound that holds up to its edge."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.privacy.masking import fixed
from medspace.privacy.masking.errors import NumberInvalidError
from medspace.privacy.masking.ring import WIDTHS, Ring

FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e200, max_value=1e200)
BITS = st.integers(0, fixed.MOST_FRACTION)


@given(st.lists(FINITE, max_size=8), BITS)
def test_doubles_become_the_nearest_integers(values, fraction):
    expected = [round(Fraction(value) * 2**fraction) for value in values]  # halves to even
    assert fixed.integers(values, fraction) == expected
    assert [fixed.integer(value, fraction) for value in values] == expected


@pytest.mark.parametrize(("value", "expected"), [(0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, -2), (-2.5, -2)])
def test_halves_go_to_the_even_one(value, expected):
    assert fixed.integers([value], 0) == [expected]
    assert fixed.integers([value / 2**96], 96) == [expected]


def test_the_smallest_and_the_longest_doubles_are_exact():
    values = [5e-324, -5e-324, 2.0**-97, 3 * 2.0**-97, 1 + 2.0**-52, 1e27, -0.0]
    assert fixed.integers(values, 96) == [round(Fraction(value) * 2**96) for value in values]


@given(st.lists(st.floats(-1e6, 1e6), max_size=8), st.integers(0, 40))
def test_arrays_are_quantised_like_lists(values, fraction):
    found = fixed.small_integers(values, fraction)
    assert found.dtype == np.int64
    assert found.tolist() == fixed.integers(values, fraction)


def test_arrays_hold_64_bits():
    assert fixed.small_integers([-(2.0**63), 2.0**62], 0).tolist() == [-(2**63), 2**62]
    for value in (2.0**63, -(2.0**63) - 2**11):
        with pytest.raises(NumberInvalidError):
            fixed.small_integers([value], 0)


@given(FINITE, BITS)
def test_quantisation_moves_a_value_by_no_more_than_stated(value, fraction):
    moved = abs(fixed.exact(fixed.integer(value, fraction), fraction) - Fraction(value))
    assert moved <= fixed.quantisation(fraction)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.integers(0, 60))
def test_and_a_sum_by_no_more_than_so_many_times_that(values, fraction):
    total = sum(fixed.integers(values, fraction))
    assert abs(fixed.exact(total, fraction) - sum(map(Fraction, values))) <= fixed.quantisation(fraction, len(values))


def test_the_stated_quantisation_is_reached():
    assert abs(fixed.exact(fixed.integer(0.5, 0), 0) - Fraction(1, 2)) == fixed.quantisation(0)


@given(st.integers(-(2**255), 2**255), BITS)
def test_integers_stand_for_fractions_and_their_nearest_doubles(number, fraction):
    stands_for = fixed.exact(number, fraction)
    assert stands_for == Fraction(number, 2**fraction)
    assert fixed.nearest(number, fraction) == float(stands_for)


@given(FINITE.filter(lambda value: value == 0 or abs(value) > 1e-12), st.just(96))
def test_doubles_of_every_size_that_occurs_come_back(value, fraction):
    back = fixed.nearest(fixed.integer(value, fraction), fraction)
    assert abs(back - value) <= 2.0**-97 + abs(value) * 2.0**-53


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value):
    for use in (
        lambda: fixed.integers([1.0, value], 8),
        lambda: fixed.small_integers([value], 8),
        lambda: fixed.integer(value, 8),
        lambda: fixed.bound(value, 8),
    ):
        with pytest.raises(NumberInvalidError):
            use()


def test_what_is_too_large_to_be_scaled_is_refused():
    with pytest.raises(NumberInvalidError):
        fixed.integers([1e300], 96)


@pytest.mark.parametrize("fraction", [-1, 256])
def test_there_are_no_other_fractions(fraction):
    for use in (fixed.integers, fixed.small_integers):
        with pytest.raises(ValueError):
            use([1.0], fraction)
    for use in (fixed.integer, fixed.bound):
        with pytest.raises(ValueError):
            use(1.0, fraction)


@given(FINITE, st.floats(0, 1), BITS)
def test_no_integer_is_above_the_bound_of_its_value(largest, share, fraction):
    value = abs(largest) * share
    assert abs(fixed.integer(-value, fraction)) <= fixed.bound(abs(largest), fraction)


def test_a_bound_is_rounded_up():
    assert [fixed.bound(value, 0) for value in (0, 0.6, 1, 1.0000001)] == [0, 1, 1, 2]
    assert fixed.integer(0.6, 0) == 1


def test_a_bound_is_not_negative():
    with pytest.raises(NumberInvalidError):
        fixed.bound(-1e-9, 8)


def test_squares_of_large_values_over_many_rows_and_sites_fit():
    largest = fixed.bound(Fraction(10**6) ** 2 * 10**8, 96)
    assert fixed.fits(largest, 100, Ring(192))
    assert (largest * 100).bit_length() == 170
    assert not fixed.fits(largest, 100, Ring(128))


@st.composite
def limits(draw):
    """A ring, a number of sites, and the largest bound that fits, or the next one."""
    ring, sites = Ring(draw(st.sampled_from(WIDTHS))), draw(st.integers(1, 1000))
    return ring, sites, ring.largest // sites


@given(limits(), st.data())
def test_what_fits_never_goes_over_and_the_next_one_can(case, data):
    ring, sites, most = case
    assert fixed.fits(most, sites, ring)
    assert not fixed.fits(most + 1, sites, ring)
    sign = data.draw(st.sampled_from([1, -1]))
    survivors = data.draw(st.integers(1, sites))
    words = ring.encode([sign * most])
    assert ring.decode(ring.total([words] * survivors)) == [sign * most * survivors]
    if ring.largest >= most + 1 and (most + 1) * sites > ring.largest + 1:  # two's complement has one more below
        over = ring.encode([sign * (most + 1)])
        assert ring.decode(ring.total([over] * sites)) != [sign * (most + 1) * sites]


def test_bounds_may_differ_by_number():
    ring = Ring(32)
    assert fixed.fits([1, 2**31 // 3], 3, ring)
    assert not fixed.fits([1, 2**31 // 3 + 1], 3, ring)
    assert not fixed.fits([1, -1], 3, ring)
    assert not fixed.fits(1, 0, ring)


def test_a_sum_is_in_range_up_to_its_bound():
    assert fixed.in_range([30, -30], 10, 3)
    assert not fixed.in_range([30, -31], 10, 3)
    assert fixed.in_range([3, -30], [1, 10], 3)
    assert not fixed.in_range([4, -30], [1, 10], 3)
    with pytest.raises(ValueError):
        fixed.in_range([1, 2], [1], 3)
