"""Self-issued ID tokens of any maker, and our own access tokens."""

from datetime import timedelta

import pytest

from medspace.trust.credentials import jose
from medspace.trust.credentials.idtokens import (
    ACCESS_LIFETIME,
    LONGEST_LIFETIME,
    granted_scopes,
    issue_access_token,
    issue_id_token,
    prove_id_token,
    read_id_token,
)
from medspace.trust.errors import UnauthenticatedError
from tests.unit.trust.credentials.parties import HOLDER, ISSUER, NOW, VERIFIER, document_of, ec_key, key_of

KEY = key_of(HOLDER)
DOCUMENT = document_of(HOLDER, KEY)
AT = int(NOW.timestamp())


def claims(**changes):
    said = {"iss": HOLDER, "sub": HOLDER, "aud": VERIFIER, "iat": AT, "exp": AT + 600, "jti": "1"} | changes
    return {name: value for name, value in said.items() if value is not None}


def proved(text, document=DOCUMENT):
    return prove_id_token(read_id_token(text), document, VERIFIER, NOW)


def test_our_own_token_holds():
    text = issue_id_token(KEY, HOLDER, VERIFIER, now=NOW, token_id="1", access_token="access")
    found = proved(text)
    assert (found.caller.did, found.caller.token_id, found.access_token) == (HOLDER, "1", "access")


def test_a_token_without_access_token_holds_too():
    assert proved(jose.sign(KEY, claims(aud=[VERIFIER]))).access_token == ""


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": ISSUER, "sub": ISSUER}, "identity.issuer"),
        ({"sub": ISSUER}, "identity.subject"),
        ({"aud": HOLDER}, "identity.audience"),
        ({"aud": [VERIFIER, HOLDER]}, "identity.audience"),
        ({"aud": None}, "identity.malformed"),
        ({"exp": AT - 11}, "identity.expired"),
        ({"exp": None}, "identity.malformed"),
        ({"exp": True}, "identity.malformed"),
        ({"exp": AT + LONGEST_LIFETIME + 1}, "identity.lifetime"),
        ({"iat": AT + 11}, "identity.premature"),
        ({"iat": None}, "identity.malformed"),
        ({"nbf": AT + 11}, "identity.premature"),
        ({"jti": None}, "identity.token-id"),
        ({"jti": ""}, "identity.token-id"),
        ({"jti": "x" * 257}, "identity.token-id"),
        ({"token": 7}, "identity.malformed"),
        ({"token": "x" * 9000}, "identity.malformed"),
        ({"vp": {}}, "identity.malformed"),
    ],
)
def test_claims_that_are_wrong(changes, code):
    with pytest.raises(UnauthenticatedError) as error:
        proved(jose.sign(KEY, claims(**changes)))
    assert error.value.code == code


def test_signatures_that_do_not_count():
    for key, code in ((ec_key(KEY.id), "identity.signature"), (ec_key(f"{HOLDER}#other"), "identity.key")):
        with pytest.raises(UnauthenticatedError) as error:
            proved(jose.sign(key, claims()))
        assert error.value.code == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x" * 17_000, "identity.oversized"),
        ("a.b.c", "identity.malformed"),
        (jose.sign(KEY, {"iss": HOLDER}), "identity.malformed"),
        (jose.sign(KEY, claims(), typ="at+jwt"), "identity.malformed"),
        (jose.sign(KEY, claims(), jku="https://evil.example"), "identity.header"),
        ("eyJhbGciOiJub25lIn0.e30.", "identity.algorithm"),
    ],
)
def test_texts_that_are_no_id_tokens(text, code):
    with pytest.raises(UnauthenticatedError) as error:
        read_id_token(text)
    assert error.value.code == code


def test_an_access_token_is_for_one_verifier_and_some_minutes():
    text = issue_access_token(KEY, HOLDER, VERIFIER, ["a", "b"], now=NOW, token_id="1")
    assert granted_scopes(text, KEY, HOLDER, VERIFIER, NOW) == ("a", "b")
    for who, now in ((ISSUER, NOW), (VERIFIER, NOW + timedelta(seconds=ACCESS_LIFETIME))):
        with pytest.raises(UnauthenticatedError):
            granted_scopes(text, KEY, HOLDER, who, now)
    others = [
        issue_access_token(ec_key(KEY.id), HOLDER, VERIFIER, ["a"], now=NOW, token_id="1"),
        issue_id_token(KEY, HOLDER, HOLDER, now=NOW, token_id="1"),
        jose.sign(KEY, {"iss": HOLDER}, typ="at+jwt"),
        "faketoken",
    ]
    for other in others:
        with pytest.raises(UnauthenticatedError):
            granted_scopes(other, KEY, HOLDER, VERIFIER, NOW)
