"""A task against what sites publish, and what sites publish against each other: what differs is named."""

import re

import pytest

from medspace.learning.glm.service import GlmAlgorithm
from medspace.runs.codings import check, compare, read, remarks
from medspace.runs.errors import CodingDiffersError, UnitsDifferError
from medspace.runs.ports import Need

A, B, C = "did:web:a", "did:web:b", "did:web:c"


def columns(site, *described, person=None):
    return read(site, {"columns": list(described), "person": person})


def column(name="age", kind="number", **more):
    return {"name": name, "type": kind, **more}


def sex(**codes):
    return column("sex", "code", codes=codes)


def said(needs, *published):
    found, fitting = {}, {}
    for site, described in zip((A, B, C), published, strict=False):
        try:
            fitting[site] = check(site, needs, {"columns": described})
        except CodingDiffersError as error:
            found[site] = error
    found |= compare(needs, fitting)
    return {site: (error.refusal, str(error.facts["reason"])) for site, error in found.items()}


AGE, SEX = Need("age"), Need("sex", ("f", "m"))


@pytest.mark.parametrize(
    ("needs", "published"),
    [
        ([AGE, SEX], [[column(), sex(f="female", m="male")]] * 3),
        ([AGE], [[column()], [column(kind="integer")], [column(kind="flag")]]),
        ([AGE], [[column(unit="a")], [column()], [column(unit="a")]]),
        ([AGE], [[column(unit="mmol/L")], [column(unit="mmol/l")], [column(unit=" mmol/L")]]),
        ([SEX], [[sex(f="female")], [column("sex", "code", system="urn:x", codes={"f": ""})]]),
        ([AGE], [[column(system="http://loinc.org/2093-3")], [column(system="https://loinc.org/2093-3/")]]),
        ([AGE], [[column(minimum="0.0", maximum="50.0")], [column(minimum="40.0")], [column(maximum="90.0")]]),
        ([SEX], [[sex(f="female")], [sex(f=" Female", m="")], [column("sex", "code")]]),
        ([SEX], [[column("sex", "code", codes={"f": "", "m": "", "?": ""}, missing=["?"])]]),
        ([Need("sex", ("f",), whole=False)], [[sex(f="", m="", x="")]]),
        ([SEX], [[column("sex", "flag")]]),
        ([AGE], [[column(kind="date", minimum="1990-01-01")], [column(kind="date", maximum="1980-01-01")]]),
    ],
)
def test_what_fits_is_not_complained_of(needs, published):
    assert said(needs, *published) == {}


@pytest.mark.parametrize(
    ("needs", "published", "code", "words"),
    [
        ([Need("agee")], [[column()]], "learning.column_unknown", "no column agee, but there is age"),
        ([Need("x")], [[column()]], "learning.column_unknown", "there is no column x"),
        ([Need("sex")], [[sex(f="", m="")]], "learning.column_unknown", "holds codes"),
        ([SEX], [[column("sex")]], "learning.column_unknown", "holds numbers"),
        ([SEX], [[sex(f="", m="", **{"?": ""})]], "learning.level_unknown", "the codes \\?, which"),
        ([SEX], [[sex(**{"1": "", "2": ""})]], "learning.level_unknown", "1, 2, and none of those .* \\(f, m\\)"),
        ([Need("sex", ("x",), whole=False)], [[sex(f="", m="")]], "learning.level_unknown", "none of those"),
    ],
)
def test_what_one_site_publishes_must_fit_the_task(needs, published, code, words):
    (found,) = said(needs, *published).values()
    assert found[0] == code
    assert re.search(words, found[1])


@pytest.mark.parametrize(
    ("need", "mine", "theirs", "words"),
    [
        (AGE, column(kind="integer"), column(kind="date"), "of the type date, but of the type integer at did:web:a"),
        (
            SEX,
            column("sex", "code", system="urn:x"),
            column("sex", "code", system="urn:y"),
            "is described by urn:y, but by urn:x at did:web:a",
        ),
        (SEX, sex(f="female", m="male"), sex(f="male", m="female"), 'f of the column sex means "male", but "female"'),
        (AGE, column(minimum="1.4", maximum="2.1"), column(minimum="140.0", maximum="210.0"), "within 140 - 210"),
    ],
)
def test_what_two_sites_publish_must_be_the_same_thing(need, mine, theirs, words):
    found = said([need], [mine], [theirs], [mine])
    assert set(found) == {B}
    assert found[B][0] == "learning.coding"
    assert words in found[B][1]
    assert set(said([need], [mine], [mine], [theirs])) == {C}


def test_another_unit_is_named_with_the_sites_and_with_what_to_do():
    mine, theirs = [column(unit="mmol/L")], [column(unit="mg/dL")]
    assert said([AGE], mine, theirs, mine) == {
        B: ("learning.units", "the column age is in mg/dL, but in mmol/L at did:web:a")
    }
    (error,) = compare([AGE], {A: columns(A, *mine), B: columns(B, *theirs)}).values()
    assert isinstance(error, UnitsDifferError)
    assert "convert the column" in str(error.advice)


