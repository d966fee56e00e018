"""Bad files: each refused whole, with row, column and reason, and without quoting a cell."""

import sqlite3
from pathlib import Path

import duckdb
import pytest

from medspace.adapters.duckdb.errors import TableRefusedError, TableUnreadableError
from medspace.adapters.duckdb.source import load
from medspace.core.dictionary import parse

DICTIONARY = parse("""
title = "t"
person = "id"
[columns.id]
type = "code"
[columns.age]
type = "integer"
minimum = 0
maximum = 120
[columns.sex]
type = "code"
codes = ["F", "M"]
[columns.note]
type = "code"
""")
HEADER = b"id,age,sex,note\n"
GOOD = b"p1,40,F,x\n"


def refused(tmp_path: Path, content: bytes, table: str = "") -> TableRefusedError:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(TableRefusedError) as caught:
        load(file, DICTIONARY, table)
    return caught.value


def found(error: TableRefusedError) -> list[tuple[int, str, str]]:
    return [(finding.row, finding.column, str(finding.reason)) for finding in error.findings]


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        (b"p2,-1,F,x", "age", "below the least allowed value, 0.0"),
        (b"p2,121,F,x", "age", "above the greatest allowed value, 120.0"),
        (b"p2,forty,F,x", "age", "not a whole number"),
        (b'p2,"1,000",F,x', "age", "not a whole number"),
        (b"p2,1 000,F,x", "age", "not a whole number"),
        (b"p2,NaN,F,x", "age", "not a whole number"),
        (b"p2,inf,F,x", "age", "not a whole number"),
        (b"p2,40.5,F,x", "age", "not a whole number"),
        (b"p2,40,X,x", "sex", "not in the list"),
        (b"p2,40,f,x", "sex", "not in the list"),
        (b"p2,40,F,=cmd|' /C calc'!A0", "note", "formula"),
        (b"p2,40,F,+1", "note", "formula"),
        (b'p2,40,F,"a\nb"', "note", "control character"),
        (b"p2,40,F,a\x00b", "note", "control character"),
        (b"p2,40,F," + b"x" * 129, "note", "longer than 128"),
        (b",40,F,x", "id", "missing"),
    ],
)
def test_a_wrong_cell_refuses_the_file(tmp_path, row, column, reason):
    error = refused(tmp_path, HEADER + GOOD + row + b"\n" + GOOD)
    assert error.count == 1
    assert found(error)[0][:2] == (3, column)
    assert reason in found(error)[0][2]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"p2,40,F", "fewer cells"),
        (b"p2,40,F,x,y", "more cells"),
        (b'p2,40,F,"x', "quotation mark"),
        (b"p2,40,F," + b"x" * 1_100_000, "longer than a million"),
    ],
)
def test_a_row_that_is_no_csv_refuses_the_file(tmp_path, row, reason):
    error = refused(tmp_path, HEADER + GOOD + row + b"\n")
    assert found(error)[0][0] == 3
    assert reason in found(error)[0][2]


def test_a_row_that_is_not_utf8_refuses_the_file_with_what_it_looks_like(tmp_path):
    (tmp_path / "file").write_bytes(HEADER + GOOD + b"p2,40,F,\xe4\n")
    with pytest.raises(TableUnreadableError, match="not UTF-8; it looks like windows-1252"):
        load(tmp_path / "file", DICTIONARY)


def test_the_first_twenty_findings_and_their_number(tmp_path):
    error = refused(tmp_path, HEADER + b"p,999,Q,x\n" * 30)
    assert error.count == 60
    assert len(error.findings) == 20
    assert [finding[:2] for finding in found(error)[:3]] == [(2, "age"), (2, "sex"), (3, "age")]
    assert "60 findings" in str(error)


@pytest.mark.parametrize(
    ("header", "column", "reason"),
    [
        (b"id,age,age,sex,note\n", "age", "twice"),
        (b"id,age,sex\n", "note", "missing in the file"),
        (b"id,age,sex,note,name\n", "name", "does not describe"),
        (b"ID,age,sex,note\n", "id", "missing in the file"),
    ],
)
def test_the_columns_are_those_of_the_dictionary(tmp_path, header, column, reason):
    assert any(
        (row, name) == (1, column) and reason in why for row, name, why in found(refused(tmp_path, header + GOOD))
    )


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfeid\x00,\x00", HEADER[:-1] + b'"\n', b"\x00" * 50])
def test_a_file_without_a_csv_header_is_unreadable(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises((TableUnreadableError, TableRefusedError)):
        load(tmp_path / "file", DICTIONARY)


@pytest.mark.parametrize(
    "content", [b"PAR1" + b"\0" * 100, b"SQLite format 3\0" + b"\1" * 100, b"\0" * 8 + b"DUCK" + b"\0" * 100]
)
def test_a_broken_database_file_is_unreadable(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(TableUnreadableError):
        load(tmp_path / "file", DICTIONARY, "t")


def test_line_ends_that_change_within_the_file_are_not_read_as_something_else(tmp_path):
    (tmp_path / "file").write_bytes(HEADER.replace(b"\n", b"\r\n") + GOOD)
    (tmp_path / "uniform").write_bytes(HEADER + GOOD)
    assert load(tmp_path / "file", DICTIONARY).digest == load(tmp_path / "uniform", DICTIONARY).digest


def test_a_table_that_is_not_there_is_unreadable(tmp_path):
    sqlite3.connect(tmp_path / "a.sqlite").executescript("CREATE TABLE t (id)").connection.close()
    duckdb.connect(str(tmp_path / "a.duckdb")).close()
    for name in ("a.sqlite", "a.duckdb"):
        with pytest.raises(TableUnreadableError):
            load(tmp_path / name, DICTIONARY, "no such table")


def test_bytes_and_wrong_cells_of_a_database_are_found_by_record(tmp_path):
    with sqlite3.connect(tmp_path / "t.db") as connection:
        connection.execute("CREATE TABLE t (id, age, sex, note)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", [("p", 1, "F", "x"), ("p", 1e300, "F", b"x")])
    connection.close()
    with pytest.raises(TableRefusedError) as caught:
        load(tmp_path / "t.db", DICTIONARY, "t")
    assert [finding[:2] for finding in found(caught.value)] == [(2, "age"), (2, "note")]


def test_no_cell_is_quoted_in_an_error(tmp_path):
    secret = b"Erika-Mustermann-1970"
    for row in (
        secret + b",999,F,x",
        b"p,40,F," + secret + b"," + secret,
        b"p," + secret + b",F,x",
        b'p,40,F,"' + secret,
    ):
        error = refused(tmp_path, HEADER + row + b"\n")
        told = str(error) + repr(error) + repr(error.findings) + repr(error.__cause__)
        assert secret.decode() not in told


def test_a_table_that_does_not_fit_into_memory_is_refused_with_that_reason(tmp_path, monkeypatch):
    monkeypatch.setattr("medspace.adapters.duckdb.reading.MEMORY_LIMIT", "8MB")
    (tmp_path / "file").write_bytes(HEADER + b"".join(b"p%d,40,F,%064d\n" % (n, n) for n in range(150_000)))
    with pytest.raises(TableUnreadableError, match="does not fit into 8MB"):
        load(tmp_path / "file", DICTIONARY)
