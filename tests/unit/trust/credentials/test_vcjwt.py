"""Credentials and presentations: what is signed is read again, also by another library; what is wrong is refused."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey

from medspace.trust.credentials import jose
from medspace.trust.credentials.errors import CredentialError, PresentationError
from medspace.trust.credentials.jose import ALGORITHMS
from medspace.trust.credentials.model import CredentialProfile
from medspace.trust.credentials.presentations import sign_presentation, verify_presentation
from medspace.trust.credentials.vcjwt import (
    CONTEXT_V2,
    LONGEST_CREDENTIAL,
    issuer_of,
    sign_credential,
    verify_credential,
)
from medspace.trust.jws import decode, encode
from tests.examples import most
from tests.unit.trust.credentials.parties import (
    HOLDER,
    ISSUER,
    LIST,
    NOW,
    VERIFIER,
    document_of,
    draft,
    ec_key,
    key_of,
)

KEY = key_of(ISSUER)
DOCUMENT = document_of(ISSUER, KEY)
HOLDER_KEY = key_of(HOLDER)
HOLDER_DOCUMENT = document_of(HOLDER, HOLDER_KEY)
PROFILES = tuple(CredentialProfile)


def payload_of(text):
    return jose.split(text, LONGEST_CREDENTIAL).payload


def refused(text, document=DOCUMENT, now=NOW):
    with pytest.raises(CredentialError) as error:
        verify_credential(text, document, now)
    return error.value.code


def changed(profile, **body):
    """The same credential, properly signed, with another content."""
    payload = payload_of(sign_credential(draft(), KEY, profile))
    target = payload["vc"] if profile is CredentialProfile.VC11 else payload
    for name, value in body.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = value
    return jose.sign(KEY, payload)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_credential_is_read_as_it_was_signed(profile, algorithm):
    key = key_of(ISSUER, algorithm)
    text = sign_credential(draft(), key, profile)
    read = verify_credential(text, document_of(ISSUER, key), NOW)
    assert issuer_of(text) == read.issuer == ISSUER
    assert (read.subject, dict(read.claims)) == (HOLDER, {"role": "hospital", "level": 2})
    assert read.types == ("VerifiableCredential", "MembershipCredential")
    assert (read.valid_from, read.valid_until) == (draft().valid_from, draft().valid_until)
    assert [(one.url, one.index, one.purpose) for one in read.status] == [(LIST, 7, "revocation")]
    assert (read.profile, read.text) == (profile, text)
    assert text not in repr(read)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_single_subject_may_be_in_a_list(profile):
    text = changed(profile, credentialSubject=[{"id": HOLDER, "role": "x"}])
    assert dict(verify_credential(text, DOCUMENT, NOW).claims) == {"role": "x"}


def test_a_credential_names_its_schemas():
    text = sign_credential(draft(schemas=("https://issuer.example/schema",)), KEY)
    assert verify_credential(text, DOCUMENT, NOW).schemas == ("https://issuer.example/schema",)


@pytest.mark.parametrize("profile", PROFILES)
def test_another_library_verifies_what_we_sign(profile):
    text = sign_credential(draft(), KEY, profile)
    assert jws.deserialize_compact(text, ECKey.import_key(KEY.public.json())).payload


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"issuer": "did:web:somebody.example"}, "credential.key"),
        ({"issuer": {"id": "did:web:somebody.example"}}, "credential.key"),
        ({"issuer": 5}, "credential.malformed"),
        ({"credentialSubject": {"role": "x"}}, "credential.malformed"),
        ({"credentialSubject": [{"id": HOLDER}, {"id": VERIFIER}]}, "credential.malformed"),
        ({"type": []}, "credential.malformed"),
        ({"type": ["T"] * 17}, "credential.malformed"),
        ({"type": [7]}, "credential.malformed"),
        ({"id": "x" * 2049}, "credential.malformed"),
        ({"credentialStatus": {"type": "SomethingElse"}}, "credential.malformed"),
        ({"credentialStatus": "none"}, "credential.malformed"),
        ({"credentialStatus": [{"type": "StatusList2021Entry", "statusListIndex": "-1"}]}, "credential.malformed"),
        ({"credentialStatus": [{"type": "BitstringStatusListEntry", "statusSize": 2}]}, "credential.malformed"),
        ({"credentialSchema": [1]}, "credential.malformed"),
    ],
)
@pytest.mark.parametrize("profile", PROFILES)
def test_content_that_is_wrong(profile, change, code):
    assert refused(changed(profile, **change)) == code


def test_times_of_both_places_count():
    for name, value in (("exp", 1), ("exp", "soon"), ("nbf", NOW.timestamp() + 60), ("nbf", True), ("nbf", 1e300)):
        payload = payload_of(sign_credential(draft(), KEY, CredentialProfile.VC11)) | {name: value}
        assert refused(jose.sign(KEY, payload)) in (
            "credential.expired",
            "credential.premature",
            "credential.malformed",
        )
    assert refused(changed(CredentialProfile.VC11, expirationDate="2020-01-01T00:00:00Z")) == "credential.expired"
    assert refused(changed(CredentialProfile.VC11, issuanceDate="2027-01-01T00:00:00Z")) == "credential.premature"
    assert refused(changed(CredentialProfile.VC20, validUntil="2020-01-01T00:00:00Z")) == "credential.expired"
    assert refused(changed(CredentialProfile.VC20, validFrom="2027-01-01T00:00:00Z")) == "credential.premature"
    assert refused(changed(CredentialProfile.VC20, validFrom="tomorrow")) == "credential.malformed"
    payload = payload_of(sign_credential(draft(), KEY, CredentialProfile.VC20))
    assert refused(jose.sign(KEY, {k: v for k, v in payload.items() if k not in ("iat", "validFrom")})) == (
        "credential.malformed"
    )


def test_a_credential_without_an_end_is_valid():
    text = sign_credential(draft(valid_until=None), KEY, CredentialProfile.VC11)
    assert verify_credential(text, DOCUMENT, NOW + timedelta(days=9999)).valid_until is None


def test_token_and_content_that_contradict_each_other():
    for name in ("iss", "sub"):
        payload = payload_of(sign_credential(draft(), KEY, CredentialProfile.VC11)) | {name: "did:web:other.example"}
        assert refused(jose.sign(KEY, payload)) == "credential.malformed"
    both = payload_of(sign_credential(draft(), KEY, CredentialProfile.VC11)) | {"credentialSubject": {"id": HOLDER}}
    assert refused(jose.sign(KEY, both)) == "credential.malformed"
    assert refused(jose.sign(KEY, {"issuer": ISSUER, "@context": ["https://other.example", CONTEXT_V2]})) == (
        "credential.malformed"
    )


def test_keys_that_do_not_count():
    text = sign_credential(draft(), KEY)
    other = ec_key(KEY.id)
    assert refused(text, document_of(ISSUER, other)) == "credential.signature"
    assert refused(text, document_of(ISSUER, key_of(ISSUER, "EdDSA"))) == "credential.signature"
    assert refused(text, document_of(ISSUER, key_of(ISSUER, name="key-2"))) == "credential.key"
    unlisted = replace(DOCUMENT, keys=(replace(DOCUMENT.keys[0], purposes=frozenset({"capabilityInvocation"})),))
    assert refused(text, unlisted) == "credential.key"


def reheaded(text, **header):
    head, payload, _ = text.split(".")
    new = jose._object(head) | header
    signing_input = f"{encode(jose._encoder.encode({k: v for k, v in new.items() if v is not None}))}.{payload}"
    return f"{signing_input}.{encode(KEY.sign(signing_input.encode()))}"


def test_without_a_key_id_only_a_single_key_can_have_signed():
    text = reheaded(sign_credential(draft(), KEY), kid=None)
    assert verify_credential(text, DOCUMENT, NOW).issuer == ISSUER
    assert refused(text, document_of(ISSUER, KEY, key_of(ISSUER, name="key-2"))) == "credential.key"
    assert refused(text, replace(DOCUMENT, methods=2)) == "credential.key"
    assert verify_credential(reheaded(text, kid="#key-1"), DOCUMENT, NOW).issuer == ISSUER


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"alg": "none"}, "credential.algorithm"),
        ({"alg": "HS256"}, "credential.algorithm"),
        ({"alg": "ES256K"}, "credential.algorithm"),
        ({"alg": ["ES256"]}, "credential.algorithm"),
        ({"alg": "EdDSA"}, "credential.signature"),
        ({"alg": "ES384"}, "credential.malformed"),
        ({"jwk": {"kty": "EC"}}, "credential.header"),
        ({"jku": "https://evil.example"}, "credential.header"),
        ({"x5c": []}, "credential.header"),
        ({"crit": ["exp"]}, "credential.header"),
        ({"b64": False}, "credential.header"),
        ({"kid": 7}, "credential.malformed"),
        ({"kid": "x" * 2000}, "credential.malformed"),
        ({"typ": "at+jwt"}, "credential.malformed"),
        ({"kid": "../key-1"}, "credential.key"),
        ({"kid": "did:web:evil.example#key-1"}, "credential.key"),
        ({"kid": f"{ISSUER}#key-1 "}, "credential.key"),
    ],
)
def test_headers_that_are_never_accepted(header, code):
    assert refused(reheaded(sign_credential(draft(), KEY), **header)) == code


def test_a_public_key_is_no_secret_of_a_mac():
    _, payload, _ = sign_credential(draft(), KEY).split(".")
    header = {"alg": "HS256", "kid": KEY.id, "typ": "JWT"}
    text = jws.serialize_compact(header, decode(payload), OctKey.import_key(KEY.public.x + KEY.public.y), ["HS256"])
    assert refused(text) == "credential.algorithm"


@pytest.mark.parametrize("text", ["", ".", "..", "...", "a.b.c", "é.b.c", "x" * 70_000, "e30.e30.e30"])
def test_texts_that_are_no_tokens(text):
    assert refused(text) in ("credential.malformed", "credential.algorithm")


@given(st.data())
@settings(max_examples=most(60), deadline=None)
def test_no_changed_byte_goes_unnoticed(data):
    text = sign_credential(draft(), KEY)
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("ABCDEFGHabcdefgh0123456789-_."))
    if text[at] != letter:
        assert refused(text[:at] + letter + text[at + 1 :])


@pytest.mark.parametrize("profile", PROFILES)
def test_a_presentation_brings_its_credentials(profile):
    texts = tuple(sign_credential(draft(), KEY, profile) for _ in range(3))
    shown = sign_presentation(
        texts, HOLDER_KEY, holder=HOLDER, audience=VERIFIER, now=NOW, token_id="1", profile=profile
    )
    assert verify_presentation(shown, HOLDER_DOCUMENT, audience=VERIFIER, now=NOW) == texts


def shown(change=None, *, held=None, profile=CredentialProfile.VC11, key=HOLDER_KEY):
    text = sign_presentation(
        ("a.b.c",), key, holder=HOLDER, audience=VERIFIER, now=NOW, token_id="1", profile=profile
    )
    payload = payload_of(text) | (change or {})
    payload["vp"] = payload["vp"] | (held or {})
    return jose.sign(key, {name: value for name, value in payload.items() if value is not None})


@pytest.mark.parametrize(
    ("change", "held"),
    [
        ({"iss": ISSUER}, None),
        ({"sub": ISSUER}, None),
        ({"aud": HOLDER}, None),
        ({"aud": [VERIFIER, HOLDER]}, None),
        ({"aud": None}, None),
        ({"iss": None}, None),
        ({"iat": NOW.timestamp() + 60}, None),
        ({"nbf": NOW.timestamp() + 60}, None),
        ({"exp": NOW.timestamp() - 60}, None),
        ({"exp": NOW.timestamp() + 9999}, None),
        ({"exp": None}, None),
        ({"exp": "never"}, None),
        ({"verifiableCredential": []}, None),
        (None, {"holder": ISSUER}),
        (None, {"type": "Something"}),
        (None, {"verifiableCredential": ["a"] * 33}),
        (None, {"verifiableCredential": [{"id": "data:text/plain,a"}]}),
        (None, {"verifiableCredential": [7]}),
    ],
)
def test_presentations_that_do_not_hold(change, held):
    with pytest.raises(PresentationError) as error:
        verify_presentation(shown(change, held=held), HOLDER_DOCUMENT, audience=VERIFIER, now=NOW)
    assert error.value.code == "credential.presentation"


def test_a_presentation_as_others_write_it():
    """Without `@context`, its type a text and its credentials no list, as programs of other makers do."""
    text = shown(held={"@context": None, "type": "VerifiablePresentation", "verifiableCredential": "a.b.c"})
    assert verify_presentation(text, HOLDER_DOCUMENT, audience=VERIFIER, now=NOW) == ("a.b.c",)


def test_a_presentation_by_somebody_else():
    with pytest.raises(CredentialError) as error:
        verify_presentation(shown(key=ec_key(HOLDER_KEY.id)), HOLDER_DOCUMENT, audience=VERIFIER, now=NOW)
    assert error.value.code == "credential.signature"


def test_a_credential_is_no_presentation():
    with pytest.raises(CredentialError):
        verify_presentation(sign_credential(draft(), HOLDER_KEY), HOLDER_DOCUMENT, audience=VERIFIER, now=NOW)
