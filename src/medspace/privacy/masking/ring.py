"""Integers modulo 2**bits in numpy words: exact, fixed in size, and alike for every number.

A word is an unsigned number, little-endian, of 32 bits or of one to four limbs of 64 bits, the least first. Signed
integers stand in it as two's complement. A masked number is uniform over the whole ring, so carries must be
propagated: limbs that were added separately would show how often each of them overflowed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medspace.core.text import Text, msgid
from medspace.privacy.masking.errors import WordsInvalidError

Words: TypeAlias = NDArray[np.unsignedinteger[Any]]

WIDTHS = (32, 64, 128, 192, 256)
LIMB = 64
MOST_NUMBERS = 1 << 16  # of a vector that every site gets whole
MOST_WRAPS = 255  # that are counted in a byte


@dataclass(frozen=True, slots=True)
class Ring:
    """The integers modulo 2**bits; `bits` is one of 32, 64, 128, 192, 256.

    Words of `count` numbers have the shape (count,), and (count, limbs) where a number has more limbs than one.

    Raises:
        ValueError: there are no words of so many bits.
    """

    bits: int

    def __post_init__(self) -> None:
        if self.bits not in WIDTHS:
            raise ValueError(f"a ring has one of {WIDTHS} bits")

    @property
    def limbs(self) -> int:
        """Words of one number."""
        return max(1, self.bits // LIMB)

    @property
    def size(self) -> int:
        """Bytes of one number."""
        return self.bits // 8

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """The type of one word."""
        return np.dtype("<u8" if self.bits >= LIMB else "<u4")

    @property
    def largest(self) -> int:
        """The largest signed integer; the least is one further from zero."""
        return (1 << (self.bits - 1)) - 1

    def shape(self, count: int) -> tuple[int, ...]:
        """Of the words of so many numbers."""
        return (count,) if self.limbs == 1 else (count, self.limbs)

    def encode(self, numbers: Sequence[int] | NDArray[np.int64]) -> Words:
        """The words of signed integers; an array of int64 is quicker than a list.

        Raises:
            WordsInvalidError: one of them is too large for the ring.
        """
        if isinstance(numbers, np.ndarray):
            return self._encode_array(numbers)
        size = self.size
        try:
            raw = b"".join([number.to_bytes(size, "little", signed=True) for number in map(index, numbers)])
        except OverflowError:
            raise _too_large(self.bits) from None
        return np.frombuffer(bytearray(raw), self.dtype).reshape(self.shape(len(numbers)))

    def _encode_array(self, numbers: NDArray[np.int64]) -> Words:
        if numbers.dtype != np.int64 or numbers.ndim != 1:
            raise _unlike()
        if (
            self.bits < LIMB
            and numbers.size
            and not -self.largest - 1 <= numbers.min() <= numbers.max() <= self.largest
        ):
            raise _too_large(self.bits)
        if self.limbs == 1:
            return numbers.astype(self.dtype)  # wraps: two's complement
        words = np.empty(self.shape(len(numbers)), self.dtype)
        words[:, 0] = numbers.astype(self.dtype)
        words[:, 1:] = (numbers >> (LIMB - 1)).astype(self.dtype)[:, None]  # the sign, in every bit
        return words

    def decode(self, words: Words) -> list[int]:
        """The signed integers that the words stand for.

        Raises:
            WordsInvalidError: these are not words of this ring.
        """
        self.check(words)
        if self.limbs == 1:
            signed: list[int] = words.view(f"<i{self.size}").tolist()
            return signed
        read = int.from_bytes
        return [read(raw, "little", signed=True) for raw in np.frombuffer(words.tobytes(), f"V{self.size}").tolist()]

    def add(self, left: Words, right: Words) -> Words:
        """The sums, number by number.

        Raises:
            WordsInvalidError: these are not words of this ring, or not equally many.
        """
        return self.total((left, right))

    def subtract(self, left: Words, right: Words) -> Words:
        """The differences, number by number.

        Raises:
            WordsInvalidError: these are not words of this ring, or not equally many.
        """
        self._check_alike(left, right)
        found = left - right
        if self.limbs > 1:
            _borrow(found, left < right)
        return found

    def total(self, vectors: Iterable[Words]) -> Words:
        """The sum of all vectors, in new words; each is looked at once, and may be overwritten when the next is due.

        Raises:
            WordsInvalidError: these are not words of this ring, not equally many, or there is no vector at all.
        """
        rest = iter(vectors)
        first = next(rest, None)
        if first is None:
            raise WordsInvalidError(reason=Text(msgid("there is nothing to add up")))
        self.check(first)
        found = first.copy()
        if self.limbs > 1:
            self._add_all(found, rest)
            return found
        for vector in rest:
            self._check_alike(found, vector)
            found += vector
        return found

    def _add_all(self, found: Words, vectors: Iterator[Words]) -> None:
        """Add limb by limb, count overflows, and carry them at the end: once, not for each vector."""
        over, wraps = np.empty(found.shape, np.bool_), np.zeros(found.shape, np.uint8)
        for number, vector in enumerate(vectors, 1):
            self._check_alike(found, vector)
            found += vector
            np.less(found, vector, out=over)
            wraps += over.view(np.uint8)  # as they are: numpy would convert them first
            if number % MOST_WRAPS == 0:
                _carry(found, wraps)
                wraps[:] = 0
        _carry(found, wraps)

    def within(self, words: Words, largest: int) -> bool:
        """Whether all signed integers have an absolute value of at most `largest`; decodes none of them.

        Raises:
            WordsInvalidError: these are not words of this ring.
        """
        self.check(words)
        if largest > self.largest:
            return True
        if largest < 0:
            return False
        if self.limbs > 1:
            words = words[self._undecided(words, largest)]
        bound = np.broadcast_to(self.encode([largest]), words.shape)
        shifted = self.add(words, bound)  # then what is within is, unsigned, between 0 and 2 * largest
        limit = self.encode([largest * 2 - (1 << self.bits if largest * 2 > self.largest else 0)])
        return not bool(self._above(shifted, limit).any())

    def _undecided(self, words: Words, largest: int) -> NDArray[np.bool_]:
        """Which numbers are not within by their last limb alone; few, where there is room above the numbers."""
        last, limit = words[:, -1].view("<i8"), largest >> (LIMB * (self.limbs - 1))
        undecided: NDArray[np.bool_] = (last < -limit) | (last >= limit)
        return undecided

    def _above(self, words: Words, limit: Words) -> NDArray[np.bool_]:
        if self.limbs == 1:
            return words > limit
        above = np.zeros(len(words), np.bool_)
        for limb in range(self.limbs):  # the last, which weighs most, decides last
            above = (words[:, limb] > limit[0, limb]) | ((words[:, limb] == limit[0, limb]) & above)
        return above

    def to_bytes(self, words: Words) -> bytes:
        """The words as bytes, little-endian: `size` for each number.

        Raises:
            WordsInvalidError: these are not words of this ring.
        """
        self.check(words)
        return words.tobytes()

    def from_bytes(self, content: bytes, count: int, most: int = MOST_NUMBERS) -> Words:
        """The words of `count` numbers, at most `most`; they cannot be written to, since they share the bytes.

        Raises:
            WordsInvalidError: there are more or fewer bytes, or more numbers than `most`.
        """
        if not 0 <= count <= most:
            raise WordsInvalidError(reason=Text(msgid("there are more than {most} numbers"), {"most": most}))
        if len(content) != count * self.size:
            facts = {"found": len(content), "due": count * self.size}
            raise WordsInvalidError(reason=Text(msgid("there are {found} bytes instead of {due}"), facts))
        words: Words = np.frombuffer(content, self.dtype).reshape(self.shape(count))
        return words

    def check(self, words: Words) -> None:
        """Check that these are words of this ring.

        Raises:
            WordsInvalidError: they are not.
        """
        if words.dtype != self.dtype or words.ndim == 0 or words.shape != self.shape(len(words)):
            raise _unlike()

    def _check_alike(self, left: Words, right: Words) -> None:
        self.check(left)
        if left.dtype != right.dtype or left.shape != right.shape:  # numpy would stretch the shorter one
            raise _unlike()


def _carry(words: Words, wraps: NDArray[np.uint8]) -> None:
    """Add to each limb, in place, the overflows of the one before; those of the last are multiples of 2**bits."""
    last = words.shape[1] - 1
    over: NDArray[np.uint64] = wraps[:, 0].astype(np.uint64)
    for limb in range(1, last):
        words[:, limb] += over
        over = np.add(wraps[:, limb], words[:, limb] < over, dtype=np.uint64)
    words[:, last] += over


def _borrow(words: Words, under: NDArray[np.bool_]) -> None:
    """Take one from each limb whose neighbour went below zero, in place."""
    last = words.shape[1] - 1
    owed: NDArray[np.uint64] = under[:, 0].astype(np.uint64)
    for limb in range(1, last):
        # A limb that went below zero by itself is at least 1 now, so nobody is owed twice.
        next_owed = np.add(under[:, limb], words[:, limb] < owed, dtype=np.uint64)
        words[:, limb] -= owed
        owed = next_owed
    words[:, last] -= owed


def _unlike() -> WordsInvalidError:
    return WordsInvalidError(reason=Text(msgid("they do not have the agreed shape or type")))


def _too_large(bits: int) -> WordsInvalidError:
    return WordsInvalidError(reason=Text(msgid("a number is too large for {bits} bits"), {"bits": bits}))
