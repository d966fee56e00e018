"""Cells that a file writes in its own way: SQL and the pure rules say the same of them, and tables load so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.adapters.duckdb.errors import TableRefusedError
from medspace.adapters.duckdb.reading import connect
from medspace.adapters.duckdb.settings import applied
from medspace.adapters.duckdb.source import load
from medspace.adapters.duckdb.writing import canonical_sql
from medspace.core.dictionary import Column, ColumnType, parse
from medspace.core.writing import NUMBERS, PADDED, canonical
from tests.examples import most

FORMS = [(form + percent, ColumnType.NUMBER, None) for form in NUMBERS for percent in ("", " %")] + [
    (PADDED, ColumnType.CODE, None),
    ("DD.MM.YYYY", ColumnType.DATE, None),
    ("MM/DD/YYYY", ColumnType.DATE, None),
    ("YYYYMMDD", ColumnType.DATE, None),
    ("YYYY年MM月DD日", ColumnType.DATE, None),
    ("DD-MON-YYYY", ColumnType.DATE, None),
    ("DD-MON-YY", ColumnType.DATE, 1930),
    ("DD.MM.YY", ColumnType.DATE, 2000),
]
CELL = st.one_of(
    st.from_regex(r"[ <>]{0,2}[-+]?[0-9]{1,4}[., ']?[0-9]{0,3}[.,]?[0-9]{0,2}(e[0-9])? ?%?", fullmatch=True),
    st.from_regex(r"[0-9]{1,4}[-./][0-9A-Za-z]{1,4}[-./][0-9]{1,4}( [0-9]{2}:[0-9]{2})?", fullmatch=True),
    st.from_regex(r"[0-9]{1,2}-(Jan|MAR|mrz|März|Okt|xyz)-[0-9]{2,4}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8),
)


@pytest.fixture(scope="module")
def connection():
    with connect(None) as made:
        yield made


MARKS = st.lists(st.one_of(CELL, st.sampled_from(["99,9", "00.00.0000", "<0.5", "it's"])), max_size=3).map(tuple)


@given(cell=CELL, form=st.sampled_from(FORMS), limits=st.sampled_from(["", "missing", "value"]), marks=MARKS)
@settings(max_examples=most(400), deadline=None)
def test_sql_and_the_pure_rules_agree(connection, cell, form, limits, marks):
    written, kind, century = form
    column = Column("a", kind, written=written, century=century, limits=limits, missing=marks)
    for one in (cell, *marks):
        said = connection.execute(f"SELECT {canonical_sql('v', column)} FROM (SELECT ? AS v)", [one]).fetchone()[0]
        assert said == canonical(one, written, century, limits, marks)


def test_a_mark_of_missing_values_is_named_as_it_stands_in_the_file(tmp_path):
    (tmp_path / "t.csv").write_text('p,g,d\na,"99,9",00.00.0000\nb,"2,25",1.2.2023\n', encoding="utf-8")
    dictionary = parse(
        'title = "t"\nperson = "p"\n[columns.p]\ntype = "code"\n'
        '[columns.g]\ntype = "number"\nwritten = "1234,5"\nmissing = ["99,9"]\n'
        '[columns.d]\ntype = "date"\nwritten = "DD.MM.YYYY"\nmissing = ["00.00.0000"]\n'
    )
    table = load(tmp_path / "t.csv", dictionary)
    assert np.isnan(table._cells.numbers("g")[0])
    assert table._cells.numbers("g")[1] == 2.25
    assert table._cells.texts("d") == [None, "2023-02-01"]


@pytest.mark.parametrize(
    ("said", "marks"),
    [("99,9", ("99,9",)), ("9;99", ("9", "99")), ("99,9;-", ("99,9", "-")), ("?,-", ("?", "-")), ("9", ("9",))],
)
def test_marks_are_told_apart_where_numbers_have_a_decimal_comma(said, marks):
    column = Column("g", ColumnType.NUMBER, written="1234,5")
    assert applied(column, {"missing": said}).missing == marks
    assert applied(Column("g", ColumnType.NUMBER), {"missing": "99,9"}).missing == ("99", "9")


def test_a_table_loads_as_its_dictionary_says_its_cells_are_written(tmp_path):
    (tmp_path / "t.csv").write_text('p,g,d,crp\na,"1,5",31.01.2023,<0.5\nb,"2,25",1.2.2023,0.7\n', encoding="utf-8")
    dictionary = parse(
        'title = "t"\nperson = "p"\n[columns.p]\ntype = "code"\n'
        '[columns.g]\ntype = "number"\nwritten = "1234,5"\n'
        '[columns.d]\ntype = "date"\nwritten = "DD.MM.YYYY"\n'
        '[columns.crp]\ntype = "number"\nlimits = "value"\n'
    )
    table = load(tmp_path / "t.csv", dictionary)
    assert table._cells.numbers("g").tolist() == [1.5, 2.25]
    assert table._cells.texts("d") == ["2023-01-31", "2023-02-01"]
    assert table._cells.numbers("crp").tolist() == [0.5, 0.7]


def test_a_cell_that_is_written_otherwise_refuses_the_file(tmp_path):
    (tmp_path / "t.csv").write_text('p,g\na,"1,5"\nb,1.5.2\n', encoding="utf-8")
    dictionary = parse('title = "t"\n[columns.p]\ntype = "code"\n[columns.g]\ntype = "number"\nwritten = "1234,5"\n')
    with pytest.raises(TableRefusedError, match="row 3, column g"):
        load(tmp_path / "t.csv", dictionary)
