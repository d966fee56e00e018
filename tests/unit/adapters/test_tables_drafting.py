"""A drafted dictionary: the file that it was drafted from keeps to it."""

import csv
import sqlite3
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.adapters.duckdb import TableRefusedError, TableUnreadableError, load
from medspace.adapters.duckdb.drafting import draft
from medspace.core.dictionary import ColumnType, parse

TEXT = """pid,age,bmi,lab,sex,visit,smoker,zip,empty,free
a1,28,22.4,NA,F,2020-01-02,true,00123,,x0
a2,77,31.9,1.5,M,2021-05-06,false,04567,,x1
a3,,19.1,?,,,,,,x2
"""


def drafted(path: Path, **more):
    return parse(draft(path, **more))


@pytest.fixture
def file(tmp_path):
    (tmp_path / "clinic visits.csv").write_text(TEXT, encoding="utf-8")
    return tmp_path / "clinic visits.csv"


def test_types_are_those_of_the_cells(file):
    dictionary = drafted(file, person="pid")
    assert dictionary.title == "clinic visits"
    assert dictionary.person == "pid"
    assert {column.name: column.type.value for column in dictionary.columns} == {
        "pid": "code", "age": "integer", "bmi": "number", "lab": "number", "sex": "code", "visit": "date",
        "smoker": "flag", "zip": "code", "empty": "code", "free": "code",
    }  # fmt: skip
    assert dictionary.column("lab").missing == ("?", "NA")
    assert set(dictionary.column("sex").codes) == {"F", "M"}
    assert dictionary.column("pid").codes == {}


def test_the_published_bounds_are_nobodys_value(file):
    dictionary = drafted(file, person="pid")
    age, bmi = dictionary.column("age"), dictionary.column("bmi")
    assert (age.minimum, age.maximum) == (20, 80)
    assert (bmi.minimum, bmi.maximum) == (10, 40)


def test_many_codes_are_left_open(tmp_path):
    rows = "\n".join(f"x{number}" for number in range(33))
    (tmp_path / "t.csv").write_text(f"code\n{rows}\n")
    assert drafted(tmp_path / "t.csv").column("code").codes == {}


def test_every_form_of_file_can_be_drafted(file, tmp_path):
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        connection.execute(f"CREATE TABLE visits AS SELECT * FROM read_csv('{file}', all_varchar = true)")
        connection.execute(f"COPY visits TO '{tmp_path}/t.parquet'")
        rows = connection.execute("SELECT * FROM visits").fetchall()
    with sqlite3.connect(tmp_path / "t.sqlite") as connection:
        connection.execute(f"CREATE TABLE visits ({TEXT.splitlines()[0]})")
        connection.executemany(f"INSERT INTO visits VALUES ({', '.join('?' * 10)})", rows)
    connection.close()
    columns = drafted(file).columns
    assert drafted(tmp_path / "t.parquet").columns == columns
    assert drafted(tmp_path / "t.duckdb", table="visits").columns == columns
    assert drafted(tmp_path / "t.sqlite", table="visits").columns == columns


def test_what_cannot_be_read_cannot_be_drafted(tmp_path):
    (tmp_path / "twice.csv").write_text("a,a\n1,2\n")
    (tmp_path / "ragged.csv").write_text("a,b\n1\n")
    for name in ("twice.csv", "ragged.csv"):
        with pytest.raises(TableRefusedError):
            draft(tmp_path / name)
    with pytest.raises(TableUnreadableError):
        draft(tmp_path / "absent.csv")


def test_the_column_of_the_person_must_be_there(file):
    with pytest.raises(TableUnreadableError, match="patient"):
        draft(file, person="patient")


CELL = st.one_of(
    st.sampled_from(["", "NA", "?", "true", "1", "0", "007", "2020-02-29", "2020-02-30", "1e400", "-0.0", "=1+1"]),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=6),
)
NAME = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=6)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_file_keeps_to_its_draft(tmp_path_factory, data):
    names = data.draw(st.lists(NAME, min_size=2, max_size=3, unique=True))
    rows = data.draw(st.lists(st.lists(CELL, min_size=len(names), max_size=len(names)), min_size=1, max_size=6))
    file = tmp_path_factory.mktemp("drafts") / "t.csv"
    with file.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target, lineterminator="\n").writerows([names, *rows])
    dictionary = drafted(file)
    assert [column.name for column in dictionary.columns] == names
    assert load(file, dictionary).count == len(rows)
    assert all(column.type in ColumnType for column in dictionary.columns)
