"""Seeds, commitments and streams against plain Python, and against each other."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.privacy.masking import seeds
from medspace.privacy.masking.errors import SeedInvalidError, WordsInvalidError
from medspace.privacy.masking.ring import WIDTHS, Ring
from medspace.privacy.masking.seeds import (
    CommitmentKind,
    Keystream,
    commitment,
    committed,
    round_seed,
    self_seed,
    stream,
)
from tests.unit.privacy import plain_masking

SECRET = bytes(range(32))
DIGEST = "sha256:" + "ab" * 32
PAIR_SEED = "2835a14095d8b0f5e07cb6f31f258132ef275f96fd0757e879b2db41d1f5dbaf"
SELF_SEED = "f4b97ac738f319552c47363f4bbc591d96f53dcd09717358e3acac003670daa5"
COMMITMENT = "sha256:1b0f035df970224adc76af6418baaafd66d46c5444445c362d507013093f7bed"
FIRST_WORDS = [3053490418, 3500099882]
NAMES = st.text(st.characters(codec="utf-8"), max_size=6)
BYTES = st.binary(min_size=32, max_size=32)


def test_the_plain_cipher_is_aes():
    keys = plain_masking.expanded(bytes(range(32)))  # FIPS 197, appendix C.3
    found = plain_masking.aes(keys, bytes.fromhex("00112233445566778899aabbccddeeff"))
    assert found.hex() == "8ea2b7ca516745bfeafc49904b496089"


@given(BYTES, NAMES, st.integers(0, 2**64 - 1), NAMES, NAMES, NAMES)
def test_seeds_are_those_of_plain_python(secret, digest, number, part, one, other):
    names = sorted([one, other + "+" if one == other else other])
    assert round_seed(secret, digest, number, part, *names) == plain_masking.seed(
        "pair", secret, digest, number, part, *names
    )
    assert self_seed(secret, digest, number, part, one) == plain_masking.seed(
        "self", secret, digest, number, part, one
    )


@given(st.sampled_from(CommitmentKind), BYTES, NAMES, st.integers(0, 2**64 - 1), NAMES, st.lists(NAMES, max_size=2))
def test_commitments_are_those_of_plain_python(kind, value, digest, number, part, names):
    said = commitment(kind, value, digest, number, part, *names)
    assert said == plain_masking.commitment(kind.value, value, digest, number, part, *names)
    assert committed(said, kind, value, digest, number, part, *names)


def test_the_spelling_of_derivations_does_not_change():
    """Sites of different versions would have masks that do not cancel."""
    assert round_seed(SECRET, DIGEST, 3, "numbers", "did:web:a", "did:web:b").hex() == PAIR_SEED
    assert self_seed(SECRET, DIGEST, 3, "numbers", "did:web:a").hex() == SELF_SEED
    assert commitment(CommitmentKind.SELF, SECRET, DIGEST, 3, "numbers", "did:web:a") == COMMITMENT
    assert next(stream(SECRET, Ring(32), 2)).tolist() == FIRST_WORDS


def test_everything_that_enters_makes_another_seed():
    found = [
        round_seed(SECRET, DIGEST, 1, "numbers", "a", "b"),
        round_seed(bytes(32), DIGEST, 1, "numbers", "a", "b"),
        round_seed(SECRET, DIGEST + "0", 1, "numbers", "a", "b"),
        round_seed(SECRET, DIGEST, 2, "numbers", "a", "b"),
        round_seed(SECRET, DIGEST, 1, "weights", "a", "b"),
        round_seed(SECRET, DIGEST, 1, "numbers", "a", "c"),
        round_seed(SECRET, DIGEST, 1, "numbersa", "", "b"),  # only lengths tell it from the first
        self_seed(SECRET, DIGEST, 1, "numbers", "a"),
        self_seed(SECRET, DIGEST, 1, "numbers", "b"),
        self_seed(SECRET, DIGEST, 1, "numbersa", ""),
    ]
    assert len(set(found)) == len(found)


def test_a_commitment_to_one_thing_is_none_to_another():
    contexts = [(kind, value, digest, number, part, *names)
                for kind in CommitmentKind for value in (SECRET, bytes(32)) for digest in (DIGEST, "")
                for number in (1, 2)
                for part in ("a", "b") for names in ((), ("a",), ("a", "b"), ("ab",), ("b", "a"))]  # fmt: skip
    said = [commitment(*context) for context in contexts]
    assert len(set(said)) == len(said)
    assert not any(committed(said[0], *context) for context in contexts[1:])
    assert not any(committed(wrong, *contexts[0]) for wrong in ("", said[0][:-1], said[0] + "0", "\ud800", "é"))


def test_a_pair_is_in_order():
    for lower, higher in (("b", "a"), ("a", "a")):
        with pytest.raises(ValueError):
            round_seed(SECRET, DIGEST, 1, "numbers", lower, higher)


@pytest.mark.parametrize("seed", [b"", bytes(16), bytes(31), bytes(33)])
def test_seeds_have_32_bytes(seed):
    for use in (
        lambda: round_seed(seed, DIGEST, 1, "numbers", "a", "b"),
        lambda: self_seed(seed, DIGEST, 1, "numbers", "a"),
        lambda: Keystream(seed, Ring(32)),
        lambda: stream(seed, Ring(32), 1),
    ):
        with pytest.raises(SeedInvalidError):
            use()


@pytest.mark.parametrize("bits", WIDTHS)
def test_streams_are_those_of_plain_python(bits):
    words = np.concatenate(list(stream(SECRET, Ring(bits), 9)))
    expected = plain_masking.stream(SECRET, bits, 9)
    assert [number % (1 << bits) for number in Ring(bits).decode(words)] == expected


@pytest.mark.parametrize("bits", WIDTHS)
def test_streams_come_in_blocks_that_are_one_stream(bits):
    ring = Ring(bits)
    count = 2 * seeds.BLOCK_BYTES // ring.size + 5
    blocks = list(stream(SECRET, ring, count))
    assert [block.nbytes for block in blocks] == [seeds.BLOCK_BYTES] * 2 + [5 * ring.size]
    assert np.array_equal(np.concatenate(blocks), Keystream(SECRET, ring).take(count))


def test_an_empty_stream_has_no_block():
    assert list(stream(SECRET, Ring(64), 0)) == []
    assert len(Keystream(SECRET, Ring(64)).take(0)) == 0


@given(st.sampled_from(WIDTHS), st.lists(st.integers(0, 40), max_size=6))
def test_streams_may_be_cut_anywhere(bits, cuts):
    ring, whole = Ring(bits), Keystream(SECRET, Ring(bits))
    keystream = Keystream(SECRET, ring)
    pieces = [keystream.take(count) for count in (*cuts, 1)]
    assert np.array_equal(np.concatenate(pieces), whole.take(sum(cuts) + 1))


def test_streams_of_different_seeds_share_no_word():
    found = [set(Keystream(bytes([seed]) * 32, Ring(64)).take(1000).tolist()) for seed in range(3)]
    assert all(one.isdisjoint(other) for one, other in combinations(found, 2))


def test_only_words_of_the_ring_in_one_piece_are_filled():
    with pytest.raises(WordsInvalidError):
        Keystream(SECRET, Ring(64)).fill(np.zeros(3, "<u4"))
    with pytest.raises(ValueError):
        Keystream(SECRET, Ring(64)).fill(np.zeros(6, "<u8")[::2])
