"""A look at a file: what is found, what can be said of it, what is saved; and an offer that is there whole or not."""

import csv
import json
import os
import random
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace import sdk
from medspace.adapters.duckdb.drafting import DraftOptions, draft
from medspace.adapters.duckdb.errors import TableRefusedError, TableUnnamedError
from medspace.adapters.duckdb.settings import OptionError, SettingError
from medspace.app.features.setup.folders import NewFolderError, new_folder
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.node.config import ConfigError, read_config
from medspace.app.node.holdings import open_holdings
from medspace.app.node.offering import drafting as service
from medspace.app.node.offering.errors import PersonUnknownError, RowsUnclearError, SavedAlreadyError
from medspace.core.dictionary import ColumnType, parse
from medspace.core.errors import MedspaceError
from tests.examples import most
from tests.ports import claim

SAID = DraftOptions("patient")


def file_of(folder, column, values, name="t.csv"):
    """Persons with one column of these values, again and again."""
    file = folder / name
    with file.open("w", encoding="utf-8", newline="") as target:
        rows = ((f"p{n:03}", 30 + n % 40, values[n % len(values)]) for n in range(60))
        csv.writer(target).writerows([("patient", "age", column), *rows])
    return file


def drafted(folder, column, values, **said):
    made = draft(file_of(folder, column, values), replace(SAID, **said))
    return next(one for one in made.columns if one.column.name == column), made


@pytest.mark.parametrize(
    ("values", "marks", "kind"),
    [
        (("f", "m", "?"), ("?",), ColumnType.CODE),
        (("f", "m", "NA", "未查"), ("NA", "未查"), ColumnType.CODE),
        (("f", "m", "9999"), ("9999",), ColumnType.CODE),
        (("1.5", "2.5", ".", "-"), ("-", "."), ColumnType.NUMBER),
        (("1.5", "2.5", "9999"), ("9999",), ColumnType.NUMBER),
        (("1", "0", "-9"), ("-9",), ColumnType.INTEGER),
        (("7000", "9999", "8200"), (), ColumnType.INTEGER),
        (("80", "99", "70"), (), ColumnType.INTEGER),
        (("2026-01-31", "NA"), ("NA",), ColumnType.DATE),
    ],
)
def test_marks_of_missing_values_are_proposed_where_they_are_ones(tmp_path, values, marks, kind):
    one, made = drafted(tmp_path, "x", values)
    assert (one.found, one.column.type) == (marks, kind)
    assert ([f.kind for f in made.findings if f.column == "x"].count("missing")) == bool(marks)
    assert draft(file_of(tmp_path, "x", values), replace(SAID, settings=("x.missing=?",))).columns[
        2
    ].column.missing == ("?",)


@pytest.mark.parametrize(
    ("values", "settings"),
    [
        (("31-Jan-23", "01-Feb-24"), ("x.written=DD-MON-YY", "x.century=2000")),
        (("01/02/2023", "03/04/2024"), ("x.written=MM/DD/YYYY",)),
        (("1,234", "2,345"), ("x.written=1234,5",)),
    ],
)
def test_what_only_a_person_can_tell_is_asked_and_left_out_until_then(tmp_path, values, settings):
    file = tmp_path / "t.csv"
    file.write_text("patient;age;x\n" + "".join(f"p{n};{30 + n};{values[n % 2]}\n" for n in range(60)))
    made = draft(file, SAID)
    (finding,) = [one for one in made.findings if one.kind == "unsure"]
    assert finding.step is not None
    assert [one.name for one in made.left_out] == ["x"]
    said = draft(file, replace(SAID, settings=settings))
    assert said.left_out == ()
    assert said.columns[2].column.written == settings[0].partition("=")[2]


@pytest.mark.parametrize(
    ("values", "settings", "written", "century"),
    [
        (("31-Jan-23", "NA"), ("x.century=2000",), "DD-MON-YY", 2000),
        (("31-Jan-23", "01-Feb-24"), ("x=date", "x.century=1930"), "DD-MON-YY", 1930),
        (("31/01/99", "15/02/98"), ("x.century=1930",), "DD/MM/YY", 1930),
        (("31.12.2023", "01.02.2024"), ("x=date",), "DD.MM.YYYY", None),
        (("20231231", "20240201"), ("x=date",), "YYYYMMDD", None),
        (("1,234.5", "2,345.5"), ("x=number",), "1,234.5", None),
        (("1,234", "2,345.5"), ("x=number", "x.unit=mg"), "1,234.5", None),
    ],
)
def test_how_cells_are_written_is_found_even_where_the_rest_is_said(tmp_path, values, settings, written, century):
    one, _ = drafted(tmp_path, "x", values, settings=settings)
    assert (one.left_out, one.column.written, one.column.century) == (None, written, century)
    assert not any(finding.kind in ("cells", "cell") for finding in one.findings)


