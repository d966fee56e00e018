"""One file under a passphrase: scrypt (RFC 7914), and ChaCha20-Poly1305 (RFC 8439) in chunks as STREAM has them.

STREAM is Hoang, Reyhanitabar, Rogaway, Vizar: Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance
(2015), 7. The nonce of a chunk is its number and whether it is the last one, so that chunks that were left out,
doubled, put into another order or cut off are noticed; each chunk authenticates the header as well. The salt is new
for each file, and with it the key: no nonce is used twice. Memory is bounded: two chunks, and what scrypt needs.

Security model: whoever has the file learns its size, and can try passphrases at the price of one scrypt each. What
they change is noticed before anything of the changed chunk is given out. The costs in the header are held to bounds,
so that a file cannot make its reader work or store without end.

    magic, length of the header (2 bytes), header (JSON), chunks of at most CHUNK + 16 bytes
"""

from collections.abc import Iterator
from typing import BinaryIO

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from medspace.core.clock import Randomness
from medspace.core.errors import InvalidInputError
from medspace.core.hashing import digest_bytes
from medspace.core.text import Text, msgid

MAGIC = b"medspace sealed file 1\n"
CHUNK = 1 << 20  # bytes of content
TAG = 16
SALT, KEY_BYTES = 32, 32
MOST_CHUNKS = 1 << 32
LARGEST_HEADER = 1024
COST = 17  # 2^17 blocks of 1 KiB: 128 MiB and about half a second (OWASP Password Storage, scrypt)
COSTS = range(14, 19)  # that are read
BLOCK, PARALLEL = 8, 1


class SealedFileError(InvalidInputError):
    """A sealed file cannot be opened; nothing of what could not be checked was given out."""

    code = "sealed_file.invalid"
    sentence = msgid("The file {file} cannot be opened: {reason}.")
    next_step = msgid("Use another copy of the file, or the right passphrase.")


class _SealedHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the key is made; all of it is authenticated with each chunk."""

    salt: str
    cost: int = COST
    kdf: str = "scrypt"
    cipher: str = "ChaCha20-Poly1305"
    chunk: int = CHUNK


class SealedWriter:
    """Writes a sealed file piece by piece; without `finish` it is no whole file."""

    def __init__(self, file: BinaryIO, passphrase: bytes, randomness: Randomness, cost: int = COST) -> None:
        header = msgspec.json.encode(_SealedHeader(randomness.token_bytes(SALT).hex(), cost))
        start = MAGIC + len(header).to_bytes(2, "big") + header
        self._file, self._number, self._waiting = file, 0, bytearray()
        self._bound = digest_bytes(start).encode()
        self._cipher = _cipher(passphrase, start[-len(header) :])
        file.write(start)

    def write(self, piece: bytes) -> None:
        """Add a piece of the content."""
        self._waiting += piece
        while len(self._waiting) > CHUNK:  # the last chunk is written by `finish`
            self._seal(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]

    def finish(self) -> None:
        """Write the last chunk, by which a reader knows that nothing was cut off."""
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _seal(self, content: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last=last), content, self._bound))
        self._number += 1


def opened(file: BinaryIO, passphrase: bytes, name: str) -> Iterator[bytes]:
    """The content of a sealed file, chunk by chunk; each was checked before it is given out, the last one at the end.

    Raises:
        SealedFileError: it is no sealed file, was changed or cut off, or the passphrase is wrong.
    """
    start, header = _start(file, name)
    cipher, bound = _cipher(passphrase, header), digest_bytes(start).encode()
    chunk, number = file.read(CHUNK + TAG), 0
    while chunk:
        following = file.read(CHUNK + TAG)
        try:
            yield cipher.decrypt(_nonce(number, last=not following), chunk, bound)
        except InvalidTag:
            raise SealedFileError(file=name, reason=_why(number)) from None
        chunk, number = following, number + 1
    if not number:
        raise SealedFileError(file=name, reason=Text(msgid("it was changed or cut off")))


def _why(number: int) -> Text:
    if number == 0:
        return Text(msgid("the passphrase is wrong, or the file was changed"))
    return Text(msgid("it was changed or cut off"))


def _start(file: BinaryIO, name: str) -> tuple[bytes, bytes]:
    start = file.read(len(MAGIC) + 2)
    size = int.from_bytes(start[len(MAGIC) :], "big")
    if not start.startswith(MAGIC) or len(start) < len(MAGIC) + 2 or not 0 < size <= LARGEST_HEADER:
        raise SealedFileError(file=name, reason=Text(msgid("it is not a sealed file of this version")))
    header = file.read(size)
    try:
        said = msgspec.json.decode(header, type=_SealedHeader)
        known = msgspec.structs.replace(_SealedHeader(said.salt), cost=said.cost)
        right = said == known and said.cost in COSTS and len(bytes.fromhex(said.salt)) == SALT
    except (msgspec.DecodeError, RecursionError, ValueError):
        right = False
    if not right:
        raise SealedFileError(file=name, reason=Text(msgid("its header asks for what this version does not do")))
    return start + header, header


def _cipher(passphrase: bytes, header: bytes) -> ChaCha20Poly1305:
    said = msgspec.json.decode(header, type=_SealedHeader)
    kdf = Scrypt(bytes.fromhex(said.salt), KEY_BYTES, 2**said.cost, BLOCK, PARALLEL)
    return ChaCha20Poly1305(kdf.derive(passphrase))


def _nonce(number: int, *, last: bool) -> bytes:
    if number >= MOST_CHUNKS:
        raise OverflowError("more chunks than nonces")
    return number.to_bytes(11, "big") + bytes([last])
