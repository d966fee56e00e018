"""Which issuers are believed for what."""

from datetime import timedelta

import pytest

from medspace.core.credentials import Believed
from medspace.core.signing import Ed25519Signer
from medspace.trust import jws
from medspace.trust.credentials.believed import TrustList, believed_type, counted, sign_trust_list, verify_trust_list
from medspace.trust.credentials.errors import CredentialIssuerError, TrustListError
from medspace.trust.credentials.vcjwt import sign_credential, verify_credential
from tests.unit.trust.credentials.parties import HOLDER, ISSUER, NOW, document_of, draft, key_of

AUTHORITY = "did:web:authority.example"
SIGNER = Ed25519Signer.from_seed(b"1" * 32)
KEY = key_of(ISSUER)
CREDENTIAL = verify_credential(sign_credential(draft(), KEY), document_of(ISSUER, KEY), NOW)
MEMBERSHIP = Believed("MembershipCredential", (ISSUER, HOLDER), ("role",), "https://authority.example/join")
LISTED = TrustList(AUTHORITY, NOW, NOW + timedelta(days=30), (MEMBERSHIP,))


def test_a_list_is_read_as_it_was_signed():
    text = sign_trust_list(LISTED, SIGNER)
    assert verify_trust_list(text, AUTHORITY, SIGNER.public_key, NOW) == LISTED
    assert LISTED.of("MembershipCredential") == MEMBERSHIP
    assert LISTED.of("Other") is None


def test_lists_that_do_not_hold():
    text = sign_trust_list(LISTED, SIGNER)
    other = Ed25519Signer.from_seed(b"2" * 32)
    twice = sign_trust_list(TrustList(AUTHORITY, NOW, LISTED.expires, (MEMBERSHIP, MEMBERSHIP)), SIGNER)
    many = Believed("A", tuple(str(number) for number in range(300)))
    large = sign_trust_list(TrustList(AUTHORITY, NOW, LISTED.expires, (many,)), SIGNER)
    signed = jws.sign(
        SIGNER, kid="k", typ="medspace-members+jwt", claims={"iss": AUTHORITY, "iat": 1, "exp": 2, "believed": []}
    )
    for offered, authority, key, now in (
        (text, AUTHORITY, other.public_key, NOW),
        (text, HOLDER, SIGNER.public_key, NOW),
        (text, AUTHORITY, SIGNER.public_key, LISTED.expires),
        (text, AUTHORITY, SIGNER.public_key, NOW - timedelta(seconds=1)),
        (twice, AUTHORITY, SIGNER.public_key, NOW),
        (large, AUTHORITY, SIGNER.public_key, NOW),
        (signed, AUTHORITY, SIGNER.public_key, NOW),
        ("a.b.c", AUTHORITY, SIGNER.public_key, NOW),
        ("x" * 600_000, AUTHORITY, SIGNER.public_key, NOW),
    ):
        with pytest.raises(TrustListError) as error:
            verify_trust_list(offered, authority, key, now)
        assert error.value.code == "credential.trust-list"


def test_only_believed_issuers_types_and_claims_count():
    assert believed_type((MEMBERSHIP,), CREDENTIAL) == MEMBERSHIP
    assert counted(MEMBERSHIP, CREDENTIAL) == {"role": "hospital"}
    assert counted(Believed("MembershipCredential", (ISSUER,)), CREDENTIAL) == CREDENTIAL.claims
    for listed in (
        (),
        (Believed("MembershipCredential", (HOLDER,)),),
        (Believed("membershipcredential", (ISSUER,)),),
        (Believed("MembershipCredential ", (ISSUER,)),),
        (Believed("Other", (ISSUER,)),),
    ):
        with pytest.raises(CredentialIssuerError) as error:
            believed_type(listed, CREDENTIAL)
        assert error.value.code == "credential.issuer"
