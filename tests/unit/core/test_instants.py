"""A day or an instant with its zone is a bound; a time that names no instant is refused with how to write one."""

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.core.instants import BoundError, bound, last_day

BEGINNING, END = datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("day", ["2026-12-31", date(2026, 12, 31)])
def test_a_day_begins_and_ends_in_utc(day):
    assert bound(day, last=False) == BEGINNING
    assert bound(day, last=True) == END


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-31T23:00:00Z",
        "2026-12-31T23:00Z",
        "2026-12-31 23:00:00.000000Z",
        "2027-01-01T00:00:00+01:00",
        "2026-12-31T18:00-05:00",
        datetime(2027, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    ],
)
@pytest.mark.parametrize("last", [True, False])
def test_an_instant_is_the_same_in_every_zone(text, last):
    made = bound(text, last=last)
    assert made == datetime(2026, 12, 31, 23, tzinfo=UTC)
    assert made.utcoffset() == timedelta(0)


@pytest.mark.parametrize("value", ["2026-12-31T12:00", "2026-12-31 12:00:00", datetime(2026, 12, 31, 12)])  # noqa: DTZ001 - without a zone, as it may be written
def test_a_time_without_a_zone_is_refused_with_what_is_missing(value):
    with pytest.raises(BoundError, match="has no time zone: add it, such as Z"):
        bound(value, last=True)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "2026",
        "2026-12",
        "20261231",
        "2026-W53-4",
        "2026-02-30",
        "2026-12-31T25:00Z",
        "2026-12-31Z",
        "2026-12-31T12Z",
        "\u0662026-12-31",
        "9999-12-31",
        "0001-01-01T00:00+01:00",
        "2026-12-31" + "9" * 5000,
        time(12),
        None,
        True,
        2026,
        ["2026-12-31"],
    ],
)
def test_anything_else_is_refused_with_how_to_write_it(value):
    with pytest.raises(BoundError, match="is neither a day, such as 2026-12-31, nor an instant") as raised:
        bound(value, last=True)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("2027-01-01T00:00:00Z", "2026-12-31"),
        ("2026-12-31", "2026-12-31"),
        (date(2026, 12, 31), "2026-12-31"),
        ("2027-01-01T01:00:00+01:00", "2026-12-31"),
        ("2026-12-31T12:00:00Z", "2026-12-31T12:00:00Z"),
        ("some day", "some day"),
        ("", ""),
    ],
)
def test_an_end_is_said_as_its_last_day_where_a_day_ends_with_it(end, said):
    assert last_day(end) == said


@given(st.dates(max_value=date(9999, 12, 30)))
def test_a_day_is_the_last_day_of_the_instant_that_it_ends_with(day):
    assert last_day(bound(day, last=True).isoformat()) == day.isoformat()
