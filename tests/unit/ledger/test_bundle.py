import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.ledger import bundle, note
from medspace.ledger.errors import MalformedBundleError, NoSuchEntryError
from tests.examples import most
from tests.unit.ledger.story import COMPANY, MEMBERS, NORTH, honest

BUNDLE = honest().bundle(NORTH)
FILE = bundle.render(BUNDLE)


def test_a_bundle_is_one_json_file_that_anybody_can_read():
    content = json.loads(FILE)
    assert content["format"] == "medspace-log-1"
    assert content["origin"] == NORTH
    assert content["members"] == MEMBERS
    assert json.loads(content["entries"][0])["kind"] == "negotiation.requested"
    assert note.parse(content["checkpoint"]).text.startswith(f"{NORTH}\n{len(content['entries'])}\n")


def test_a_bundle_is_read_back_as_it_was():
    assert bundle.read(FILE) == BUNDLE


def test_a_log_of_many_pages_is_exported_whole(monkeypatch):
    monkeypatch.setattr(bundle, "PAGE", 3)
    assert honest().bundle(NORTH) == BUNDLE


def test_a_log_is_exported_up_to_its_checkpoint():
    space = honest()
    signed = space.checkpoint(NORTH, size=5)
    exported = bundle.export(space.transaction(NORTH).log, signed, MEMBERS)
    assert exported.entries == BUNDLE.entries[:5]
    with pytest.raises(NoSuchEntryError):
        bundle.export(space.transaction(NORTH, 4).log, signed, MEMBERS)


def test_earlier_checkpoints_travel_along():
    space = honest()
    earlier = [space.checkpoint(NORTH, size=size) for size in (2, 7)]
    exported = bundle.export(space.transaction(NORTH).log, space.checkpoint(NORTH), MEMBERS, earlier)
    assert exported.earlier == tuple(one.note for one in earlier)
    assert bundle.read(bundle.render(exported)) == exported


def test_a_log_that_no_bundle_holds_is_not_exported(monkeypatch):
    monkeypatch.setattr(bundle, "MOST_ENTRIES", 3)
    with pytest.raises(MalformedBundleError, match="holds 3 entries"):
        honest().bundle(COMPANY)


def test_a_file_larger_than_any_bundle_is_not_read(monkeypatch):
    monkeypatch.setattr(bundle, "LARGEST_BUNDLE", len(FILE) - 1)
    with pytest.raises(MalformedBundleError, match="larger than"):
        bundle.read(FILE)


WHOLE = json.loads(FILE)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        FILE[:-1],
        FILE + b"x",
        b"[" * 100_000,
        *(
            json.dumps({**WHOLE, **change}).encode()
            for change in (
                {"format": "medspace-log-2"},
                {"more": 1},
                {"origin": 5},
                {"origin": "x" * 257},
                {"entries": "text"},
                {"entries": [1]},
                {"checkpoint": None},
                {"checkpoint": "x" * (note.LONGEST_NOTE + 1)},
                {"earlier": [""] * 65},
                {"members": ["a"]},
            )
        ),
    ],
)
def test_what_is_not_a_bundle_is_refused(content):
    with pytest.raises(MalformedBundleError):
        bundle.read(content)


@given(
    st.binary(max_size=300)
    | st.builds(lambda head, tail: FILE[:head] + tail, st.integers(0, 900), st.binary(max_size=40))
)
@settings(max_examples=most(100))
def test_any_bytes_are_a_bundle_or_an_error(content):
    try:
        read = bundle.read(content)
    except MalformedBundleError:
        return
    assert bundle.read(bundle.render(read)) == read


def test_a_lone_surrogate_is_not_read():
    content = FILE.replace(b'"members": "the members list"', b'"members": "\\ud800"')
    assert content != FILE
    with pytest.raises(MalformedBundleError):
        bundle.read(content)


def test_a_bundle_does_not_change():
    with pytest.raises(AttributeError):
        BUNDLE.origin = "x"
    assert msgspec.structs.replace(BUNDLE, origin="x").origin == "x"
