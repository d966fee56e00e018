"""Messages that only one peer can open, signed by their sender: HPKE (RFC 9180) in base mode, single shot.

Suite: KEM MLKEM768-X25519 (0x647a; ML-KEM-768 and X25519 combined as in X-Wing), HKDF-SHA256 (0x0001), AES-256-GCM
(0x0002), all from `cryptography`. There is no choice of suite, so none can be talked down to a weaker one.

Security model: who records today and has a quantum computer tomorrow reads nothing, as long as ML-KEM-768 or X25519
holds. HPKE's base mode proves no sender (RFC 9180 9.1.1), so the sender signs, with Ed25519 and ML-DSA-65
(`trust.hybrid`). What the message is about (the run, its manifest, sender, recipient, label) goes into the key
schedule as `info`, which in a single shot binds as associated data does, and is signed with the suite and the
ciphertext: nobody passes a message on as another one, or as its own. A label that holds round and step keeps it from
being replayed.

A signature costs as much as ten seals, so messages for several peers are sealed one by one and signed once: what is
signed is the list of their digests, and each peer gets the list. It learns how many messages there were. What is said
to everybody with them is one more digest of that list (`announce`); whoever gets both proves them once.

Keys are made for one run and forgotten with it, which gives forward secrecy once the run is over.
"""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, lru_cache
from hashlib import sha256

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
from medspace.core.errors import InvalidInputError
from medspace.core.signing import Signer
from medspace.trust import hybrid, jws
from medspace.trust.errors import EnvelopeError, EnvelopeKeyError, EnvelopeUnreadableError, SignatureError
from medspace.trust.model import Member

SUITE = "647a-0001-0002"  # KEM, KDF, AEAD (RFC 9180 7, draft-ietf-hpke-pq)
TYPE, SAID_TYPE = "medspace-sealed", "medspace-said"
MLKEM_SEED, X25519_SEED = 64, 32
SEED_BYTES = MLKEM_SEED + X25519_SEED
MLKEM_PUBLIC, X25519_PUBLIC = 1184, 32
PUBLIC_BYTES = MLKEM_PUBLIC + X25519_PUBLIC
OVERHEAD = 1088 + 32 + 16  # both encapsulations and the tag
LARGEST_MESSAGE = 4 * 1024 * 1024  # bytes
MOST_MESSAGES = 256  # signed at once
MOST_PROVEN = 256  # signatures of others that are held for proven
DIGEST_BYTES = 32
LARGEST_SEALED = (LARGEST_MESSAGE + OVERHEAD + MOST_MESSAGES * DIGEST_BYTES) * 4 // 3 + 4096 + hybrid.LONGEST
LARGEST_HEADER = 4096  # characters
SECRET_BYTES = 32
KEPT = 1024  # public keys that stay read, contexts that stay written
Proven = set[tuple[Member, str, bytes, bool]]  # what was checked: by whom, the signature, under what, by both kinds
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
        """What enters the key schedule and is signed beside the ciphertext; the one spelling of it."""
        return _canonical(self, TYPE, "suite", "to")

    def batch(self) -> bytes:
        """What is signed beside the digests of all messages that were sealed together."""
        return _canonical(self, TYPE, "suite")

    def broadcast(self) -> bytes:
        """What is signed beside a message for everybody; it has no recipient."""
        return _canonical(self, SAID_TYPE)


@lru_cache(maxsize=KEPT)  # each is written several times for one message
def _canonical(context: Context, typ: str, *more: str) -> bytes:
    said = {"from": context.sender, "label": context.label, "manifest": context.manifest, "run": context.run}
    added = {"suite": SUITE, "to": context.recipient}
    return canonical(said | {"typ": typ} | {name: added[name] for name in more})


