"""Signatures by `cryptography`: Ed25519 (RFC 8032), ML-DSA-65 (FIPS 204), and a signer that has keys of both."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey

from medspace.core.keys import MldsaKey

ED25519_SIGNATURE_BYTES = 64
MLDSA_SEED_BYTES, MLDSA_PUBLIC_BYTES, MLDSA_SIGNATURE_BYTES = 32, 1952, 3309  # FIPS 204, table 2
_MLDSA_CONTEXT = b"medspace"  # FIPS 204 5.2: a signature made here is invalid elsewhere


class Signer(Protocol):
    """Something that signs and can say which public key checks it (a file's key, an HSM)."""

    @property
    def public_key(self) -> bytes:
        """The public key: 32 bytes of Ed25519, 1952 of ML-DSA-65."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature: 64 bytes of Ed25519, 3309 of ML-DSA-65."""
        ...


class MldsaKeys(Protocol):
    """Somebody's own ML-DSA-65 keys over time."""

    @property
    def known(self) -> tuple[MldsaKey, ...]:
        """All of them, including expired ones."""
        ...

    def current(self) -> Signer:
        """What signs now.

        Raises:
            MedspaceError: none of the keys is valid now.
        """
        ...


@dataclass(frozen=True, slots=True)
class HybridSigner:
    """A signer of Ed25519 that has keys of ML-DSA-65 besides (`trust.hybrid` signs with both)."""

    ed25519: Signer
    mldsa: MldsaKeys

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the Ed25519 public key."""
        return self.ed25519.public_key

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the Ed25519 signature."""
        return self.ed25519.sign(message)


@dataclass(frozen=True)
class Ed25519Signer:
    """A signer whose private key is in memory."""

    _key: Ed25519PrivateKey

    @classmethod
    def from_seed(cls, seed: bytes) -> "Ed25519Signer":
        """The signer of a 32-byte private key (RFC 8032 5.1.5)."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @cached_property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key."""
        return self._key.public_key().public_bytes_raw()

    @property
    def private_key(self) -> Ed25519PrivateKey:
        """The key itself, for libraries that sign by themselves."""
        return self._key

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature."""
        return self._key.sign(message)

    def __repr__(self) -> str:  # the private key never reaches a log
        return f"Ed25519Signer({self.public_key.hex()})"


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is the signature of `message` under the Ed25519 `public_key`."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class MldsaSigner:
    """A signer of ML-DSA-65 whose private key is in memory."""

    _key: MLDSA65PrivateKey

    @classmethod
    def from_seed(cls, seed: bytes) -> "MldsaSigner":
        """The signer of a 32-byte seed (FIPS 204, algorithm 6)."""
        return cls(MLDSA65PrivateKey.from_seed_bytes(seed))

    @property
    def public_key(self) -> bytes:
        """The 1952 bytes of the public key."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The 3309 bytes of the signature."""
        return self._key.sign(message, _MLDSA_CONTEXT)

    def __repr__(self) -> str:  # the private key never reaches a log
        return f"MldsaSigner({self.public_key[:8].hex()})"


def verify_mldsa(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is the signature of `message` under the ML-DSA-65 `public_key`."""
    try:
        MLDSA65PublicKey.from_public_bytes(public_key).verify(signature, message, _MLDSA_CONTEXT)
    except (InvalidSignature, ValueError):
        return False
    return True
