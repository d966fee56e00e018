"""A sum, a feature or a score never stands for fewer persons than it must."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.privacy.disclosure import (
    MISSING,
    effective,
    grouped,
    heads,
    heaviest,
    joined,
    merged,
    number,
    ranked,
    reach,
    small_cells,
)

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


def test_the_heaviest_person_is_told_where_kish_sees_enough():
    weights = np.concatenate([[0.11 * 1000 / 0.89], np.ones(1000)])
    assert effective(weights, each(1001)) > 60
    assert heaviest(weights, each(1001)) == pytest.approx(0.11)
    assert heaviest(np.ones(20), np.repeat(each(2), 10)) == 0.5
    assert heaviest(np.zeros(3), each(3)) == 1.0


def test_a_number_that_two_persons_have_is_missing():
    column = np.array([1.5, 2.5] + [np.nan] * 38)
    assert np.isnan(merged(column, each(40), 10)).all()
    assert not np.isnan(column[:2]).any()  # the rows themselves are untouched


def test_a_number_that_nobody_has_or_enough_have_stays_as_it_is():
    for column in (np.full(12, np.nan), np.linspace(0.0, 1.0, 30)):
        np.testing.assert_array_equal(merged(column, each(len(column)), 1), column)
    measured = np.random.default_rng(1).normal(size=300)
    np.testing.assert_array_equal(merged(measured, each(300), 10), measured)


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
    values = np.random.default_rng(2).normal(size=200)
    values[:2] = np.nan
    made = merged(values, each(200), 10)
    assert (made[:2] == values[2:].mean()).all()
    np.testing.assert_array_equal(made[2:], values[2:])


def numbers(**counts):
    return np.concatenate([np.full(count, float(value.strip("v"))) for value, count in counts.items()])


def test_a_rare_number_among_few_becomes_its_neighbour():
    column = numbers(v0=30, v1=20, v2=3, v4=15)
    made = merged(column, each(68), 10)
    assert sorted(np.unique(made, return_counts=True)[1]) == [15, 23, 30]
    assert made[52] == 1.0


def test_rare_neighbours_join_until_they_are_enough():
    made = merged(numbers(v0=4, v1=4, v2=4, v9=40), each(52), 10)
    values, counts = np.unique(made, return_counts=True)
    assert counts.min() >= 10
    assert 9.0 in values


def test_a_rare_yes_is_not_made_a_no():
    flag = np.array([1.0] * 4 + [0.0] * 30)
    assert np.isnan(merged(flag, each(34), 10)).all()
    assert np.unique(merged(flag, each(34), 10, hide=False)).tolist() == [4 / 34]


def levels(*counts, missing=0):
    return np.concatenate([np.full(count, place) for place, count in enumerate(counts)] + [np.full(missing, MISSING)])


def join(labels, names, least=10, **options):
    return joined(labels, names, each(len(labels)), least, **options)


def test_rare_levels_that_are_enough_together_get_a_level_of_their_own():
    made = join(levels(30, 6, 7, 20), "abcd")
    assert [(made == place).sum() for place in range(5)] == [30, 0, 0, 20, 13]


def test_a_rare_level_is_never_the_first_one():
    # Nine of stage IV: too few to stand alone, and not stage I.
    made = join(levels(40, 30, 20, 9), ["I", "II", "III", "IV"])
    assert [(made == place).sum() for place in range(5)] == [40, 30, 0, 0, 29]


def test_a_rare_first_level_is_joined_like_any_other():
    made = join(levels(2, 30, 12), "abc")
    assert [(made == place).sum() for place in range(4)] == [0, 30, 0, 14]


def test_rare_levels_count_as_missing_where_that_makes_enough():
    labels = levels(30, 20, 3, missing=15)
    assert [(join(labels, "abc") == place).sum() for place in (MISSING, 0, 1, 2, 3)] == [18, 30, 20, 0, 0]
    # Where rows with gaps are dropped there is nothing to join: the next rarest level does.
    assert (join(levels(30, 20, 3), "abc", hide=False) == 3).sum() == 23


def test_codes_without_a_name_are_joined_and_no_error():
    made = join(np.concatenate([levels(30, 20), np.full(3, 2)]), "ab")
    assert [(made == place).sum() for place in range(3)] == [30, 0, 23]


def test_a_gap_among_codes_is_filled_with_the_usual_code():
    assert join(levels(12, 20, 15, missing=3), "abc")[-3:].tolist() == [1, 1, 1]


def test_a_code_that_few_have_at_all_is_missing():
    assert (join(levels(3, 4, missing=30), "ab") == MISSING).all()


@given(st.permutations(range(5)), st.lists(st.integers(-1, 4), min_size=1, max_size=120), st.integers(2, 12))
def test_the_order_of_the_levels_does_not_matter(order, drawn, least):
    names = list("abcde")
    labels = np.array(drawn)
    place = np.array([*order, MISSING])
    other = join(place[labels], [names[order.index(at)] for at in range(5)], least)
    again = np.array([*(order.index(at) for at in range(5)), 5, MISSING])[other]
    np.testing.assert_array_equal(join(labels, names, least), again)


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=90), st.integers(2, 12))
def test_no_code_and_no_gap_stands_for_few(drawn, least):
    made = join(np.array(drawn), list("abcd"), least)
    counts = [int((made == place).sum()) for place in range(-1, 5)]
    assert all(count == 0 or count >= min(least, len(drawn)) for count in counts)
    labels = np.array(drawn)
    standing = (made >= 0) & (made < 4)
    filled = labels == MISSING
    assert (made[standing & ~filled] == labels[standing & ~filled]).all()  # nobody has a level of others


@given(st.lists(st.integers(0, 25), min_size=1, max_size=150), st.integers(2, 12))
def test_no_number_among_few_stands_for_few(drawn, least):
    made = merged(np.array(drawn, dtype=float), each(len(drawn)), least)
    known = made[~np.isnan(made)]
    if len(np.unique(drawn)) <= 20:
        assert all(count >= min(least, len(drawn)) for count in np.unique(known, return_counts=True)[1])


def test_heads_count_persons_not_rows():
    assert heads(np.array([0, 0, 1, -1, 1]), np.array([7, 7, 7, 3, 9]), 3).tolist() == [1, 2, 0]


@given(st.data(), st.integers(1, 12))
def test_by_which_numbers_persons_go_does_not_matter(data, least):
    owners = np.array(data.draw(st.lists(st.integers(0, 20), min_size=1, max_size=60)), dtype=np.int64)
    labels = np.array(data.draw(st.lists(st.integers(-1, 3), min_size=len(owners), max_size=len(owners))))
    far = np.array([10**15 - 7 * at for at in range(21)])[owners]
    assert heads(labels, owners, 4).tolist() == heads(labels, far, 4).tolist()
    assert number(owners) == number(far) == len(set(owners.tolist()))
    assert effective(labels.astype(float), owners) == effective(labels.astype(float), far)
    for column in (labels.astype(float), np.where(labels < 0, np.nan, labels)):
        near, away = merged(column, owners, least), merged(column, far, least)
        np.testing.assert_array_equal(near, away)


def test_cells_of_two_columns_that_few_persons_have_are_counted():
    one = np.array([0] * 20 + [1] * 20)
    other = np.array([0] * 18 + [1] * 2 + [0] * 20)
    assert small_cells({"a": one, "b": other}, each(40), 10) == {("a", "b"): 1}
    assert small_cells({"a": one, "b": other, "c": one}, each(40), 10) == {("a", "b"): 1, ("b", "c"): 1}
    assert small_cells({"a": one, "b": np.full(40, MISSING)}, each(40), 10) == {}


PLACES = st.lists(st.integers(0, 30), min_size=1, max_size=100)


@given(PLACES, st.integers(1, 12))
def test_groups_hold_enough_persons_and_reach_where_their_members_are(drawn, least):
    places = np.array(drawn)
    groups = ranked(places.astype(float), each(len(drawn)), least)
    assert np.bincount(groups).min() >= min(least, len(drawn))
    assert (np.diff(places[np.argsort(groups, kind="stable")].astype(float)) >= 0).all() or least > 1
    first, last = reach(places, groups, 31)
    assert (first[groups] <= places).all()
    assert (places <= last[groups]).all()
    assert (first[0], last[-1]) == (0, 30)
    assert (first[1:] - last[:-1] <= 1).all()
    assert (first[1:] >= last[:-1]).all()


@given(PLACES, st.integers(1, 12))
def test_groups_do_not_depend_on_how_fine_scores_are_counted(drawn, least):
    scores = np.array(drawn) / 7.0
    found = [ranked(made, each(len(drawn)), least) for made in (scores, 3.0 * scores + 1.0, np.arctan(scores))]
    assert all((other == found[0]).all() for other in found)


@given(st.lists(st.integers(0, 12), min_size=12, max_size=150), st.integers(1, 12))
def test_levelled_numbers_keep_their_sum_and_stand_for_enough(drawn, least):
    column = np.array([*drawn, 50, 60, 70], dtype=float)
    made = merged(column, each(len(column)), least, hide=False, level=True)
    assert made.sum() == pytest.approx(column.sum())
    assert min(np.unique(made.round(9), return_counts=True)[1]) >= min(least, len(column))
    if least == 1:
        assert (made == column).all()
