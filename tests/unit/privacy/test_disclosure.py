"""A sum, a feature or a score never stands for fewer persons than it must."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.privacy.disclosure import effective, grouped, without_scarce

WEIGHTS = st.lists(st.floats(0.0, 1e6), min_size=1, max_size=60)


def each(count):
    return np.arange(count, dtype=np.int64)


def test_equal_weights_count_every_person():
    assert effective(np.full(37, 0.25), each(37)) == 37


def test_one_weight_alone_is_one_person_however_many_rows_there_are():
    weights = np.zeros(303)
    weights[7] = 0.25
    assert effective(weights, each(303)) == 1


def test_no_weight_is_nobody():
    assert effective(np.zeros(5), each(5)) == 0
    assert effective(np.array([]), each(0)) == 0


def test_weights_that_are_not_finite_are_nobody():
    assert effective(np.array([np.inf, 1.0]), each(2)) == 0


def test_several_rows_of_one_person_are_one_person():
    assert effective(np.ones(30), np.repeat(each(3), 10)) == 3


@given(WEIGHTS)
def test_never_more_than_the_persons_who_have_weight(weights):
    array = np.array(weights)
    assert 0 <= effective(array, each(len(array))) <= np.count_nonzero(array)


@given(WEIGHTS, st.floats(1e-6, 1e6))
def test_the_scale_of_the_weights_does_not_matter(weights, scale):
    array = np.array(weights) + 1e-3
    same = effective(array * scale, each(len(array)))
    assert abs(same - effective(array, each(len(array)))) <= 1  # rounding at a whole number


def test_a_feature_that_two_persons_have_is_hidden_and_others_stay():
    values = np.full((20, 3), 1.0)
    values[2:, 0] = np.nan  # two persons have it
    values[:5, 1:] = np.nan  # fifteen persons have it, in two columns
    hidden = without_scarce(values, [1, 2], each(20), 10)
    assert np.isnan(hidden[:, 0]).all()
    np.testing.assert_array_equal(hidden[:, 1:], values[:, 1:])
    assert not np.isnan(values[:2, 0]).any()  # the rows themselves are untouched


def test_a_feature_that_nobody_has_or_enough_have_stays_as_it_is():
    values = np.column_stack([np.full(12, np.nan), np.arange(12.0)])
    np.testing.assert_array_equal(without_scarce(values, [1, 1], each(12), 10), values)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=80), st.integers(1, 15))
def test_every_score_stands_for_enough_persons_and_the_sum_stays(scores, least):
    array = np.array(scores)
    averaged = grouped(array, each(len(array)), least)
    _, counts = np.unique(averaged, return_counts=True)
    assert counts.min() >= min(least, len(array))
    assert averaged.sum() == pytest.approx(array.sum())


@given(st.lists(st.floats(0, 1), min_size=1, max_size=80), st.integers(1, 15))
def test_the_order_of_the_scores_is_kept(scores, least):
    array = np.sort(np.array(scores))
    assert (np.diff(grouped(array, each(len(array)), least)) >= -1e-12).all()


def test_groups_count_persons_not_rows():
    scores, persons = np.linspace(0, 1, 40), np.repeat(each(4), 10)
    averaged = grouped(scores, persons, 2)
    for score in np.unique(averaged):
        assert len(np.unique(persons[averaged == score])) >= 2
