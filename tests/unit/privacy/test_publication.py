"""What a dictionary may say, decided on counts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.core.dictionary import ColumnType
from medspace.privacy.publication import (
    MOST_CODES,
    Profile,
    codes,
    identifying,
    lower_bound,
    names_persons,
    upper_bound,
)


def profile(name="x", kind=ColumnType.CODE, persons=100, distinct=2, **more):
    return Profile(name, kind, persons, distinct, **({"common": ("a", "b"), "carried": 100} | more))


@pytest.mark.parametrize(
    "found",
    [
        profile("patient name"),
        profile(addresses=1),
        profile(sentences=1),
        profile(kind=ColumnType.INTEGER, distinct=100, digits=5),
        profile("case_no", ColumnType.INTEGER, distinct=100, digits=3),
        profile("CaseId", ColumnType.INTEGER, distinct=90, digits=3),
        profile(kind=ColumnType.DATE, distinct=95, years=60),
        profile(carried=49),
    ],
)
def test_what_identifies_is_left_out_with_a_reason(found):
    assert str(identifying(found))


@pytest.mark.parametrize(
    "found",
    [
        profile(),
        profile(carried=50),
        profile(persons=0, distinct=0, carried=0),
        profile(kind=ColumnType.INTEGER, distinct=89, digits=5, carried=0),
        profile("age", ColumnType.INTEGER, distinct=100, digits=2, carried=0),
        profile("case_no", ColumnType.INTEGER, distinct=100, digits=0, carried=0),
        profile(kind=ColumnType.DATE, distinct=95, years=20, carried=0),
        profile(kind=ColumnType.NUMBER, distinct=100, carried=0),
    ],
)
def test_what_does_not_stays(found):
    assert identifying(found) is None


PERSONAL = ["name", "Patient_Name", "firstName", "DOB", "dateOfBirth", "birth", "MRN", "e-mail", "Straße, address"]
PERSONAL += ["患者姓名", "身份证号", "出生日期", "Vorname", "geburt datum", "initials", "full-name"]
OTHERS = ["birth_weight", "drug_name", "hospital name", "age", "性别", "visit", "hb", "death date", "", "123"]


def test_names_of_columns_tell():
    assert [name for name in PERSONAL if not names_persons(name)] == []
    assert [name for name in OTHERS if names_persons(name)] == []


def test_a_list_that_is_too_long_is_left_open():
    many = tuple(str(number) for number in range(MOST_CODES + 1))
    assert codes(profile(common=many)) == ()
    assert codes(profile(common=many[:-1])) == many[:-1]


@pytest.mark.parametrize(
    ("value", "below", "above"),
    [
        (0, 0, 1),
        (1, 0, 2),
        (9, 0, 20),
        (55, 0, 100),
        (-9, -20, 0),
        (0.03, 0, 0.05),
        (6.6, 0, 10),
        (1e-320, 0, 1e-300),
    ],
)
def test_bounds_are_round_and_far(value, below, above):
    assert (lower_bound(value), upper_bound(value)) == (below, above)


def test_a_bound_that_no_number_is_is_infinite():
    assert upper_bound(1.7e308) == math.inf
    assert lower_bound(-1.7e308) == -math.inf


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_value_lies_within_its_bounds_and_hides_in_them(value):
    assert lower_bound(value) <= value <= upper_bound(value)
    if 1e-290 < abs(value) < 1e300:
        beyond = upper_bound(value) if value > 0 else -lower_bound(value)
        assert beyond >= 1.49 * abs(value)
        assert f"{beyond:e}"[:8] in ("1.000000", "2.000000", "5.000000")
