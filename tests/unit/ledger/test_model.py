import json

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.core.canonical import canonical
from medspace.core.hashing import digest_bytes
from medspace.ledger.errors import MalformedEntryError, UnknownEntryKindError
from medspace.ledger.kinds import ENTRY_KINDS, LONGEST_LIST, FactType
from medspace.ledger.model import LONGEST_ENTRY, Entry, decode
from tests.examples import most

TIME = "2026-11-23T12:00:00.000Z"
DID = "did:web:127.0.0.1%3A8101"
DIGEST = "sha256:" + "0" * 64
EXAMPLES = {
    FactType.TOKEN: "urn:uuid:0",
    FactType.DID: DID,
    FactType.ACTOR: "actor:" + "0" * 32,
    FactType.SETTER: "configuration",
    FactType.DIGEST: DIGEST,
    FactType.TIME: TIME,
    FactType.NUMBER: 3,
    FactType.TOKENS: ["a", "b"],
    FactType.DIDS: [DID],
    FactType.DIGESTS: [DIGEST],
    FactType.ANSWERS: [{"site": DID, "use": "u", "release": "r", "digest": DIGEST}],
}


def example(kind):
    forms = {**ENTRY_KINDS[kind].required, **ENTRY_KINDS[kind].optional}
    return {name: EXAMPLES[form] for name, form in forms.items()}


@pytest.mark.parametrize("kind", ENTRY_KINDS)
def test_every_kind_of_entry_is_written_and_read_back(kind):
    entry = Entry(kind, TIME, DID, example(kind))
    assert decode(entry.encode()) == entry
    assert json.loads(entry.encode()) == {"actor": DID, "facts": entry.facts, "kind": kind, "time": TIME}


@pytest.mark.parametrize("kind", ENTRY_KINDS)
def test_optional_facts_may_be_left_out_and_required_ones_may_not(kind):
    facts = {name: EXAMPLES[form] for name, form in ENTRY_KINDS[kind].required.items()}
    Entry(kind, TIME, DID, facts)
    for name in facts:
        with pytest.raises(MalformedEntryError, match=f"lacks the fact {name}"):
            Entry(kind, TIME, DID, {key: value for key, value in facts.items() if key != name})


@pytest.mark.parametrize(
    "value",
    [
        "Anna Lindgren",
        "born 1950-01-01",
        "李明",
        "line\nbreak",
        "tab\there",
        "\N{NO-BREAK SPACE}",
        "",
        "x" * 257,
        None,
        True,
        1,
        1.5,
        ["a"],
        {"name": "a"},
    ],
)
def test_text_that_may_be_about_a_person_does_not_fit_a_fact(value):
    with pytest.raises(MalformedEntryError) as caught:
        Entry("offer.withdrawn", TIME, DID, {"asset": value})
    assert caught.value.code == "ledger.entry.malformed"
    assert not isinstance(value, str) or not value or value not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("member.admitted", "member", "cleveland"),
        ("members.published", "list", "sha256:00"),
        ("members.published", "list", DIGEST.upper()),
        ("use.released", "round", -1),
        ("use.released", "round", True),
        ("use.released", "round", 2**53),
        ("use.released", "round", 1.0),
        ("use.released", "round", "1"),
        ("run.started", "sites", DID),
        ("run.started", "sites", [DID, "x"]),
        ("run.started", "agreements", ["a b"]),
        ("run.started", "agreements", ["a"] * (LONGEST_LIST + 1)),
        ("run.round", "answers", [{}]),
        ("run.round", "answers", ["a"]),
        ("run.round", "answers", [{**EXAMPLES[FactType.ANSWERS][0], "name": "x"}]),
        ("negotiation.agreed", "expires", "2027"),
        *[
            (kind, name, wrong)
            for kind, declared in ENTRY_KINDS.items()
            for name, form in {**declared.required, **declared.optional}.items()
            if form is FactType.TIME
            for wrong in ("2026-13-01T00:00:00.000Z", "2026-02-30T00:00:00.000Z", "0000-01-01T00:00:00.000Z")
        ],
    ],
)
def test_a_fact_of_the_wrong_form_is_refused(kind, name, value):
    with pytest.raises(MalformedEntryError):
        Entry(kind, TIME, DID, {**example(kind), name: value})


