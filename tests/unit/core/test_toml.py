"""TOML as people write it, wrong: a sentence each, with the line."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
import pytest

from medspace.core.decoding import check_sayable, json_of
from medspace.core.misfits import MisfitError, fit, shown
from medspace.core.toml import line_of, read_table, read_toml


class Colour(StrEnum):
    RED = "red"


class Wheel(msgspec.Struct, forbid_unknown_fields=True):
    size: int
    colour: Colour = Colour.RED
    kind: Literal["front", "back"] | None = None
    when: datetime | None = None
    either: int | str = 0


class Car(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    wheels: dict[str, Wheel] = {}
    spare: list[Wheel] = []
    deep: dict[str, dict[str, Wheel]] = {}
    one: Wheel | None = None
    both: list[dict[str, int]] = []
    few: Annotated[str, msgspec.Meta(max_length=2)] = ""
    far: list["Car"] = []
    pair: tuple[int, int] = (0, 0)
    marks: set[int] = set()


GOOD = 'name = "a"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "name is missing"),
        ("name = 1", "line 1: name must be text in quotation marks; this is a whole number"),
        (GOOD + "\nwhels = 1", "line 3: whels is not a known setting (did you mean wheels?)"),
        (GOOD + "xyz = 1", "line 2: xyz is not a known setting"),
        (GOOD + "[wheels.a]\nsize = 1\n[wheels.b]\nsize = 'x'", "line 5: wheels.b.size must be a whole number"),
        (GOOD + "[wheels.a]\nsize = 1\n[wheels.b]\n", "line 4: wheels.b.size is missing"),
        (GOOD + "[wheels.a]\nsize = 1.5", "line 3: wheels.a.size must be a whole number, without a point"),
        (GOOD + "[wheels.a]\nsize = 1\ncolour = 'rde'", "line 4: wheels.a.colour must be one of these: red"),
        (
            GOOD + "[wheels.a]\nsize = 1\nkind = 'frnt'",
            "line 4: wheels.a.kind must be one of these: back, front (did",
        ),
        (GOOD + "[wheels.a]\nsize = 1\nkind = 'zzz'", "wheels.a.kind must be one of these: back, front"),
        (GOOD + "[wheels.a]\nsize = 1\nwhen = 'soon'", "wheels.a.when must be a time with its zone"),
        (
            GOOD + "[wheels.a]\nsize = 1\neither = []",
            "must be a whole number or text in quotation marks; this is a list",
        ),
        (GOOD + "[[spare]]\nsize = 1\n[[spare]]\nsiez = 1", "line 5: spare[1].siez is not a known setting (did you"),
        (GOOD + "[[spare]]\nsize = 1\n\n[[spare]]\n", "line 5: spare[1].size is missing"),
        (GOOD + "[deep.a.b]\nsize = 1\n[deep.a.c]\nsize = []", "line 5: deep.a.c.size must be a whole number"),
        (GOOD + "one = { size = true }", "line 2: one.size must be a whole number; this is true or false"),
        (GOOD + "one = { siez = 1 }", "line 2: one.siez is not a known setting (did you mean size?)"),
        (GOOD + "one = { size = 1, kind = 'x' }", "line 2: one.kind must be one of these: back, front"),
        (GOOD + "one = {\n}", "line 2"),
        (GOOD + "both = [\n  { a = 1 },\n  { b = 'x' },\n]", "line 2: both[1].b must be a whole number"),
        (GOOD + "spare.x = 1", "line 2: spare must be a list in square brackets"),
        (GOOD + "wheels.a.size = 'x'", "line 2: wheels.a.size must be"),
        (GOOD + "few = 'abc'", "line 2: few does not have the form"),
        (GOOD + "marks = ['x']", "line 2: marks[0] must be a whole number"),
        (GOOD + "pair = [1, 'x']", "line 2: pair[1] must be a whole number"),
        ('name = "a', "line 1: text is not closed"),
        ('name = "a\nx = 1', "line 1: text is not closed"),
        ("name = 'a", "line 1: text is not closed"),
        ("name = abc", "line 1: this value cannot be read: text needs quotation marks around it"),
        ('name = "C:\\Users"', "line 1: a backslash"),
        ('name = "\\ud800"', "line 1: a backslash"),
        ("name = 2027-02-30", "line 1: there is no such date or time"),
        ("name 1", "line 1: an equals sign is missing"),
        ("name = 1 2", "line 1: there is more on the line"),
        ("name = [1\nx = 1", "a list is not closed"),
        ("name = {a = 1", "a group is not closed"),
        ("[name", "the name of a section is not closed"),
        ("name = 1\nname = 2", "line 2: this name is already in use above"),
        ("name = 1\n[name]", "line 2: this name is already in use above"),
        ("= 1", "line 1: this is neither a setting nor the name of a section"),
        ('name = "\x01"', "line 1: there is a line break or another character"),
        ("name = " + "[" * 20_000, "it is nested too deeply"),
        ("name = " + "9" * 5_000, "a number in it is too long"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text, said):
    with pytest.raises(MisfitError) as refused:
        read_toml(text, Car)
    assert said in str(refused.value.reason)


def test_what_is_right_is_read_also_with_a_byte_order_mark():
    assert read_toml("\ufeff" + GOOD, Car) == read_toml(GOOD.encode("utf-8-sig"), Car) == Car(name="a")
    assert read_table(GOOD.encode()) == {"name": "a"}


def test_what_is_not_utf_8_is_told_with_its_line():
    with pytest.raises(MisfitError) as refused:
        read_table(b'a = 1\nb = "\xe9"\n')
    assert str(refused.value.reason) == "line 2: this is not UTF-8 text; save the file in UTF-8"


def test_a_place_far_down_in_a_large_file_is_told_without_its_line():
    text = "a = [\n" + "  1,\n" * 1_000 + "]\nb = 2\n"
    assert line_of(text, ("a",)) is None
    assert line_of("a = 1\n\n# words\nb = 2\n", ("b",)) == 4
    assert line_of("a = 1\n", ("c",)) is None


def test_a_value_of_a_kind_that_no_form_has_is_told():
    class Odd:
        pass

    with pytest.raises(MisfitError):
        fit(Odd(), Car)
    assert shown(()) == "-"
    assert shown(("a", 0, "b")) == "a[0].b"


def test_a_document_that_is_too_deep_is_told():
    deep: dict[str, object] = {"name": "a"}
    for _ in range(100_000):
        deep = {"name": "a", "far": [deep]}
    with pytest.raises(MisfitError) as refused:
        fit(deep, Car)
    assert str(refused.value.reason) == "it is nested too deeply"
    while deep:  # taken apart by hand: Python's own way down would be as deep
        deep = (deep.get("far") or [{}])[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"a": 1,\n "b": }', "line 2: this is not JSON"),
        (b'{"a": 1', "line 1: this is not JSON"),
        (b'{"a": "\xff"}', "line 1: this is not UTF-8 text"),
        (b'{"a": 1, "a": 2}', "an object in it names a member twice"),
        (b"[" * 100_000, "it is nested too deeply"),
    ],
)
def test_json_of_people_is_told_with_its_line(content, said):
    with pytest.raises(MisfitError) as refused:
        json_of(content)
    assert said in str(refused.value.reason)


def test_what_json_cannot_say_is_told_with_its_place():
    check_sayable({"a": [1, 1.5, "x", None, True]})
    for value, said in (
        ({"a": [1, float("nan")]}, "a[1] must be a finite number"),
        ({"a": {"b": datetime.now(UTC)}}, "a.b is a date or a time"),
    ):
        with pytest.raises(MisfitError) as refused:
            check_sayable(value)
        assert said in str(refused.value.reason)
