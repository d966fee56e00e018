"""JSON of others: read as the field's own decoder reads it, unless an object names a member twice."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.core.decoding import read_file, read_json, read_members
from medspace.core.errors import InvalidInputError

TEXTS = st.text(alphabet='ab":{}[],\\ \n\u00e9\u2028', max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


class Pair(msgspec.Struct, frozen=True):
    a: int
    b: tuple[str, ...] = ()


@given(value=VALUES, indent=st.sampled_from([None, 2]), ascii_only=st.booleans())
def test_what_names_each_member_once_is_read_as_it_stands(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert read_json(text) == read_json(text.encode()) == value


def members(value):
    """Every object in a value with at least one member."""
    if isinstance(value, dict):
        yield from ([value] if value else [])
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from members(item)


def written(value, twice, again):
    """JSON in which the object `twice` has its first member once more, at its end."""
    if isinstance(value, dict):
        pairs = [f"{json.dumps(name)} : {written(item, twice, again)}" for name, item in value.items()]
        if value is twice:
            pairs.append(f"{json.dumps(next(iter(value)))}: {json.dumps(again)}")
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(item, twice, again) for item in value) + "]"
    return json.dumps(value)


@given(value=VALUES, again=VALUES, data=st.data())
def test_an_object_that_names_a_member_twice_is_no_json_wherever_it_stands(value, again, data):
    found = list(members(value))
    if found:
        text = written(value, data.draw(st.sampled_from(found)), again)
        assert msgspec.json.decode(text) is not ...  # the decoder itself takes it
        with pytest.raises(msgspec.DecodeError):
            read_json(text)


def test_a_form_is_held_to():
    assert read_json(b'{"a": 1, "b": ["x"], "c": {}}', Pair) == Pair(1, ("x",))
    for bad in (b'{"a": "1"}', b'{"b": []}', b"[]", b'{"a": 1, "a": 2}', b'{"a": 1, "c": 1, "c": 2}', b'{"a"', b""):
        with pytest.raises(msgspec.DecodeError):
            read_json(bad, Pair)


def test_one_name_spelt_in_two_ways_is_one_name():
    with pytest.raises(msgspec.DecodeError):
        read_json(b'{"a": 1, "\\u0061": 2}')


# --- files that somebody shows: why one is refused -------------------------------------------------------------


class NoPairError(InvalidInputError):
    code = "pair.malformed"
    sentence = "This is no pair: {reason}."
    next_step = "Show another one."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a": 1', "it is not JSON"),
        (b'{"a": "\xff"}', "it is not UTF-8"),
        (b'{"a": 1, "a": 2}', "an object in it names a member twice"),
        (b'{"a": 1, "c": ' + b"[" * 100_000, "it is nested too deeply"),
        (b'{"b": []}', "a is missing"),
        (b'{"a": 1, "b": [" "]}' + b" " * 100, "it is larger than 100 bytes"),
    ],
)
def test_a_file_is_refused_for_what_is_the_matter_with_it(content, reason):
    largest = 100 if b" " * 100 in content else 1 << 20
    with pytest.raises(NoPairError, match=reason):
        read_file(content, Pair, largest, NoPairError)


# --- member by member ------------------------------------------------------------------------------------------

OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=4)


@given(value=OBJECTS, indent=st.sampled_from([None, 2]), ascii_only=st.booleans())
def test_the_members_of_an_object_are_what_it_has(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    assert {name: json.loads(packed) for name, packed in read_members(text).items()} == value


@given(value=OBJECTS.filter(bool), again=VALUES, data=st.data())
def test_a_member_that_stands_there_twice_is_found_without_decoding_it(value, again, data):
    again = data.draw(st.sampled_from([again, *value.values(), 1, 12]))
    with pytest.raises(msgspec.DecodeError):
        read_members(written(value, value, again).encode())


def test_what_begins_alike_is_not_the_same():
    for bad in (b'{"a":12,"a":1}', b'{"a":1,"a":12}', b'{"a":1,"\\u0061":1}', b'{"a":[],"b":1,"a":[]}'):
        with pytest.raises(msgspec.DecodeError):
            read_members(bad)
    assert read_members(b" { } ") == {}
    for none in (b"[]", b"1", b"", b'{"a"', b"null"):
        with pytest.raises(msgspec.DecodeError):
            read_members(none)
