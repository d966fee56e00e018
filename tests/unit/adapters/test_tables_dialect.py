"""How text files are written: found for a person, stated in the configuration, and the same rows come out."""

import gzip
import io
import zipfile

import duckdb
import pytest

from medspace.adapters.duckdb.dialect import ENCODINGS, Dialect, sniff
from medspace.adapters.duckdb.drafting import DraftOptions, draft
from medspace.adapters.duckdb.errors import TableFormError, TableRefusedError, TableUnreadableError
from medspace.adapters.duckdb.heading import check_heading
from medspace.adapters.duckdb.nature import nature_of
from medspace.adapters.duckdb.settings import OptionError
from medspace.adapters.duckdb.source import load
from medspace.app.node.config import Encoding
from medspace.core.dictionary import parse

DICTIONARY = parse(
    'title = "t"\n[columns.id]\ntype = "code"\n[columns.stadt]\ntype = "code"\n[columns.age]\ntype = "integer"\n'
)
TEXT = "id,stadt,age\na,Köln,40\nb,München,41\nc,Köln,42\n"


def read(path, dialect=None):
    return load(path, DICTIONARY, dialect=dialect).digest


@pytest.fixture
def plain(tmp_path):
    (tmp_path / "plain.csv").write_text(TEXT, encoding="utf-8")
    return read(tmp_path / "plain.csv")


@pytest.mark.parametrize(
    "encoding", [name for name in ENCODINGS if name not in ("big5", "shift-jis", "euc-kr", "windows-1251")]
)
def test_the_same_rows_come_out_of_every_encoding(tmp_path, plain, encoding):
    python = {"utf-8": "utf-8-sig"}.get(encoding, ENCODINGS[encoding])
    (tmp_path / "t.csv").write_bytes(TEXT.encode(python))
    assert read(tmp_path / "t.csv", Dialect(encoding)) == plain


@pytest.mark.parametrize("encoding", ["big5", "shift-jis", "euc-kr", "windows-1251"])
def test_other_alphabets_are_read_too(tmp_path, encoding):
    word = {"big5": "臺北", "shift-jis": "東京", "euc-kr": "서울", "windows-1251": "Москва"}[encoding]
    (tmp_path / "t.csv").write_bytes(TEXT.replace("Köln", word).replace("München", word).encode(ENCODINGS[encoding]))
    assert load(tmp_path / "t.csv", DICTIONARY, dialect=Dialect(encoding))._cells.texts("stadt") == [word] * 3


def test_the_configuration_knows_the_same_encodings():
    assert set(Encoding.__args__) == set(ENCODINGS)


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_the_same_rows_come_out_with_every_mark_between_cells(tmp_path, plain, mark):
    (tmp_path / "t.csv").write_text("\ufeff" + TEXT.replace(",", mark), encoding="utf-8")
    assert read(tmp_path / "t.csv") == plain
    (tmp_path / "s.csv").write_text(f"sep={mark}\n" + TEXT.replace(",", mark), encoding="utf-8")
    assert sniff(tmp_path / "s.csv")[0] == Dialect(delimiter=mark, skipped=1)
    assert read(tmp_path / "s.csv") == plain


@pytest.mark.parametrize(
    "content",
    [
        TEXT.replace("\n", "\r\n", 2),
        TEXT.replace("\n", "\r"),
        TEXT.replace("stadt", '"stadt\n"'),
        TEXT.replace("\n", "\n\n"),
        TEXT.replace("stadt", " stadt "),
        TEXT.replace("\n", ",\n"),
    ],
    ids=["mixed ends", "returns", "a name over two lines", "blank lines", "blanks around a name", "an empty column"],
)
def test_what_spreadsheets_do_to_files_changes_no_row(tmp_path, plain, content):
    (tmp_path / "t.csv").write_text(content, encoding="utf-8", newline="")
    assert read(tmp_path / "t.csv") == plain


def test_lines_above_the_names_and_rows_that_are_nobodys_are_left_out_when_that_is_said(tmp_path, plain):
    (tmp_path / "t.csv").write_text(f"Report\n\n{TEXT},,\nTotal,,123\n", encoding="utf-8")
    assert read(tmp_path / "t.csv", Dialect(skipped=2, left_out=("empty", "total"))) == plain
    (tmp_path / "u.csv").write_text(f"{TEXT},,\nSumme:,,123\n", encoding="utf-8")
    assert read(tmp_path / "u.csv", Dialect(left_out=("empty", "total"))) == plain
    assert read(tmp_path / "u.csv") != plain


def test_names_can_be_given(tmp_path, plain):
    (tmp_path / "t.csv").write_text(TEXT.partition("\n")[2], encoding="utf-8")
    assert read(tmp_path / "t.csv", Dialect(names=("id", "stadt", "age"))) == plain


@pytest.mark.parametrize("row", ["d,Bonn", "d,Bonn,4,5", 'd,"Bonn,4'])
def test_a_row_that_does_not_fit_is_found_whoever_reads(tmp_path, row):
    for name, dialect in (("utf-8", None), ("gb18030", Dialect("gb18030"))):
        (tmp_path / "t.csv").write_bytes((TEXT.replace("ö", "o").replace("ü", "u") + row + "\n").encode(name))
        with pytest.raises(TableRefusedError) as refused:
            load(tmp_path / "t.csv", DICTIONARY, dialect=dialect)
        assert refused.value.findings[0].row == 5