def test_unknown_facts_and_kinds_are_refused():
    with pytest.raises(MalformedEntryError, match="has no fact patient"):
        Entry("offer.withdrawn", TIME, DID, {"asset": "a", "patient": "p"})
    with pytest.raises(UnknownEntryKindError):
        Entry("patient.seen", TIME, DID, {})


@pytest.mark.parametrize("time", ["2026-11-23T12:00:00Z", "2026-13-23T12:00:00.000Z", "now", 5])
def test_a_time_is_a_stamp(time):
    with pytest.raises(MalformedEntryError, match="the time is"):
        Entry("offer.withdrawn", time, DID, {"asset": "a"})


def test_an_actor_is_a_did():
    with pytest.raises(MalformedEntryError, match="not a DID"):
        Entry("offer.withdrawn", TIME, "Anna", {"asset": "a"})


FORMS = {
    FactType.TOKEN: st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=256),
    FactType.DID: st.just(DID),
    FactType.ACTOR: st.binary(min_size=16, max_size=16).map(lambda name: f"actor:{name.hex()}"),
    FactType.SETTER: st.just("configuration")
    | st.binary(min_size=16, max_size=16).map(lambda one: f"actor:{one.hex()}"),
    FactType.DIGEST: st.binary(max_size=3).map(digest_bytes),
    FactType.TIME: st.just(TIME),
    FactType.NUMBER: st.integers(0, 2**53 - 1),
    FactType.TOKENS: st.lists(st.just("a") | st.just('"\\')),
    FactType.DIDS: st.lists(st.just(DID), max_size=3).map(tuple),
    FactType.DIGESTS: st.lists(st.just(DIGEST), max_size=3),
    FactType.ANSWERS: st.lists(st.permutations(list(EXAMPLES[FactType.ANSWERS][0].items())).map(dict), max_size=3),
}


@st.composite
def entries(draw):
    kind = draw(st.sampled_from(sorted(ENTRY_KINDS)))
    forms = {**ENTRY_KINDS[kind].required, **ENTRY_KINDS[kind].optional}
    names = draw(st.permutations(sorted(forms)))
    return Entry(kind, TIME, DID, {name: draw(FORMS[forms[name]]) for name in names})


@given(entries())
@settings(max_examples=most(100))
def test_an_entry_is_written_in_the_canonical_form_of_rfc_8785(entry):
    written = {"time": entry.time, "kind": entry.kind, "facts": entry.facts, "actor": entry.actor}
    assert entry.encode() == canonical(written) == rfc8785.dumps(written)


GOOD = Entry("offer.withdrawn", TIME, DID, {"asset": "a"}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        GOOD[:-1],
        GOOD + b" ",
        b" " + GOOD,
        GOOD.replace(b'"facts"', b'"more":1,"facts"'),
        GOOD.replace(b'"kind":', b'"kind":"offer.withdrawn","kind":'),
        GOOD.replace(b'"a"', b'"\\u0061"'),
        GOOD.replace(b'"a"', b'"\xff"'),
        GOOD.replace(b'{"asset":"a"}', b"{}"),
        GOOD.replace(b'"a"', b"[" * 20_000),
        GOOD.replace(b'"a"', b"[" * 20_000 + b"]" * 20_000),
        b"[" * 20_000,
        b" " * (LONGEST_ENTRY + 1),
    ],
)
def test_bytes_that_are_no_canonical_entry_are_refused(content):
    with pytest.raises(MalformedEntryError):
        decode(content)


@given(st.binary(max_size=200))
@settings(max_examples=most(100))
def test_any_bytes_are_an_entry_or_an_error(content):
    with pytest.raises(MalformedEntryError):
        decode(content)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
@settings(max_examples=most(100))
def test_a_changed_byte_is_another_entry_or_an_error(place, byte):
    content = GOOD[:place] + bytes([byte]) + GOOD[place + 1 :]
    try:
        entry = decode(content)
    except MalformedEntryError:
        return
    assert entry.encode() == content
