"""What is issued, shown and listed here holds for another implementation (openvc), and the other way round."""

from datetime import UTC, datetime, timedelta

import pytest

openvc = pytest.importorskip("openvc.proof.sd_jwt")
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from openvc.keys import P256SigningKey  # noqa: E402
from openvc.status.issue import build_status_list_token, verify_status_list_token  # noqa: E402
from openvc.status.token_status_list import get_status, new_status_list, set_status  # noqa: E402

from medspace.trust.credentials.jose import EcKey  # noqa: E402
from medspace.trust.credentials.keys import read_jwk  # noqa: E402
from medspace.trust.sdjwt.holding import present  # noqa: E402
from medspace.trust.sdjwt.model import IssuerKeys  # noqa: E402
from medspace.trust.sdjwt.statuslist import (  # noqa: E402
    TokenStatusDraft,
    pack,
    sign_token_status_list,
    unpack,
    verify_token_status_list,
)
from medspace.trust.sdjwt.vc import verify_issued, verify_presented  # noqa: E402
from tests.unit.trust.sdjwt.cards import (  # noqa: E402
    BINDING,
    CLAIMS,
    HOLDER_KEY,
    ISSUER,
    ISSUER_KEY,
    KEYS,
    LIST,
    NOW,
    VCT,
    issued,
    pem_of,
)


def test_what_is_shown_here_holds_there():
    held = verify_issued(issued().text, KEYS, NOW)
    shown = present(held, [("purpose",), ("address",)], HOLDER_KEY, BINDING, NOW)
    verified = openvc.SdJwtVcProofSuite().verify(
        shown.text,
        public_key_jwk=ISSUER_KEY.public.json(),
        audience=BINDING.audience,
        nonce=BINDING.nonce,
        require_key_binding=True,
        expected_vct=VCT,
        now=NOW,
    )
    assert verified.key_bound
    assert {name: verified.claims.get(name) for name in CLAIMS} == {
        "purpose": "HRESCH",
        "address": {"city": "Suzhou"},
        "name": None,
        "roles": None,
    }


def test_what_is_shown_there_holds_here():
    private, holder = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    theirs, mine = P256SigningKey(private, "issuer-1"), EcKey("holder", pem_of(holder))
    suite = openvc.SdJwtVcProofSuite()
    text = suite.issue(
        {"iss": ISSUER, **CLAIMS},
        signing_key=theirs,
        disclosable=list(CLAIMS),
        holder_jwk=mine.public.json(),
        vct=VCT,
        expires_in_s=3600,
        decoys=3,
    )
    keys = IssuerKeys(ISSUER, [("issuer-1", read_jwk(theirs.public_jwk()))])
    shown = suite.create_presentation(
        text, holder_key=P256SigningKey(holder, "holder"), audience=BINDING.audience, nonce=BINDING.nonce
    )
    at = verify_issued(text, keys, _now()).valid_until - timedelta(seconds=3599)
    presented = verify_presented(shown, keys, VCT, BINDING, at)
    assert {name: presented.card.disclosed.claims[name] for name in CLAIMS} == CLAIMS


def _now():
    return datetime.now(UTC)  # the other implementation takes the time of the machine when it issues


def test_lists_are_read_alike():
    statuses = {0: 1, 9: 2, 17: 3, 300: 1}
    packed = pack(statuses, 1024, 2)
    draft = TokenStatusDraft(LIST, ISSUER, NOW, NOW + timedelta(hours=24), packed, 2)
    text = sign_token_status_list(draft, ISSUER_KEY)
    theirs = verify_status_list_token(text, public_key_jwk=ISSUER_KEY.public.json(), expected_uri=LIST, now=NOW)
    said = theirs["status_list"]
    assert unpack(said["lst"]) == packed
    assert {index: get_status(packed, index, bits=2) for index in statuses} == statuses

    made = new_status_list(1024, bits=4)
    set_status(made, 5, 7, bits=4)
    key = ec.generate_private_key(ec.SECP256R1())
    other = P256SigningKey(key, "issuer-1")
    token = build_status_list_token(
        signing_key=other,
        uri=LIST,
        status_list=bytes(made),
        bits=4,
        issued_at=NOW,
        expires=NOW + timedelta(hours=1),
        issuer=ISSUER,
    )
    keys = IssuerKeys(ISSUER, [("issuer-1", read_jwk(other.public_jwk()))])
    listed = verify_token_status_list(token, keys, LIST, NOW)
    assert [listed.status(index) for index in (4, 5, 6)] == [0, 7, 0]
