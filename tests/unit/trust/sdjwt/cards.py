"""An issuer, a holder and their cards, for tests."""

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from medspace.trust.credentials.jose import EcKey
from medspace.trust.sdjwt.model import IssuerKeys, StatusReference
from medspace.trust.sdjwt.proving import Binding
from medspace.trust.sdjwt.vc import CardDraft, sign_card

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ISSUER, VCT, LIST = (
    "https://wallet.hospital.example",
    "urn:medspace:consent-receipt:1",
    "https://wallet.example/lists/1",
)
BINDING = Binding("https://verifier.example", "n-0123456789abcdef")


def pem_of(private):
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def new_key(name="key"):
    return EcKey(name, pem_of(ec.generate_private_key(ec.SECP256R1())))


class Counting:
    """Bytes that are different each time, and the same in each run."""

    def __init__(self):
        self.count = 0

    def token_bytes(self, count):
        self.count += 1
        return self.count.to_bytes(count)


ISSUER_KEY, HOLDER_KEY, THIEF_KEY = new_key("issuer-1"), new_key("holder"), new_key("holder")
KEYS = IssuerKeys(ISSUER, [(ISSUER_KEY.id, ISSUER_KEY.public)])
CLAIMS = {"purpose": "HRESCH", "name": "Li Na", "roles": ["patient", "guardian"], "address": {"city": "Suzhou"}}


def draft(**changes):
    values = {
        "vct": VCT,
        "issuer": ISSUER,
        "holder_key": HOLDER_KEY.public,
        "claims": CLAIMS,
        "valid_from": NOW - timedelta(days=1),
        "valid_until": NOW + timedelta(days=1),
        "status": StatusReference(LIST, 7),
    }
    return CardDraft(**(values | changes))


def issued(**changes):
    return sign_card(draft(**changes), ISSUER_KEY, Counting())
