"""What every source keeps: tables of every form of file, PostgreSQL, images, and the double of the tests."""

import math
import sqlite3
from contextlib import closing

import duckdb
import numpy as np
import pytest
import sqlalchemy as sa

from medspace.adapters.duckdb.publishing import CheckedTable
from medspace.adapters.duckdb.source import load
from medspace.adapters.images import source as image_adapter
from medspace.adapters.postgresql import table as postgresql_adapter
from medspace.connector.usage.rows import opened
from medspace.connector.usage.versions import sums_of
from medspace.core.columns import ColumnUnknownError
from medspace.core.dictionary import parse
from medspace.core.errors import RefusedError
from medspace.core.material import Form
from medspace.core.usage import RowScope
from tests.admissions import admission
from tests.images import brightness, write_folder
from tests.postgres import postgres  # noqa: F401 - a fixture
from tests.unit.learning.simulated import TableSource as DoubleSource

DICTIONARY = parse("""
title = "Visits"
person = "person"
[columns.person]
type = "code"
[columns.age]
type = "integer"
minimum = 0
maximum = 120
[columns.sex]
type = "code"
""")
# In the order in which a database sorts them, since a table of a server has no other.
ROWS = [("a", 63, "f"), ("a", 64, "f"), ("b", None, "m"), ("c", 40, None), ("d", 41, "m"), ("d", 52, "f")]
KEY = b"k" * 32


def csv_text():
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in ROWS]
    return "\n".join(["person,age,sex", *lines]) + "\n"


def write_csv(folder):
    (folder / "t.csv").write_text(csv_text())
    return load(folder / "t.csv", DICTIONARY, "", "csv")


def write_sqlite(folder):
    with closing(sqlite3.connect(folder / "t.db")) as connection, connection:
        connection.execute("CREATE TABLE visits (person TEXT, age INT, sex TEXT)")
        connection.executemany("INSERT INTO visits VALUES (?, ?, ?)", ROWS)
    return load(folder / "t.db", DICTIONARY, "visits", "sqlite")


def write_duckdb(folder, form="duckdb"):
    with duckdb.connect(str(folder / "t.duckdb")) as connection:
        connection.execute("CREATE TABLE visits (person VARCHAR, age INT, sex VARCHAR)")
        connection.executemany("INSERT INTO visits VALUES (?, ?, ?)", ROWS)
        connection.execute(f"COPY visits TO '{folder / 't.parquet'}' (FORMAT parquet)")
    return load(folder / ("t.parquet" if form == "parquet" else "t.duckdb"), DICTIONARY, "visits", form)


def write_postgresql(url):
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE visits (person text, age int, sex text)")
        connection.exec_driver_sql("INSERT INTO visits VALUES (%s, %s, %s)", ROWS)
    engine.dispose()
    return postgresql_adapter.load("hearts", url, "visits", DICTIONARY)


def labels():
    columns = dict(zip(("person", "age", "sex"), zip(*ROWS, strict=True), strict=True))
    return {name: ["" if cell is None else str(cell) for cell in cells] for name, cells in columns.items()}


def pictures():
    return [brightness(40 * number, seed=number) for number in range(len(ROWS))]


def write_images(folder):
    return image_adapter.load("hearts", write_folder(folder / "scans", pictures(), labels()), DICTIONARY)


def write_arrays(folder):
    age = np.array([math.nan if row[1] is None else row[1] for row in ROWS])
    texts = {name: np.array(cells) for name, cells in labels().items() if name != "age"}
    np.savez(folder / "scans.npz", images=np.stack(pictures()), age=age, **texts)
    return image_adapter.load("hearts", folder / "scans.npz", DICTIONARY)


FILES = {
    "csv": write_csv,
    "sqlite": write_sqlite,
    "duckdb": write_duckdb,
    "parquet": lambda folder: write_duckdb(folder, "parquet"),
}
IMAGES = {"images in a folder": write_images, "images in an archive": write_arrays}
KINDS = [*FILES, *IMAGES, "postgresql", "the double of the tests"]


def checked(kind, folder, postgres):  # noqa: F811 - the fixture
    if kind in FILES:
        return CheckedTable("hearts", FILES[kind](folder))
    return IMAGES[kind](folder) if kind in IMAGES else write_postgresql(postgres())


def made(kind, folder, postgres):  # noqa: F811 - the fixture
    if kind != KINDS[-1]:
        return checked(kind, folder, postgres).source
    age = [math.nan if row[1] is None else float(row[1]) for row in ROWS]
    columns = {"person": [row[0] for row in ROWS], "age": age, "sex": [row[2] for row in ROWS]}
    return DoubleSource(columns, DICTIONARY)