@pytest.mark.parametrize("values", [("01/02/2023", "03/04/2024"), ("31-Jan-23", "01-Feb-24")])
def test_that_it_is_a_date_settles_neither_the_century_nor_which_comes_first(tmp_path, values):
    one, _ = drafted(tmp_path, "x", values, settings=("x=date",))
    assert [finding.kind for finding in one.findings] == ["unsure"]
    code, _ = drafted(tmp_path, "x", values, settings=("x=code",))
    assert (code.left_out, code.column.type, code.column.written) == (None, ColumnType.CODE, "")


@pytest.mark.parametrize(
    ("values", "setting", "other"),
    [
        (("01/02/03", "03/04/04"), "x.century=2000", "--set x.written=DD/MM/YY"),
        (("f", "m"), "x.century=2000", "--set x.written=DD.MM.YY"),
        (("31.12.2023", "01.02.2024"), "x.century=2000", "--set x.written="),
        (("31-Jan-23", "01-Feb-24"), "x.written=DD-MON-YY", "--set x.century=1930"),
    ],
)
def test_a_century_and_the_writing_of_its_days_name_one_another(tmp_path, values, setting, other):
    with pytest.raises(SettingError) as refused:
        drafted(tmp_path, "x", values, settings=(setting,))
    assert str(refused.value.text).startswith(f"--set {setting} cannot")
    assert other in str(refused.value.text)


def test_a_column_is_left_out_where_somebody_says_so_and_nothing_serves_it(tmp_path):
    file = file_of(tmp_path, "secret", ("a", "b"))
    made = set_up(
        tmp_path / "h", Wishes("H", 18_100, offer=file, person="patient", draft=DraftOptions(leave_out=("secret",)))
    )
    (holding,) = open_holdings(read_config(Path(made["config"])))
    assert "secret" not in str(holding.dataset.dictionary)
    assert [column.name for column in holding.checked.dictionary.columns] == ["patient", "age"]
    assert made["left_out"][0]["column"] == "secret"


def test_every_cell_that_cannot_stand_is_listed(tmp_path):
    values = tuple(str(n) if n % 2 else "=1+1" for n in range(60))
    made = draft(file_of(tmp_path, "x", values), replace(SAID, settings=("x=number",)))
    cells = [one for one in made.findings if one.kind == "cell"]
    assert [one.row for one in cells] == [row for row in range(2, 62) if row % 2 == 0]
    service.save_findings(tmp_path / "all.csv", made.findings, str)
    with (tmp_path / "all.csv").open(encoding="utf-8-sig", newline="") as source:
        assert len(list(csv.DictReader(source))) == len(made.findings)
    service.save_findings(tmp_path / "all.json", made.findings, str)
    assert len(json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))) == len(made.findings)
    assert "1+1" not in (tmp_path / "all.json").read_text(encoding="utf-8")
    with pytest.raises(SavedAlreadyError):
        service.save_findings(tmp_path / "all.csv", made.findings, str)


def numbers(folder, wrong, name="x"):
    """Two hundred numbers, of which one cell is none."""
    file = folder / "t.csv"
    file.write_text(
        f"{name},sex\n" + "".join(f"{wrong if n == 40 else n % 90 / 2},{'fm'[n % 2]}\n" for n in range(200))
    )
    return file


def test_one_wrong_cell_among_numbers_is_named_by_its_row(tmp_path):
    file, said = numbers(tmp_path, "see letter of Dr Mayer"), DraftOptions(rows_are_persons=True)
    made = draft(file, said)
    (finding,) = [one for one in made.findings if one.kind == "cells"]
    assert "in row 42: the cell is not a finite number" in str(finding.said)
    for step in ("--leave-out-rows 42", "--leave-out x", "--set x.missing=MARK"):
        assert step in str(finding.step)
    assert [one.row for one in made.findings if one.kind == "cell"] == [42]
    assert "Mayer" not in str(sdk.draft(file, rows_are_persons=True))
    for answer, rows in (
        ({"leave_out_rows": ("42",)}, 199),
        ({"settings": ("x.missing=see letter of Dr Mayer",)}, 200),
    ):
        clear = draft(file, replace(said, **answer))
        assert clear.left_out == ()
        assert clear.columns[0].column.type is ColumnType.NUMBER
        assert clear.rows == rows


