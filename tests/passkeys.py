"""An authenticator in software: it makes passkeys (attestation `none`, ES256 or Ed25519) and signs with them."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field, replace
from hashlib import sha256

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORIGIN, HOST = "https://portal.clinic.example", "portal.clinic.example"
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64(content):
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def unb64(text):
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass(frozen=True)
class Key:
    """One passkey on the authenticator."""

    id: bytes
    private: object
    handle: bytes

    def cose(self):
        public = self.private.public_key()
        if isinstance(self.private, Ed25519PrivateKey):
            return cbor2.dumps({1: 1, 3: -8, -1: 6, -2: public.public_bytes(Encoding.Raw, PublicFormat.Raw)})
        numbers = public.public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})

    def sign(self, content):
        if isinstance(self.private, Ed25519PrivateKey):
            return self.private.sign(content)
        return self.private.sign(content, ECDSA(SHA256()))


@dataclass
class Authenticator:
    """A security key, with the browser before it. `flags` says what it claims of the person."""

    origin: str = ORIGIN
    host: str = HOST
    count: int = 0
    counts: bool = True
    flags: int = PRESENT | VERIFIED
    edwards: bool = False
    fmt: str = "none"
    statement: dict = field(default_factory=dict)
    more: dict = field(default_factory=lambda: {"crossOrigin": False})
    keys: list = field(default_factory=list)

    def other(self, **changes):
        """The same keys, behaving otherwise."""
        return replace(self, **changes)

    def create(self, options):
        """The answer to `navigator.credentials.create()`, as bytes of JSON."""
        private = Ed25519PrivateKey.generate() if self.edwards else generate_private_key(SECP256R1())
        key = Key(
            sha256(repr((id(self), len(self.keys), private)).encode()).digest(), private, unb64(options["user"]["id"])
        )
        self.keys.append(key)
        attested = bytes(16) + len(key.id).to_bytes(2, "big") + key.id + key.cose()
        data = self._data(self.flags | ATTESTED, attested)
        attestation = cbor2.dumps({"fmt": self.fmt, "attStmt": self.statement, "authData": data})
        said = {
            "clientDataJSON": b64(self._client("webauthn.create", options)),
            "attestationObject": b64(attestation),
        }
        return self._answer(key, said)

    def get(self, options, key=None, handle=None):
        """The answer to `navigator.credentials.get()`, as bytes of JSON."""
        allowed = {one["id"] for one in options["allowCredentials"]}
        key = key or next(one for one in self.keys if not allowed or b64(one.id) in allowed)
        self.count += 1 if self.counts else 0
        data, client = self._data(self.flags), self._client("webauthn.get", options)
        signature = key.sign(data + sha256(client).digest())
        said = {
            "clientDataJSON": b64(client),
            "authenticatorData": b64(data),
            "signature": b64(signature),
            "userHandle": b64(key.handle if handle is None else handle),
        }
        return self._answer(key, said)

    def _data(self, flags, more=b""):
        return sha256(self.host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big") + more

    def _client(self, kind, options):
        said = {"type": kind, "challenge": options["challenge"], "origin": self.origin} | self.more
        return json.dumps(said).encode()

    def _answer(self, key, response):
        said = {"id": b64(key.id), "rawId": b64(key.id), "type": "public-key", "response": response}
        return json.dumps(said | {"clientExtensionResults": {}, "authenticatorAttachment": "platform"}).encode()
