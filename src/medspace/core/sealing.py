"""Keeping secrets at rest: AES-256-GCM (NIST SP 800-38D) under keys that HKDF (RFC 5869) derives from one secret."""

from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from medspace.core.clock import Randomness

KEY_BYTES = 32
KEPT = 1024  # derived keys that a sealer remembers: each question needs those of its asset
NONCE_BYTES = 12  # SP 800-38D 8.2.2: random nonces of 96 bits, good for 2^32 texts under one key
_VERSION = "medspace sealing, version 1"


@dataclass(frozen=True)
class Sealer:
    """Seals and opens texts, and derives keys, from one secret of its holder."""

    _secret: bytes = field(repr=False)
    _randomness: Randomness = field(repr=False)
    _keys: dict[str, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    def key(self, use: str, subject: str = "") -> bytes:
        """The key of 32 bytes for one use of the secret, on one subject; keys reveal nothing about each other."""
        name = f"{_VERSION}\n{use}\n{subject}"
        if name not in self._keys and len(self._keys) < KEPT:
            self._keys[name] = self._derived(name)
        return self._keys.get(name) or self._derived(name)

    def _derived(self, name: str) -> bytes:
        info = name.encode()
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self._secret)

    @cached_property
    def _cipher(self) -> AESGCM:
        return AESGCM(self.key("seal"))

    def seal(self, content: bytes, name: str) -> str:
        """The sealed content, as base64; it opens under the same name only."""
        nonce = self._randomness.token_bytes(NONCE_BYTES)
        return b64encode(nonce + self._cipher.encrypt(nonce, content, name.encode())).decode()

    def open(self, sealed: str, name: str) -> bytes:
        """What was sealed under that name.

        Raises:
            ValueError: it was sealed with another secret or under another name, or was changed.
        """
        raw = b64decode(sealed, validate=True)
        try:
            return self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], name.encode())
        except InvalidTag:
            raise ValueError("sealed with another secret or name, or changed") from None
