"""Rows of patients in the catalogue: by a draft, by a header that is none, by a dictionary that was written by hand.

Whatever the file is, what fewer than ten persons have is not in the draft, not in the catalogue, and in no error.
"""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.adapters.duckdb import dialect, drafting, heading
from medspace.adapters.duckdb.drafting import DraftOptions, draft
from medspace.adapters.duckdb.errors import TableUnreadableError
from medspace.adapters.duckdb.publishing import published
from medspace.adapters.duckdb.source import load
from medspace.app.compose.doctor import examine
from medspace.app.features.setup.service import FewPersonsError, PersonUnknownError, Wishes, set_up
from medspace.app.node.config import read_config
from medspace.app.node.holdings import open_holdings
from medspace.core.dictionary import describe, parse
from medspace.core.errors import MedspaceError
from tests.e2e.space import Holding, staged

PATIENTS = 30
SMALL = "abcdefghijklmnopqrstuvwxyz"


def table(folder, header, row, *, mark=",", rows=PATIENTS, name="t.csv"):
    lines = ([mark.join(header)] if header else []) + [mark.join(map(str, row(n))) for n in range(rows)]
    file = folder / name
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def patient(n):
    return (f"p{n:03}", "fm"[n % 2], 30 + n, f"{4 + n / 10:.1f}", n % 2)


HEADER = ("patient", "sex", "age", "glucose", "died")


def said(file, person="patient", **more):
    return draft(file, DraftOptions(person, **more)).toml


# --- the delimiter ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_another_delimiter_does_not_make_codes_of_rows(tmp_path, mark, monkeypatch):
    file = table(tmp_path, HEADER, patient, mark=mark, rows=25)
    text = said(file)
    assert set(parse(text).left_out) == set()
    assert len(parse(text).columns) == len(HEADER)
    assert not re.search(r"p0\d\d", text)
    assert load(file, parse(text)).persons == 25
    with monkeypatch.context() as patched:
        patched.setattr(dialect, "DELIMITERS", (",",))
        with pytest.raises(TableUnreadableError):
            said(file, "")
        # With the counting and the look at the header off too, every row is a code, as it was.
        patched.setattr(drafting, "check_heading", lambda *_: None)
        if mark != "\t":  # a cell that holds a tab is none, whatever else is off
            assert "p001" in said(file, "", least=1)


def test_decimal_commas_are_no_codes(tmp_path):
    file = table(tmp_path, HEADER, lambda n: (*patient(n)[:3], f"{4 + n // 10},{n % 10}", n % 2), mark=";")
    made = draft(file, DraftOptions("patient"))
    assert made.left_out == ()
    assert made.decimal == ","
    assert parse(made.toml).column("glucose").numeric
    assert "4,7" not in made.toml


# --- no header -------------------------------------------------------------------------------------------------


def test_the_first_patient_is_no_header(tmp_path, monkeypatch, attack_report):
    file = table(tmp_path, (), patient)
    with pytest.raises(TableUnreadableError, match="looks like data") as refused:
        draft(file, DraftOptions("p000"))
    got = "p000" in str(refused.value)
    assert not got
    monkeypatch.setattr(drafting, "check_heading", lambda *_: None)
    control = "p000" in said(file, "p000")
    attack_report("catalogue rows: patients taken for the header", got=got, control=control, of=1, unit="patients")
    assert control


@pytest.mark.parametrize(
    "row",
    [
        lambda n: (f"p{n}", "fm"[n % 2]),
        lambda n: ("fm"[n % 2], "yes" if n % 3 else "no", "none"),
        lambda n: (f"Example {chr(65 + n)}", f"Ward {n}"),
        lambda n: (f"31.01.19{n:02}", "f"),
        lambda n: (f"a{n}@example.org", "x"),
        lambda n: ("", f"{n}"),
        lambda n: (f"A{SMALL[n % 26]}na", f"Sch{SMALL[n % 26]}dt", "Diabetes" if n % 2 == 0 else "Asthma"),
    ],
    ids=["ids", "codes", "names", "dates", "addresses", "empty", "one diagnosis"],
)
def test_no_first_row_becomes_names_of_columns(tmp_path, row):
    file = table(tmp_path, (), row)
    with pytest.raises(TableUnreadableError):
        draft(file)


@pytest.mark.parametrize(
    "header",
    [
        ("patient", "sex", "age"),
        ("PatientID", "Sex", "Age (years)"),
        ("患者", "性别", "年龄"),
        ("v1", "v2", "v3"),
        ("pid", "smoker", "hba1c"),
    ],
)
def test_a_header_is_one(header):
    rows = [[f"p{n}", "current" if n % 2 else "never", str(30 + n)] for n in range(20)]
    assert not heading.is_row(header, rows)