def remarked(need, *published):
    described = {site: columns(site, one) for site, one in zip((A, B, C), published, strict=False)}
    assert compare([need], described) == {}
    return [str(text) for text in remarks([need], described)]


@pytest.mark.parametrize(
    ("need", "published"),
    [
        (AGE, [column(unit="a")] * 3),
        (AGE, [column()] * 3),
        (AGE, [column(minimum="0.0", maximum="20.0"), column(minimum="0.0", maximum="90.0"), column(maximum="1e9")]),
        (AGE, [column(minimum="0.0", maximum="0.0"), column(minimum="0.0", maximum="90.0")]),
        (AGE, [column(unit="a", minimum="0.0", maximum="9.0"), column(unit="a", minimum="0.0", maximum="90.0")]),
        (SEX, [sex(f="female", m="male"), sex(f="female", m="male")]),
        (SEX, [sex(f="", m=""), sex(f="", m="")]),
    ],
)
def test_of_what_cannot_differ_nothing_is_said(need, published):
    assert remarked(need, *published) == []


def test_a_unit_that_one_site_does_not_state_is_said_with_the_sites():
    (remark,) = remarked(AGE, column(unit="a"), column(), column(unit="a"))
    assert remark.startswith(
        "The column age is in a at did:web:a, did:web:c, and no unit is stated at did:web:b: ask"
    )


def test_two_spellings_of_a_unit_are_read_as_one_and_that_is_said():
    assert remarked(AGE, column(unit="mmol/L"), column(unit="mmol/l"), column(unit="mmol/L")) == [
        "The units of the column age are read as one: mmol/L, mmol/l."
    ]


def test_ranges_of_another_scale_are_said_where_units_do_not_tell_why():
    narrow, wide = column(minimum="0.0", maximum="18.0"), column(minimum="0.0", maximum="90.0")
    (scale,) = remarked(AGE, narrow, wide)
    assert "within 0 - 18 at did:web:a and within 0 - 90 at did:web:b" in scale
    assert len(remarked(AGE, narrow | {"unit": "a"}, wide)) == 2


def test_codes_that_one_site_does_not_explain_are_said():
    (remark,) = remarked(SEX, sex(f="female", m="male"), sex(f="", m=""), column("sex", "code"))
    assert remark.startswith(
        "What the codes of the column sex mean is stated at did:web:a, and not at did:web:b, did:"
    )


def test_a_site_that_says_nothing_does_not_hide_that_two_others_differ():
    silent, here, there = column(), column(unit="mg/dL"), column(unit="mmol/L")
    assert set(said([AGE], [silent], [here], [there])) == {C}


def test_the_column_of_the_pseudonyms_is_no_column_of_the_data():
    assert columns(A, column("person", "code"), column(), person="person").keys() == {"age"}


@pytest.mark.parametrize("odd", [{}, {"columns": 1}, {"columns": [{"type": "code"}]}, {"columns": [{"name": 1}]}])
def test_what_is_no_dictionary_is_refused(odd):
    with pytest.raises(CodingDiffersError):
        read(A, odd)


@pytest.mark.parametrize(
    "described",
    [
        [column(f"c{at}") for at in range(10_001)],
        [column("sex", "code", codes={str(at): "" for at in range(10_001)})],
        [column("sex", "code", missing=[str(at) for at in range(10_001)])],
    ],
)
def test_a_dictionary_that_would_take_long_to_compare_is_refused(described):
    (found,) = said([SEX], described).values()
    assert found == ("", "its published dictionary is too large")


def test_a_name_that_is_meant_is_looked_for_within_bounds():
    many = [column("b" * 5000 + str(at)) for at in range(9_000)] + [column("agex")]
    assert said([Need("agey")], many)[A][1] == "there is no column agey"


def test_outside_words_are_short_and_drive_no_terminal():
    codes = {f"\x1b[2J{number}" + "x" * 500: "" for number in range(200)}
    (found,) = said([SEX], [column("sex", "code", codes=codes)]).values()
    assert len(found[1]) < 600
    assert found[1].isprintable()
    assert "+195" in found[1]


def test_a_glm_needs_its_outcome_and_its_features():
    document = {
        "family": "binomial",
        "purpose": "research",
        "features": [{"name": "age"}, {"name": "sex", "kind": "coded", "levels": ["f", "m"]}],
    }
    prepare = GlmAlgorithm().prepare
    assert prepare(document | {"target": "num > 0"}).needs == (Need("num"), AGE, SEX)
    coded = prepare(document | {"target": {"column": "thal", "level": "normal"}}).needs
    assert coded[0] == Need("thal", ("normal",), whole=False)
