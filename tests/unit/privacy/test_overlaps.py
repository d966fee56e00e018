"""Which sites totals over several sets give away, in exact fractions."""

import random

import numpy as np
import pytest

from medspace.privacy.overlaps import changed, completing, given_away

ME = "me"


@pytest.mark.parametrize(
    ("sets", "given"),
    [
        ([], set()),
        ([[]], set()),
        ([["a", "b", "c"]], set()),
        ([["a", "b", "c"], ["a", "b", "c"]], set()),
        ([["a"]], {"a"}),
        ([["a", "b", "c"], ["a", "b"]], {"c"}),
        ([["a", "b", "c", "d"], ["a", "b"]], set()),
        ([["a", "b"], ["b", "c"], ["a", "c"]], {"a", "b", "c"}),
        ([[ME, "a", "b"], [ME, "c", "d"], [ME, "a", "b", "c", "d"]], {ME}),
    ],
)
def test_what_follows_from_totals(sets, given):
    assert given_away(sets) == given


def test_of_three_overlapping_sets_no_pair_gives_anybody_away():
    sets = [[ME, "a", "b"], [ME, "c", "d"], [ME, "a", "b", "c", "d"]]
    assert all(not given_away([one, other]) for one in sets for other in sets)
    assert given_away(sets) == {ME}


@pytest.mark.parametrize("seed", range(40))
def test_it_is_what_least_squares_finds(seed):
    chance = random.Random(seed)
    names = [f"s{number}" for number in range(chance.randint(3, 7))]
    sets = [chance.sample(names, chance.randint(2, len(names))) for _ in range(chance.randint(1, 6))]
    totals = np.array([[name in one for name in names] for one in sets], dtype=float)
    told = set()
    for at, name in enumerate(names):
        unit = np.eye(len(names))[at]
        factors = np.linalg.lstsq(totals.T, unit, rcond=None)[0]
        if np.allclose(totals.T @ factors, unit, atol=1e-9):
            told.add(name)
    assert given_away(sets) == told


def test_the_difference_of_two_sets_is_who_changed():
    assert changed(["a", "b", "c"], ["a", "b", "d", "e"]) == {"c", "d", "e"}
    assert changed(["a"], ["a"]) == frozenset()


def test_a_set_of_others_that_completes_three_is_named_with_whom_it_gives_away():
    before, new = [ME, "a", "b"], [ME, "c", "d"]
    assert completing([before], new) == {ME: {"a", "b", "c", "d"}}
    (third,) = completing([before], new).values()
    assert given_away([before, new, third]) == {ME}  # half of the first two less the third
    assert completing([before], [ME, "a", "c"]) == {}
    assert completing([before], before) == {}
    assert completing([[ME]], [ME]) == {}
