"""Two spellings of a unit are one; two units never are, however alike they look."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.core.units import COMMON, LONGEST, oddity, same, written


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mmol/L", "mmol/l"),
        ("mg/dL", "mg/dl"),
        (" mg/dL ", "mg/dL"),
        ("\N{MICRO SIGN}mol/L", "\N{GREEK SMALL LETTER MU}mol/l"),
        ("umol/L", "\N{MICRO SIGN}mol/L"),
        ("10*9/L", "10^9/l"),
        ("mm[Hg]", "mmHg"),
        ("a", "years"),
        ("Cel", "°C"),
        ("/min", "bpm"),
        ("ug", "mcg"),
        ("a", "Jahre"),
        ("[degF]", "°F"),
        ("m[IU]/L", "mIU/l"),
        ("kg/m2", "kg/m2"),
    ],
)
def test_one_unit_in_two_spellings(one, other):
    assert same(one, other)
    assert written(written(one)) == written(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mmol/L", "mg/dL"),
        ("mmol/L", "Mmol/L"),
        ("mmol/L", "umol/L"),
        ("mg", "Mg"),
        ("g/L", "g/dL"),
        ("cm", "m"),
        ("a", "mo"),
        ("10*9/L", "10*6/L"),
        ("10\N{SUPERSCRIPT NINE}/L", "109/L"),
        ("cal", "caL"),
        ("mol{l}", "mol{L}"),
        ("", "1"),
    ],
)
def test_two_units(one, other):
    assert not same(one, other)


@pytest.mark.parametrize(
    "unit",
    [
        "", *COMMON, "years", "mg/dl", "mIU/L", "10*3/uL", "[pH]", "cm[H2O]", "kg.m/s2", "kg/(m.s2)", "ug/24.h",
        "{score}", "{beats}/min", "1", "nkat/L", "meq/L", "cm-1", "mmol/mol",
    ],
)  # fmt: skip
def test_a_unit_of_ucum_is_not_odd(unit):
    assert oddity(unit) is None


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("MG/DL", "UCUM writes it mg/dL"),
        ("mmhg", "UCUM writes it mm[Hg]"),
        ("mm Hg", "UCUM writes it mm[Hg]"),
        ("mg per dl", "holds a blank"),
        ("½", "holds ½"),
        ("{a", "holds {"),
        ("Torr", "Torr is no unit of UCUM that is known here"),
        ("mg/foo", "any other is {foo}"),
        ("mg//dL", "any other is {score}"),
        ("/", "/ is no unit"),
        ("a\x00b", "a\x00b is no unit"),
        ("x" * (LONGEST + 1), "longer than 64"),
    ],
)
def test_what_is_odd_about_a_unit_is_said(unit, said):
    assert said in str(oddity(unit))


@given(st.text(max_size=12))
def test_any_text_is_a_unit_or_odd(text):
    oddity(text)
    assert oddity("{" + "".join(one for one in text if one not in "{}") + "}") is None
