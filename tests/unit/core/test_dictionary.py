"""The data dictionary: its strict parser, and the rules for cells."""

from datetime import date

import pytest

from medspace.core.dictionary import (
    Column,
    ColumnType,
    DictionaryError,
    Reason,
    bound_shown,
    check_cell,
    describe,
    explain,
    is_missing,
    parse,
)

WHOLE = """
title = "Clinic"
description = "Two visits"
person = "patient"

[columns.patient]
type = "code"

[columns.age]
type = "integer"
unit = "a"
minimum = 0
maximum = 120

[columns.crp]
type = "number"
description = "C-reactive protein"
unit = "mg/L"
system = "http://loinc.org/1988-5"
missing = [-1, "NA"]

[columns.sex]
type = "code"
codes = { F = "female", M = "male" }
required = true

[columns.visit]
type = "date"
minimum = 2020-01-01
maximum = 2026-12-31

[columns.smoker]
type = "flag"
"""


def test_a_dictionary_says_what_each_column_is():
    dictionary = parse(WHOLE)
    assert [column.name for column in dictionary.columns] == ["patient", "age", "crp", "sex", "visit", "smoker"]
    assert dictionary.person == "patient"
    assert dictionary.column("crp").missing == ("-1", "NA")
    assert dictionary.column("visit").maximum == date(2026, 12, 31)
    assert dictionary.column("sex").codes == {"F": "female", "M": "male"}
    with pytest.raises(KeyError):
        dictionary.column("name")


def test_codes_may_be_a_list():
    dictionary = parse('title = "t"\n[columns.sex]\ntype = "code"\ncodes = ["F", "M"]')
    assert dictionary.column("sex").codes == {"F": "", "M": ""}


def test_the_published_form_has_no_fractions_and_gives_the_digest():
    dictionary = parse(WHOLE)
    published = describe(dictionary)
    assert published["columns"][1] == {
        "name": "age", "type": "integer", "unit": "a", "minimum": "0.0", "maximum": "120.0",
    }  # fmt: skip
    assert published["columns"][4]["minimum"] == "2020-01-01"
    assert dictionary.digest == parse(WHOLE).digest != parse(WHOLE.replace("120", "121")).digest


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("title = ", "line 1: this value cannot be read"),
        ('[columns.a]\ntype = "number"', "title"),
        ('title = "t"', "columns"),
        ('title = "t"\n[columns]', "names no column"),
        ('title = "t"\n[columns.a]\ntype = "text"', "line 3: columns.a.type must be one of these"),
        ('title = "t"\n[columns.a]\ntype = "number"\nlowest = 0', "lowest"),
        ('title = "t"\nowner = "x"\n[columns.a]\ntype = "number"', "owner"),
        ('title = "t"\nperson = "b"\n[columns.a]\ntype = "code"', "b is not described"),
        ('title = "t"\n[columns.""]\ntype = "code"', "no usable name"),
        ('title = "t"\n[columns."a\\u0007"]\ntype = "code"', "no usable name"),
        ('title = "t"\n[columns.a]\ntype = "number"\ncodes = ["1"]', "only a code column"),
        ('title = "t"\n[columns.a]\ntype = "code"\nunit = "kg"', "only a numeric column"),
        ('title = "t"\n[columns.a]\ntype = "code"\nminimum = 1', "does not fit the type"),
        ('title = "t"\n[columns.a]\ntype = "number"\nmaximum = inf', "does not fit the type"),
        ('title = "t"\n[columns.a]\ntype = "number"\nmaximum = 2026-01-01', "does not fit the type"),
        ('title = "t"\n[columns.a]\ntype = "date"\nminimum = 3', "does not fit the type"),
        ('title = "t"\n[columns.a]\ntype = "number"\nminimum = 2\nmaximum = 1', "range is empty"),
        ('title = "t"\n[columns.a]\ntype = "code"\nothers = true', "only a list of codes"),
        ('title = "t"\nleft_out = ["a"]\n[columns.a]\ntype = "code"', "described and left out"),
    ],
)
def test_a_wrong_dictionary_is_refused_with_the_reason(text, reason):
    with pytest.raises(DictionaryError) as caught:
        parse(text)
    assert reason in str(caught.value)
    assert caught.value.code == "dictionary.invalid"


