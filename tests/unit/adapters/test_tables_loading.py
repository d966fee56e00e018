"""Tables from CSV, Parquet, DuckDB and SQLite files: the same content is the same table."""

import csv
import math
import sqlite3
import struct
from datetime import date
from hashlib import sha256

import duckdb
import numpy as np
import pytest

from medspace.adapters import extras
from medspace.adapters.duckdb.errors import RowsRefusedError, TableUnreadableError
from medspace.adapters.duckdb.source import TableSource, load
from medspace.core.columns import ColumnUnknownError
from medspace.core.dictionary import parse
from medspace.core.hashing import digest
from tests.admissions import admission

DICTIONARY = parse("""
title = "Clinic"
person = "patient"
[columns.patient]
type = "code"
[columns.age]
type = "integer"
[columns.crp]
type = "number"
missing = [0]
[columns.sex]
type = "code"
[columns.smoker]
type = "flag"
[columns.visit]
type = "date"
""")
TEXT = """patient,age,crp,sex,smoker,visit
p1,63,0,M,TRUE,2020-01-02
p2,,1.5,F,0,
p2,5,,Ä,,1969-12-31
"""
ROWS = [
    ("p1", 63, 0.0, "M", 1, "2020-01-02"),
    ("p2", None, 1.5, "F", 0, None),
    ("p2", 5, None, "Ä", None, "1969-12-31"),
]


def rows(table):
    return TableSource({"clinic": table}).open(admission(asset="clinic"))


@pytest.fixture
def clinic(tmp_path):
    (tmp_path / "clinic.csv").write_text(TEXT, encoding="utf-8")
    return load(tmp_path / "clinic.csv", DICTIONARY)


def test_columns_come_as_numbers_and_codes(clinic):
    opened = rows(clinic)
    assert (opened.count, clinic.count, clinic.persons) == (3, 3, 2)
    np.testing.assert_array_equal(opened.numbers("age"), [63, np.nan, 5])
    np.testing.assert_array_equal(opened.numbers("crp"), [np.nan, 1.5, np.nan])
    np.testing.assert_array_equal(opened.numbers("smoker"), [1, 0, np.nan])
    np.testing.assert_array_equal(opened.numbers("visit"), [(date(2020, 1, 2) - date(1970, 1, 1)).days, np.nan, -1])
    assert opened.codes("sex") == ["M", "F", "Ä"]
    assert opened.codes("smoker") == ["true", "false", None]
    assert opened.codes("visit") == ["2020-01-02", None, "1969-12-31"]
    assert opened.numbers("age").dtype == np.float64


def test_rows_of_one_person_have_one_number_and_no_pseudonym_shows(tmp_path):
    (tmp_path / "t.csv").write_text("who,n\nzoe,1\nadam,2\nzoe,3\nbea,4\nadam,5\n")
    table = load(
        tmp_path / "t.csv", parse('title="t"\nperson="who"\n[columns.who]\ntype="code"\n[columns.n]\ntype="integer"')
    )
    assert rows(table).persons().tolist() == [0, 1, 0, 2, 1]
    assert rows(table).persons().dtype == np.int64
    assert table.persons == 3


def test_rows_open_for_the_admitted_asset_only(clinic):
    source = TableSource({"clinic": clinic})
    assert source.assets == ("clinic",)
    with pytest.raises(RowsRefusedError, match="pharmacy"):
        source.open(admission(asset="pharmacy"))


def test_a_column_that_is_not_there_is_named(clinic):
    for read in (rows(clinic).numbers, rows(clinic).codes):
        with pytest.raises(ColumnUnknownError, match="nobody"):
            read("nobody")


@pytest.mark.parametrize("column", ["patient", "sex"])
def test_numbers_are_refused_where_there_are_none(clinic, column):
    with pytest.raises(RowsRefusedError, match=column):
        rows(clinic).numbers(column)


@pytest.mark.parametrize("column", ["patient", "age"])
def test_codes_are_refused_where_there_are_none(clinic, column):
    with pytest.raises(RowsRefusedError, match=column):
        rows(clinic).codes(column)


def test_a_table_without_person_column_counts_rows(tmp_path):
    (tmp_path / "t.csv").write_text("a\n1\n1\n")
    table = load(tmp_path / "t.csv", parse('title="t"\n[columns.a]\ntype="integer"'))
    assert table.persons == 2
    assert rows(table).persons().tolist() == [0, 1]


def write_sqlite(path, text_numbers):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE visits (visit, patient, age, crp, sex, smoker)")
        for patient, age, crp, sex, smoker, visit in ROWS:
            told = str(age) if text_numbers and age is not None else age
            connection.execute(
                "INSERT INTO visits VALUES (?, ?, ?, ?, ?, ?)", (visit, patient, told, crp, sex, smoker)
            )
    connection.close()


