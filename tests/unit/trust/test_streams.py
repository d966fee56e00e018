"""Large things for one peer: the same bytes come out, whole, or it is said that they do not."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from medspace.adapters.memory import SeededRandomness
from medspace.adapters.system import SystemRandomness
from medspace.trust import envelope
from medspace.trust.envelope import Context, EnvelopeKey
from medspace.trust.errors import EnvelopeError, SignatureSingleError
from medspace.trust.streams import CHUNK, TAG, open_stream, seal_stream
from tests.runs import signer_of
from tests.signing import hybrid_of, member_of

A, B = "did:web:a.example", "did:web:b.example"
NOW = datetime(2026, 11, 28, tzinfo=UTC)
CONTEXT = Context("urn:run:1", "sha256:" + "1" * 64, A, B, "round 1 part")
SIGNER, SENDER = hybrid_of(A), member_of(A)
KEY = EnvelopeKey.generate(SeededRandomness(1))
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 17)


def content_of(size):
    return SeededRandomness(size).token_bytes(size)


def pieces_of(content, size):
    return [content[at : at + size] for at in range(0, len(content), size)]


def sealed(content, *, piece=100_000, context=CONTEXT, signer=SIGNER):
    return b"".join(seal_stream(pieces_of(content, piece), context, KEY.public, signer, SystemRandomness()))


def opened(content, *, piece=100_000, context=CONTEXT, sender=SENDER, **more):
    return b"".join(open_stream(pieces_of(content, piece), context, KEY, sender, NOW, **more))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece", [60_001, CHUNK, 2 * CHUNK + 5])
def test_the_same_bytes_come_out_however_they_are_cut(size, piece):
    content = content_of(size)
    made = sealed(content, piece=piece)
    for other in (piece, 1 << 20, 70_003):
        assert opened(made, piece=other, both=True) == content


def test_it_may_come_byte_by_byte():
    assert opened(sealed(b"few"), piece=1) == b"few"


def test_two_streams_of_one_content_are_alike_in_nothing():
    first, second = (sealed(content_of(CHUNK)) for _ in range(2))
    assert first[-100:] != second[-100:]


def start_of(made):
    return 4 + int.from_bytes(made[:4])


@pytest.mark.parametrize("size", [1, CHUNK, 2 * CHUNK + 9])
def test_what_ends_early_is_refused(size):
    made = sealed(content_of(size))
    start = start_of(made)
    for end in {0, 3, 4, start - 1, start, start + 15, start + CHUNK + TAG, len(made) - TAG, len(made) - 1}:
        if end < len(made):
            with pytest.raises(EnvelopeError):
                opened(made[:end])
    with pytest.raises(EnvelopeError):
        opened(made + b"\0")


def test_chunks_that_are_moved_left_out_or_of_another_stream_are_refused():
    made, other = sealed(content_of(3 * CHUNK)), sealed(content_of(3 * CHUNK))
    start, size = start_of(made), CHUNK + TAG
    head, chunks = made[:start], pieces_of(made[start:], size)
    theirs = pieces_of(other[start_of(other) :], size)
    for wrong in (
        [chunks[1], chunks[0], *chunks[2:]],
        [chunks[0], *chunks[2:]],
        [*chunks[:2], chunks[-1]],
        [theirs[0], *chunks[1:]],
        [chunks[0], chunks[0], *chunks[2:]],
    ):
        with pytest.raises(EnvelopeError):
            opened(head + b"".join(wrong))
    assert opened(head + b"".join(chunks)) == content_of(3 * CHUNK)


def test_it_opens_in_its_context_for_its_sender_only():
    made = sealed(b"content")
    for context in (replace(CONTEXT, label="round 2 part"), replace(CONTEXT, run="urn:run:2")):
        with pytest.raises(EnvelopeError):
            opened(made, context=context)
    with pytest.raises(EnvelopeError):
        opened(made, sender=member_of(B))
    with pytest.raises(SignatureSingleError):
        opened(sealed(b"content", signer=signer_of(A)))


def test_a_start_of_any_length_is_not_waited_for():
    def endless():
        yield b"\xff" * 4
        while True:
            yield bytes(1000)

    with pytest.raises(EnvelopeError):
        next(open_stream(endless(), CONTEXT, KEY, SENDER, NOW))


@pytest.mark.parametrize("message", [bytes(32), bytes(32) + (1).to_bytes(4, "big"), bytes(36)])
def test_another_message_is_no_start(message):
    start = envelope.seal(message, CONTEXT, KEY.public, SIGNER).encode()
    with pytest.raises(EnvelopeError):
        opened(len(start).to_bytes(4, "big") + start + bytes(TAG))
