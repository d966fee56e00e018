"""Words of the ring against Python's integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.privacy.masking.errors import WordsInvalidError
from medspace.privacy.masking.ring import MOST_NUMBERS, WIDTHS, Ring

WIDE = st.sampled_from(WIDTHS)


def wrapped(number, bits):
    """The signed integer that is left of a number modulo 2**bits."""
    return (number + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


def edges(bits):
    """Integers around every carry: the ends, and what is next to a multiple of a limb."""
    half = 1 << (bits - 1)
    near = [sign * (1 << power) + step for sign in (1, -1) for power in range(0, bits, 32) for step in (-1, 0, 1)]
    return [number for number in (*near, half - 1, -half, 0) if -half <= number < half]


@st.composite
def vectors(draw, most=5, least=1):
    bits, length = draw(WIDE), draw(st.integers(0, 6))
    number = st.one_of(st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1), st.sampled_from(edges(bits)))
    return bits, [
        draw(st.lists(number, min_size=length, max_size=length)) for _ in range(draw(st.integers(least, most)))
    ]


@pytest.mark.parametrize("bits", WIDTHS)
def test_numbers_come_back_from_words_and_bytes(bits):
    ring, numbers = Ring(bits), edges(bits)
    words = ring.encode(numbers)
    assert words.shape == ring.shape(len(numbers))
    assert words.dtype == ring.dtype
    assert ring.decode(words) == numbers
    content = ring.to_bytes(words)
    assert content == b"".join((number % (1 << bits)).to_bytes(bits // 8, "little") for number in numbers)
    read = ring.from_bytes(content, len(numbers))
    assert ring.decode(read) == numbers
    assert not read.flags.writeable


@given(vectors())
def test_sums_are_those_of_integers(case):
    bits, lists = case
    ring = Ring(bits)
    total = ring.total([ring.encode(numbers) for numbers in lists])
    assert ring.decode(total) == [wrapped(sum(column), bits) for column in zip(*lists, strict=True)]


@given(vectors(2, 2))
def test_two_are_added_and_subtracted(case):
    bits, (left, right) = case
    ring = Ring(bits)
    one, other = ring.encode(left), ring.encode(right)
    assert ring.decode(ring.add(one, other)) == [wrapped(a + b, bits) for a, b in zip(left, right, strict=True)]
    assert ring.decode(ring.subtract(one, other)) == [wrapped(a - b, bits) for a, b in zip(left, right, strict=True)]
    assert (ring.decode(one), ring.decode(other)) == (left, right)  # neither was changed


@pytest.mark.parametrize("bits", WIDTHS)
def test_every_pair_of_edges(bits):
    ring, numbers = Ring(bits), edges(bits)
    left = [number for number in numbers for _ in numbers]
    right = numbers * len(numbers)
    one, other = ring.encode(left), ring.encode(right)
    assert ring.decode(ring.add(one, other)) == [wrapped(a + b, bits) for a, b in zip(left, right, strict=True)]
    assert ring.decode(ring.subtract(one, other)) == [wrapped(a - b, bits) for a, b in zip(left, right, strict=True)]


def test_many_carries_from_one_limb_are_carried_at_once():
    ring = Ring(192)
    words = ring.encode([-1])  # all bits are ones
    assert ring.decode(ring.total([words] * 1000)) == [-1000]
    assert ring.decode(ring.total([ring.encode([2**64 - 1])] * 1000)) == [1000 * (2**64 - 1)]


def test_a_total_looks_at_each_vector_once_so_they_may_share_their_room():
    ring, room = Ring(128), Ring(128).encode([0])

    def filled():
        for number in (2**63, 2**63, 5):
            room[:] = ring.encode([number])
            yield room

    assert ring.decode(ring.total(filled())) == [2**64 + 5]


@pytest.mark.parametrize("bits", WIDTHS)
def test_arrays_are_encoded_like_lists(bits):
    ring = Ring(bits)
    numbers = [0, 1, -1, 2**31 - 1, -(2**31), 77] + ([2**63 - 1, -(2**63)] if bits > 32 else [])
    words = ring.encode(np.array(numbers, np.int64))
    assert words.tobytes() == ring.encode(numbers).tobytes()
    assert words.shape == ring.shape(len(numbers))
    assert ring.decode(ring.encode(np.empty(0, np.int64))) == []


def test_numbers_of_numpy_are_numbers():
    assert Ring(192).decode(Ring(192).encode([np.int64(-3), True])) == [-3, 1]


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("step", [0, 1])
def test_what_does_not_fit_is_refused(bits, step):
    half = 1 << (bits - 1)
    for number in (half + step, -half - 1 - step):
        with pytest.raises(WordsInvalidError) as caught:
            Ring(bits).encode([0, number])
        assert str(bits) in str(caught.value)


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1])
def test_arrays_that_do_not_fit_are_refused(number):
    with pytest.raises(WordsInvalidError):
        Ring(32).encode(np.array([0, number]))


@pytest.mark.parametrize("array", [np.zeros(3, np.int32), np.zeros((3, 1), np.int64), np.zeros(3, np.float64)])
def test_other_arrays_are_refused(array):
    with pytest.raises(WordsInvalidError):
        Ring(64).encode(array)


@pytest.mark.parametrize("bits", [0, 16, 33, 96, 320, -64])
def test_there_are_no_other_rings(bits):
    with pytest.raises(ValueError):
        Ring(bits)


@pytest.mark.parametrize(
    "words",
    [
        np.zeros(3, "<u8"),
        np.zeros((3, 2), "<u8"),
        np.zeros((3, 3, 1), "<u8"),
        np.zeros((3, 3), "<u4"),
        np.zeros((3, 3), "<i8"),
        np.zeros((), "<u8"),
    ],
)
def test_words_of_another_ring_are_refused(words):
    ring, right = Ring(192), Ring(192).encode([1, 2, 3])
    for use in (
        ring.decode,
        ring.to_bytes,
        lambda words: ring.add(words, right),
        lambda words: ring.add(right, words),
        lambda words: ring.subtract(words, right),
        lambda words: ring.subtract(right, words),
        lambda words: ring.within(words, 1),
    ):
        with pytest.raises(WordsInvalidError):
            use(words)


@pytest.mark.parametrize("bits", [32, 192])
def test_vectors_of_other_lengths_are_not_stretched(bits):
    ring = Ring(bits)
    one, three = ring.encode([1]), ring.encode([1, 2, 3])
    for left, right in ((one, three), (three, one)):
        with pytest.raises(WordsInvalidError):
            ring.total([left, right])
        with pytest.raises(WordsInvalidError):
            ring.subtract(left, right)


def test_nothing_has_no_sum():
    with pytest.raises(WordsInvalidError):
        Ring(32).total([])


@pytest.mark.parametrize("length", [0, 71, 73, 96])
def test_bytes_of_another_length_are_refused(length):
    with pytest.raises(WordsInvalidError) as caught:
        Ring(192).from_bytes(bytes(length), 3)
    assert "72" in str(caught.value)


def test_no_more_numbers_are_read_than_allowed():
    content = bytes(4 * (MOST_NUMBERS + 1))
    with pytest.raises(WordsInvalidError):
        Ring(32).from_bytes(content, MOST_NUMBERS + 1)
    with pytest.raises(WordsInvalidError):
        Ring(32).from_bytes(bytes(12), 3, most=2)
    with pytest.raises(WordsInvalidError):
        Ring(32).from_bytes(b"", -1)
    assert len(Ring(32).from_bytes(content, MOST_NUMBERS + 1, most=MOST_NUMBERS + 1)) == MOST_NUMBERS + 1


@given(vectors(1, 1), st.data())
def test_within_is_what_comparing_integers_says(case, data):
    bits, (numbers,) = case
    near = [abs(number) + step for number in numbers for step in (-1, 0, 1)]
    largest = data.draw(st.one_of(st.integers(-1, 1 << bits), st.sampled_from(near or [0])))
    words = Ring(bits).encode(numbers)
    assert Ring(bits).within(words, largest) == all(abs(number) <= largest for number in numbers) or largest < 0


@pytest.mark.parametrize("bits", WIDTHS)
def test_within_holds_at_the_ends(bits):
    ring = Ring(bits)
    assert ring.within(ring.encode([ring.largest, -ring.largest]), ring.largest)
    assert not ring.within(ring.encode([-ring.largest - 1]), ring.largest)
    assert ring.within(ring.encode([-ring.largest - 1]), ring.largest + 1)
    assert not ring.within(ring.encode([0]), -1)
