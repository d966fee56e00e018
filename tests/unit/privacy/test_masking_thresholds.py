"""Which numbers of seats protect, and what is said of those that do not."""

from itertools import combinations, product

import pytest

from medspace.privacy.masking.errors import ThresholdsInvalidError
from medspace.privacy.masking.thresholds import LEAST_SITES, Thresholds


def protects(seats, opening, colluders, min_sites):
    return (
        min_sites >= 3
        and 0 <= colluders < 2 * opening - seats
        and colluders < opening <= seats
        and max(opening, min_sites + colluders) <= seats
    )


@pytest.mark.parametrize("seats", range(13))
def test_there_is_no_problem_just_where_the_conditions_hold(seats):
    for opening, colluders, min_sites in product(range(-1, 15), range(-1, 6), range(7)):
        thresholds = Thresholds(seats, opening, colluders, min_sites)
        assert (thresholds.problem is None) == protects(seats, opening, colluders, min_sites), thresholds


@pytest.mark.parametrize("seats", range(3, 13))
def test_the_fewest_that_can_open_are_chosen(seats):
    for colluders in range(4):
        chosen = Thresholds.for_seats(seats, colluders)
        able = [opening for opening in range(seats + 1) if protects(seats, opening, colluders, LEAST_SITES)]
        assert (chosen.problem is None) == bool(able)
        if able:
            assert chosen.opening == min(able)
            assert chosen.fewest_survivors == max(chosen.opening, LEAST_SITES + colluders)
            assert chosen.most_lost == seats - chosen.fewest_survivors


@pytest.mark.parametrize("seats", range(3, 9))
def test_two_groups_that_open_share_more_seats_than_may_collude(seats):
    for colluders in range(seats - LEAST_SITES + 1):
        opening = Thresholds.for_seats(seats, colluders).opening
        groups = [set(group) for group in combinations(range(seats), opening)]
        assert all(len(one & other) > colluders for one in groups for other in groups)
        fewer = [set(group) for group in combinations(range(seats), opening - 1)]
        assert any(len(one & other) <= colluders for one in fewer for other in fewer)


def test_four_seats_are_the_fewest_with_one_colluder_and_none_may_be_lost():
    four = Thresholds.for_seats(4)
    four.check()
    assert (four.colluders, four.fewest_survivors, four.most_lost) == (1, 4, 0)
    assert four.lost_too_many(4) is None
    assert str(four.lost_too_many(3)) == (
        "of 4 sites 3 are left, and 4 are needed: 3 to open the sum, and 3 in it besides the 1 that may tell what "
        "they see"
    )


def test_three_run_only_where_nobody_colludes():
    with pytest.raises(ThresholdsInvalidError) as caught:
        Thresholds.for_seats(3).check()
    assert str(caught.value.text) == (
        "The masks would give no protection: 3 sites are too few: a sum must be over 3 of them besides the 1 "
        "that may tell "
        "what they see, so 4 are the fewest, and then none of them may be lost; 3 are enough only where the contract "
        "says that at most 0 of the others may (colluders = 0)."
    )
    three = Thresholds.for_seats(3, colluders=0)
    three.check()
    assert (three.opening, three.fewest_survivors, three.most_lost) == (2, 3, 0)


@pytest.mark.parametrize(
    ("thresholds", "said"),
    [
        (Thresholds(5, 4, -1, 3), "the number of sites that may tell what they see is below 0"),
        (Thresholds(5, 4, 1, 2), "a sum over 2 sites lets each of them subtract its own part"),
        (Thresholds(2, 2, 0, 3), "2 sites are too few: a sum must be over 3 at least"),
        (Thresholds(5, 6, 1, 3), "there are 5 sites, and 6 would have to open"),
        (Thresholds(5, 1, 1, 3), "1 sites can open a sum, and 1 may tell what they see: these need nobody else"),
        (Thresholds(5, 3, 1, 3), "two lists of who is in it could both be opened; at least 4 must open it"),
    ],
)
def test_the_sentence_says_why(thresholds, said):
    assert said in str(thresholds.problem)
    assert "{" not in str(thresholds.problem)


def test_a_hundred_seats_can_lose_many():
    hundred = Thresholds.for_seats(100, colluders=30)
    assert (hundred.opening, hundred.most_lost) == (66, 34)
