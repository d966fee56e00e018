"""The checks in SQL are the pure rules of the core: an oracle test on arbitrary cells."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.adapters.duckdb import checks
from medspace.adapters.duckdb.errors import TableRefusedError
from medspace.adapters.duckdb.reading import connect
from medspace.core.dictionary import Column, ColumnType, Dictionary, check_cell, explain
from tests.examples import most

COLUMNS = [
    Column("n", ColumnType.NUMBER, minimum=-5.5, maximum=1e6, missing=("-9", "NA", "it's")),
    Column("i", ColumnType.INTEGER, minimum=-10, missing=("99",)),
    Column("f", ColumnType.FLAG, required=True),
    Column("d", ColumnType.DATE, minimum=date(1900, 1, 1), maximum=date(2030, 1, 1), missing=("9999-99-99",)),
    Column("c", ColumnType.CODE),
    Column("l", ColumnType.CODE, codes={"a'b": "", "=x": "", "É": ""}),
    Column("o", ColumnType.CODE, codes={"a'b": "", "=x": "", "É": ""}, others=True),
]
TRICKY = [
    "",
    "0",
    "-0",
    "1.",
    ".5",
    "+3",
    "1e3",
    "1E-3",
    "1e999",
    "-1e999",
    "1e-999",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "1,5",
    "1 5",
    " 1",
    "1 ",
    "0x1",
    "1_0",
    "٣",
    "９",
    "9007199254740991",
    "9007199254740992",
    "9007199254740991.0",
    "63.00",
    "-9",
    "-9.0",
    "NA",
    "99",
    "99.0",
    "it's",
    "true",
    "TRUE",
    "falſe",
    "False",
    "yes",
    "2020-02-29",
    "2021-02-29",
    "0000-01-01",
    "0001-01-01",
    "1899-12-31",
    "2030-01-02",
    "9999-99-99",
    "2020-1-1",
    "infinity",
    "epoch",
    "a'b",
    "=x",
    "É",
    "e\u0301",
    "@x",
    "\t1",
    "x\x7f",
    "x\x85",
    "\u2028",
    "é" * 128,
    "é" * 129,
    "𝄞" * 128,
    "\x00",
    "1\n",
    "\ufeff1",
    "1e5",
    "1000000.1",
]
PLAIN = st.sampled_from(TRICKY)
NUMBERS = st.floats(allow_nan=True).map(repr) | st.integers().map(str)
DATES = st.dates().map(str)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


ROWS = st.lists(
    st.lists(st.one_of(st.none(), PLAIN, NUMBERS, DATES, ANY), min_size=len(COLUMNS), max_size=len(COLUMNS)),
    min_size=1,
    max_size=10,
)


@pytest.fixture(scope="module")
def found():
    """What the SQL finds about rows of cells: (row, column, reason); empty where they were loaded."""
    dictionary = Dictionary("t", tuple(COLUMNS), person="c")
    columns = ", ".join(f"c{index} VARCHAR" for index in range(len(COLUMNS)))
    with connect(Path("/nowhere")) as connection:

        def find(rows):
            for table in ("raw", "found", "rows"):
                connection.execute(f"DROP TABLE IF EXISTS {table}")
            connection.execute(f"CREATE TABLE raw (row BIGINT, {columns})")
            connection.executemany(
                f"INSERT INTO raw VALUES (?{', ?' * len(COLUMNS)})", [[n, *row] for n, row in enumerate(rows)]
            )
            try:
                checks.check(connection, "file", dictionary)
            except TableRefusedError as error:
                return [(finding.row, finding.column, str(finding.reason)) for finding in error.listed]
            checks.convert(connection, dictionary)
            return []

        yield find


def expected(rows):
    """What the pure rules find."""
    return [
        (number, column.name, str(explain(column, reason)))
        for number, row in enumerate(rows)
        for column, cell in zip(COLUMNS, row, strict=True)
        if (reason := check_cell(column, cell, person=column.name == "c")) is not None
    ]


@given(rows=ROWS)
@settings(max_examples=most(60), deadline=None)
def test_sql_and_the_pure_rules_agree(found, rows):
    assert found(rows) == expected(rows)


@pytest.mark.parametrize("column", range(len(COLUMNS)))
def test_each_tricky_cell_in_each_column(found, column):
    rows = [["", "", "1", "", "p", "", ""] for _ in TRICKY]
    for row, cell in zip(rows, TRICKY, strict=True):
        row[column] = cell
    assert found(rows) == expected(rows)


def test_what_the_rules_allow_can_be_typed(found):
    rows = [row for row in ([cell] * len(COLUMNS) for cell in TRICKY) if not expected([row])]
    assert found([["1e5", "63.0", "TRUE", "2020-02-29", "x", "a'b", "z"], *rows]) == []
