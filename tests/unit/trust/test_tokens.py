import warnings
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as oracle
from joserfc.jwk import OKPKey

from medspace.core.signing import Ed25519Signer
from medspace.trust import jws, tokens
from medspace.trust.errors import (
    TokenExpiredError,
    TokenIssuerError,
    TokenLifetimeError,
    TokenOversizedError,
    TokenPrematureError,
    UnauthenticatedError,
)
from medspace.trust.model import Caller
from tests.unit.trust.space import COMPANY, HOSPITAL, KEYS, document_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SEED = jws.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")  # RFC 8037 A.1


def issued(**changes):
    terms = {"now": NOW, "token_id": "urn:uuid:1"} | changes
    return tokens.issue(KEYS[COMPANY], COMPANY, HOSPITAL, **terms)


def verified(token, at=NOW, leeway=tokens.LEEWAY):
    return tokens.verify(token, document_of(COMPANY), HOSPITAL, at, leeway)


def test_what_is_issued_proves_the_caller():
    assert verified(issued()) == Caller(COMPANY, "urn:uuid:1")


def test_an_independent_library_agrees_with_our_signature():
    key = OKPKey.import_key(KEYS[COMPANY].private_key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would rather have the name of RFC 9864
        read = oracle.deserialize_compact(issued(), key, algorithms=["EdDSA"])
    assert read.headers()["kid"].startswith(f"{COMPANY}#")


def test_a_token_of_an_independent_library_is_accepted():
    ours = jws.split(issued())
    header = {"alg": "EdDSA", "kid": ours.kid}
    key = OKPKey.import_key(KEYS[COMPANY].private_key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        token = oracle.serialize_compact(header, ours.payload, key, algorithms=["EdDSA"])
    assert verified(token).did == COMPANY


def test_the_published_vector_holds():
    # RFC 8037 A.4
    token = (
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )
    read = jws.split(token)
    assert read.payload == b"Example of Ed25519 signing"
    assert read.holds(Ed25519Signer.from_seed(SEED).public_key)
    assert not read.holds(KEYS[COMPANY].public_key)


@pytest.mark.parametrize("lifetime", [0, -1, 61])
def test_no_token_lives_longer_than_a_minute(lifetime):
    with pytest.raises(ValueError, match="60"):
        issued(lifetime=lifetime)


@pytest.mark.parametrize(
    ("seconds", "error"), [(69, None), (70, TokenExpiredError), (-10, None), (-11, TokenPrematureError)]
)
def test_clocks_may_differ_by_the_leeway_and_no_more(seconds, error):
    at = NOW + timedelta(seconds=seconds)
    if error is None:
        assert verified(issued(), at).did == COMPANY
    else:
        with pytest.raises(error):
            verified(issued(), at)


def test_a_long_lifetime_is_refused_though_the_signature_holds():
    token = signed({"exp": int(NOW.timestamp()) + 61})
    with pytest.raises(TokenLifetimeError):
        verified(token)


def signed(changes):
    start = int(NOW.timestamp())
    claims = {"iss": COMPANY, "sub": COMPANY, "aud": HOSPITAL, "iat": start, "exp": start + 60, "jti": "1"} | changes
    key = tokens.key_id(COMPANY, KEYS[COMPANY].public_key)
    return jws.sign(KEYS[COMPANY], kid=key, typ="JWT", claims=claims)


def test_not_before_is_kept():
    assert verified(signed({"nbf": int(NOW.timestamp())})).did == COMPANY
    with pytest.raises(TokenPrematureError):
        verified(signed({"nbf": int(NOW.timestamp()) + 11}))


def test_further_claims_are_passed_over():
    assert verified(signed({"token": "for the credential service"})).did == COMPANY


@given(st.data())
def test_no_single_changed_character_is_accepted(data):
    token = issued()
    at = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.sampled_from("ABCxyz019-_.=+/ "))
    changed = token[:at] + character + token[at + 1 :]
    if changed != token:
        with pytest.raises(UnauthenticatedError):
            verified(changed)


@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,90}"))
def test_reading_ends_in_a_token_or_in_its_error(text):
    with pytest.raises(UnauthenticatedError):
        verified(text)


def test_a_token_proves_no_party_but_the_one_of_the_document():
    with pytest.raises(TokenIssuerError):
        tokens.verify(issued(), document_of(HOSPITAL), HOSPITAL, NOW)


def test_length_is_bounded():
    # Three bytes of a claim are four characters of the token.
    room = (tokens.LONGEST_TOKEN - len(signed({"x": ""}))) * 3 // 4
    longest = signed({"x": "a" * room})
    assert len(longest) in (tokens.LONGEST_TOKEN, tokens.LONGEST_TOKEN - 1)
    assert verified(longest).did == COMPANY
    with pytest.raises(TokenOversizedError):
        verified(signed({"x": "a" * (room + 2)}))


def test_the_longest_jti_is_taken():
    assert verified(signed({"jti": "a" * tokens.LONGEST_TOKEN_ID})).token_id == "a" * tokens.LONGEST_TOKEN_ID
