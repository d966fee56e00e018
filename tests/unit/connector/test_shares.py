"""Shares: nobody has more than what is left once all others have theirs, and nothing is left over."""

from hypothesis import given
from hypothesis import strategies as st

from medspace.connector.catalogue.shares import share, within_shares


@given(st.lists(st.integers(0, 50), max_size=8), st.integers(0, 200))
def test_a_share_is_the_largest_that_all_can_have(sizes, most):
    def used(bound):
        return sum(min(size, bound) for size in sizes)

    found = share(sizes, most)
    assert used(found) <= most
    assert found == max(sizes, default=0) or used(found + 1) > most


def dataset(did, title):
    return {
        "participant": did,
        "title": title,
        "description": "",
        "keywords": ["x"],
        "offers": [],
        "dictionary": None,
        "figures": {"persons": None},
    }


def test_what_is_left_out_is_counted_by_participant():
    found = [dataset("big", f"{number:03d}") for number in range(9)] + [dataset("small", "x" * 30)]
    kept, cut = within_shares(found, 5, 1000)
    assert ([one["participant"] for one in kept], cut) == (["big"] * 4 + ["small"], {"big": 5})
    kept, cut = within_shares(found, 100, 43)
    assert ([one["participant"] for one in kept], cut) == (["big"] * 5, {"big": 4, "small": 1})
    assert within_shares(found, 10, 1000) == (found, {})
