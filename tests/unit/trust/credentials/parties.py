"""Parties that sign credentials, with keys of all kinds and their documents."""

import json
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from medspace.core.signing import Ed25519Signer
from medspace.trust.credentials.jose import EcKey, Ed25519Key
from medspace.trust.credentials.keys import build_key_document, parse_key_document
from medspace.trust.credentials.model import StatusEntry
from medspace.trust.credentials.vcjwt import CredentialDraft

ISSUER, HOLDER, VERIFIER = "did:web:issuer.example", "did:web:hospital.example", "did:web:verifier.example:dcp"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LIST = "https://issuer.example/status/1"


def ec_key(name, curve=None):
    private = ec.generate_private_key(curve or ec.SECP256R1())
    return EcKey(name, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def key_of(did, algorithm="ES256", name="key-1"):
    if algorithm in ("EdDSA", "Ed25519"):
        return Ed25519Key(f"{did}#{name}", Ed25519Signer.from_seed(did.encode()[:32].ljust(32, b"-")), algorithm)
    return ec_key(f"{did}#{name}", ec.SECP384R1() if algorithm == "ES384" else None)


def document_of(did, *keys, **services):
    made = build_key_document({"id": did}, [(key.id, key.public) for key in keys], services)
    return parse_key_document(json.dumps(made).encode(), did)


def draft(**changes):
    values = {
        "id": "https://issuer.example/credentials/1",
        "types": ("MembershipCredential",),
        "issuer": ISSUER,
        "subject": HOLDER,
        "claims": {"role": "hospital", "level": 2},
        "valid_from": NOW - timedelta(days=1),
        "valid_until": NOW + timedelta(days=1),
        "status": (StatusEntry(LIST, 7, "revocation"),),
        "schemas": (),
    }
    return CredentialDraft(**(values | changes))
