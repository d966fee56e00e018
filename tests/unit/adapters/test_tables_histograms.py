"""Profiles of columns: counts of persons, rounded, and nothing of few."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.adapters.duckdb.drafting import DraftOptions, draft
from medspace.adapters.duckdb.histograms import MOST_BARS, profile, rounded, scale


def profiled(path, text, **said):
    file = path / "table.csv"
    file.write_text(text)
    return {one.name: one for one in profile(file, draft(file, DraftOptions(**said)))}


def rows(*columns, count=200):
    chance = random.Random(1)
    lines = [",".join(["person", *(name for name, _ in columns)])]
    lines += [f"p{at}," + ",".join(str(make(at, chance)) for _, make in columns) for at in range(count)]
    return "\n".join(lines) + "\n"


def test_numbers_days_flags_and_codes_are_counted_in_tens(tmp_path):
    text = rows(
        ("age", lambda at, _: 30 + at % 50),
        ("visit", lambda at, _: f"20{10 + at % 5}-03-01"),
        ("dead", lambda at, _: "true" if at % 4 == 0 else "false"),
        ("sex", lambda at, _: "fm"[at % 2]),
        ("dose", lambda at, _: "" if at % 10 == 0 else f"{at / 7:.2f}"),
    )
    found = profiled(tmp_path, text, person="person")
    assert (found["age"].low, found["age"].high) == (30, 80)
    assert sum(bar.count for bar in found["age"].bars) == 200
    assert [bar.value for bar in found["visit"].bars] == ["2010", "2011", "2012", "2013", "2014"]
    assert {bar.value: bar.count for bar in found["dead"].bars} == {"0": 150, "1": 50}
    assert {bar.value: bar.count for bar in found["sex"].bars} == {"f": 100, "m": 100}
    assert found["dose"].missing == 20
    assert found["age"].missing is None
    assert found["person"].bars == ()


def test_persons_are_counted_and_not_rows(tmp_path):
    lines = ["person,code"] + [f"p{at % 15},{'a' if at < 300 else 'b'}" for at in range(450)]
    found = profiled(tmp_path, "\n".join(lines), person="person")
    assert {bar.value: bar.count for bar in found["code"].bars} == {"a": 10, "b": 10}


def test_what_few_have_is_in_no_bar_of_its_own(tmp_path):
    text = rows(
        ("code", lambda at, _: "rare" if at < 9 else "usual"),
        ("value", lambda at, _: 1_000_000 if at < 3 else at % 10),
        ("name", lambda at, _: f"Person Of Ward {at}"),
        ("lonely", lambda at, _: at if at < 5 else ""),
    )
    found = profiled(tmp_path, text, person="person")
    assert [(bar.value, bar.count, bar.rest) for bar in found["code"].bars] == [
        ("usual", 190, False),
        ("", None, True),
    ]
    assert found["value"].high < 100
    assert found["value"].bars[-1].high is None
    assert found["name"].bars == ()
    assert found["lonely"].bars == ()


def test_the_way_that_numbers_are_written_is_followed_and_parquet_is_read(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    text = "person;sugar\n" + "".join(f"p{at};{at % 40},5\n" for at in range(100))
    assert profiled(tmp_path, text, person="person")["sugar"].low == 0
    file = tmp_path / "t.parquet"
    duckdb.sql(f"COPY (SELECT 'p' || i AS person, i % 20 AS x FROM range(100) t(i)) TO '{file}'")
    assert len(profile(file, draft(file, DraftOptions(person="person")))) == 2


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9), st.booleans())
def test_bars_are_few_and_begin_at_round_numbers(low, width, whole):
    start, step, count = scale(low, low + width, whole=whole)
    assert 1 <= count <= MOST_BARS
    assert start <= low + abs(low) * 1e-6 + 1e-9
    assert not whole or step >= 1


def test_counts_are_rounded_down():
    assert [rounded(count) for count in (0, 9, 10, 19, 20)] == [None, None, 10, 10, 20]


@pytest.mark.parametrize("ends", [("-1e308", "1e308"), ("0", "1.79e308")])
def test_numbers_too_far_apart_for_a_number_between_them_make_no_bars(tmp_path, ends):
    found = profiled(tmp_path, rows(("value", lambda at, _: ends[at % 2])), person="person")
    assert found["value"].bars == ()
    assert found["value"].missing is None


def test_what_lies_very_far_beyond_the_bars_is_counted_in_the_last(tmp_path):
    far = {0: "-1.7e308", 1: "1.7e308"}
    found = profiled(tmp_path, rows(("value", lambda at, _: far.get(at, f"{at % 10}.5"))), person="person")
    assert (found["value"].bars[0].low, found["value"].bars[-1].high) == (None, None)
    assert sum(bar.count or 0 for bar in found["value"].bars) >= 190  # each count is rounded