@dataclass(frozen=True)
class EnvelopeKey:
    """The private key of one party for one run, as the 96 bytes from which both halves are made, once."""

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
        return _SUITE.decrypt(ciphertext, self._private, info=info)

    @cached_property
    def _private(self) -> MLKEM768X25519PrivateKey:
        return MLKEM768X25519PrivateKey(*self._halves())

    def _halves(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        lattice = MLKEM768PrivateKey.from_seed_bytes(self.seed[:MLKEM_SEED])
        return lattice, X25519PrivateKey.from_private_bytes(self.seed[MLKEM_SEED:])


def seal(message: bytes, context: Context, recipient_key: bytes, signer: Signer) -> str:
    """The message sealed for the holder of a public key, and signed; printable. As `seal_all` of one.

    Raises:
        EnvelopeError, EnvelopeKeyError: as `seal_all`.
    """
    peer = context.recipient
    return seal_all({peer: message}, context, {peer: recipient_key}, signer)[peer]


def seal_all(
    messages: Mapping[str, bytes], context: Context, keys: Mapping[str, bytes], signer: Signer
) -> dict[str, str]:
    """Each message sealed for its recipient, by DID, and one signature under all of them; printable.

    Of the context the recipient does not count. Each text is header, ciphertext, the digests of all, and the
    signature (two parts), in base64url. `keys` has the public key of each recipient.

    Raises:
        EnvelopeError: a message is too large, or there are too many.
        EnvelopeKeyError: that is not a public key.
    """
    return _together(messages, context, keys, signer)[1]


def enclose(message: bytes, context: Context, recipient_key: bytes) -> bytes:
    """A message sealed and not signed: who sent it must be proven by what is in it, which must name its recipient.

    Raises:
        EnvelopeError: it is too large.
        EnvelopeKeyError: that is not a public key.
    """
    if len(message) > LARGEST_MESSAGE:
        raise EnvelopeError(sender=context.sender)
    return _encrypted(message, context, recipient_key)


def enclosed(ciphertext: bytes, context: Context, key: EnvelopeKey) -> bytes:
    """What `enclose` sealed for this key in just this context, whoever did.

    Raises:
        EnvelopeUnreadableError: it did not.
    """
    try:
        return key.opened(ciphertext, context.header())
    except (InvalidTag, ValueError):
        raise EnvelopeUnreadableError(sender=context.sender) from None


def announce(
    content: bytes, messages: Mapping[str, bytes], context: Context, keys: Mapping[str, bytes], signer: Signer
) -> tuple[str, dict[str, str]]:
    """A message for everybody, not sealed, and messages as `seal_all` seals them: one signature under all of them.

    The first text is header, content, the digests of all, and the signature (two parts), in base64url.

    Raises:
        EnvelopeError, EnvelopeKeyError: as `seal_all`.
    """
    if len(content) > LARGEST_MESSAGE:
        raise EnvelopeError(sender=context.sender)
    said = f"{jws.encode(context.broadcast())}.{jws.encode(content)}"
    proof, sealed = _together(messages, context, keys, signer, said)
    return f"{said}.{proof}", sealed


def _together(
    messages: Mapping[str, bytes], context: Context, keys: Mapping[str, bytes], signer: Signer, *said: str
) -> tuple[str, dict[str, str]]:
    """The digests with their signature, of what is said as well; and the sealed messages, each with these."""
    if len(messages) > MOST_MESSAGES or any(len(message) > LARGEST_MESSAGE for message in messages.values()):
        raise EnvelopeError(sender=context.sender)
    sealed = {peer: _sealed(messages[peer], replace(context, recipient=peer), keys[peer]) for peer in messages}
    digests = b"".join(map(_digest, (*said, *(sealed[peer] for peer in sorted(sealed)))))
    signature = hybrid.sign(signer, context.sender, TYPE, _batch(context, digests))
    proof = f"{jws.encode(digests)}.{signature}"
    return proof, {peer: f"{text}.{proof}" for peer, text in sealed.items()}


def _sealed(message: bytes, context: Context, recipient_key: bytes) -> str:
    return f"{jws.encode(context.header())}.{jws.encode(_encrypted(message, context, recipient_key))}"


def _encrypted(message: bytes, context: Context, recipient_key: bytes) -> bytes:
    try:
        return _SUITE.encrypt(message, public_key(recipient_key), info=context.header())
    except ValueError:  # a point of small order (RFC 7748 6.1)
        raise EnvelopeKeyError from None


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def _batch(context: Context, digests: bytes) -> bytes:
    return context.batch() + b"\n" + digests  # canonical JSON has no line feed


def open_sealed(
    sealed: str,
    context: Context,
    key: EnvelopeKey,
    sender: Member,
    at: datetime,
    *,
    both: bool = False,
    proven: Proven | None = None,
) -> bytes:
    """The message, if its sender sealed it for this key in just this context. `sender` is as the members list has it.

    With `both` a sender without ML-DSA-65 is refused. A signature in `proven` is not checked again: one that was
    found to hold under the same list of digests, of the same sender as the list has it; it takes up what is checked.

    Raises:
        SignatureSingleError, MldsaKeyMissingError, MldsaKeyUnknownError, ...: the key of the sender does not count
            (`trust.hybrid.check`).
        EnvelopeUnreadableError: the sender sealed nothing for this key: whoever carried it is not to blame.
        EnvelopeError: in every other case; which, nobody is told.
    """
    try:
        found = _Sealed.read(sealed, context)
        _prove(found.signature, sender, _batch(context, found.digests), at, both=both, proven=proven)
    except (ValueError, SignatureError):
        raise EnvelopeError(sender=context.sender) from None
    try:
        return key.opened(jws.decode(found.ciphertext), context.header())
    except (InvalidTag, ValueError):
        raise EnvelopeUnreadableError(sender=context.sender) from None


def _prove(signature: str, sender: Member, batch: bytes, at: datetime, *, both: bool, proven: Proven | None) -> None:
    """Check a signature under digests, unless it was: every message that it covers comes with it."""
    if proven is None:
        hybrid.check(signature, sender, TYPE, batch, at, both=both)
    elif (sender, signature, batch, both) not in proven:
        hybrid.check(signature, sender, TYPE, batch, at, both=both)
        if len(proven) >= MOST_PROVEN:
            proven.clear()
        proven.add((sender, signature, batch, both))


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A sealed text taken apart: it is about what it must be, and its digest is in the list. Nothing is proven."""

    ciphertext: str
    digests: bytes
    signature: str

    @classmethod
    def read(cls, sealed: str, context: Context) -> "_Sealed":
        """Raises ValueError where the text is about something else, or none."""
        if not addressed(sealed, context):
            raise ValueError("about something else")
        header, ciphertext, listed, signature = sealed.split(".", 3)
        return cls(ciphertext, _listed(f"{header}.{ciphertext}", listed), signature)


def _listed(text: str, listed: str) -> bytes:
    """The digests that were signed together, that of this text among them.

    Raises:
        ValueError: it is not.
    """
    digests = jws.decode(listed)
    if _digest(text) not in {digests[at : at + DIGEST_BYTES] for at in range(0, len(digests), DIGEST_BYTES)}:
        raise ValueError("not in the list")
    return digests


def addressed(sealed: str, context: Context) -> bool:
    """Whether a message says that it is about this; proves nothing."""
    # The header is not read but compared: there is one spelling of what this message must be about.
    header = jws.encode(context.header())
    return len(sealed) <= LARGEST_SEALED and sealed.isascii() and sealed.startswith(f"{header}.")


def all_sealed(
    outbox: Mapping[str, str], context: Context, sender: Member, at: datetime, *, both: bool = False
) -> bool:
    """Whether the sender sealed every message for the recipient that it is under, whatever its label is."""
    proven: Proven = set()
    try:
        for peer, sealed in outbox.items():
            named = replace(context, recipient=peer, label=_label(sealed))
            found = _Sealed.read(sealed, named)
            _prove(found.signature, sender, _batch(named, found.digests), at, both=both, proven=proven)
    except (ValueError, KeyError, RecursionError, InvalidInputError):
        return False
    return True


def _label(sealed: str) -> str:
    header = sealed[:LARGEST_HEADER].partition(".")[0]
    return msgspec.json.decode(jws.decode(header), type=dict[str, str])["label"]


def sign(content: bytes, context: Context, signer: Signer) -> str:
    """A message for everybody, signed and not sealed: header, content, and the signature (two parts), in base64url.

    Raises:
        EnvelopeError: it is too large.
    """
    if len(content) > LARGEST_MESSAGE:
        raise EnvelopeError(sender=context.sender)
    header = context.broadcast()
    signature = hybrid.sign(signer, context.sender, SAID_TYPE, header + b"\n" + content)
    return f"{jws.encode(header)}.{jws.encode(content)}.{signature}"


def proven(text: str, context: Context, sender: Member, at: datetime, *, both: bool = False) -> bytes:
    """What the sender signed for everybody in just this context; of the context the recipient does not count.

    Raises:
        SignatureSingleError, MldsaKeyMissingError, EnvelopeError, ...: as `open_sealed`.
    """
    said = context.broadcast()
    try:
        if len(text) > LARGEST_SEALED or not text.isascii() or not text.startswith(f"{jws.encode(said)}."):
            raise EnvelopeError(sender=context.sender)
        _, encoded, signature = text.split(".", 2)
        content = jws.decode(encoded)
        hybrid.check(signature, sender, SAID_TYPE, said + b"\n" + content, at, both=both)
    except (ValueError, SignatureError):
        raise EnvelopeError(sender=context.sender) from None
    return content


def announced(
    text: str, context: Context, sender: Member, at: datetime, *, both: bool = False, proven: Proven | None = None
) -> bytes:
    """What the sender said for everybody with what it sealed, in just this context; else as `proven`, `open_sealed`.

    Raises:
        SignatureSingleError, MldsaKeyMissingError, EnvelopeError, ...: as `open_sealed`.
    """
    try:
        if len(text) > LARGEST_SEALED or not text.isascii():
            raise EnvelopeError(sender=context.sender)
        header, encoded, listed, signature = text.split(".", 3)
        if header != jws.encode(context.broadcast()):
            raise EnvelopeError(sender=context.sender)
        batch = _batch(context, _listed(f"{header}.{encoded}", listed))
        _prove(signature, sender, batch, at, both=both, proven=proven)
        return jws.decode(encoded)
    except (ValueError, SignatureError):
        raise EnvelopeError(sender=context.sender) from None


def unproven(text: str) -> bytes:
    """What is said for everybody, whoever signed it.

    Raises:
        ValueError: it is no such text.
    """
    return jws.decode(text.split(".", 2)[1])


@lru_cache(maxsize=KEPT)
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
