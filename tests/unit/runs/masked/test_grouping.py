"""Who is with whom, and what counts of several totals: pure, and the same at every site."""

import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import trim_mean

from medspace.core.hashing import digest
from medspace.runs.masked.grouping import Robust, division, inside, split, trimmed
from tests.examples import most
from tests.masked import names


@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 9), st.randoms(use_true_random=False))
def test_everybody_is_in_one_group_and_groups_are_as_large_as_they_can_be(seats, groups, nonce, order):
    sites, manifest = names(seats), digest({"nonce": nonce})
    found = division(manifest, sites, groups)
    assert sorted(site for group in found for site in group) == sites
    assert len(found) == groups
    assert {len(group) for group in found} <= {seats // groups, -(-seats // groups)}
    assert all(list(group) == sorted(group) for group in found)
    mixed = sites.copy()
    order.shuffle(mixed)
    assert division(manifest, mixed, groups) == found


@given(st.integers(3, 10), st.integers(3, 8), st.integers(0, 5))
def test_groups_have_their_fewest_wherever_there_are_enough_sites_at_all(groups, fewest, more):
    found = division(digest({}), names(groups * fewest + more), groups)
    assert min(map(len, found)) >= fewest


def test_who_is_with_whom_depends_on_the_manifest():
    found = {division(digest({"nonce": nonce}), names(9), 3) for nonce in range(50)}
    assert len(found) > 40  # of 1680, in an order of three groups


def test_no_site_is_in_one_group_more_often_than_in_another():
    together = sum(
        any({"did:web:site000", "did:web:site001"} <= set(group) for group in division(digest(number), names(9), 3))
        for number in range(2000)
    )
    assert abs(together / 2000 - 2 / 8) < 0.05  # five standard deviations


@settings(max_examples=most(200))
@given(st.data())
def test_a_trimmed_mean_is_that_of_scipy_and_exact(data):
    count = data.draw(st.integers(3, 12))
    trim = data.draw(st.integers(0, (count - 1) // 2))
    numbers = data.draw(st.lists(st.integers(-(2**40), 2**40), min_size=count, max_size=count))
    found = trimmed([Fraction(number, 8) for number in numbers], trim)
    oracle = trim_mean([number / 8 for number in numbers], (trim + 0.5) / count)
    assert float(found) == pytest.approx(oracle, rel=1e-12, abs=1e-3)
    assert trimmed([Fraction(one, 8) for one in random.Random(1).sample(numbers, count)], trim) == found
    middle = sorted(numbers)[trim : count - trim]
    assert found == Fraction(sum(middle), 8 * len(middle))


def test_numbers_are_compared_exactly_where_floats_could_not_tell_them_apart():
    near = [Fraction(2**80 + one, 3) for one in (1, 0, 2)]
    assert len({float(number) for number in near}) == 1
    assert trimmed(near, 1) == Fraction(2**80 + 1, 3)


@given(st.lists(st.fractions(-1000, 1000), min_size=5, max_size=9), st.data())
def test_as_many_liars_as_are_trimmed_do_not_leave_the_range_of_the_others(honest, data):
    trim = data.draw(st.integers(1, (len(honest) - 1) // 2))
    lies = data.draw(st.lists(st.fractions(), min_size=trim, max_size=trim))
    assert min(honest) <= trimmed([*honest, *lies], trim) <= max(honest)


def test_one_liar_more_goes_where_it_likes():
    """The control, and what is promised of no more."""
    assert trimmed([Fraction(1)] * 2 + [Fraction(10**9)] * 2, 1) > 10**8


@pytest.mark.parametrize(("groups", "trim"), [(2, 1), (3, 0), (3, 2), (4, 2), (101, 1), (0, 0)])
def test_groups_of_which_nothing_is_left_out_or_nothing_is_left_are_none(groups, trim):
    with pytest.raises(ValueError, match="at least one"):
        Robust(groups, trim)


def test_nothing_has_no_mean():
    with pytest.raises(ValueError, match="nothing"):
        trimmed([Fraction(1), Fraction(2)], 1)


def test_totals_lie_one_after_the_other():
    assert split([1, 2, 3, 4, 5, 6], 3) == [[1, 2], [3, 4], [5, 6]]
    assert inside(["c", "a"], {"a": 1, "b": 2}) == {"a": 1}