def test_what_is_left_out_is_not_published_and_other_codes_are_said():
    text = 'title = "t"\nleft_out = ["name"]\n[columns.a]\ntype = "code"\ncodes = ["F"]\nothers = true'
    dictionary = parse(text)
    assert dictionary.left_out == ("name",)
    assert "name" not in str(describe(dictionary)["columns"]).replace("'name': 'a'", "")
    assert describe(dictionary)["columns"] == [{"name": "a", "type": "code", "codes": {"F": ""}, "others": True}]
    column = dictionary.column("a")
    found = [check_cell(column, cell) for cell in ("F", "M", "", "=1")]
    assert found == [None, None, None, Reason.FORMULA]


NUMBER = Column("x", ColumnType.NUMBER, minimum=-1, maximum=10, missing=("-9", "NA"))
INTEGER = Column("x", ColumnType.INTEGER)
FLAG = Column("x", ColumnType.FLAG, required=True)
DATE = Column("x", ColumnType.DATE, minimum=date(2020, 1, 1), maximum=date(2020, 12, 31))
OPEN = Column("x", ColumnType.CODE)
LISTED = Column("x", ColumnType.CODE, codes={"=1": "", "b": ""})


@pytest.mark.parametrize(
    ("column", "cell", "verdict"),
    [
        (NUMBER, None, None),
        (NUMBER, "", None),
        (NUMBER, "NA", None),
        (NUMBER, "-9", None),
        (NUMBER, "-9.00", None),
        (NUMBER, "-1", None),
        (NUMBER, "1e1", None),
        (NUMBER, "-1.01", Reason.BELOW),
        (NUMBER, "10.5", Reason.ABOVE),
        (NUMBER, "nan", Reason.NUMBER),
        (NUMBER, "inf", Reason.NUMBER),
        (NUMBER, "1e999", Reason.NUMBER),
        (NUMBER, "1,5", Reason.NUMBER),
        (NUMBER, "1 000", Reason.NUMBER),
        (NUMBER, " 1", Reason.NUMBER),
        (NUMBER, "0x10", Reason.NUMBER),
        (NUMBER, "1_0", Reason.NUMBER),
        (NUMBER, "٣", Reason.NUMBER),
        (NUMBER, "1\n", Reason.CONTROL),
        (NUMBER, "1" * 129, Reason.LONG),
        (INTEGER, "9007199254740991", None),
        (INTEGER, "63.0", None),
        (INTEGER, "9007199254740993", Reason.INTEGER),
        (INTEGER, "1.5", Reason.INTEGER),
        (INTEGER, "1e3", Reason.INTEGER),
        (FLAG, "TRUE", None),
        (FLAG, "0", None),
        (FLAG, "yes", Reason.FLAG),
        (FLAG, "", Reason.REQUIRED),
        (DATE, "2020-02-29", None),
        (DATE, "2019-12-31", Reason.BELOW),
        (DATE, "2021-01-01", Reason.ABOVE),
        (DATE, "2020-02-30", Reason.DATE),
        (DATE, "0000-01-01", Reason.DATE),
        (DATE, "31.12.2020", Reason.DATE),
        (OPEN, "I21.9", None),
        (OPEN, '=HYPERLINK("x")', Reason.FORMULA),
        (OPEN, "-1", Reason.FORMULA),
        (OPEN, "@SUM(A1)", Reason.FORMULA),
        (LISTED, "=1", None),
        (LISTED, "c", Reason.CODE),
        (LISTED, "B", Reason.CODE),
    ],
)
def test_a_cell_is_judged_by_its_column(column, cell, verdict):
    assert check_cell(column, cell) is verdict


def test_the_pseudonym_of_a_person_is_never_missing():
    assert check_cell(OPEN, "", person=True) is Reason.REQUIRED
    assert check_cell(OPEN, "p1", person=True) is None


def test_only_numeric_columns_compare_missing_marks_as_numbers():
    assert is_missing(Column("x", ColumnType.NUMBER, missing=("0",)), "0.0")
    assert not is_missing(Column("x", ColumnType.CODE, missing=("0",)), "0.0")


def test_a_reason_is_a_sentence_with_the_bounds():
    assert str(explain(NUMBER, Reason.ABOVE)) == "the value is above the greatest allowed value, 10.0"
    assert "2020-01-01" in str(explain(DATE, Reason.BELOW))
    assert "128" in str(explain(OPEN, Reason.LONG))


@pytest.mark.parametrize(
    ("bound", "said"), [("0.0", "0"), ("200.0", "200"), ("1.5", "1.5"), ("2026-01-01", "2026-01-01"), (None, "")]
)
def test_a_whole_bound_is_shown_without_a_fraction(bound, said):
    assert bound_shown(bound) == said