@pytest.fixture(params=KINDS)
def source(request, tmp_path):
    needed = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    return made(request.param, tmp_path, needed)


def scope(column, *values, within=True):
    return RowScope(column, frozenset(values), within=within)


SCOPES = [
    (),
    (scope("person", "a", "d"),),
    (scope("person", "a", within=False),),
    (scope("sex", "f"),),
    (scope("sex", "f", within=False),),  # a missing value is among no values
    (scope("person", "a", "b"), scope("sex", "m")),
    (scope("person"),),
    (scope("person", "nobody", within=False),),
]


def lets_in(row, scopes):
    cells = dict(zip(("person", "age", "sex"), row, strict=True))
    return all((cells[one.column] in one.values) is one.within for one in scopes)


class TestSource:
    def test_it_opens_what_it_says_that_it_opens(self, source):
        rows = source.open(admission())
        assert rows.form is source.form
        assert rows.scope == ()
        assert rows.dictionary == DICTIONARY
        assert rows.count == len(ROWS)

    @pytest.mark.parametrize("scopes", SCOPES)
    def test_every_accessor_tells_of_the_rows_within_the_scope_and_of_no_other(self, source, scopes):
        kept = [at for at, row in enumerate(ROWS) if lets_in(row, scopes)]
        rows = opened(source, admission(scope=scopes))  # as usage control does
        assert (rows.scope, rows.count) == (scopes, len(kept))
        names = list(dict.fromkeys(ROWS[at][0] for at in kept))
        told = {}
        for person, at in zip(rows.persons(), kept, strict=True):
            assert told.setdefault(ROWS[at][0], person) == person
        assert len(set(told.values())) == len(names)
        expected = [math.nan if ROWS[at][1] is None else ROWS[at][1] for at in kept]
        np.testing.assert_array_equal(np.asarray(rows.numbers("age"), float), np.asarray(expected, float))
        assert list(rows.codes("sex")) == [ROWS[at][2] for at in kept]
        if rows.form is Form.IMAGES:
            assert [rows.pixels(index) for index in range(rows.count)] == [pictures()[at].tobytes() for at in kept]
            with pytest.raises(IndexError):
                rows.pixels(rows.count)

    @pytest.mark.parametrize("scopes", SCOPES)
    def test_marks_are_those_of_the_whole_and_name_persons(self, source, scopes):
        kept = [at for at, row in enumerate(ROWS) if lets_in(row, scopes)]
        who, said = (list(map(int, marks)) for marks in source.open(admission()).marks(KEY))
        within = tuple(list(map(int, marks)) for marks in source.open(admission(scope=scopes)).marks(KEY))
        assert within == ([who[at] for at in kept], [said[at] for at in kept])
        assert len(set(said)) == len(ROWS)
        assert [who[a] == who[b] for a in range(6) for b in range(6)] == [a[0] == b[0] for a in ROWS for b in ROWS]
        assert set(who).isdisjoint(map(int, source.open(admission()).marks(b"j" * 32)[0]))

    def test_its_content_can_be_compared(self, source):
        whole = sums_of(source.open(admission()), KEY)
        assert whole == sums_of(source.open(admission()), KEY)
        assert whole != sums_of(source.open(admission(scope=(scope("person", "a"),))), KEY)

    @pytest.mark.parametrize("within", [True, False])
    def test_a_scope_by_a_column_that_is_not_there_opens_nothing(self, source, within):
        with pytest.raises(RefusedError):
            source.open(admission(scope=(scope("consent", "yes", within=within),)))

    @pytest.mark.parametrize(("accessor", "column"), [("numbers", "sex"), ("codes", "age"), ("numbers", "nothing")])
    def test_a_column_of_another_kind_is_refused(self, source, accessor, column):
        with pytest.raises((RefusedError, ColumnUnknownError)):
            getattr(source.open(admission()), accessor)(column)

    @pytest.mark.parametrize("accessor", ["numbers", "codes"])
    def test_pseudonyms_are_not_given(self, source, accessor):
        with pytest.raises(RefusedError):
            getattr(source.open(admission()), accessor)("person")

    def test_what_was_opened_once_is_not_changed_by_what_is_done_with_it(self, source):
        first = source.open(admission(scope=(scope("sex", "f"),)))
        persons = first.persons()
        persons[0] = 99
        list(first.codes("sex")).clear()
        assert source.open(admission()).count == len(ROWS)
        assert next(iter(first.persons())) != 99


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_patients_without_any_value_are_counted_once_each(kind, request, tmp_path):
    needed = request.getfixturevalue("postgres") if kind == "postgresql" else None
    assert checked(kind, tmp_path, needed).missing() == {"age": 1, "sex": 1}
