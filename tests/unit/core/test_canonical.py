"""Unusual types have the canonical form of the usual ones that they stand for."""

from collections import OrderedDict, UserDict, UserList
from enum import StrEnum
from math import inf, nextafter
from types import MappingProxyType

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from medspace.core.canonical import LARGEST_INTEGER, canonical, exact

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


class Word(StrEnum):
    TRAIN = "train"


class Count(int):
    """A number of another class."""


@pytest.mark.parametrize(
    ("unusual", "usual"),
    [
        (Word.TRAIN, "train"),
        (Count(7), 7),
        (True, True),
        (MappingProxyType({"b": 1, "a": 2}), {"a": 2, "b": 1}),
        (OrderedDict(b=1, a=2), {"a": 2, "b": 1}),
        (UserDict(b=1, a=2), {"a": 2, "b": 1}),
        ((1, 2), [1, 2]),
        (UserList([1, 2]), [1, 2]),
    ],
)
def test_what_stands_for_a_value_of_json_is_written_as_that_value(unusual, usual):
    assert canonical(unusual) == canonical(usual)
    assert canonical({"x": unusual}) == canonical({"x": usual})


@given(JSON)
def test_the_bytes_are_those_of_an_independent_library(value):
    assert canonical(value) == rfc8785.dumps(value)


class Metre(float):
    pass


def test_exact_numbers_of_unusual_types_are_those_of_the_usual_ones():
    unusual = MappingProxyType(
        {"a": UserList([Metre(0.1), Count(1), Word.TRAIN, None]), "b": UserDict(c=[True, Metre(2)])}
    )
    usual = {"a": [0.1, 1, "train", None], "b": {"c": [True, 2.0]}}
    assert exact(unusual) == exact(usual) == {"a": ["0.1", 1, "train", None], "b": {"c": [True, "2.0"]}}


def test_what_is_not_a_number_has_no_exact_form():
    with pytest.raises(ValueError, match="not finite"):
        exact(UserList([Metre("nan")]))


EDGES = [
    0.0,
    -0.0,
    1e-4,
    9.999999999999999e-05,
    1e16,
    9999999999999998.0,
    5e-324,
    1.7976931348623157e308,
    123456789.0,
]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(EDGES), min_size=1))
def test_many_fractions_have_the_text_of_each(fractions):
    assert exact(fractions) == [repr(value) for value in fractions]


def test_the_text_of_fractions_around_powers_of_ten_and_two_is_that_of_each():
    powers = [float(base) ** power for base in (2, 10) for power in range(-300, 300)]
    around = [side for value in powers for side in (nextafter(value, 0.0), value, nextafter(value, inf))]
    assert exact(around) == [repr(value) for value in around]
