"""One's own rows from a CSV file: what is read, and that nothing odd is guessed."""

import math

import pytest

from medspace.app.features.training.using import rows as reading
from medspace.app.features.training.using.rows import read_rows
from medspace.learning.glm.task import FeatureColumn
from medspace.learning.using.errors import OwnRowsError

FEATURES = (FeatureColumn("age"), FeatureColumn("pain", ("none", "typical")))
GOOD = "age,pain,name\n61,none,a\n,typical,b\n"


def read(tmp_path, text, **options):
    file = tmp_path / "rows.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_rows(file, FEATURES, **options)


def ages(found):
    return [None if math.isnan(value) else value for value in found.numbers("age")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_numbers_codes_gaps_and_names(tmp_path, delimiter):
    found = read(tmp_path, GOOD.replace(",", delimiter), name="name")
    assert (found.count, found.names, ages(found)) == (2, ("a", "b"), [61.0, None])
    assert found.codes("pain") == ["none", "typical"]


def test_without_a_column_of_names_rows_are_numbered(tmp_path):
    assert read(tmp_path, GOOD).names == ("1", "2")


def test_what_a_gap_is_written_as_is_said_not_guessed(tmp_path):
    text = "age,pain\nNA,?\n"
    with pytest.raises(OwnRowsError, match=r"line 2.*age"):
        read(tmp_path, text)
    found = read(tmp_path, text, missing=("NA", "?"))
    assert (ages(found), found.codes("pain")) == ([None], [None])


def test_a_mark_of_the_byte_order_and_windows_lines_are_no_part_of_a_name(tmp_path):
    found = read(tmp_path, b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert ages(found) == [61.0, None]


@pytest.mark.parametrize("cell", ["nan", "inf", "-inf", "1e999", "1_000", "0x10", "61 years", "六十", '"61,5"'])
def test_what_is_no_number_is_refused_with_its_line(tmp_path, cell):
    with pytest.raises(OwnRowsError, match="line 3"):
        read(tmp_path, f"age,pain\n61,none\n{cell},none\n")


def test_flags_are_numbers(tmp_path):
    assert ages(read(tmp_path, "age,pain\ntrue,none\nFalse,none\n")) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column age, pain"),
        ("age\n61\n", "no column pain"),
        ("age,pain,age\n61,none,62\n", "one name"),
        ("age,pain\n61\n", "line 2"),
        ("age,pain\n61,none,more\n", "line 2"),
        (b"age,pain\n61,\xff\xfe\n", "UTF-8"),
        ('age,pain\n61,"none\n', "UTF-8"),
        (b"age,pain\n61,no\x00ne\n" * 2, "line|UTF-8"),
    ],
)
def test_files_that_are_no_table(tmp_path, text, said):
    with pytest.raises(OwnRowsError, match=said):
        read(tmp_path, text)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(OwnRowsError):
        read_rows(tmp_path / "none.csv", FEATURES)


def test_more_rows_than_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_ROWS", 2)
    assert read(tmp_path, GOOD).count == 2
    with pytest.raises(OwnRowsError, match="limit"):
        read(tmp_path, GOOD + "5,none,c\n")