def test_a_table_without_header_tells_no_cell_at_the_start_either(tmp_path):
    dictionary = parse(said(table(tmp_path, HEADER, patient)))
    with pytest.raises(MedspaceError) as refused:
        load(table(tmp_path, (), patient), dictionary)
    assert "p000" not in str(refused.value)
    assert not re.search(r"\b(30|4\.0)\b", str(refused.value))


@pytest.mark.parametrize("header", [("patient", "sex", ""), ("patient", " ", "age")])
def test_a_column_without_a_name_is_never_read(tmp_path, header):
    file = table(tmp_path, header, lambda n: (f"p{n:03}", 30 + n, 40 + n))
    made = draft(file, DraftOptions("patient"))
    assert made.nameless == (header.index(next(name for name in header if not name.strip())) + 1,)
    assert [one.kind for one in made.findings].count("nameless") == 1
    assert len(load(file, parse(made.toml)).dictionary.columns) == 2


# --- names, identifiers, free text ----------------------------------------------------------------------------

LEFT_OUT = {
    "BENE_BIRTH_DT": lambda n: f"19{30 + n % 50}0101",
    "began": lambda n: f"{1930 + 10 * (n % 9)}-01-01",
    "name": lambda n: f"Example {n}",
    "patient_name": lambda n: f"Example{SMALL[n % 26]}{n}",
    "surname": lambda _: "Mustermann",
    "姓名": lambda n: f"张{n}",
    "remark": lambda n: "none" if n else "Ms Example fell in ward 7",
    "note": lambda n: "无" if n else "患者因跌倒于七病区住院治疗两周",
    "comment": lambda n: f"said {n} that it hurts",
    "contact": lambda n: "none" if n else "ms.example@mail.example",
    "callback": lambda n: "none" if n else "+49 170 1234567",
    "mrn": lambda n: 7000 + n,
    "case": lambda n: 10_002_341 + 7 * n,
    "case_id": lambda n: 101 + n,
    "code": lambda n: f"X{n * 37 % 1009}",
    "dob": lambda _: "1950-01-01",
    "geburtsdatum": lambda n: f"{1940 + n}-01-01",
    "born": lambda n: f"{1930 + 2 * n}-02-03",
    "written": lambda n: f"0{n % 9 + 1}.02.{1930 + 2 * n}",
    "email": lambda _: "x",
    "uuid4": lambda n: f"{n:08x}-4b3c-4d11-9d2f-{n * 997:012x}",
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_column_that_names_or_describes_persons_is_left_out_and_said(tmp_path, name):
    file = table(tmp_path, ("patient", "age", name), lambda n: (f"p{n}", 30 + n, LEFT_OUT[name](n)))
    made = draft(file, DraftOptions("patient"))
    assert [each.name for each in made.left_out] == [name]
    assert str(made.left_out[0].reason)
    assert f"[columns.{json.dumps(name, ensure_ascii=False)}]" not in made.toml
    dictionary = parse(made.toml)
    assert dictionary.left_out == (name,)
    loaded = load(file, dictionary)
    assert [column["name"] for column in describe(published(loaded, 10).dictionary)["columns"]] == ["patient", "age"]


KEPT = {
    "birth_weight": lambda n: 2000 + 31 * n,
    "drug_name": lambda n: "ab"[n % 2],
    "glucose": lambda n: 4 + n / 7,
    "admitted": lambda n: f"2024-01-{n % 28 + 1:02}",
    "stage": lambda n: ("I", "II")[n % 2],
    "finding": lambda n: ("lv hypertrophy", "normal")[n % 2],
    "height": lambda n: 150 + n,
    "visit": lambda n: n % 3,
    "empty": lambda _: "",
}


@pytest.mark.parametrize("name", KEPT)
def test_what_is_measured_stays(tmp_path, name):
    file = table(tmp_path, ("patient", "age", name), lambda n: (f"p{n}", 30 + n, KEPT[name](n)))
    assert draft(file, DraftOptions("patient")).left_out == ()


def test_without_the_counting_the_remark_and_the_names_are_codes(tmp_path):
    file = table(tmp_path, ("patient", "remark"), lambda n: (f"p{n}", "none" if n else "Ms Example fell in ward 7"))
    assert "Ms Example" in said(file, least=1)
    assert "Ms Example" not in json.dumps([str(each) for each in (draft_error(file),)])


def draft_error(file):
    with pytest.raises(TableUnreadableError) as refused:
        draft(file, DraftOptions("patient"))
    return refused.value


# --- rare codes, extreme values, persons instead of rows --------------------------------------------------------


def test_a_code_of_few_persons_is_not_named_however_many_rows_they_have(tmp_path):
    def row(n):  # one patient with thirty rows, and nine patients with a row each
        return (f"p{n}", "A") if n < 20 else ("q", "rare") if n < 50 else (f"r{n}", "nine")

    file = table(tmp_path, ("patient", "stage"), row, rows=59)
    column = parse(said(file)).column("stage")
    assert (list(column.codes), column.others) == (["A"], True)
    assert load(file, parse(said(file))).count == 59
    assert "rare" in said(file, least=1)


@pytest.mark.parametrize("extreme", [103, 199, 312, 5_000_000, -40])
def test_one_patients_extreme_value_moves_no_bound(tmp_path, extreme):
    plain = parse(said(table(tmp_path, ("patient", "w"), lambda n: (f"p{n}", 50 + n)))).column("w")
    file = table(tmp_path, ("patient", "w"), lambda n: (f"p{n}", extreme if n == 3 else 50 + n))
    drafted = parse(said(file)).column("w")
    assert str(extreme) not in said(file)
    assert drafted.minimum in (plain.minimum, None)
    assert drafted.maximum in (plain.maximum, None)
    assert load(file, parse(said(file))).count == PATIENTS


@pytest.mark.parametrize("few", [0, 1, 9, 30])
def test_a_yes_or_no_is_drafted_alike_however_few_say_yes(tmp_path, few):
    file = table(tmp_path, ("patient", "age", "died"), lambda n: (f"p{n}", 30 + n, int(n < few)))
    column = parse(said(file)).column("died")
    assert (column.minimum, column.maximum) == (0, 1)
    (shown,) = [c for c in published(load(file, parse(said(file))), 10).dictionary.columns if c.name == "died"]
    assert (shown.minimum, shown.maximum) == (0, 1)
    odd = table(tmp_path, ("patient", "age", "died"), lambda n: (f"p{n}", 30 + n, 2 if n == 3 else int(n < few)))
    assert parse(said(odd)).column("died").maximum is None


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_nothing_that_few_persons_have_is_in_a_draft(tmp_path_factory, data):
    cells = st.sampled_from(["A", "B", "zebra", "yak", "12345", "0.37", "2031-05-06", "", "?"])
    column = data.draw(st.lists(cells, min_size=PATIENTS, max_size=PATIENTS))
    file = table(tmp_path_factory.mktemp("t"), ("patient", "age", "x"), lambda n: (f"p{n}", 30 + n, column[n]))
    text = said(file)
    codes = parse(text).column("x").codes if "x" not in parse(text).left_out else {}
    assert all(column.count(code) >= 10 for code in codes)
    # the same table with one patient's cell changed to another rare one gives the same draft
    rare = [place for place, cell in enumerate(column) if cell in ("zebra", "yak")]
    if rare and column.count("zebra") + column.count("yak") < 10:
        other = ["lynx" if place in rare else cell for place, cell in enumerate(column)]
        again = table(tmp_path_factory.mktemp("t"), ("patient", "age", "x"), lambda n: (f"p{n}", 30 + n, other[n]))
        assert said(again) == text


# --- init --------------------------------------------------------------------------------------------------------


def test_without_the_persons_column_nothing_is_written(tmp_path):
    file = table(tmp_path, HEADER, patient)
    with pytest.raises(PersonUnknownError) as refused:
        set_up(tmp_path / "h", Wishes("H", 18_100, offer=file))
    assert "--person COLUMN" in str(refused.value.advice)
    assert "patient" in str(refused.value.advice)
    assert not (tmp_path / "h").exists()
    assert set_up(tmp_path / "h", Wishes("H", 18_100, offer=file, person="patient"))["left_out"] == []


def test_a_table_of_few_persons_is_not_offered(tmp_path):
    file = table(tmp_path, HEADER, patient, rows=9)
    with pytest.raises(FewPersonsError):
        set_up(tmp_path / "h", Wishes("H", 18_100, offer=file, person="patient"))
    by_sex = DraftOptions(leave_out=("patient",))
    with pytest.raises(FewPersonsError):  # as many rows as one likes are still two persons
        set_up(
            tmp_path / "h", Wishes("H", 18_100, offer=table(tmp_path, HEADER, patient), person="sex", draft=by_sex)
        )


# --- written by hand ---------------------------------------------------------------------------------------------

BY_HAND = """
title = "t"
person = "patient"
[columns.patient]
type = "code"
[columns.remark]
type = "code"
codes = ["none", "Ms Example fell in ward 7", "nobody"]
[columns.stage]
type = "code"
codes = { I = "one", II = "two", IV = "four" }
[columns.age]
type = "integer"
minimum = 0
maximum = 103
missing = ["see the letter of Ms Example", -9]
[columns.seen]
type = "date"
minimum = 2001-02-03
[columns.who]
type = "code"
"""


def by_hand(n):
    stage, seen = ("IV" if n < 9 else "I" if n % 2 else "II"), ("2001-02-03" if n == 1 else "2020-01-01")
    return (
        f"p{n}",
        "Ms Example fell in ward 7" if n == 5 else "none",
        stage,
        103 if n == 7 else 40,
        seen,
        f"Name {n}",
    )


@pytest.fixture
def hospital(tmp_path):
    columns = ("patient", "remark", "stage", "age", "seen", "who")
    file = table(tmp_path, columns, by_hand, rows=60)
    set_up(tmp_path / "h", Wishes("H", 18_100, offer=file, person="patient"))
    (tmp_path / "h" / "t.dictionary.toml").write_text(BY_HAND)
    return tmp_path / "h" / "medspace.toml"


SHOWN = "catalogue rows: what few patients have that a dictionary written by hand shows"
FEW = ("Ms Example fell", "IV", "103", "2001-02-03")


def test_a_dictionary_written_by_hand_is_published_without_what_few_persons_have(hospital, attack_report):
    (holding,) = open_holdings(read_config(hospital))
    shown = json.dumps(holding.dataset.dictionary)
    attack_report(SHOWN, got=sum(secret in shown for secret in FEW), of=len(FEW), unit="values")
    for secret in ("Ms Example", "IV", "nobody", "103", "2001", "who", "letter"):
        assert secret not in shown
    columns = {column["name"]: column for column in holding.dataset.dictionary["columns"]}
    assert columns["stage"] == {"name": "stage", "type": "code", "codes": {"I": "one", "II": "two"}, "others": True}
    assert (columns["age"]["minimum"], columns["age"]["missing"]) == ("0.0", ["-9"])
    # what the connector itself goes by is what was written
    assert holding.checked.dictionary == parse(BY_HAND)


def test_the_doctor_says_what_is_not_published_and_no_value(hospital):
    said = [check for check in examine(hospital, "en")["checks"] if check["name"] == "catalogue"]
    text = json.dumps(said)
    assert {re.search(r"column (\w+)", check["sentence"])[1] for check in said} == {
        "remark", "stage", "age", "seen", "who",
    }  # fmt: skip
    assert all(check["next_step"] for check in said)
    assert not re.search(r"Example|103|2001|IV", text)


def test_without_the_counting_all_of_it_is_published(hospital, attack_report):
    (holding,) = open_holdings(read_config(hospital))
    shown = json.dumps(describe(holding.checked.published(1).dictionary))
    attack_report(SHOWN, control=sum(secret in shown for secret in FEW), of=len(FEW), unit="values")
    assert all(secret in shown for secret in FEW)


def test_a_stricter_offer_shows_less(hospital):
    text = hospital.read_text()
    hospital.write_text(text.replace("min_cohort = 10", "min_cohort = 30"))
    (holding,) = open_holdings(read_config(hospital))
    columns = {column["name"]: column for column in holding.dataset.dictionary["columns"]}
    assert "codes" not in columns["stage"]


@pytest.mark.parametrize("least", [1, 5])
def test_a_laxer_offer_shows_no_more_since_the_catalogue_needs_no_contract(hospital, least):
    text = hospital.read_text()
    hospital.write_text(text.replace("min_cohort = 10", f"min_cohort = {least}"))
    (holding,) = open_holdings(read_config(hospital))
    assert "Ms Example" not in json.dumps(holding.dataset.dictionary)


def test_another_member_reads_nothing_of_few_persons_in_the_catalogue(tmp_path):
    rows = "".join(",".join(map(str, by_hand(n))) + "\n" for n in range(60))
    asset = Holding("patient,remark,stage,age,seen,who\n" + rows, dictionary=BY_HAND)
    with staged(tmp_path) as stage:
        stage.add("authority", asset)
        stage.add("user")
        stage.open()
        stage.admit()
        (offered,) = stage.space("user").catalog(stage.nodes["authority"].did)
    shown = json.dumps(offered["dictionary"])
    assert '"none"' in shown
    assert not re.search(r"Ms Example|IV|nobody|103|2001|who|letter", shown)
