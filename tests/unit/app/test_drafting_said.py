"""What `medspace draft` says of a table and refuses of it: in words that name the culprit and the next step."""

import csv
import io
import shlex

import pytest
from typer.testing import CliRunner

from medspace.adapters.duckdb.drafting import DraftOptions, draft
from medspace.adapters.duckdb.errors import TableColumnError, TableFormError, TableMalformedError
from medspace.adapters.duckdb.publishing import published
from medspace.adapters.duckdb.settings import OptionError, SettingError
from medspace.adapters.duckdb.source import load
from medspace.app.node.offering import drafting as service
from medspace.app.node.offering.errors import PersonDoubtfulError
from medspace.app.verbs import tree
from medspace.core.dictionary import ColumnType, parse
from medspace.privacy.publication import LEAST, numbers_persons


def typed(*words):
    done = CliRunner().invoke(tree(), ["draft", *map(str, words), "--lang", "en"], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.output


@pytest.fixture
def visits(tmp_path):
    """120 visits of 40 patients: the number of the patient is small, and comes again."""
    file = tmp_path / "visits.csv"
    rows = (f"{100 + n % 40 * 3},{40 + n % 37},{n % 2},{4 + n},{n % 3}\n" for n in range(120))
    file.write_text("patient_id,age,sex,time,restecg\n" + "".join(rows))
    return file


# --- who the patients are -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("wrong", ["time", "sex", "age"])
def test_another_column_than_the_patients_id_is_refused_until_that_is_left_out(visits, wrong):
    with pytest.raises(PersonDoubtfulError) as refused:
        service.look(visits, DraftOptions(wrong))
    advice = str(refused.value.advice)
    assert "--person patient_id" in advice
    assert "--leave-out patient_id" in advice
    made = service.look(visits, DraftOptions(wrong, leave_out=("patient_id",)))
    assert [one.name for one in made.left_out] == ["patient_id"]
    assert service.look(visits, DraftOptions(wrong, settings=("patient_id=integer",))).person == wrong
    assert service.look(visits, DraftOptions("patient_id")).persons == 40
    noted = [str(one.step) for one in draft(visits, DraftOptions(wrong)).findings if one.kind == "persons"]
    assert "if so, leave the other out: --leave-out patient_id" in noted


def test_what_is_called_by_the_patient_is_not_doubted_for_a_bare_id(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("id,patient_ref,age\n" + "".join(f"{n},r{n % 30},{40 + n % 20}\n" for n in range(60)))
    assert service.look(file, DraftOptions("patient_ref")).persons == 30
    with pytest.raises(PersonDoubtfulError):
        service.look(file, DraftOptions("age"))


def test_the_patients_id_is_no_number_whoever_the_rows_are_of(visits):
    made = service.look(visits, DraftOptions(rows_are_persons=True))
    assert [one.name for one in made.left_out] == ["patient_id"]
    assert [one.column for one in made.findings if one.kind == "persons"] == ["patient_id"]
    kept = service.look(visits, DraftOptions(rows_are_persons=True, settings=("patient_id=integer",)))
    assert not kept.left_out


def test_values_of_an_unlikely_column_that_come_again_are_asked_about(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("fall,age\n" + "".join(f"f{n % 30},{40 + n % 20}\n" for n in range(60)))
    (told,) = [one for one in service.look(file, DraftOptions("fall")).findings if one.kind == "persons"]
    assert "30 values in 60 rows" in str(told.said)
    file.write_text("fall,age\n" + "".join(f"f{n},{40 + n % 20}\n" for n in range(60)))
    assert not [one for one in service.look(file, DraftOptions("fall")).findings if one.kind == "persons"]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("patient_id", True), ("PatientID", True), ("pid", True), ("MRN", True), ("subject no", True), ("id", True),
        ("case_number", True), ("patient_nbr", True), ("患者编号", True), ("patient", True), ("pseudonym", True),
        ("patient_age", False), ("inpatient", False), ("time", False), ("no", False), ("code", False),
        ("床号", False),
    ],
)  # fmt: skip
def test_a_name_says_that_a_column_numbers_patients(name, is_one):
    assert numbers_persons(name) is is_one


# --- settings -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("settings", "culprit", "said"),
    [
        (("age.unit=a", "age=number", "age.minimum=x"), "age.minimum=x", "not a number"),
        (("age.unit=a", "age=years"), "age=years", "number, integer, code, flag, date"),
        (("age.minimum=0", "sex=code", "age.maximum=-1"), "age.maximum=-1", "range is empty"),
        (("age=code", "age.unit=a"), "age.unit=a", "only a numeric column has a unit"),
        (("age.written=DD/MM/YY", "age.century=soon"), "age.century=soon", "1930"),
        (("age.written=DD/MM/YY",), "age.written=DD/MM/YY", "cannot be written like that"),
        (("age=date", "age.minimum=1.5"), "age.minimum=1.5", "2026-01-31"),
        (("age.unit=mg per dl",), "age.unit=mg per dl", "blank"),
        (("age.units=a",), "age.units=a", "age has no key units"),
        (("old=integer",), "old=integer", "these: patient_id, age, sex"),
        (("age",), "age", "equals sign"),
    ],
)
def test_the_setting_that_is_wrong_is_the_one_that_is_named(visits, settings, culprit, said):
    with pytest.raises(SettingError) as refused:
        draft(visits, DraftOptions("patient_id", settings=settings))
    assert str(refused.value.text).startswith(f"--set {culprit} cannot")
    assert said in str(refused.value.text)
    assert "one of number, integer, code, flag, date" in str(refused.value.advice)