def write_duckdb(path, parquet):
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            'CREATE TABLE "vis""its" (patient VARCHAR, age INT, crp DOUBLE, sex VARCHAR, smoker BOOL, visit DATE)'
        )
        connection.executemany('INSERT INTO "vis""its" VALUES (?, ?, ?, ?, ?, ?)', ROWS)
        connection.execute(f'COPY "vis""its" TO \'{parquet}\' (FORMAT parquet)')


def test_the_same_content_is_the_same_table_in_every_form(clinic, tmp_path):
    write_sqlite(tmp_path / "numbers.sqlite", text_numbers=False)
    write_sqlite(tmp_path / "texts.db", text_numbers=True)
    write_duckdb(tmp_path / "clinic.duckdb", tmp_path / "clinic.parquet")
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    (tmp_path / "no-end.csv").write_text(TEXT.rstrip("\n").replace("1.5", "15e-1"), encoding="utf-8")
    (tmp_path / "blank-lines.csv").write_text(TEXT.replace("p2,,", "\np2,,") + "\n\n", encoding="utf-8")
    columns = [line.split(",") for line in TEXT.splitlines()]
    (tmp_path / "turned.csv").write_text("\n".join(",".join(reversed(c)) for c in columns) + "\n", encoding="utf-8")
    same = {
        load(tmp_path / "numbers.sqlite", DICTIONARY, "visits").digest,
        load(tmp_path / "texts.db", DICTIONARY, "visits").digest,
        load(tmp_path / "clinic.duckdb", DICTIONARY, 'vis"its').digest,
        *(load(tmp_path / name, DICTIONARY).digest for name in ("clinic.parquet", "bom.csv", "no-end.csv")),
        *(load(tmp_path / name, DICTIONARY).digest for name in ("blank-lines.csv", "turned.csv")),
    }
    assert same == {clinic.digest}


def test_the_digest_is_what_the_docs_say(clinic):
    records = list(csv.DictReader(TEXT.splitlines()))

    def content(column):
        cells = [record[column.name] for record in records]
        if column.type == "code":
            return sha256("".join(cell + "\x1e" if cell else "\x1f" for cell in cells).encode()).hexdigest()
        values = {"TRUE": 1.0, "2020-01-02": 18263.0, "1969-12-31": -1.0, "": math.nan}
        numbers = [values.get(cell, math.nan if cell == "0" and column.name == "crp" else None) for cell in cells]
        told = [float(cell) if number is None else number for cell, number in zip(cells, numbers, strict=True)]
        return sha256(b"".join(struct.pack(">d", number) for number in told)).hexdigest()

    columns = [{"name": c.name, "type": c.type.value, "content": content(c)} for c in DICTIONARY.columns]
    assert clinic.digest == digest({"rows": 3, "columns": columns})


def test_another_value_or_another_order_is_another_table(clinic, tmp_path):
    lines = TEXT.splitlines()
    for name, text in {"value": TEXT.replace("63", "64"), "order": "\n".join([lines[0], *lines[:0:-1]])}.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
        assert load(tmp_path / f"{name}.csv", DICTIONARY).digest != clinic.digest


def test_minus_zero_is_zero(tmp_path):
    dictionary = parse('title="t"\n[columns.a]\ntype="number"')
    for name, cell in (("plus", "0"), ("minus", "-0.0")):
        (tmp_path / name).write_text(f"a\n{cell}\n")
    assert load(tmp_path / "plus", dictionary).digest == load(tmp_path / "minus", dictionary).digest


def test_a_header_alone_is_a_table_without_rows(tmp_path):
    (tmp_path / "t.csv").write_text(TEXT.splitlines()[0] + "\n")
    table = load(tmp_path / "t.csv", DICTIONARY)
    assert (table.count, table.persons, rows(table).numbers("age").shape) == (0, 0, (0,))


def test_the_file_may_change_after_it_was_checked(clinic, tmp_path):
    before = rows(clinic).numbers("age")
    (tmp_path / "clinic.csv").write_text("gone")
    np.testing.assert_array_equal(rows(clinic).numbers("age"), before)


def test_a_large_sqlite_table_passes_in_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr("medspace.adapters.duckdb.reading.CHUNK", 10)
    with sqlite3.connect(tmp_path / "t.db") as connection:
        connection.execute("CREATE TABLE t (a INTEGER)")
        connection.executemany("INSERT INTO t VALUES (?)", [(number,) for number in range(25)])
    connection.close()
    table = load(tmp_path / "t.db", parse('title="t"\n[columns.a]\ntype="integer"'), "t")
    np.testing.assert_array_equal(rows(table).numbers("a"), np.arange(25))


def test_a_missing_library_is_named_with_the_command_that_brings_it(tmp_path, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(extras, "import_module", absent)
    with pytest.raises(extras.MissingExtraError) as caught:
        load(tmp_path / "t.csv", DICTIONARY)
    assert 'pip install "medspace[data]"' in str(caught.value)


def test_a_missing_file_is_unreadable(tmp_path):
    with pytest.raises(TableUnreadableError, match="no such file"):
        load(tmp_path / "absent.csv", DICTIONARY)
