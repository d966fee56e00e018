"""Large content that only one peer can open, chunk by chunk: each has its own key, sealed and signed as a message.

    4 bytes      the length of what follows, big-endian
    the sealed message (`trust.envelope`) with the key of this stream and the size of a chunk
    chunks of CHUNK bytes, the last one shorter or empty, each AES-256-GCM with its tag of 16 bytes

The nonce of a chunk is its number and whether it is the last (the STREAM construction: Hoang, Reyhanitabar, Rogaway,
Vizar 2015), so no chunk is missing, moved, or taken from another stream. A content that ends early is refused at its
end: what was read until then must not be used. The key is new for each stream, so no nonce comes twice. For the
peer the chunks are the sender's, as nobody else has the key; to a third party only the sealed key is proven.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from medspace.core.clock import Randomness
from medspace.core.signing import Signer
from medspace.trust import envelope
from medspace.trust.envelope import Context, EnvelopeKey
from medspace.trust.errors import EnvelopeError
from medspace.trust.model import Member

CHUNK = 128 * 1024  # bytes: fits into a processor's cache
TAG = 16
KEY_BYTES = 32
_LENGTH = 4
LARGEST_START = 64 * 1024  # bytes of the sealed key


def seal_stream(
    pieces: Iterable[bytes], context: Context, recipient_key: bytes, signer: Signer, randomness: Randomness
) -> Iterator[bytes]:
    """The content, sealed for one peer, in pieces; at most a chunk and a piece are in memory.

    Raises:
        EnvelopeKeyError: that is not a public key.
    """
    secret = randomness.token_bytes(KEY_BYTES)
    start = envelope.seal(secret + CHUNK.to_bytes(_LENGTH, "big"), context, recipient_key, signer).encode()
    yield len(start).to_bytes(_LENGTH, "big") + start
    cipher = AESGCM(secret)
    for number, (chunk, last) in enumerate(_chunks(pieces, CHUNK)):
        yield cipher.encrypt(_nonce(number, last=last), chunk, None)


def open_stream(
    pieces: Iterable[bytes], context: Context, key: EnvelopeKey, sender: Member, at: datetime, *, both: bool = False
) -> Iterator[bytes]:
    """The content of a stream, in pieces; whole only once all of them were read without an error.

    Raises:
        SignatureSingleError, MldsaKeyMissingError, ...: as `envelope.open_sealed`.
        EnvelopeError: it is for something else, was changed, or ends early.
    """
    source = iter(pieces)
    start, rest = _start(source, context)
    opened = envelope.open_sealed(start, context, key, sender, at, both=both)
    if len(opened) != KEY_BYTES + _LENGTH or int.from_bytes(opened[KEY_BYTES:]) != CHUNK:
        raise EnvelopeError(sender=context.sender)
    cipher = AESGCM(opened[:KEY_BYTES])
    for number, (chunk, last) in enumerate(_chunks(_after(rest, source), CHUNK + TAG)):
        try:
            piece = cipher.decrypt(_nonce(number, last=last), chunk, None)
        except (InvalidTag, ValueError):
            raise EnvelopeError(sender=context.sender) from None
        yield piece


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _chunks(pieces: Iterable[bytes], size: int) -> Iterator[tuple[bytes | memoryview, bool]]:
    """Chunks of `size` bytes, and whether each is the last: that one is the rest, perhaps nothing."""
    held = bytearray()
    for piece in pieces:
        if not held and len(piece) == size:  # the usual case
            yield piece, False
            continue
        at, view = 0, memoryview(piece)
        if held:
            at = min(size - len(held), len(view))
            held += view[:at]
            if len(held) < size:
                continue
            yield bytes(held), False
            held.clear()
        whole = at + (len(view) - at) // size * size
        for begin in range(at, whole, size):
            yield view[begin : begin + size], False
        held += view[whole:]
    yield bytes(held), True


def _start(source: Iterator[bytes], context: Context) -> tuple[str, bytes]:
    """The sealed key, and what of the chunks was read with it."""
    read, needed = bytearray(), _LENGTH
    while len(read) < needed:
        piece = next(source, None)
        if piece is None:
            raise EnvelopeError(sender=context.sender)
        read += piece
        if len(read) >= _LENGTH:
            needed = _LENGTH + int.from_bytes(read[:_LENGTH])
        if needed > LARGEST_START:
            raise EnvelopeError(sender=context.sender)
    return bytes(read[_LENGTH:needed]).decode("latin-1"), bytes(read[needed:])


def _after(rest: bytes, source: Iterator[bytes]) -> Iterator[bytes]:
    yield rest
    yield from source
