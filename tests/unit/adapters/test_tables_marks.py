"""Keyed marks of a table's rows: the same person in every version, nobody without the key."""

import numpy as np

from medspace.adapters.duckdb import source as duckdb_source
from medspace.adapters.duckdb.source import TableSource, load
from medspace.core.dictionary import parse
from tests.admissions import admission

DESCRIBED = """\
title = "T"
{person}
[columns.who]
type = "code"
[columns.age]
type = "integer"
"""


def marks(folder, lines, key=b"k", *, person=True):
    file = folder / "t.csv"
    file.write_text("who,age\n" + "".join(f"{line}\n" for line in lines))
    table = load(file, parse(DESCRIBED.format(person='person = "who"' if person else "")))
    rows = TableSource({admission().asset: table}).open(admission())
    return [found.tolist() for found in rows.marks(key)]


def test_a_person_has_one_mark_wherever_the_row_stands(tmp_path):
    first, content = marks(tmp_path, ["a,40", "b,50", "a,60"])
    second, other = marks(tmp_path, ["c,1", "b,50", "a,40"])
    assert first[0] == first[2] == second[2]
    assert first[1] == second[1]
    assert len(set(content)) == 3
    assert (content[0], content[1]) == (other[2], other[1])


def test_another_key_marks_otherwise_and_is_not_mixed_up(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("who,age\na,40\nb,50\n")
    table = load(file, parse(DESCRIBED.format(person='person = "who"')))
    source = TableSource({admission().asset: table})
    one, two, again = (source.open(admission()).marks(key)[0] for key in (b"one", b"two", b"one"))
    assert not np.isin(one, two).any()
    np.testing.assert_array_equal(one, again)
    assert not one.flags.writeable


def test_a_run_that_asks_with_several_keys_in_turn_reads_the_table_once_for_each(tmp_path, monkeypatch):
    file = tmp_path / "t.csv"
    file.write_text("who,age\na,40\nb,50\n")
    table = load(file, parse(DESCRIBED.format(person='person = "who"')))
    rows, made, marked = TableSource({admission().asset: table}).open(admission()), [], duckdb_source._marked
    monkeypatch.setattr(duckdb_source, "_marked", lambda table, key: made.append(key) or marked(table, key))
    for key in (b"audit", b"split", b"apart") * 3:
        rows.marks(key)
    assert made == [b"audit", b"split", b"apart"]
    for number in range(100):
        rows.marks(bytes([number]))
    assert len(table._marks) == duckdb_source.MOST_KEYS  # old ones go


def test_without_a_person_column_equal_rows_are_different_persons(tmp_path):
    persons, content = marks(tmp_path, ["a,40", "a,40", "b,1"], person=False)
    assert len(set(persons)) == 3
    assert content[0] == content[1]


def test_marks_are_compared_for_years_so_numbers_are_told_as_ever(tmp_path):
    said = 'title = "T"\n[columns.x]\ntype = "number"\n[columns.i]\ntype = "integer"\n[columns.d]\ntype = "date"\n'
    file = tmp_path / "t.csv"
    file.write_text("x,i,d\n-0.0,1,2020-02-29\n1e22,900719925474099,\n0.0000001,,0001-01-01\n123456789.125,0,\n")
    rows = TableSource({admission().asset: load(file, parse(said))}).open(admission())
    assert [f"{mark:016x}" for mark in rows.marks(b"k")[1].tolist()] == [
        "5b3f8a4dd6aead35",
        "53002320d30d62ca",
        "2e81dc0030cb6516",
        "81bdb5f448706e18",
    ]
