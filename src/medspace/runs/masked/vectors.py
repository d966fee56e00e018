"""Vectors too large for every site to get them all: hidden, added up and opened block by block, as parts.

The coordinator adds the masked vectors up and brings every site the sum, whose digest all sites sign before anybody
opens (`messages.SurvivorList`): so all open one sum. Whether it is the sum of what they sent, no site can tell. The
coordinator cannot count a site twice or leave one out, since the masks would not cancel; but it can add any numbers
of its own to the sum, and so choose the weights of the model that comes of it, up to the bound of a sum
(`core.engine.MASKED_WEIGHTS` says so in the contract and in the lineage).

A block or two of each vector are in memory, however large it is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import BinaryIO

from medspace.core import limits
from medspace.core.errors import InvalidInputError
from medspace.core.parts import Blobs, Part
from medspace.core.text import Text, msgid
from medspace.privacy.masking import fixed
from medspace.privacy.masking.masks import masked_blocks, unmasked_blocks
from medspace.privacy.masking.ring import Ring, Words
from medspace.privacy.masking.seeds import BLOCK_BYTES
from medspace.runs.errors import AnswersInvalidError
from medspace.runs.masked.errors import SurvivorsError, TotalInvalidError
from medspace.runs.masked.ports import Integers, Shape

MEDIA_TYPE = "application/octet-stream"
BITS = (32, 64)  # of a masked number


def named(part: Part) -> str:
    """The digest of a part as messages have it."""
    return f"sha256:{part.digest}"


def no_place() -> InvalidInputError:
    """A vector that does not fit masks of its size."""
    return InvalidInputError(reason=Text(msgid("its sums do not fit under the masks")))


def check_place(shape: Shape, sites: int) -> None:
    """Check that sums over so many sites fit into the words of such vectors, and these into a part.

    Raises:
        InvalidInputError: they do not fit.
    """
    if (
        shape.bits not in BITS
        or not isinstance(shape.largest, int)
        or not 0 < shape.count * shape.bits // 8 <= limits.PART
        or not fixed.fits(shape.largest, sites, Ring(shape.bits))
    ):
        raise no_place()


def hidden(
    blocks: Iterable[Integers], shape: Shape, me: str, pairs: Mapping[str, bytes], own: bytes, blobs: Blobs
) -> Part:
    """One site's numbers under the masks with its peers and under its own.

    Raises:
        InvalidInputError: there are more or fewer numbers than agreed, or one is out of its bound.
    """
    ring = Ring(shape.bits)
    with blobs.create(MEDIA_TYPE) as made:
        for words in masked_blocks(_words(blocks, shape, ring), ring, me, pairs, own):
            made.write(words.tobytes())
    return made.part


def _words(blocks: Iterable[Integers], shape: Shape, ring: Ring) -> Iterator[Words]:
    left, step = shape.count, BLOCK_BYTES // ring.size
    for block in blocks:
        left -= len(block)
        if left < 0 or not _within(block, shape, 1):
            raise InvalidInputError(reason=Text(msgid("a sum is larger than the ranges of the columns allow")))
        for start in range(0, len(block), step):
            yield block[start : start + step].astype(ring.dtype)  # wraps: two's complement
    if left:
        raise InvalidInputError(reason=Text(msgid("a sum is larger than the ranges of the columns allow")))


def _within(block: Integers, shape: Shape, sites: int) -> bool:
    assert isinstance(shape.largest, int)  # noqa: S101 - `check_place`
    most = shape.largest * sites
    return not len(block) or bool(block.min() >= -most and block.max() <= most)


def added(parts: Sequence[Part], bits: int, blobs: Blobs) -> Part:
    """The sum of masked vectors: the coordinator's work.

    Raises:
        AnswersInvalidError: they are not of one size, or of no such words.
    """
    sizes = {part.size for part in parts}
    if bits not in BITS or len(sizes) != 1 or (size := sizes.pop()) % (bits // 8):
        raise AnswersInvalidError(round=0, reason=Text(msgid("the sites contradict each other")))
    ring = Ring(bits)
    with ExitStack() as stack:
        sources = [stack.enter_context(blobs.open(part)) for part in parts]
        made = stack.enter_context(blobs.create(MEDIA_TYPE))
        for start in range(0, size, BLOCK_BYTES):
            count = min(BLOCK_BYTES, size - start) // ring.size
            total = ring.total(_read(source, ring, count) for source in sources)
            made.write(total.tobytes())
    return made.part


def _read(source: BinaryIO, ring: Ring, count: int) -> Words:
    return ring.from_bytes(source.read(count * ring.size), count, BLOCK_BYTES)


def brought(parts: Sequence[Part], shape: Shape) -> Part:
    """The masked total that the coordinator brings.

    Raises:
        SurvivorsError: it brings none, or one of another size.
    """
    if len(parts) != 1 or parts[0].size != shape.count * shape.bits // 8:
        raise SurvivorsError(reason=Text(msgid("its total is missing or has the wrong size")))
    return parts[0]


def opened(
    source: BinaryIO, shape: Shape, own: Mapping[str, bytes], pairs: Mapping[tuple[str, str], bytes], question: int
) -> Iterator[Integers]:
    """The numbers of a total without its masks, block by block.

    Raises:
        TotalInvalidError: when the block is due: a number is out of the bound of so many sites.
    """
    ring = Ring(shape.bits)
    step = BLOCK_BYTES // ring.size
    blocks = (_read(source, ring, min(step, shape.count - start)) for start in range(0, shape.count, step))
    for words in unmasked_blocks(blocks, ring, own, pairs):
        block: Integers = words.view(f"<i{ring.size}")
        if not _within(block, shape, len(own)):
            raise TotalInvalidError(round=question, reason=Text(msgid("a number is out of range")))
        yield block
