"""Tables that would take minutes to look at: a small file with very many rows, or a view that never ends."""

import sqlite3
from contextlib import closing

import duckdb
import pytest

from medspace.adapters.duckdb.deadline import LOOK_SECONDS, deadline, within_deadline
from medspace.adapters.duckdb.drafting import candidates, draft, how_written
from medspace.adapters.duckdb.errors import TableFormError, TableUnreadableError
from medspace.adapters.duckdb.histograms import profile
from medspace.adapters.duckdb.reading import connect, looking
from medspace.adapters.duckdb.settings import DraftOptions

AGES = DraftOptions(rows_are_persons=True)
ENDLESS = "SELECT sum(a.range * b.range % 7) FROM range({rows}) a, range({rows}) b"
VIEW = """CREATE VIEW patients AS WITH RECURSIVE n(age) AS (SELECT 1 UNION ALL SELECT age % 90 + 1 FROM n {stop})
SELECT age FROM n"""


def look(rows, seconds):
    with closing(connect(None)) as connection, looking(connection, "table.parquet", seconds):
        return connection.execute(ENDLESS.format(rows=rows)).fetchone()


def test_what_takes_too_long_is_interrupted_and_told():
    with pytest.raises(TableFormError) as refused:
        look(10_000_000, 0)
    error = refused.value
    assert (error.code, "longer than 0 seconds" in error.text.render(str)) == ("table.form", True)
    assert "--dictionary" in error.advice.render(str)
    assert look(100, LOOK_SECONDS) is not None  # the control: the same within its time
    with (
        pytest.raises(TableUnreadableError) as unreadable,
        closing(connect(None)) as connection,
        looking(connection, "table.parquet", LOOK_SECONDS),
    ):
        connection.execute("SELECT nothing")
    assert unreadable.value.code == "table.unreadable"


def test_a_view_that_never_ends_does_not_hold_anybody_up(tmp_path):
    endless, ending = tmp_path / "endless.db", tmp_path / "ending.db"
    for file, stop in ((endless, ""), (ending, "LIMIT 500")):
        with closing(sqlite3.connect(file)) as made:
            made.execute(VIEW.format(stop=stop))
    for read in (draft, candidates):
        with pytest.raises(TableFormError) as refused:
            read(endless, AGES, 0)
        assert "longer than" in refused.value.text.render(str)
    assert draft(ending, AGES).rows == 500  # the control


def test_each_look_at_a_file_ends(tmp_path):
    """A file of a few kilobytes with very many rows; the control: fewer rows, and the usual time."""
    many, few = tmp_path / "many.parquet", tmp_path / "few.parquet"
    with closing(duckdb.connect()) as made:
        for file, rows in ((many, 30_000_000), (few, 1000)):
            made.execute(f"COPY (SELECT 40 AS age FROM range({rows})) TO '{file}' (FORMAT parquet)")
    assert many.stat().st_size < 1 << 20
    drafted = draft(few, AGES)
    for read in (lambda: draft(many, AGES, 0), lambda: profile(many, drafted, 0), lambda: candidates(many, AGES, 0)):
        with pytest.raises(TableFormError) as refused:
            read()
        assert "longer than" in refused.value.text.render(str)
    assert profile(few, drafted)
    assert how_written(few, AGES) == ("", None)


def test_a_connection_that_is_closed_does_not_keep_the_others_from_being_interrupted():
    gone, busy = sqlite3.connect(":memory:"), sqlite3.connect(":memory:")
    with closing(busy), closing(connect(None)) as connection, deadline(connection, 0) as look, within_deadline(gone):
        gone.close()
        with pytest.raises(sqlite3.ProgrammingError):
            gone.interrupt()  # a control: the thread meets the same
        with within_deadline(busy), pytest.raises(sqlite3.OperationalError, match="interrupted"):
            busy.execute(f"SELECT sum(age) FROM ({VIEW.partition(' AS ')[2].format(stop='LIMIT 20000000')})")
        assert look.passed


def test_what_is_no_look_has_no_deadline():
    with closing(sqlite3.connect(":memory:")) as source, within_deadline(source):
        assert source.execute("SELECT 1").fetchone() == (1,)
