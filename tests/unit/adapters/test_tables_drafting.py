"""A drafted dictionary: the file that it was drafted from keeps to it."""

import csv
import sqlite3
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.adapters.duckdb.drafting import DraftOptions, OpenedTable, candidates, draft
from medspace.adapters.duckdb.errors import TableFormError, TableRefusedError, TableUnreadableError
from medspace.adapters.duckdb.heading import MOST_COLUMNS
from medspace.adapters.duckdb.source import load
from medspace.core.dictionary import SENTENCES, ColumnType, Reason, parse
from medspace.privacy.publication import LEAST
from tests.examples import most

ROWS = 24
HEADER = "pid,age,bmi,lab,sex,visit,smoker,zip,empty,free\n"


def row(n):
    lab = ("NA", "1.5", "?")[n % 3]
    sex, smoker = "FM"[n % 2], ("true", "false")[n % 2]
    return f"a{n},{40 + n},{20 + n / 10},{lab},{sex},2020-01-{n % 9 + 1:02},{smoker},0012{n % 2},,x{n}\n"


TEXT = HEADER + "".join(map(row, range(ROWS)))


def drafted(path: Path, **more):
    return parse(draft(path, DraftOptions(**more)).toml)


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
        "smoker": "flag", "zip": "code", "empty": "code",
    }  # fmt: skip
    assert dictionary.column("lab").missing == ("?", "NA")
    assert set(dictionary.column("sex").codes) == {"F", "M"}
    assert dictionary.column("pid").codes == {}
    assert dictionary.left_out == ("free",)
    assert load(file, dictionary).count == ROWS


def test_the_published_bounds_are_round_and_far_from_anybodys_value(file):
    dictionary = drafted(file, person="pid")
    age, bmi = dictionary.column("age"), dictionary.column("bmi")
    assert (age.minimum, age.maximum) == (0, 100)
    assert (bmi.minimum, bmi.maximum) == (0, 50)


def test_many_codes_are_left_open(tmp_path):
    rows = "".join(f"x{number % 33}\n" for number in range(33 * LEAST))
    (tmp_path / "t.csv").write_text(f"code\n{rows}")
    column = drafted(tmp_path / "t.csv").column("code")
    assert (column.codes, column.others) == ({}, False)


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
        draft(file, DraftOptions(person="patient"))


CELL = st.one_of(
    st.sampled_from(["", "NA", "?", "true", "1", "0", "007", "2020-02-29", "2020-02-30", "1e400", "-0.0", "=1+1"]),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=6),
)
NAME = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=6)
NAME = NAME.map(str.strip).filter(bool)  # blanks around a name are none of it


def refusals(file, dictionary):
    """Why a file does not keep to a dictionary; nothing where it does."""
    try:
        load(file, dictionary)
    except TableRefusedError as refused:
        return {finding.reason.msgid for finding in refused.findings}
    return set()


@given(data=st.data())
@settings(max_examples=most(40), deadline=None)
def test_a_file_keeps_to_its_draft(tmp_path_factory, data):
    names = data.draw(st.lists(NAME, min_size=2, max_size=3, unique=True))
    rows = data.draw(st.lists(st.lists(CELL, min_size=len(names), max_size=len(names)), min_size=1, max_size=6))
    rows *= data.draw(st.sampled_from([1, LEAST]))
    file = tmp_path_factory.mktemp("drafts") / "t.csv"
    with file.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target, lineterminator="\n").writerows([names, *rows])
    try:
        made = draft(file)
    except TableUnreadableError:  # it looks like no header, or like names only
        return
    dictionary = parse(made.toml)
    assert {column.name for column in dictionary.columns} | set(dictionary.left_out) == set(names)
    assert refusals(file, dictionary) <= {SENTENCES[Reason.FORMULA]}  # of rare cells that no dictionary allows
    assert all(column.type in ColumnType for column in dictionary.columns)


@pytest.mark.parametrize("form", ["csv", "parquet", "duckdb", "sqlite"])
def test_a_table_of_very_many_columns_is_refused_before_it_is_read(tmp_path, form):
    path, names = tmp_path / f"wide.{form}", [f"n{'x' * (place % 3)}{place}y" for place in range(MOST_COLUMNS + 1)]
    columns = ", ".join(f"'a' AS {name}" for name in names)
    if form == "csv":
        path.write_text(",".join(names) + "\n" + ",".join("a" for _ in names) + "\n")
    elif form == "parquet":
        duckdb.execute(f"COPY (SELECT {columns}) TO '{path}' (FORMAT parquet)")
    elif form == "duckdb":
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"CREATE TABLE wide AS SELECT {columns}")
    else:
        with sqlite3.connect(path) as source:
            source.execute(f"CREATE TABLE wide ({', '.join(names)})")
        source.close()
    for look in (draft, candidates):
        with pytest.raises(TableFormError, match="1001 columns, more than 1000") as caught:
            look(path)
        assert "split the table" in str(caught.value.facts["step"])


def test_a_table_of_a_server_is_no_wider():
    names = tuple(f"c{place}" for place in range(MOST_COLUMNS + 1))
    with pytest.raises(TableFormError):
        OpenedTable("clinic.wide", "wide", "postgresql", "clinic.wide", None, names, lambda *_: None)


def test_rows_of_nobody_are_counted_and_the_first_of_them_are_named(tmp_path):
    path = tmp_path / "t.csv"
    known = "".join(f"p{number},{30 + number}\n" for number in range(40))
    path.write_text("person,age\n" + known + ",\n" * 30 + "total,5\n" + ",7\n" * 25)
    found = draft(path, DraftOptions(person="person"))
    assert [(one.kind, one.rows, one.count) for one in found.odd_rows] == [
        ("empty", tuple(range(42, 62)), 30),
        ("total", (72,), 1),
    ]
    nobody = next(one for one in found.notes if one.kind == "nobody")
    assert nobody.said.facts == {"count": 25, "rows": ", ".join(map(str, range(73, 93)))}
    assert found.rows == 40 + 25
