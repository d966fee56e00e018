"""Messages that only one peer can open, signed by their sender: HPKE (RFC 9180) in base mode, single shot.

Suite: KEM MLKEM768-X25519 (0x647a; ML-KEM-768 and X25519 combined as in X-Wing), HKDF-SHA256 (0x0001), AES-256-GCM
(0x0002), all from `cryptography`. There is no choice of suite, so none can be talked down to a weaker one.

Security model: who records today and has a quantum computer tomorrow reads nothing, as long as ML-KEM-768 or X25519
holds. HPKE's base mode proves no sender (RFC 9180 9.1.1), so the sender signs with Ed25519: not against a quantum
computer, but a signature that is forged later changes nothing that was read before. What the message is about (the
run, its manifest, sender, recipient, label) goes into the key schedule as `info`, which in a single shot binds as
associated data does, and is signed with the suite and the ciphertext: nobody passes a message on as another one, or
as its own. Keys are made for one run and forgotten with it, which gives forward secrecy once the run is over.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field, replace

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from medspace.core.canonical import canonical
from medspace.core.clock import Randomness
from medspace.core.signing import Signer, verify
from medspace.trust import jws
from medspace.trust.errors import EnvelopeError, EnvelopeKeyError

SUITE = "647a-0001-0002"  # KEM, KDF, AEAD (RFC 9180 7, draft-ietf-hpke-pq)
TYPE = "medspace-sealed"
MLKEM_SEED, X25519_SEED = 64, 32
SEED_BYTES = MLKEM_SEED + X25519_SEED
MLKEM_PUBLIC, X25519_PUBLIC = 1184, 32
PUBLIC_BYTES = MLKEM_PUBLIC + X25519_PUBLIC
OVERHEAD = 1088 + 32 + 16  # both encapsulations and the tag
LARGEST_MESSAGE = 4 * 1024 * 1024  # bytes
LARGEST_SEALED = (LARGEST_MESSAGE + OVERHEAD) * 4 // 3 + 4096  # characters
SECRET_BYTES = 32
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@dataclass(frozen=True, slots=True)
class Context:
    """What a message is about. `label` says what for and which of several: it is never used twice by a sender."""

    run: str
    manifest: str  # digest
    sender: str  # DID
    recipient: str  # DID
    label: str

    def header(self) -> bytes:
        """What is signed beside the ciphertext; the one spelling of it."""
        said = {
            "alg": jws.ALGORITHM,
            "from": self.sender,
            "label": self.label,
            "manifest": self.manifest,
            "run": self.run,
            "suite": SUITE,
            "to": self.recipient,
            "typ": TYPE,
        }
        return canonical(said)


@dataclass(frozen=True, slots=True)
class EnvelopeKey:
    """The private key of one party for one run, as the 96 bytes from which both halves are made."""

    seed: bytes = field(repr=False)

    @classmethod
    def generate(cls, randomness: Randomness) -> "EnvelopeKey":
        """A new key."""
        return cls(randomness.token_bytes(SEED_BYTES))

    @property
    def public(self) -> bytes:
        """The public key, 1216 bytes: that of ML-KEM-768 (FIPS 203), then that of X25519 (RFC 7748)."""
        lattice, curve = self._halves()
        return lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()

    def opened(self, ciphertext: bytes, info: bytes) -> bytes:
        """What was sealed for this key with that `info`.

        Raises:
            InvalidTag: it was not, or was changed.
        """
        return _SUITE.decrypt(ciphertext, MLKEM768X25519PrivateKey(*self._halves()), info=info)

    def _halves(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        lattice = MLKEM768PrivateKey.from_seed_bytes(self.seed[:MLKEM_SEED])
        return lattice, X25519PrivateKey.from_private_bytes(self.seed[MLKEM_SEED:])


def seal(message: bytes, context: Context, recipient_key: bytes, signer: Signer) -> str:
    """The message sealed for the holder of a public key and signed: header, ciphertext, signature (base64url).

    Raises:
        EnvelopeError: the message is too large.
        EnvelopeKeyError: that is not a public key.
    """
    if len(message) > LARGEST_MESSAGE:
        raise EnvelopeError(sender=context.sender)
    header = context.header()
    key = public_key(recipient_key)
    try:
        ciphertext = _SUITE.encrypt(message, key, info=header)
    except ValueError:  # a point of small order (RFC 7748 6.1)
        raise EnvelopeKeyError from None
    signed = f"{jws.encode(header)}.{jws.encode(ciphertext)}"
    return f"{signed}.{jws.encode(signer.sign(signed.encode()))}"


def open_sealed(sealed: str, context: Context, key: EnvelopeKey, sender_key: bytes) -> bytes:
    """The message, if its sender sealed it for this key in just this context.

    `sender_key` is the sender's Ed25519 key, as the members list has it.

    Raises:
        EnvelopeError: in every other case; which, nobody is told.
    """
    signed, _, signature = sealed.rpartition(".")
    header, _, ciphertext = signed.partition(".")
    # The header is not read but compared: there is one spelling of what this message must be about.
    fits = len(sealed) <= LARGEST_SEALED and sealed.isascii() and header == jws.encode(context.header())
    try:
        if fits and verify(sender_key, signed.encode(), jws.decode(signature)):
            return key.opened(jws.decode(ciphertext), context.header())
    except (InvalidTag, ValueError):
        pass
    raise EnvelopeError(sender=context.sender)


def addressed(sealed: str, context: Context) -> bool:
    """Whether a message says that it is about this; proves nothing."""
    header = jws.encode(context.header())
    return len(sealed) <= LARGEST_SEALED and sealed.isascii() and sealed.startswith(f"{header}.")


def is_sealed(sealed: str, context: Context, sender_key: bytes) -> bool:
    """Whether the sender sealed a message in this context, whatever its label is."""
    signed, _, signature = sealed.rpartition(".")
    header = signed.partition(".")[0]
    if len(sealed) > LARGEST_SEALED or not sealed.isascii():
        return False
    try:
        label = str(msgspec.json.decode(jws.decode(header), type=dict[str, str])["label"])
        named = jws.encode(replace(context, label=label).header())
        return header == named and verify(sender_key, signed.encode(), jws.decode(signature))
    except (ValueError, KeyError, RecursionError):
        return False


def public_key(content: bytes) -> MLKEM768X25519PublicKey:
    """The public key in these bytes.

    Raises:
        EnvelopeKeyError: they are none (FIPS 203 7.2 checks the lattice half).
    """
    if len(content) != PUBLIC_BYTES:
        raise EnvelopeKeyError
    try:
        lattice = MLKEM768PublicKey.from_public_bytes(content[:MLKEM_PUBLIC])
        return MLKEM768X25519PublicKey(lattice, X25519PublicKey.from_public_bytes(content[MLKEM_PUBLIC:]))
    except ValueError:
        raise EnvelopeKeyError from None


def pair_secret(seed: bytes, context: Context, keys: tuple[bytes, bytes], sealed: str) -> bytes:
    """The 32-byte secret of two parties: from the seed that the sender of `sealed` drew and sealed for the other.

    The sender is the one with the lower DID. The public keys of both (the lower first) and the ciphertext enter, so
    that two parties with one secret have seen the same of each other.
    """
    lower, higher = keys
    bound = [context.header(), lower, higher, sealed.encode()]
    info = b"medspace pair secret, version 1\n" + b".".join(urlsafe_b64encode(part) for part in bound)
    return HKDF(algorithm=SHA256(), length=SECRET_BYTES, salt=None, info=info).derive(seed)
