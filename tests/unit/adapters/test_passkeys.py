"""Answers of authenticators that are no answers: each is refused with a sentence, and none ends anything else."""

import json

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medspace.adapters.passkeys import WebauthnVerifier
from medspace.core.canonical import JsonObject
from medspace.services.accounts import ceremonies
from medspace.services.accounts.errors import PasskeyRefusedError
from medspace.services.accounts.ports import RelyingParty
from tests.examples import most
from tests.passkeys import HOST, ORIGIN, Authenticator, b64, unb64

PARTY = RelyingParty(HOST, ORIGIN, "Clinic")
CHALLENGE = b"c" * 32
HANDLE = b"h" * 16
VERIFIER = WebauthnVerifier()
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=40) | st.binary(max_size=40).map(b64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)


def made() -> tuple[Authenticator, JsonObject, str]:
    key = Authenticator()
    answer = json.loads(key.create(ceremonies.creation(PARTY, HANDLE, "Dr Li", CHALLENGE, [])))
    return key, answer, VERIFIER.registered(answer, CHALLENGE, PARTY).key


KEY, CREATED, PUBLIC = made()
PROVEN = json.loads(KEY.get(ceremonies.request(PARTY, CHALLENGE)))


def test_what_holds_is_believed():
    assert VERIFIER.asserted(PROVEN, CHALLENGE, PARTY, PUBLIC) == 1
    with pytest.raises(PasskeyRefusedError):
        VERIFIER.asserted(PROVEN, b"d" * 32, PARTY, PUBLIC)
    with pytest.raises(PasskeyRefusedError):
        VERIFIER.asserted(PROVEN, CHALLENGE, PARTY, made()[2])


PLACES = [("id",), ("rawId",), ("type",), ("response",), *(("response", name) for name in CREATED["response"])]
PROOFS = [*PLACES[:4], *(("response", name) for name in PROVEN["response"] if name != "userHandle")]


def changed(answer, place, value):
    copy = json.loads(json.dumps(answer))
    inner = copy if len(place) == 1 else copy["response"]
    inner[place[-1]] = value
    return copy


@settings(max_examples=most(150), suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(PLACES), ANY)
def test_a_registration_with_anything_in_one_place_is_refused(place, value):
    if changed(CREATED, place, value) == CREATED:
        return
    with pytest.raises(PasskeyRefusedError):
        VERIFIER.registered(changed(CREATED, place, value), CHALLENGE, PARTY)


@settings(max_examples=most(150), suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(PROOFS), ANY)
def test_an_assertion_with_anything_in_one_place_is_refused(place, value):
    if changed(PROVEN, place, value) == PROVEN:
        return
    with pytest.raises(PasskeyRefusedError):
        VERIFIER.asserted(changed(PROVEN, place, value), CHALLENGE, PARTY, PUBLIC)


@settings(max_examples=most(200), deadline=None)
@given(st.integers(0, 500), st.integers(1, 255))
def test_an_attestation_with_one_byte_changed_names_the_same_passkey_or_none(place, flip):
    """Nothing signs an attestation `none`: what may change is what nobody believes, or a key that nobody has."""
    content = bytearray(unb64(CREATED["response"]["attestationObject"]))
    content[place % len(content)] ^= flip
    answer = changed(CREATED, ("response", "attestationObject"), b64(bytes(content)))
    try:
        VERIFIER.registered(answer, CHALLENGE, PARTY)
    except PasskeyRefusedError:
        return


@pytest.mark.parametrize(
    "content",
    [
        cbor2.dumps({}),
        cbor2.dumps([]),
        b"\x9f" * 60_000,
        b"\xa1" * 60_000,
        b"",
        cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": b""}),
        cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": "x" * 40}),
        cbor2.dumps({"fmt": ["none"], "attStmt": {}, "authData": b"x" * 40}),
        cbor2.dumps({"fmt": "none", "attStmt": {"x5c": [b"x"]}, "authData": b"x" * 40}),
        b"\x5b\x00\x00\x00\xff\xff\xff\xff\xff",
    ],
)
def test_cbor_that_is_made_to_hurt_is_refused(content):
    answer = changed(CREATED, ("response", "attestationObject"), b64(content))
    with pytest.raises(PasskeyRefusedError):
        VERIFIER.registered(answer, CHALLENGE, PARTY)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"id":"x"}',
        b'{"id":"x","id":"y"}',
        b"[" * 60_000,
        b" " * 70_000,
        b"\xff",
        b'{"id":1,"response":{}}',
    ],
)
def test_an_answer_that_is_no_json_of_an_answer_is_refused(content):
    with pytest.raises(PasskeyRefusedError):
        ceremonies.read_answer(content)


@pytest.mark.parametrize(
    "client", [None, 7, "", "!", "e30=", "W10", b64(b"{}"), b64(b'{"challenge":"A"}'), b64(b'{"challenge":7}')]
)
def test_client_data_that_cannot_be_read_is_refused(client):
    answer = json.dumps(changed(PROVEN, ("response", "clientDataJSON"), client)).encode()
    with pytest.raises(PasskeyRefusedError):
        ceremonies.read_answer(answer)


@given(st.binary(max_size=100))
def test_base64url_is_written_in_one_way(content):
    assert ceremonies.decoded(ceremonies.encoded(content)) == content
    with pytest.raises(PasskeyRefusedError):
        ceremonies.decoded(ceremonies.encoded(content) + "=")


def test_what_a_browser_answered_is_read():
    read = ceremonies.read_answer(json.dumps(PROVEN).encode())
    assert (read.credential, read.challenge, read.handle) == (b64(KEY.keys[0].id), CHALLENGE, HANDLE)
    assert (
        ceremonies.read_answer(json.dumps(changed(PROVEN, ("response", "userHandle"), None)).encode()).handle is None
    )


def test_a_short_rsa_key_is_refused():
    for bits, fine in ((1024, False), (2048, True)):
        numbers = generate_private_key(65537, bits).public_key().public_numbers()
        cose = cbor2.dumps({1: 3, 3: -257, -1: numbers.n.to_bytes(bits // 8, "big"), -2: b"\x01\x00\x01"})
        found = cbor2.loads(unb64(CREATED["response"]["attestationObject"]))
        data = found["authData"].replace(KEY.keys[0].cose(), cose)
        answer = changed(CREATED, ("response", "attestationObject"), b64(cbor2.dumps(found | {"authData": data})))
        if fine:
            VERIFIER.registered(answer, CHALLENGE, PARTY)
        else:
            with pytest.raises(PasskeyRefusedError, match="short"):
                VERIFIER.registered(answer, CHALLENGE, PARTY)