def test_text_that_is_not_in_the_stated_encoding_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(TEXT.encode("latin-1"))
    with pytest.raises(TableUnreadableError, match="not euc-kr text"):
        read(tmp_path / "t.csv", Dialect("euc-kr"))
    with pytest.raises(TableFormError, match="looks like windows-1252") as refused:
        read(tmp_path / "t.csv")
    assert 'encoding = "windows-1252"' in str(refused.value.advice)


def archive(name, content="x"):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as target:
        target.writestr(name, content)
    return made.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (archive("xl/workbook.xml"), "an Excel workbook"),
        (archive("mimetype", "application/vnd.oasis.opendocument.spreadsheet"), "an OpenDocument"),
        (archive("t.csv", TEXT), "a ZIP archive"),
        (gzip.compress(TEXT.encode()), "compressed with gzip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an old Excel workbook"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"$FL2@(#) SPSS DATA FILE", "an SPSS file"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"<?xml version='1.0'?>", "an XML"),
        (b'[{"a": 1}]', "a JSON"),
        (b"", "empty"),
        (b" \n \n", "empty"),
        (bytes(range(1, 32)) * 50, "not a text file"),
    ],
    ids=[
        "xlsx",
        "ods",
        "zip",
        "gzip",
        "xls",
        "pdf",
        "spss",
        "html",
        "xml",
        "json",
        "nothing",
        "blank",
        "bytes",
    ],
)
def test_what_is_no_table_is_called_by_its_name_with_a_step_that_can_be_taken(tmp_path, content, what):
    (tmp_path / "rows.csv").write_bytes(content)
    with pytest.raises(TableFormError, match=what) as refused:
        draft(tmp_path / "rows.csv", DraftOptions())
    assert str(refused.value.advice)
    assert nature_of(tmp_path / "rows.csv") is not None


def test_a_title_above_the_table_is_no_header(tmp_path):
    (tmp_path / "t.csv").write_text(f"Report of 2026\n{TEXT}", encoding="utf-8")
    with pytest.raises(TableFormError, match="title above the table") as refused:
        draft(tmp_path / "t.csv", DraftOptions())
    assert "--skip-lines 1" in str(refused.value.advice)


def test_a_first_row_of_decimal_commas_is_no_header(tmp_path):
    rows = "".join(f"{n},5;{n % 2};{n % 7},25\n" for n in range(40, 100))
    (tmp_path / "t.csv").write_text("63,5;1;145,2\n" + rows)
    with pytest.raises(TableFormError, match="its first row looks like data"):
        draft(tmp_path / "t.csv", DraftOptions(rows_are_persons=True))
    made = draft(tmp_path / "t.csv", DraftOptions(rows_are_persons=True, names=("weight", "sex", "chol")))
    assert (made.rows, made.decimal, made.left_out) == (61, ",", ())


def test_a_name_with_signs_of_patterns_is_that_of_one_file(tmp_path):
    for name, rows in (("a1", 70), ("a[1]", 60), ("a*", 50), ("a?", 40)):
        with duckdb.connect() as connection:
            connection.execute(f"COPY (SELECT i % 3 AS x FROM range({rows}) t(i)) TO '{tmp_path}/made'")
        (tmp_path / "made").rename(tmp_path / f"{name}.parquet")
    for name, rows in (("a[1]", 60), ("a*", 50), ("a?", 40)):
        file = tmp_path / f"{name}.parquet"
        made = draft(file, DraftOptions(rows_are_persons=True))
        assert (made.rows, load(file, parse(made.toml)).count) == (rows, rows)


@pytest.mark.parametrize(
    "said", [{"encoding": "utf-8"}, {"names": ("x",)}, {"skip_lines": 0}, {"leave_out_rows": ("17",)}]
)
def test_what_only_a_text_file_has_is_refused_of_others(tmp_path, said):
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT i % 3 AS x FROM range(60) t(i)) TO '{tmp_path}/t.parquet'")
    with pytest.raises(OptionError, match="only a text file"):
        draft(tmp_path / "t.parquet", DraftOptions(rows_are_persons=True, **said))


TABLE = "id;age;x\n" + "".join(f"P{row:03};{20 + row % 60};{1 + row % 7},5\n" for row in range(30))


@pytest.mark.parametrize("mark", [";", "\t", "|"])
@pytest.mark.parametrize(
    ("above", "lines"),
    [("Registry\n", 1), ("Registry, 2026\n", 1), ("Registry\n\nHospital 1, 2026\n", 3), ("Registry, 1;;\n", 1)],
)
def test_titles_above_a_table_are_counted_and_tell_nothing_of_what_stands_between_cells(tmp_path, mark, above, lines):
    file = tmp_path / "t.csv"
    file.write_text((above + TABLE).replace(";", mark), encoding="utf-8")
    for skipped in (None, *range(lines)):
        with pytest.raises(TableFormError) as refused:
            check_heading(file, sniff(file, skipped=skipped)[0])
        assert f"--skip-lines {lines}" in str(refused.value)
    dialect, _ = sniff(file, skipped=lines)
    assert dialect == Dialect(delimiter=mark, skipped=lines)
    check_heading(file, dialect)


def test_codes_in_one_cell_are_no_cells_below_a_title(tmp_path):
    rows = "".join(f"P{row:03},A;B,{20 + row % 60}\n" for row in range(30))
    (tmp_path / "t.csv").write_text("id,codes,age\n" + rows)
    assert sniff(tmp_path / "t.csv")[0] == Dialect()
    (tmp_path / "t.csv").write_text("id;x\nP1;1;5\n" + "".join(f"P{row:03};{row},5\n" for row in range(30)))
    assert sniff(tmp_path / "t.csv")[0].delimiter == ";"
