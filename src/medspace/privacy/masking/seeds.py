"""Seeds of masks, commitments to them, and the streams that they are stretched into.

Seeds are 32 bytes. HKDF-SHA256 (RFC 5869) derives those of a round and part from secrets that never leave their
holders; what enters is a label and fields, each with its length before it, so that no two derivations share an input.
A seed reveals nothing about the secret, nor about other rounds' seeds.

Commitments are SHA-256 over such fields. They are binding since SHA-256 is collision resistant, and hiding since what
is committed to is 32 unguessable bytes; guessable values must never be committed to like this.

Streams are AES-256 in counter mode (NIST SP 800-38A 6.5) over zeros, with the counter from 0. That is safe without a
nonce, as a counter block must not come twice under one key, and each key is for one stream: a seed is derived for one
round and part of one pair. Both ends of the pair make the same stream, as intended; each uses it once.
"""

from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from medspace.core.hashing import digest_bytes, same_secret
from medspace.core.text import Text, msgid
from medspace.privacy.masking.errors import SeedInvalidError
from medspace.privacy.masking.ring import Ring, Words

SEED_BYTES = 32
BLOCK_BYTES = 384 * 1024  # whole numbers of every ring; the buffers of a block stay in the processor's cache
_VERSION = "medspace masking, version 1"
_ZEROS = bytes(64 * 1024)
_FIRST = bytes(16)  # counter block


class CommitmentKind(StrEnum):
    """What is committed to; a commitment to one kind is never valid for another."""

    PAIR = "pair"  # a seed of a pair; the names are the lower and the higher
    SELF = "self"  # a site's own seed; its name
    SHARE = "share"  # the bytes of a share; the names are whose seed it is of, and who holds it


def round_seed(pair_secret: bytes, manifest_digest: str, round: int, part: str, lower: str, higher: str) -> bytes:  # noqa: A002 - its name
    """The seed of a pair's mask for one part of one round, the same at both.

    Raises:
        SeedInvalidError: the secret does not have 32 bytes.
        ValueError: the names are not in order.
    """
    if not lower < higher:
        raise ValueError("a pair is the lower name, then the higher one")
    return _derived(CommitmentKind.PAIR, pair_secret, manifest_digest, round, part, lower, higher)


def self_seed(own_secret: bytes, manifest_digest: str, round: int, part: str, site: str) -> bytes:  # noqa: A002
    """The seed of a site's own mask for one part of one round, from a secret that the site drew for the run.

    Raises:
        SeedInvalidError: the secret does not have 32 bytes.
    """
    return _derived(CommitmentKind.SELF, own_secret, manifest_digest, round, part, site)


def noise_seed(secret: bytes, label: str) -> bytes:
    """The seed of a stream that noise is drawn from (`privacy.noise`): a different one for each secret and label.

    Raises:
        SeedInvalidError: the secret does not have 32 bytes.
    """
    return _derived("noise", secret, label)


def commitment(kind: CommitmentKind, value: bytes, manifest_digest: str, round: int, part: str, *names: str) -> str:  # noqa: A002
    """The commitment to a seed or a share, as `sha256:` and hex digits; `names` as the kind says."""
    before, after = _around(kind, manifest_digest, round, part)
    return digest_bytes(before + _field(value) + after + _names(names))


def committed(
    said: str,
    kind: CommitmentKind,
    value: bytes,
    manifest_digest: str,
    round: int,  # noqa: A002
    part: str,
    *names: str,
) -> bool:
    """Whether a commitment is the one to this value; in constant time."""
    return said.isascii() and same_secret(said, commitment(kind, value, manifest_digest, round, part, *names))


class Keystream:
    """The words that a seed stands for, from the first one on.

    Raises:
        SeedInvalidError: the seed does not have 32 bytes.
    """

    def __init__(self, seed: bytes, ring: Ring) -> None:
        _check_seed(seed)
        self._ring = ring
        self._cipher = Cipher(algorithms.AES(seed), modes.CTR(_FIRST)).encryptor()

    def fill(self, words: Words) -> None:
        """Overwrite the words, which lie in one piece, with the next ones of the stream.

        Raises:
            WordsInvalidError: these are not words of the ring.
            ValueError: they lie apart.
        """
        self._ring.check(words)
        if not words.flags.c_contiguous:
            raise ValueError("words that lie apart would be filled in a copy")
        raw = words.reshape(-1).view(np.uint8).data
        for at in range(0, len(raw), len(_ZEROS)):
            room = raw[at : at + len(_ZEROS)]
            self._cipher.update_into(_ZEROS[: len(room)], room)

    def take(self, count: int) -> Words:
        """The words of the next so many numbers."""
        words = np.empty(self._ring.shape(count), self._ring.dtype)
        self.fill(words)
        return words


def stream(seed: bytes, ring: Ring, count: int) -> Iterator[Words]:
    """The words of `count` numbers, uniform over the ring, in blocks of at most BLOCK_BYTES.

    Raises:
        SeedInvalidError: the seed does not have 32 bytes.
    """
    keystream, step = Keystream(seed, ring), BLOCK_BYTES // ring.size
    return (keystream.take(min(step, count - at)) for at in range(0, count, step))


def _derived(kind: str, secret: bytes, *fields: str | int) -> bytes:
    _check_seed(secret)
    info = _framed(f"{_VERSION}, seed: {kind}", *fields)
    return HKDF(algorithm=SHA256(), length=SEED_BYTES, salt=None, info=info).derive(secret)


# The commitments of one round and part differ in the value and the names only; a list of sites has few names.
@lru_cache(maxsize=16)
def _around(kind: CommitmentKind, manifest_digest: str, round: int, part: str) -> tuple[bytes, bytes]:  # noqa: A002
    return _field(f"{_VERSION}, commitment: {kind}"), _framed(manifest_digest, round, part)


@lru_cache(maxsize=4096)
def _names(names: tuple[str, ...]) -> bytes:
    return _framed(*names)


def _framed(*fields: bytes | str | int) -> bytes:
    """Fields in the order that the first one, the label, determines; each after its length in 8 bytes."""
    return b"".join(map(_field, fields))


def _field(field: bytes | str | int) -> bytes:
    if isinstance(field, int):
        field = field.to_bytes(8, "big")
    raw = field.encode() if isinstance(field, str) else field
    return len(raw).to_bytes(8, "big") + raw


def _check_seed(seed: bytes) -> None:
    if len(seed) != SEED_BYTES:
        raise SeedInvalidError(reason=Text(msgid("it does not have {due} bytes"), {"due": SEED_BYTES}))
