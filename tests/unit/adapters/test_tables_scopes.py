"""An admission's row scope: every accessor tells of the rows within it, and of nothing else."""

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.adapters.duckdb.errors import ScopeRefusedError
from medspace.adapters.duckdb.source import TableSource, load
from medspace.core.dictionary import parse
from medspace.core.usage import RowScope
from tests.admissions import admission

DICTIONARY = parse("""
title = "Visits"
person = "patient"
[columns.patient]
type = "code"
[columns.age]
type = "integer"
missing = [-1]
[columns.sex]
type = "code"
[columns.smoker]
type = "flag"
[columns.day]
type = "date"
""")
PATIENTS = ["p0", "p1", "p2", "p'3", "4"]
SEXES = ["f", "m", "", "d'x"]
AGES = ["", "-1", "0", "7", "70"]
FLAGS = ["", "true", "FALSE", "1"]
DAYS = ["", "2020-01-01", "1969-12-31"]
ROWS = st.lists(st.tuples(*map(st.sampled_from, (PATIENTS, AGES, SEXES, FLAGS, DAYS))), max_size=12)
NAMES = [column.name for column in DICTIONARY.columns]


def told(column, cell):
    """What a cell says, as a scope names it; None where it is missing."""
    if cell == "" or (column == "age" and cell == "-1"):
        return None
    if column == "age":
        return float(cell)
    return {"true": "true", "1": "true", "false": "false", "0": "false"}[cell.lower()] if column == "smoker" else cell


def scopes():
    values = {
        "patient": [*PATIENTS, "nobody"],
        "age": ["0", "7.0", "70", "+70", "99"],
        "sex": ["f", "m", "d'x", ""],
        "smoker": ["true", "0", "False"],
        "day": ["2020-01-01", "1999-01-01"],
    }
    return st.lists(
        st.sampled_from(NAMES).flatmap(
            lambda name: st.builds(
                RowScope, st.just(name), st.frozensets(st.sampled_from(values[name])), within=st.booleans()
            )
        ),
        max_size=3,
    )


def lets_in(scope, row):
    """The rule once more, in plain words: a missing value is among no values."""
    column = NAMES.index(scope.column)
    cell = told(scope.column, row[column])
    among = cell is not None and cell in {told(scope.column, value) if value else value for value in scope.values}
    return among == scope.within


def source(folder, rows):
    text = "\n".join([",".join(NAMES), *(",".join(row) for row in rows)])
    (folder / "t.csv").write_text(text + "\n")
    return TableSource({"hearts": load(folder / "t.csv", DICTIONARY)})


def number(column, cell):
    value = told(column, cell)
    if value is None:
        return math.nan
    if column == "smoker":
        return float(value == "true")
    return value if column == "age" else float((date.fromisoformat(value) - date(1970, 1, 1)).days)


@given(rows=ROWS, scope=scopes())
def test_every_accessor_tells_of_the_rows_within_the_scope_alone(tmp_path_factory, rows, scope):
    opened = source(tmp_path_factory.mktemp("t"), rows)
    kept = [at for at, row in enumerate(rows) if all(lets_in(one, row) for one in scope)]
    seen = opened.open(admission(scope=tuple(scope)))
    assert seen.count == len(kept)
    persons = list(dict.fromkeys(rows[at][0] for at in kept))
    assert seen.persons().tolist() == [persons.index(rows[at][0]) for at in kept]
    for place, column in enumerate(NAMES[1:], start=1):
        cells = [rows[at][place] for at in kept]
        if column != "sex":
            np.testing.assert_array_equal(seen.numbers(column), [number(column, cell) for cell in cells])
        if column != "age":
            assert seen.codes(column) == [told(column, cell) for cell in cells]
    whole = opened.open(admission()).marks(b"k" * 32)
    assert [mark.tolist() for mark in seen.marks(b"k" * 32)] == [mark[kept].tolist() for mark in whole]


def test_without_a_scope_all_rows_are_open(tmp_path):
    assert source(tmp_path, [("p0", "1", "f", "1", "")] * 3).open(admission()).count == 3


@pytest.mark.parametrize("within", [True, False])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("consent", "yes"),
        ("Sex", "female"),
        ("age", "old"),
        ("smoker", "yes"),
        ("day", "2020-13-01"),
        ("day", "soon"),
    ],
)
def test_a_scope_that_does_not_fit_opens_nothing(tmp_path, column, value, within):
    """An exclusion by a value that cannot occur would close nothing: it is refused, and so is the unknown column."""
    opened = source(tmp_path, [("p0", "1", "f", "1", "")])
    with pytest.raises(ScopeRefusedError) as refused:
        opened.open(admission(scope=(RowScope(column, frozenset({value}), within=within),)))
    assert column in str(refused.value)
    assert value not in str(refused.value)