def test_a_unit_is_written_as_ucum_writes_it(visits):
    made = draft(visits, DraftOptions("patient_id", settings=("age.unit=years",)))
    assert next(one.column.unit for one in made.columns if one.column.name == "age") == "a"


def test_the_help_lists_the_types(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert "number, integer, code, flag" in " ".join(typed("--help").replace("│", " ").split())


# --- how the file is written --------------------------------------------------------------------------------------
def test_a_delimiter_that_divides_nothing_is_named_with_the_one_that_would(visits):
    for said in (DraftOptions(delimiter=";"), DraftOptions("patient_id", delimiter=";")):
        with pytest.raises(TableFormError) as refused:
            service.look(visits, said)
        assert "dictionary" not in str(refused.value)
        assert "--delimiter ','" in str(refused.value.advice)


@pytest.mark.parametrize(
    ("content", "place"),
    [("id,age\n1,2,3\n2,3\n", "row 2: "), ("id,age,age\n1,2,3\n", "row 1, column age: "), ("id,age,x\n1\n", "row 2")],
)
def test_a_file_that_is_no_table_is_told_without_a_dictionary(tmp_path, content, place):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(TableMalformedError) as refused:
        draft(tmp_path / "t.csv", DraftOptions("id"))
    said = str(refused.value)
    assert place in said
    assert "dictionary" not in said
    assert "column :" not in said
    assert "--delimiter" in str(refused.value.advice)


@pytest.mark.parametrize(
    ("said", "step"),
    [
        (DraftOptions("x", skip_lines=3), "skip fewer lines than 3"),
        (DraftOptions("x", encoding="utf-16"), "--encoding"),
    ],
)
def test_what_was_said_wrongly_of_a_file_is_what_the_next_step_is_about(visits, said, step):
    with pytest.raises(TableFormError) as refused:
        draft(visits, said)
    assert step in str(refused.value.advice)


def test_a_column_that_is_not_there_is_told_with_the_option_that_named_it(visits):
    for option, said in (("--person", DraftOptions("x")), ("--leave-out", DraftOptions("age", leave_out=("x",)))):
        with pytest.raises(TableColumnError) as refused:
            draft(visits, said)
        assert option in str(refused.value.advice)


def test_a_text_file_has_no_named_table(visits):
    with pytest.raises(OptionError, match="--table x"):
        draft(visits, DraftOptions("patient_id", table="x"))


# --- ranges and codes ---------------------------------------------------------------------------------------------
def vessels(folder, rare):
    """Numbers of vessels, as a cardiologist counts them; four patients have a rare number of them."""
    file = folder / "vessels.csv"
    counts = [0] * 40 + [1] * 30 + [rare] * 4
    file.write_text("patient_id,ca\n" + "".join(f"p{n},{count}\n" for n, count in enumerate(counts)))
    return file


@pytest.mark.parametrize("rare", [2, 3, 4, 9])
def test_what_is_proposed_is_published(tmp_path, rare):
    file = vessels(tmp_path, rare)
    made = draft(file, DraftOptions("patient_id"))
    shown = published(load(file, parse(made.toml), dialect=made.dialect), LEAST)
    assert shown.unpublished == ()


def test_a_bound_that_is_few_patients_own_value_is_told_before_it_is_offered(tmp_path):
    file = vessels(tmp_path, 3)
    made = draft(file, DraftOptions("patient_id", settings=("ca.minimum=0", "ca.maximum=3")))
    (told,) = [one for one in made.findings if one.kind == "bounds"]
    assert "its maximum" in str(told.said)
    shown = published(load(file, parse(made.toml), dialect=made.dialect), LEAST)
    assert shown.unpublished
    wider = draft(file, DraftOptions("patient_id", settings=("ca.minimum=0", "ca.maximum=10")))
    assert not [one for one in wider.findings if one.kind in ("bounds", "range")]


def test_few_whole_numbers_may_be_codes_and_that_is_said(tmp_path):
    file = vessels(tmp_path, 9)
    text = typed(file, "--person", "patient_id")
    assert "read as numbers: ca" in text
    assert "--set 'COLUMN=code'" in text
    assert "--set ca.maximum=NUMBER; or, if they are codes: --set ca=code" in text
    assert "--set ca.minimum" not in text
    coded = draft(file, DraftOptions("patient_id", settings=("ca=code",)))
    assert coded.columns[1].column.type is ColumnType.CODE
    assert not [one for one in coded.findings if one.kind in ("scale", "range")]


def test_days_without_a_range_are_told_by_the_draft_as_by_the_doctor(tmp_path):
    (tmp_path / "t.csv").write_text(
        "patient_id,seen\n" + "".join(f"p{n},2026-01-{n % 28 + 1:02}\n" for n in range(60))
    )
    made = draft(tmp_path / "t.csv", DraftOptions("patient_id"))
    (told,) = [one for one in made.findings if one.kind == "range"]
    assert "--set seen.minimum=YYYY-MM-DD --set seen.maximum=YYYY-MM-DD" in str(told.step)
    said = ("seen.minimum=2026-01-01", "seen.maximum=2026-12-31")
    assert not [
        one
        for one in draft(tmp_path / "t.csv", DraftOptions("patient_id", settings=said)).findings
        if one.kind == "range"
    ]


# --- what is written and what comes next --------------------------------------------------------------------------
def test_cells_of_findings_start_no_formula_and_need_no_apostrophe(visits, tmp_path):
    typed(visits, "--person", "patient_id", "--findings", tmp_path / "f.csv")
    rows = list(csv.reader(io.StringIO((tmp_path / "f.csv").read_text(encoding="utf-8-sig"))))
    assert [row[4] for row in rows if row[0] == "age" and row[2] == "unit"] == ["add --set age.unit=UNIT"]
    assert not any(cell.startswith(("'", "=", "+", "-", "@")) for row in rows for cell in row)


def test_a_column_that_would_be_a_formula_is_still_guarded(tmp_path):
    (tmp_path / "t.csv").write_text("patient_id,=2+3\n" + "".join(f"p{n},{n % 9}\n" for n in range(40)))
    typed(tmp_path / "t.csv", "--person", "patient_id", "--findings", tmp_path / "f.csv")
    assert "\n'=2+3," in (tmp_path / "f.csv").read_text(encoding="utf-8-sig")


def test_the_next_command_leaves_out_the_rows_that_the_look_left_out(visits, tmp_path):
    with visits.open("a") as file:
        file.write(",,,,\n")
    (command,) = [line for line in typed(visits, "--person", "patient_id").splitlines() if line.startswith("Next: ")]
    words = shlex.split(command.removeprefix("Next: medspace "))
    assert words[words.index("--leave-out-rows") + 1] == "empty"
    words[words.index("FOLDER")] = str(tmp_path / "h")
    done = CliRunner().invoke(tree(), [*words, "--port", "18100"], standalone_mode=False)
    assert done.exception is None


@pytest.mark.parametrize(
    ("said", "language"),
    [("cn", "zh"), ("chinese", "zh"), ("中文", "zh"), ("zh-CN", "zh"), ("english", "en"), ("en_GB", "en")],
)
def test_languages_have_more_than_one_name(visits, said, language):
    words = ["draft", str(visits), "--person", "patient_id", "--lang", said]
    text = CliRunner().invoke(tree(), words, standalone_mode=False).output
    assert ("rows of" in text) is (language == "en")


def test_a_language_that_is_not_here_is_refused_with_those_that_are(visits):
    done = CliRunner().invoke(tree(), ["draft", str(visits), "--lang", "xx"], standalone_mode=False)
    assert "--lang zh" in str(done.exception)
