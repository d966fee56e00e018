"""Keys of DID documents and of did:key, against published vectors."""

import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from medspace.trust.credentials import jose
from medspace.trust.credentials.jose import EcKey
from medspace.trust.credentials.keys import (
    CREDENTIAL_SERVICE,
    build_key_document,
    did_key,
    did_key_document,
    parse_key_document,
    read_jwk,
)
from medspace.trust.credentials.model import PublicJwk
from medspace.trust.errors import DidError, DocumentError
from medspace.trust.model import PURPOSES
from tests.unit.trust.credentials.parties import HOLDER, ISSUER, document_of, ec_key, key_of

VECTORS = Path(os.environ.get("MEDSPACE_DATA", "../shared/data")) / "vc/vc-di-ecdsa/TestVectors"
# Of the did:key method (W3C CCG), Ed25519 and P-256.
PUBLISHED = {
    "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp": "Ed25519",
    "did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169": "P-256",
}
KEY = ec_key(f"{ISSUER}#key-1").public


@pytest.mark.parametrize(("did", "curve"), PUBLISHED.items())
def test_published_keys_are_read_and_written(did, curve):
    document = did_key_document(did)
    assert document.keys[0].key.crv == curve
    assert document.keys[0].id == f"{did}#{did.removeprefix('did:key:')}"
    assert document.keys[0].purposes == frozenset(PURPOSES)
    assert did_key(document.keys[0].key) == did


@pytest.mark.skipif(not VECTORS.exists(), reason="the vectors of Data Integrity are not here")
@pytest.mark.parametrize("name", ["p256KeyPair.json", "p384KeyPair.json"])
def test_keys_of_the_published_vectors(name):
    said = json.loads((VECTORS / name).read_text())
    did = f"did:key:{said['publicKeyMultibase']}"
    assert did_key(did_key_document(did).keys[0].key) == did


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA"])
def test_keys_of_all_kinds_go_both_ways(algorithm):
    key = key_of(ISSUER, algorithm).public
    assert did_key_document(did_key(key)).keys[0].key == key
    assert document_of(ISSUER, key_of(ISSUER, "EdDSA")).keys[0].purposes == frozenset(PURPOSES)


@pytest.mark.parametrize(
    "did",
    [
        "did:key:",
        "did:key:z",
        "did:key:z6Mk",
        "did:key:z0OIl",
        "did:key:u7QHL",
        "did:web:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
        "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp1",
        "did:key:z16MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
        "did:key:z6LSbysY2xFMRpGMhb7tFTLMpeuPRaqaWM1yECx2AtzE3KCc",  # X25519: signs nothing
        "did:key:z" + "1" * 500,
    ],
)
def test_what_is_no_did_key(did):
    with pytest.raises(DidError):
        did_key_document(did)


def parsed(**changes):
    document = build_key_document(
        {"id": ISSUER}, [(f"{ISSUER}#key-1", KEY)], {CREDENTIAL_SERVICE: "https://i.example/dcp/"}
    )
    return parse_key_document(json.dumps(document | changes).encode(), ISSUER)


def method(**changes):
    return {
        "id": f"{ISSUER}#key-1",
        "type": "JsonWebKey2020",
        "controller": ISSUER,
        "publicKeyJwk": KEY.json(),
    } | changes


def test_a_document_is_read_as_it_was_built():
    document = parsed()
    assert document.keys[0].key == KEY
    assert document.services == {CREDENTIAL_SERVICE: "https://i.example/dcp"}
    relative = parsed(verificationMethod=[method(id="#key-1")], authentication=["#key-1"], assertionMethod=[{}])
    assert relative.keys[0].purposes == {"authentication", "capabilityInvocation"}
    multibase = did_key(KEY).removeprefix("did:key:")
    assert parsed(verificationMethod=[method(publicKeyJwk={}, publicKeyMultibase=multibase)]).keys[0].key == KEY
    assert parsed(verificationMethod=[method(publicKeyJwk={"kty": "RSA"})]).keys == ()
    assert parsed(service=[{"type": "X"}, {"type": "X", "serviceEndpoint": {"a": 1}}]).services == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"id": HOLDER},
        {"verificationMethod": [method(controller=HOLDER)]},
        {"verificationMethod": [method(id=f"{HOLDER}#key-1")]},
        {"verificationMethod": [method(), method()]},
        {"verificationMethod": [method()] * 65},
        {"verificationMethod": [method(publicKeyJwk={**KEY.json(), "d": "AA"})]},
        {"verificationMethod": [method(publicKeyJwk={**KEY.json(), "x": KEY.y})]},
        {"verificationMethod": [method(publicKeyJwk={**KEY.json(), "x": "AA"})]},
        {"verificationMethod": [method(publicKeyJwk={**KEY.json(), "x": "!"})]},
        {"verificationMethod": [method(publicKeyMultibase="m!")]},
        {"verificationMethod": 7},
        {"padding": "x" * 70_000},
    ],
)
def test_documents_that_are_not_used(changes):
    with pytest.raises(DocumentError):
        parsed(**changes)


def test_a_private_key_is_no_public_one():
    with pytest.raises(ValueError, match="private"):
        read_jwk({**KEY.json(), "d": "AA"})


@pytest.mark.parametrize("pem", [b"", b"nothing", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_private_key(pem):
    with pytest.raises(ValueError, match="EC private key"):
        EcKey("k", pem)


def test_a_key_does_not_show_itself():
    assert repr(ec_key("did:web:a#b")) == "EcKey(did:web:a#b)"


def test_a_key_of_another_curve_signs_nothing():
    with pytest.raises(ValueError, match="P-256 or P-384"):
        ec_key("k", ec.SECP521R1())


def test_an_address_that_is_too_long_is_left_out():
    assert parsed(service=[{"type": "X", "serviceEndpoint": "https://" + "x" * 3000}]).services == {}


def test_a_key_that_is_none_proves_nothing():
    signed = jose.split(jose.sign(key_of(ISSUER), {}), 10_000)
    assert not signed.holds(PublicJwk("EC", "P-256", "AA", "AA"))
