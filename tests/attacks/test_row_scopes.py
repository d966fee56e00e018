"""An engine that reads whatever the opened rows let it: nothing of a person outside of the scope is among it.

The brake is the selection of rows (`adapters.duckdb.scopes`); with it off by the test's wiring everybody is read.
"""

import math

import numpy as np
import pytest

from medspace.adapters.duckdb import source as table_source
from medspace.adapters.duckdb.errors import ScopeRefusedError
from medspace.adapters.duckdb.source import TableSource, load
from medspace.adapters.images.source import load as load_images
from medspace.connector.usage.rows import opened
from medspace.core.dictionary import parse
from medspace.core.usage import RowScope
from tests.admissions import admission
from tests.images import write_folder

PATIENTS = 60
DICTIONARY = parse("""
title = "Visits"
person = "patient"
[columns.patient]
type = "code"
[columns.age]
type = "integer"
minimum = 0
maximum = 2000
[columns.code]
type = "code"
[columns.day]
type = "date"
""")
KEY = b"k" * 32
YES = frozenset(f"p{number}" for number in range(0, PATIENTS, 3))  # every third patient said yes
OUTSIDE = [number for number in range(PATIENTS) if f"p{number}" not in YES]
READ = "row scopes: patients without consent whom an engine reads"


def cells(number):
    """Everything in a row tells by itself whose it is."""
    return {"patient": f"p{number}", "age": str(1000 + number), "code": f"c{number}", "day": f"20{number + 10}-01-02"}


def tables(folder):
    lines = [",".join(cells(0)), *(",".join(cells(number).values()) for number in range(PATIENTS))]
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    return TableSource({"hearts": load(folder / "t.csv", DICTIONARY)})


def pictures(folder):
    images = [np.full((2, 3, 1), number, np.uint8) for number in range(PATIENTS)]
    labels = {name: [cells(number)[name] for number in range(PATIENTS)] for name in cells(0)}
    return load_images("hearts", write_folder(folder / "scans", images, labels), DICTIONARY).source


def read_by(rows):
    """The patients of whom an engine sees anything, by every accessor and any argument that it can think of."""
    seen = {int(age) - 1000 for age in rows.numbers("age") if not math.isnan(age)}
    seen |= {int(code[1:]) for code in rows.codes("code")}
    seen |= {int(day[2:4]) - 10 for day in rows.codes("day")}
    whole = everybody(rows)
    seen |= {number for number, mark in enumerate(whole[0]) if mark in set(map(int, rows.marks(KEY)[0]))}
    seen |= {number for number, mark in enumerate(whole[1]) if mark in set(map(int, rows.marks(KEY)[1]))}
    for index in range(-PATIENTS, 2 * PATIENTS):
        try:
            seen |= set(rows.pixels(index))
        except (IndexError, AttributeError):
            continue
    return seen


def everybody(rows):
    return [list(map(int, marks)) for marks in type(rows)(rows.table).marks(KEY)]


@pytest.mark.parametrize("kind", [tables, pictures])
def test_nothing_of_whoever_did_not_say_yes_is_read(tmp_path, kind, attack_report):
    rows = opened(kind(tmp_path), admission(scope=(RowScope("patient", YES),)))
    seen = read_by(rows)
    attack_report(READ, got=len(seen.intersection(OUTSIDE)), of=len(OUTSIDE), unit="patients")
    assert seen.isdisjoint(OUTSIDE)
    assert len(seen) == len(YES)
    assert (rows.count, len(rows.persons())) == (len(YES), len(YES))
    assert sorted(set(rows.persons().tolist())) == list(range(len(YES)))  # no gap tells how many said no


@pytest.mark.parametrize("kind", [tables, pictures])
def test_without_the_selection_everybody_is_read(tmp_path, kind, monkeypatch, attack_report):
    monkeypatch.setattr(table_source, "admitted", lambda *_: np.arange(PATIENTS))
    seen = read_by(opened(kind(tmp_path), admission(scope=(RowScope("patient", YES),))))
    attack_report(READ, control=len(seen.intersection(OUTSIDE)), of=len(OUTSIDE), unit="patients")
    assert seen.issuperset(OUTSIDE)


@pytest.mark.parametrize("kind", [tables, pictures])
@pytest.mark.parametrize("column", ["consent", "Patient", "patient ", "file", "row", "c0", 'patient" OR true --'])
def test_a_scope_that_names_no_column_opens_nothing(tmp_path, kind, column):
    for within in (True, False):
        with pytest.raises(ScopeRefusedError):
            kind(tmp_path).open(admission(scope=(RowScope(column, YES, within=within),)))


def test_values_are_values_and_no_sql(tmp_path):
    for value in ("p0') OR true --", "p0', 'p1", "%", "*", ""):
        rows = tables(tmp_path).open(admission(scope=(RowScope("patient", frozenset({value})),)))
        assert rows.count == 0
