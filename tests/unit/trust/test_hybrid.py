"""Signatures of two algorithms: both hold, over just this, with a key that counts, or nothing does."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from medspace.core.canonical import canonical
from medspace.core.keys import MldsaKey
from medspace.core.signing import HybridSigner, MldsaSigner, verify, verify_mldsa
from medspace.trust import hybrid, jws
from medspace.trust.did import MOST_KEYS, key_id, mldsa_id
from medspace.trust.errors import (
    MldsaKeyEndedError,
    MldsaKeyMissingError,
    MldsaKeyRevokedError,
    MldsaKeyUnknownError,
    SignatureError,
    SignatureSingleError,
)
from tests.runs import signer_of
from tests.signing import Ring, hybrid_of, member_of, ring_of, with_keys

A, B = "did:web:a.example", "did:web:b.example"
NOW = datetime(2026, 11, 28, tzinfo=UTC)
SECOND = int(NOW.timestamp())
BOTH, ONCE = hybrid_of(A), signer_of(A)
MEMBER, OLD = member_of(A), member_of(A, ONCE)
TYP, CONTENT = "test", b"what is signed"


def sign(signer=BOTH, did=A, typ=TYP, content=CONTENT):
    return hybrid.sign(signer, did, typ, content)


def check(signature, member=MEMBER, typ=TYP, content=CONTENT, at=NOW, **more):
    hybrid.check(signature, member, typ, content, at, **more)


def refused(signature, error=SignatureError, **changes):
    with pytest.raises(error) as caught:
        check(signature, **changes)
    assert type(caught.value) is error


def test_what_is_signed_twice_holds():
    check(sign())
    check(sign(), both=True)
    assert len(sign()) < hybrid.LONGEST


def test_it_names_its_algorithms_and_keys():
    header = json.loads(jws.decode(sign().partition(".")[0]))
    assert header["alg"] == "Ed25519+ML-DSA-65"
    ring = ring_of(A)
    assert header["kid"] == [key_id(A, ONCE.public_key), mldsa_id(A, ring.known[0].public)]
    assert (header["by"], header["typ"]) == (A, TYP)


@pytest.mark.parametrize("change", [{"member": member_of(B)}, {"typ": "other"}, {"content": b"else"}])
def test_it_is_good_for_just_that(change):
    refused(sign(), **change)


def parts():
    header, _, encoded = sign().partition(".")
    return header, jws.decode(encoded)


def test_each_half_must_hold():
    header, raw = parts()
    for at in (0, 63, 64, len(raw) - 1):
        changed = bytearray(raw)
        changed[at] ^= 1
        refused(f"{header}.{jws.encode(bytes(changed))}")
    for cut in (
        raw[:64],
        raw[64:],
        raw + b"\0",
        b"",
        raw[64:] + raw[:64],
        bytes(64) + raw[64:],
        raw[:64] + bytes(3309),
    ):
        refused(f"{header}.{jws.encode(cut)}")
    check(f"{header}.{jws.encode(raw)}")


def header_of(**changes):
    said = json.loads(jws.decode(sign().partition(".")[0])) | changes
    return jws.encode(canonical({name: value for name, value in said.items() if value is not None}))


def resigned(header, content=CONTENT):
    """What the true signer would have made with such a header: even so it is refused."""
    message = hybrid._message(header, content)
    return f"{header}.{jws.encode(BOTH.sign(message) + BOTH.mldsa.current().sign(message))}"


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "ML-DSA-65+Ed25519"}, {"alg": "none"}, {"alg": "HS256"}, {"alg": None}, {"by": B}, {"typ": "other"},
        {"more": 1}, {"kid": []}, {"kid": "x"}, {"kid": ["x", mldsa_id(A, ring_of(A).known[0].public)]},
        {"kid": [key_id(A, ONCE.public_key)] * 3}, {"jwk": {}},
    ],
)  # fmt: skip
def test_a_header_is_of_one_form(changes):
    refused(resigned(header_of(**changes)))


def test_a_header_has_one_spelling():
    said = json.loads(jws.decode(sign().partition(".")[0]))
    refused(resigned(jws.encode(json.dumps(said).encode())))
    check(resigned(header_of()))  # the control


ODD = ["", ".", "a.b", "é.b", "x" * 10_000, "e30.e30", "W10.W10", "W10.e30.e30", "e30.e30.e30"]


@pytest.mark.parametrize("text", ODD)
def test_something_else_is_refused(text):
    refused(text)
    with pytest.raises(SignatureError):
        hybrid.proven(text, MEMBER, TYP, NOW)


# --- downgrade ------------------------------------------------------------------------------------------------------


def test_who_can_sign_twice_does_not_sign_once():
    refused(sign(ONCE), SignatureSingleError)
    _, raw = parts()
    stripped = header_of(alg="EdDSA", kid=[key_id(A, ONCE.public_key)])
    refused(f"{stripped}.{jws.encode(raw[:64])}", SignatureSingleError)
    refused(f"{stripped}.{jws.encode(raw[:64])}", member=OLD)  # nor does a half hold as a whole elsewhere


def test_who_has_no_second_key_signs_once_but_not_where_both_must_hold():
    check(sign(ONCE), OLD)
    refused(sign(ONCE), MldsaKeyMissingError, member=OLD, both=True)
    check(sign(), OLD)  # the list does not name its key yet: what it can prove is proven
    refused(sign(), MldsaKeyMissingError, member=OLD, both=True)
    header, raw = parts()
    refused(f"{header}.{jws.encode(bytes(64) + raw[64:])}", member=OLD)


def test_a_half_is_no_json_web_signature_and_the_other_way_round():
    text = hybrid.signed(BOTH, A, TYP, {"a": 1})
    header, payload, encoded = text.split(".")
    alone = f"{header}.{payload}.{jws.encode(jws.decode(encoded)[:64])}"
    with pytest.raises(jws.JwsError):
        jws.split(alone)
    assert not verify(ONCE.public_key, f"{header}.{payload}".encode(), jws.decode(encoded)[:64])


def test_claims_are_proven_as_they_were_signed():
    text = hybrid.signed(BOTH, A, TYP, {"b": 1, "a": [True]})
    assert hybrid.proven(text, MEMBER, TYP, NOW, both=True) == hybrid.unproven(text) == b'{"a":[true],"b":1}'
    header, _, signature = text.split(".")
    for wrong in (f"{header}.{jws.encode(b'{}')}.{signature}", f"{text}.x", f"{header}.?.{signature}"):
        with pytest.raises(SignatureError):
            hybrid.proven(wrong, MEMBER, TYP, NOW)
    with pytest.raises(SignatureError):
        hybrid.proven(text, MEMBER, "other", NOW)
    with pytest.raises(SignatureError):
        hybrid.proven("x" * 10_000 + ".e30.e30", MEMBER, TYP, NOW)


def test_a_json_web_signature_counts_for_a_member_without_a_second_key_alone():
    text = hybrid.signed(ONCE, A, TYP, {"a": 1})
    assert hybrid.proven(text, OLD, TYP, NOW) == jws.split(text).payload
    for member, both, error in ((MEMBER, False, SignatureSingleError), (OLD, True, MldsaKeyMissingError)):
        with pytest.raises(error):
            hybrid.proven(text, member, TYP, NOW, both=both)
    for typ, member in (("other", OLD), (TYP, member_of(B, signer_of(B)))):
        with pytest.raises(SignatureError):
            hybrid.proven(text, member, typ, NOW)


# --- keys over time -------------------------------------------------------------------------------------------------

FIRST, SECOND_KEY = (ring_of(name).signers[0] for name in ("first", "second"))
ROTATED = HybridSigner(ONCE, Ring((FIRST, SECOND_KEY), ()))
DAY = 24 * 3600
CHANGED = with_keys(
    MEMBER,
    MldsaKey(FIRST.public_key, SECOND - 10 * DAY, SECOND + DAY),
    MldsaKey(SECOND_KEY.public_key, SECOND),
)


def by(signer):
    return sign(HybridSigner(ONCE, Ring((signer,), ())))


def test_an_old_key_counts_for_what_was_signed_in_its_time():
    for at in (NOW - timedelta(days=9), NOW, NOW + timedelta(hours=23)):
        check(by(FIRST), CHANGED, at=at)
    refused(by(FIRST), MldsaKeyEndedError, member=CHANGED, at=NOW + timedelta(days=2))
    refused(by(FIRST), MldsaKeyEndedError, member=CHANGED, at=NOW - timedelta(days=11))


def test_a_new_key_counts_from_its_time_on():
    check(sign(ROTATED), CHANGED, at=NOW + timedelta(days=900))
    check(sign(ROTATED), CHANGED, at=NOW - timedelta(seconds=50))  # clocks differ
    refused(sign(ROTATED), MldsaKeyEndedError, member=CHANGED, at=NOW - timedelta(minutes=2))


def test_a_revoked_key_counts_for_nothing_whenever_it_was_signed():
    revoked = with_keys(CHANGED, replace(CHANGED.mldsa[0], revoked=SECOND), CHANGED.mldsa[1])
    for at in (NOW - timedelta(days=9), NOW):
        refused(by(FIRST), MldsaKeyRevokedError, member=revoked, at=at)
    check(by(SECOND_KEY), revoked)


def test_a_key_that_nobody_vouches_for_counts_for_nothing():
    refused(by(MldsaSigner.from_seed(b"m" * 32)), MldsaKeyUnknownError, member=CHANGED)
    refused(sign(hybrid_of(A)), MldsaKeyUnknownError, member=CHANGED)


@pytest.mark.parametrize(
    "error", [MldsaKeyEndedError, MldsaKeyMissingError, MldsaKeyRevokedError, MldsaKeyUnknownError]
)
def test_each_says_what_to_do(error):
    told = error(did=A)
    assert told.code.startswith("signature.")
    assert A in str(told.text)
    assert str(told.advice)


# --- what the authority takes up ------------------------------------------------------------------------------------

K1, K2 = CHANGED.mldsa


def test_new_keys_are_taken_up_beside_old_ones():
    assert hybrid.merged((), (K1,), NOW) == (K1,)
    assert hybrid.merged((replace(K1, until=0),), (K1, K2), NOW) == (K1, K2)


def test_nothing_that_has_ended_or_was_revoked_comes_back():
    ended = replace(K1, until=SECOND - 5)
    for shown in (K1, replace(K1, until=0), replace(K1, until=SECOND + 99 * DAY)):
        assert hybrid.merged((ended,), (shown,), NOW) == (ended,)
    revoked = replace(K1, revoked=SECOND - 7)
    assert hybrid.merged((revoked,), (K1,), NOW) == (revoked,)
    assert hybrid.merged((K1,), (revoked,), NOW) == (revoked,)
    assert hybrid.merged((revoked,), (replace(K1, revoked=SECOND),), NOW) == (revoked,)


def test_a_key_that_is_shown_no_longer_ends_with_that():
    assert hybrid.merged((replace(K2, until=0),), (), NOW) == (replace(K2, until=SECOND),)


def test_the_oldest_go_where_they_are_too_many():
    many = tuple(MldsaKey(number.to_bytes(2, "big") * 976, number) for number in range(1, MOST_KEYS + 4))
    kept = hybrid.merged(many[:MOST_KEYS], many, NOW)
    assert kept == many[-MOST_KEYS:]


def test_no_private_key_is_shown():
    signer = MldsaSigner.from_seed(b"s" * 32)
    assert (b"s" * 32).hex() not in repr(signer)
    assert repr(HybridSigner(ONCE, Ring((signer,), ()))).count("73" * 32) == 0


@pytest.mark.parametrize("signature", [b"", bytes(3309), bytes(3308)])
def test_what_is_no_signature_of_it_does_not_hold(signature):
    signer = MldsaSigner.from_seed(b"s" * 32)
    assert not verify_mldsa(signer.public_key, b"m", signature)
    assert not verify_mldsa(b"short", b"m", signer.sign(b"m"))
    assert verify_mldsa(signer.public_key, b"m", signer.sign(b"m"))
