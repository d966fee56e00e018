"""What is kept of a checked table is what DuckDB read, and DuckDB is gone."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from medspace.adapters.duckdb.cells import opened
from medspace.adapters.duckdb.source import TableSource, load
from medspace.core.dictionary import parse
from tests.admissions import admission

DICTIONARY = parse("""
title = "Odd"
[columns.x]
type = "number"
[columns.flag]
type = "flag"
[columns.day]
type = "date"
[columns.code]
type = "code"
""")
MISSING = 3_000  # more rows than DuckDB looks at before it says what a column holds
ODD = [
    ("-0.0", "true", "0001-01-01", "007"),
    ("1e300", "0", "9999-12-31", "Ä b"),
    ("9007199254740993", "FALSE", "1969-12-31", "NULL"),
    ("0.1", "1", "2020-02-29", "nan"),
]
SAID = [
    (-0.0, True, date(1, 1, 1), "007"),
    (1e300, False, date(9999, 12, 31), "Ä b"),
    (9007199254740992.0, False, date(1969, 12, 31), "NULL"),
    (0.1, True, date(2020, 2, 29), "nan"),
]


def odd(folder, lines):
    file = folder / "odd.csv"
    file.write_text("x,flag,day,code\n" + "".join(f"{','.join(line)}\n" for line in lines), encoding="utf-8")
    return load(file, DICTIONARY)


def test_what_is_counted_again_in_sql_is_what_was_read(tmp_path):
    table = odd(tmp_path, [("", "", "", "")] * MISSING + ODD)
    with opened(table._cells) as connection:
        found = connection.execute("SELECT c0, c1, c2, c3 FROM rows ORDER BY row").fetchall()
    assert found == [(None,) * 4] * MISSING + SAID
    assert np.signbit(found[MISSING][0])


def test_a_table_without_rows_has_the_columns_all_the_same(tmp_path):
    with opened(odd(tmp_path, [])._cells) as connection:
        assert connection.execute("SELECT count(*), max(c0), max(c1), max(c2), max(c3) FROM rows").fetchall() == [
            (0, None, None, None, None)
        ]


def test_flags_and_dates_are_told_as_numbers_and_as_texts(tmp_path):
    rows = TableSource({"odd": odd(tmp_path, [*ODD, ("", "", "", "")])}).open(admission(asset="odd"))
    assert rows.codes("flag") == ["true", "false", "false", "true", None]
    assert rows.codes("day") == ["0001-01-01", "9999-12-31", "1969-12-31", "2020-02-29", None]
    np.testing.assert_array_equal(rows.numbers("flag"), [1, 0, 0, 1, np.nan])
    np.testing.assert_array_equal(rows.numbers("day"), [-719162, 2932896, -1, 18321, np.nan])
    assert rows.numbers("day").dtype == rows.numbers("flag").dtype == np.float64


def test_whoever_changes_what_it_was_given_changes_nobody_elses(tmp_path):
    rows = TableSource({"odd": odd(tmp_path, ODD)}).open(admission(asset="odd"))
    rows.numbers("x")[:] = 5
    rows.persons()[:] = 5
    assert rows.numbers("x")[3] == 0.1
    assert rows.persons().tolist() == [0, 1, 2, 3]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux tells a process its threads")
def test_loaded_tables_keep_no_threads(tmp_path):
    odd(tmp_path, ODD)  # the library is loaded
    before = len(list(Path("/proc/self/task").iterdir()))
    tables = [odd(tmp_path, ODD) for _ in range(3)]
    assert len(list(Path("/proc/self/task").iterdir())) <= before
    assert len({table.digest for table in tables}) == 1


def test_a_column_is_not_asked_for_what_it_does_not_hold(tmp_path):
    cells = odd(tmp_path, ODD)._cells
    with pytest.raises(TypeError):
        cells.numbers("code")
    with pytest.raises(TypeError):
        cells.holders("x", np.arange(4))
