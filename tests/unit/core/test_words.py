"""The words that every room shares: canonical JSON, digests, time, ids, signatures, decisions, sentences, errors."""

import json
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum, StrEnum
from types import MappingProxyType
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.core import clock, errors
from medspace.core.canonical import LARGEST_INTEGER, canonical, exact
from medspace.core.decision import Decision, Premise, Verdict, combine
from medspace.core.hashing import commitment, digest, digest_bytes, same_secret
from medspace.core.ids import new_id
from medspace.core.signing import Ed25519Signer, verify
from medspace.core.text import Text, msgid
from tests.examples import most

FIRST = datetime(1000, 1, 1)  # noqa: DTZ001 - Hypothesis wants it without a zone; years have four digits
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
@settings(max_examples=most(100), deadline=None)
def test_canonical_json_is_that_of_rfc_8785(value):
    assert canonical(value) == rfc8785.dumps(value)


def test_members_are_sorted_by_utf_16_code_units():
    # The example of RFC 8785 3.2.3: by code points the emoji would come last.
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\x80", "\u00f6"]
    assert list(json.loads(canonical(dict.fromkeys(names, 0)))) == [
        "\r", "1", "\x80", "\u00f6", "\u20ac", "\U0001f600", "\ufb33",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        0.5,
        float("nan"),
        2**53,
        -(2**53),
        "\ud800",
        {"\ud800": 1},
        {1: 2},
        b"bytes",
        bytearray(b"x"),
        object(),
        {1, 2},
    ],
)
def test_what_has_no_canonical_form_is_refused(value):
    for nested in (value, [value], {"a": value}):
        with pytest.raises(ValueError):
            canonical(nested)


def test_every_mapping_sequence_and_kind_of_text_and_number_is_written_as_the_plain_one():
    class Word(StrEnum):
        HERE = "here"

    class Number(IntEnum):
        SEVEN = 7

    given = MappingProxyType({"word": Word.HERE, "numbers": (Number.SEVEN, 2)})
    assert canonical(given) == canonical({"word": "here", "numbers": [7, 2]})


def test_depth_is_bounded():
    nested = []
    for _ in range(64):
        nested = [nested]
    with pytest.raises(ValueError, match="deeper"):
        canonical(nested)
    assert canonical(nested[0][0])


def test_fractions_are_written_as_exact_text():
    written = exact({"a": [0.1, -0.0, 1e300, 7, "x", None, True]})
    assert written == {"a": ["0.1", "-0.0", "1e+300", 7, "x", None, True]}
    assert [float(text) for text in written["a"][:3]] == [0.1, -0.0, 1e300]
    for wrong in (float("inf"), float("nan")):
        with pytest.raises(ValueError):
            exact([wrong])


def test_digests_and_commitments_are_the_standard_ones():
    empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # FIPS 180-4
    assert digest_bytes(b"") == empty
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1}) == digest_bytes(b'{"a":2,"b":1}')
    # RFC 4231, test case 1.
    expected = "hmac-sha256:b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    assert commitment(b"\x0b" * 20, b"Hi There") == expected
    assert same_secret("é", "é")
    assert not same_secret("a", "b")


def test_an_instant_is_written_in_utc_with_milliseconds():
    there = timezone(timedelta(hours=8))
    assert clock.stamp(datetime(2026, 1, 2, 3, 4, 5, 678999, tzinfo=there)) == "2026-01-01T19:04:05.678Z"
    assert clock.instant("2026-01-01T19:04:05.678Z") == datetime(2026, 1, 1, 19, 4, 5, 678000, tzinfo=UTC)
    assert clock.instant("2026-01-01T00:00:00") == datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError):
        clock.instant("yesterday")
    for text in ("0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"):  # in UTC they have no year
        with pytest.raises(ValueError, match=text[:10]):
            clock.instant(text)


@given(st.datetimes(FIRST), st.datetimes(FIRST))
@settings(max_examples=most(50), deadline=None)
def test_the_order_of_stamps_is_the_order_of_time(one, other):
    one, other = (each.replace(tzinfo=UTC) for each in (one, other))
    if abs(one - other) >= timedelta(milliseconds=1):
        assert (clock.stamp(one) < clock.stamp(other)) is (one < other)


class Bytes:
    def token_bytes(self, count):
        return bytes(range(count))


def test_an_identifier_is_a_random_uuid():
    made = new_id(Bytes())
    assert made.startswith("urn:uuid:")
    assert UUID(made).version == 4


def test_signatures_are_those_of_rfc_8032():
    # RFC 8032 7.1, test 1.
    signer = Ed25519Signer.from_seed(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
    signature = signer.sign(b"")
    assert signer.public_key.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert signature.hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
        "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert verify(signer.public_key, b"", signature)
    assert not verify(signer.public_key, b"x", signature)
    assert not verify(signer.public_key, b"", b"short")
    assert not verify(b"short", b"", signature)


def test_a_signer_does_not_show_its_key():
    signer = Ed25519Signer.from_seed(b"\x07" * 32)
    assert signer.private_key.private_bytes_raw() == b"\x07" * 32
    assert (b"\x07" * 32).hex() not in repr(signer)


def decision(verdict, code, satisfied):
    return Decision(verdict, code, tuple(Premise("/a", Text("a"), Text("b"), each) for each in satisfied))


def test_the_worst_verdict_wins_and_every_premise_is_kept():
    permit = decision(Verdict.PERMIT, "ok", [True])
    deny = decision(Verdict.DENY, "no", [True, False])
    unknown = decision(Verdict.UNENFORCEABLE, "unknown", [None])
    assert combine(permit, permit).permitted
    assert (combine(permit, deny).verdict, combine(permit, deny).code) == (Verdict.DENY, "no")
    joined = combine(deny, unknown, permit)
    assert (joined.verdict, joined.code, len(joined.premises)) == (Verdict.UNENFORCEABLE, "unknown", 4)
    assert [premise.satisfied for premise in joined.failures] == [None, False]  # that of the code comes first
    allowed = decision(Verdict.PERMIT, "ok", [True, None])
    assert [premise.satisfied for premise in combine(allowed, deny).failures] == [False, None]
    assert combine().verdict is Verdict.DENY


def test_a_sentence_is_filled_in_its_own_language():
    text = Text(msgid("{name} waits: {reason}."), {"name": "A", "reason": Text("no room")})
    assert str(text) == "A waits: no room."
    german = {"{name} waits: {reason}.": "{name} wartet: {reason}.", "no room": "kein Platz"}
    assert text.render(german.__getitem__) == "A wartet: kein Platz."


def subclasses(kind):
    return [kind, *(each for child in kind.__subclasses__() for each in subclasses(child))]


def test_every_error_has_a_code_a_sentence_a_next_step_and_an_exit_code():
    for kind in subclasses(errors.MedspaceError):
        assert kind.code
        assert kind.sentence
        assert kind.next_step
        assert kind.exit_code in (1, 2, 3, 4, 5)


def test_an_error_says_code_sentence_and_next_step():
    told = str(errors.InvalidInputError(reason="x"))
    assert told == "input.invalid: The input cannot be used: x. Fix it and send it again."