def test_codes_are_no_wrong_numbers(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("x\n" + "".join(f"{'K' if n % 15 == 0 else n % 4}\n" for n in range(200)))
    made = draft(file, DraftOptions(rows_are_persons=True))
    assert set(made.columns[0].column.codes) == {"0", "1", "2", "3", "K"}


def test_rows_that_are_left_out_by_number_are_so_at_each_start(tmp_path):
    said = DraftOptions(leave_out_rows=("42",))
    wishes = Wishes("H", 18_100, offer=numbers(tmp_path, "hoch"), rows_are_persons=True, draft=said)
    made = set_up(tmp_path / "h", wishes)
    (holding,) = open_holdings(read_config(Path(made["config"])))
    assert (made["rows"], holding.checked.count) == (199, 199)


def test_what_is_all_zero_may_be_not_measured(tmp_path):
    one, made = drafted(tmp_path, "chol", ("0",))
    (finding,) = [each for each in made.findings if each.kind == "zeros"]
    assert "--set chol.missing=0" in str(finding.step)
    for marks, missing in (("0", ("0",)), ("", ())):
        said, made = drafted(tmp_path, "chol", ("0",), settings=(f"chol.missing={marks}",))
        assert said.column.missing == missing
        assert "zeros" not in {each.kind for each in made.findings}
    assert one.left_out is None


@pytest.mark.parametrize(
    "identifiers",
    [
        [str(n * 7919 + 13) for n in range(200)],  # 13 to 1575894
        [str(n) for n in range(200)],
        [str(1001 + 3 * n) for n in range(200)],
        [f"{n * 7919 + 13}.0" for n in range(200)],
    ],
)
def test_whole_numbers_that_are_all_different_are_identifiers_unless_somebody_says_otherwise(tmp_path, identifiers):
    file = tmp_path / "t.csv"
    file.write_text("p,x,y\n" + "".join(f"p{n // 2},{one},{n % 5}\n" for n, one in enumerate(identifiers)))
    made = draft(file, DraftOptions("p"))
    (left_out,) = made.left_out
    assert left_out.name == "x"
    (step,) = [str(one.step) for one in made.findings if one.kind == "identifying"]
    assert "--set x=integer" in step
    assert draft(file, DraftOptions("p", settings=("x=integer",))).left_out == ()


def test_measurements_of_many_values_are_no_identifiers(tmp_path):
    file = tmp_path / "t.csv"
    source = random.Random(7)
    file.write_text("days\n" + "".join(f"{source.randrange(4000)}\n" for _ in range(400)))
    assert draft(file, DraftOptions(rows_are_persons=True)).left_out == ()


@pytest.mark.parametrize("name", ["geburtsjahr", "birth_year", "PLZ", "zip", "患者邮编", "出生年份"])
def test_what_tells_with_others_who_somebody_is_is_pointed_out(tmp_path, name):
    one, made = drafted(tmp_path, name, ("1950", "1960", "1970"))
    assert [each.column for each in made.findings if each.kind == "quasi-identifier"] == [name]
    said, _ = drafted(tmp_path, name, ("1950", "1960", "1970"), settings=(f"{name}=integer",))
    assert said.left_out is None
    assert one.left_out is None or "born" in str(one.left_out)


def test_the_marks_that_are_shown_are_those_that_are_written(tmp_path):
    one, made = drafted(tmp_path, "x", ("1.5", "2.5", " NA ", "?"))
    told = sdk.draft(file_of(tmp_path, "x", ("1.5", "2.5", " NA ", "?")), person="patient")
    assert parse(made.toml).column("x").missing == one.found == ("?", "NA")
    assert next(each for each in told["columns"] if each["name"] == "x")["missing"] == ["?", "NA"]


def test_a_unit_is_asked_of_what_is_measured_and_of_nothing_else(tmp_path):
    _, made = drafted(tmp_path, "flag", ("0", "1"))
    assert [one.column for one in made.findings if one.kind == "unit"] == ["age"]
    _, made = drafted(tmp_path, "flag", ("0", "1"), settings=("age.unit=a",))
    assert [one for one in made.findings if one.kind == "unit"] == []
    assert parse(made.toml).column("age").unit == "a"


def test_all_rows_of_a_broken_file_are_listed_and_not_the_first_twenty(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n" + "1\n" * 512)
    with pytest.raises(TableRefusedError) as refused:
        draft(tmp_path / "t.csv", DraftOptions(rows_are_persons=True))
    assert len(refused.value.findings) == 20
    assert len(service.refused(refused.value)) == 512


@pytest.mark.parametrize(
    "setting", ["x", "y=number", "x.colour=red", "x=colour", "x.century=soon", "x.written=DD", "age.minimum=soon"]
)
def test_a_setting_that_cannot_be_is_refused(tmp_path, setting):
    with pytest.raises(SettingError):
        draft(file_of(tmp_path, "x", ("a", "b")), replace(SAID, settings=(setting,)))


@pytest.mark.parametrize(
    "said",
    [{"encoding": "klingon"}, {"delimiter": "ab"}, {"leave_out_rows": ("odd",)}, {"skip_lines": -1}],
)
def test_what_cannot_be_said_of_a_file_is_refused(tmp_path, said):
    with pytest.raises(OptionError):
        draft(file_of(tmp_path, "x", ("a", "b")), replace(SAID, **said))


def test_settings_reach_the_dictionary(tmp_path):
    said = ("age.minimum=0", "age.maximum=130", "age.unit=a", "age.description=Years", "x=code")
    dictionary = parse(draft(file_of(tmp_path, "x", ("1", "2")), replace(SAID, settings=said)).toml)
    age = dictionary.column("age")
    assert (age.minimum, age.maximum, age.unit, age.description) == (0, 130, "a", "Years")
    assert dictionary.column("x").type is ColumnType.CODE


def test_without_a_person_nothing_is_drafted_and_likely_columns_are_named(tmp_path):
    with pytest.raises(PersonUnknownError, match="likely: patient"):
        service.look(file_of(tmp_path, "x", ("a",)), DraftOptions())


def test_rows_that_are_said_to_be_persons_and_seem_to_be_visits_are_noticed(tmp_path):
    (tmp_path / "t.csv").write_text("patient,age\n" + "".join(f"p{n // 2},{30 + n % 40}\n" for n in range(80)))
    made = draft(tmp_path / "t.csv", DraftOptions(rows_are_persons=True))
    (finding,) = [one for one in made.findings if one.kind == "persons"]
    assert str(finding.step) == "--person patient"


def test_a_database_names_its_tables(tmp_path):
    with sqlite3.connect(tmp_path / "c.sqlite") as database:
        database.execute("CREATE TABLE labs(patient text, age int)")
        database.execute("CREATE TABLE other(a int)")
    database.close()
    with pytest.raises(TableUnnamedError, match="labs, other") as refused:
        draft(tmp_path / "c.sqlite", SAID)
    assert "--table labs" in str(refused.value.advice)


def test_the_sdk_says_the_same_as_plain_json(tmp_path):
    told = sdk.draft(file_of(tmp_path, "x", ("f", "m")), person="patient", settings={"age.maximum": "130"})
    assert json.loads(json.dumps(told)) == told
    assert (told["rows"], told["persons"], told["delimiter"]) == (60, 60, ",")
    assert 'type = "integer"' in told["dictionary"]
    assert "maximum = 130" in told["dictionary"]


# --- an offer is there whole, or not at all -------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name", ["with space.csv", "患者数据.csv", "a'b\"c.csv", "-x.csv", "ab:c.csv", "UPPER (1).CSV"]
)
def test_a_name_of_a_file_is_no_hindrance(tmp_path, name):
    file = file_of(tmp_path, "x", ("f", "m"), name)
    made = set_up(tmp_path / "new folder", Wishes("H", 18_100, offer=file, person="patient"))
    config = read_config(Path(made["config"]))
    assert config.assets[0].id.isascii()
    assert len(open_holdings(config)) == 1


def test_a_failed_init_leaves_nothing_behind(tmp_path):
    file = file_of(tmp_path, "x", ("f", "m"))
    file.write_text(file.read_text() + ",40,f\n")  # a row of nobody: a person is missing
    with pytest.raises(TableRefusedError):
        set_up(tmp_path / "a" / "b", Wishes("H", 18_100, offer=file, person="patient"))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["t.csv"]


def test_rows_of_nobody_are_refused_until_they_are_left_out(tmp_path):
    file = file_of(tmp_path, "x", ("f", "m"))
    file.write_text(file.read_text() + ",,\nTotal,,\n")
    with pytest.raises(RowsUnclearError, match="empty rows: 62; rows of totals: 63") as refused:
        set_up(tmp_path / "h", Wishes("H", 18_100, offer=file, person="patient"))
    assert "--leave-out-rows empty,total" in str(refused.value.advice)
    assert not (tmp_path / "h").exists()


def test_a_folder_with_something_of_the_same_name_stays_as_it_was(tmp_path):
    (tmp_path / "h" / "keys").mkdir(parents=True, mode=0o700)
    (tmp_path / "h").chmod(0o700)
    with pytest.raises(NewFolderError, match="keys is there already"):
        set_up(tmp_path / "h", Wishes("H", 18_100))
    assert [each.name for each in (tmp_path / "h").iterdir()] == ["keys"]


def test_what_cannot_be_moved_is_moved_back(tmp_path, monkeypatch):
    moved = Path.rename

    def rename(self, target):
        if self.name == "medspace.toml":
            raise OSError("no room")
        return moved(self, target)

    monkeypatch.setattr(Path, "rename", rename)

    def make():
        with new_folder(tmp_path / "h") as folder:
            (folder / "keys").mkdir()
            (folder / "medspace.toml").write_text("x")

    with pytest.raises(OSError, match="no room"):
        make()
    assert not (tmp_path / "h").exists()


def test_a_path_in_the_url_needs_a_proxy_and_everybody_says_so(tmp_path):
    made = set_up(tmp_path / "h", Wishes("H", 18_100))
    file = Path(made["config"])
    file.write_text(file.read_text().replace("[public]", '[public]\nurl = "https://h.example/medspace"'))
    with pytest.raises(ConfigError, match="has a path"):
        read_config(file)


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_what_is_written_is_utf8_whatever_the_locale(tmp_path, locale):
    file = file_of(tmp_path, "血糖", ("高", "低"), "patients.csv")
    environment = {
        **os.environ,
        "LC_ALL": locale,
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "gbk",
    }
    words = ["--offer", file.name, "--person", "patient", "--port", str(claim(2)[0]), "--json"]
    command = [sys.executable, "-m", "medspace", "init", "h", *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "血糖" in next((tmp_path / "h").glob("*.dictionary.toml")).read_text(encoding="utf-8")
    command = [sys.executable, "-m", "medspace", "doctor", "-c", "h/medspace.toml", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# --- any bytes at all -----------------------------------------------------------------------------------------------
PIECE = st.one_of(
    st.sampled_from(
        [b",", b";", b"\t", b'"', b'""', b"\n", b"\r\n", b"\r", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"sep=;\n"]
    ),
    st.sampled_from(
        [b"patient", b"age", b"Total", b"9999", b"NA", b"1,5", b"31.01.23", b"<0.5", b"=1+1", b"10 %", b"x" * 5000]
    ),
    st.sampled_from(["男", "ä", "é", "\u202e"]).flatmap(
        lambda c: st.sampled_from(["utf-8", "gb18030", "utf-16"]).map(c.encode)
    ),
    st.binary(max_size=12),
)
FILE = st.one_of(
    st.lists(PIECE, max_size=60).map(b"".join),
    st.tuples(
        st.sampled_from([b",", b";", b"\t"]), st.lists(st.lists(PIECE, min_size=3, max_size=3), max_size=40)
    ).map(
        lambda made: (
            b"patient" + made[0] + b"age" + made[0] + b"x\n" + b"".join(made[0].join(row) + b"\n" for row in made[1])
        )
    ),
)


def looked_at(folder, content, chance):
    """Whether a file was drafted, offered and opened again; what is refused says so and leaves nothing."""
    file = folder / "any.csv"
    file.write_bytes(content)
    options = DraftOptions(
        person=chance.choice(["", "patient"]),
        rows_are_persons=True,
        encoding=chance.choice(["", "", "gb18030", "latin-1", "utf-16"]),
        leave_out_rows=chance.choice([(), ("empty", "total")]),
        names=chance.choice([(), (), ("patient", "age", "x")]),
    )
    try:
        made = service.look(file, options)
        json.dumps(service.report(file, made, str))
        set_up(
            folder / "h",
            Wishes("H", 18_100, offer=file, person=options.person, rows_are_persons=True, draft=options),
        )
    except MedspaceError as error:
        said = error
    else:
        said = None
    if said is not None:
        assert str(said.text)
        assert str(said.advice)
        assert sorted(each.name for each in folder.iterdir()) == ["any.csv"]
        return False
    assert len(open_holdings(read_config(folder / "h" / "medspace.toml"))) == 1
    return True


@given(content=FILE, seed=st.integers(0, 1000))
@settings(max_examples=most(40), deadline=None)
def test_any_bytes_are_drafted_or_refused_with_a_sentence(tmp_path_factory, content, seed):
    looked_at(tmp_path_factory.mktemp("any"), content, random.Random(seed))


@pytest.mark.slow
@given(content=FILE, seed=st.integers(0, 1000))
@settings(max_examples=10_000, deadline=None)
def test_ten_thousand_files_of_any_bytes(tmp_path_factory, content, seed):
    looked_at(tmp_path_factory.mktemp("any"), content, random.Random(seed))
