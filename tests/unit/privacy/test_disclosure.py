"""A sum, a feature or a score never stands for fewer persons than it must."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.privacy.disclosure import coarsened, effective, grouped

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
    values = np.full((40, 3), 1.5)
    values[2:, 0] = np.nan  # two persons have it
    values[:15, 1:] = np.nan  # twenty-five persons have it, in two columns
    hidden = coarsened(values, [1, 2], each(40), 10)
    assert np.isnan(hidden[:, 0]).all()
    np.testing.assert_array_equal(hidden[:, 1:], values[:, 1:])
    assert not np.isnan(values[:2, 0]).any()  # the rows themselves are untouched


def test_a_feature_that_nobody_has_or_enough_have_stays_as_it_is():
    values = np.column_stack([np.full(12, np.nan), np.arange(12.0)])
    np.testing.assert_array_equal(coarsened(values, [1, 1], each(12), 10), values)


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


def test_a_gap_that_two_persons_have_is_filled_with_the_mean_of_the_others():
    values = np.arange(20.0).reshape(-1, 1)
    values[:2] = np.nan
    made = coarsened(values, [1], each(20), 10)
    assert (made[:2] == np.arange(2.0, 20.0).mean()).all()
    np.testing.assert_array_equal(made[2:], values[2:])


def test_a_gap_among_codes_is_filled_with_the_usual_code():
    values = np.concatenate([codes(12, 20, 15), np.full((3, 2), np.nan)])
    assert coarsened(values, [2], each(50), 10)[-3:].tolist() == [[1.0, 0.0]] * 3


def codes(*counts):
    """Rows of a code: counts[0] of the first one, which has no column."""
    rows = [np.zeros((counts[0], len(counts) - 1))]
    rows += [np.eye(len(counts) - 1)[[at] * count] for at, count in enumerate(counts[1:])]
    return np.concatenate(rows)


def test_a_code_that_three_persons_have_joins_the_first_one():
    made = coarsened(codes(20, 15, 3), [2], each(38), 10)
    assert made.sum(axis=0).tolist() == [15, 0]


def test_a_rare_first_code_is_joined_by_the_rarest_of_the_others():
    made = coarsened(codes(2, 30, 12), [2], each(44), 10)
    assert made.sum(axis=0).tolist() == [30, 0]


def test_one_of_two_values_that_few_have_becomes_the_other_and_measurements_stay():
    flag = np.array([1.0] * 4 + [0.0] * 30).reshape(-1, 1)
    assert coarsened(flag, [1], each(34), 10).sum() == 0
    measured = np.linspace(0, 1, 34).reshape(-1, 1)
    np.testing.assert_array_equal(coarsened(measured, [1], each(34), 10), measured)


@given(
    st.lists(st.sampled_from([None, 0, 1, 2, 3]), min_size=1, max_size=90),
    st.integers(2, 12),
)
def test_no_code_and_no_gap_stands_for_few(drawn, least):
    rows = [np.full(3, np.nan) if code is None else np.eye(4)[code][1:] for code in drawn]
    made = coarsened(np.array(rows), [3], each(len(rows)), least)
    gaps = int(np.isnan(made[:, 0]).sum())
    counts = [int((made[:, at] == 1.0).sum()) for at in range(3)]
    counts.append(int((made == 0.0).all(axis=1).sum()))
    assert all(count == 0 or count >= min(least, len(rows)) for count in counts)
    assert gaps in (0, len(rows)) or gaps >= least
