"""Masked sums: what is left when everything cancels, when sites are lost, and when something does not fit."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.adapters.memory import SeededRandomness
from medspace.privacy.masking import fixed
from medspace.privacy.masking.errors import OpeningInvalidError, SeedInvalidError, WordsInvalidError
from medspace.privacy.masking.masks import masked, masked_blocks, unmasked, unmasked_blocks
from medspace.privacy.masking.ring import WIDTHS, Ring
from medspace.privacy.masking.seeds import BLOCK_BYTES, CommitmentKind, commitment, committed, round_seed, self_seed
from medspace.privacy.masking.shamir import join, split
from medspace.privacy.masking.thresholds import Thresholds
from tests.unit.privacy import plain_masking

DIGEST = "sha256:" + "0f" * 32
LARGEST = 10**6
NAMES = ("did:web:c", "did:web:a", "did:web:e", "did:web:b", "did:web:d", "did:web:é", "did:web:A")


class Space:
    """Sites with their secrets, and what each sends in a round."""

    def __init__(self, names, ring, seed=0, digest=DIGEST):
        source = SeededRandomness(seed)
        self.names, self.ring, self.digest = sorted(names), ring, digest
        self.own = {name: source.token_bytes(32) for name in self.names}
        self.pairs = {
            (one, other): source.token_bytes(32) for one in self.names for other in self.names if one < other
        }

    def pair(self, one, other, number=1, digest=None):
        lower, higher = sorted((one, other))
        return round_seed(self.pairs[lower, higher], digest or self.digest, number, "numbers", lower, higher)

    def self_seed(self, site, number=1):
        return self_seed(self.own[site], self.digest, number, "numbers", site)

    def peers(self, site, number=1, digest=None):
        return {peer: self.pair(site, peer, number, digest) for peer in self.names if peer != site}

    def sent(self, site, numbers, number=1):
        words = self.ring.encode(numbers)
        return masked(words, self.ring, site, self.peers(site, number), self.self_seed(site, number))

    def opened(self, survivors, number=1):
        lost = [name for name in self.names if name not in survivors]
        own = {site: self.self_seed(site, number) for site in survivors}
        return own, {(site, gone): self.pair(site, gone, number) for site in survivors for gone in lost}

    def noise(self, words):
        """Whether nothing of numbers in range can be seen."""
        return not fixed.in_range(self.ring.decode(words), LARGEST, len(self.names))


@pytest.fixture(params=[64, 192])
def space(request):
    return Space(NAMES[:5], Ring(request.param))


VALUES = {name: [number * 1000 + at for at in range(-3, 4)] for number, name in enumerate(NAMES)}


@given(st.data(), st.sampled_from(WIDTHS), st.integers(2, 7), st.integers(0, 5))
def test_the_sum_over_the_survivors_is_exact(data, bits, size, length):
    space = Space(NAMES[:size], Ring(bits), seed=size)
    largest = space.ring.largest // size
    assert fixed.fits(largest, size, space.ring)
    number = st.integers(-largest, largest)
    values = {name: data.draw(st.lists(number, min_size=length, max_size=length)) for name in space.names}
    survivors = data.draw(st.lists(st.sampled_from(space.names), min_size=1, unique=True))
    total = space.ring.total(space.sent(site, values[site]) for site in survivors)
    found = space.ring.decode(unmasked(total, space.ring, *space.opened(survivors)))
    assert found == [sum(column) for column in zip(*(values[site] for site in survivors), strict=True)]


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("me", NAMES[:5])
def test_what_a_site_sends_is_what_plain_python_says(bits, me):
    space = Space(NAMES[:5], Ring(bits))
    peers = {}
    for peer in set(space.names) - {me}:
        pair = tuple(sorted((me, peer)))
        peers[peer] = plain_masking.seed("pair", space.pairs[pair], DIGEST, 1, "numbers", *pair)
    own = plain_masking.seed("self", space.own[me], DIGEST, 1, "numbers", me)
    expected = plain_masking.masked(VALUES[me], bits, me, peers, own)
    assert [number % (1 << bits) for number in space.ring.decode(space.sent(me, VALUES[me]))] == expected


def test_the_order_in_which_peers_are_named_does_not_matter(space):
    me, words = space.names[2], space.ring.encode(VALUES[space.names[2]])
    turned = dict(reversed(space.peers(me).items()))
    assert np.array_equal(masked(words, space.ring, me, turned, space.self_seed(me)), space.sent(me, VALUES[me]))
    assert space.ring.decode(words) == VALUES[me]  # what was masked stays as it was


def test_one_masked_vector_and_a_sum_that_is_not_opened_are_noise(space):
    sent = [space.sent(site, VALUES[site]) for site in space.names]
    assert all(space.noise(one) for one in sent)
    assert space.noise(space.ring.total(sent))


def test_a_survivor_that_is_counted_as_lost_leaves_noise(space):
    """The coordinator keeps a vector out of the sum, and says that it was in it, or the other way round."""
    own, pairs = space.opened(space.names)
    total = space.ring.total(space.sent(site, VALUES[site]) for site in space.names[1:])
    assert space.noise(unmasked(total, space.ring, own, pairs))
    own, pairs = space.opened(space.names[1:])
    total = space.ring.total(space.sent(site, VALUES[site]) for site in space.names)
    assert space.noise(unmasked(total, space.ring, own, pairs))


def test_both_masks_of_one_site_uncover_it_and_neither_alone_does(space):
    """Why one of the two stays closed: the control opens both, which this package refuses to take."""
    victim, sent = space.names[0], space.sent(space.names[0], VALUES[space.names[0]])
    own, _ = space.opened([victim])
    _, pairs = space.opened([victim])
    assert space.ring.decode(unmasked(sent, space.ring, own, pairs)) == VALUES[victim]
    assert space.noise(unmasked(sent, space.ring, own, {}))
    closed = {victim: bytes(32)}
    assert space.noise(unmasked(sent, space.ring, closed, pairs))


def test_two_manifests_give_noise(space):
    """A user who shows one site another manifest than the others gets masks that do not cancel."""
    odd = space.names[1]
    sent = [space.sent(site, VALUES[site]) for site in space.names if site != odd]
    fooled = masked(
        space.ring.encode(VALUES[odd]), space.ring, odd, space.peers(odd, digest="sha256:other"), space.self_seed(odd)
    )
    for last, expected in ((space.sent(odd, VALUES[odd]), False), (fooled, True)):
        total = space.ring.total([*sent, last])
        assert space.noise(unmasked(total, space.ring, *space.opened(space.names))) == expected


def test_a_site_lost_in_round_nine_leaves_the_rounds_before_closed(space):
    victim = space.names[0]
    survivors = space.names[1:]
    own, pairs = space.opened(survivors, number=9)
    nine = space.ring.total(space.sent(site, VALUES[site], 9) for site in survivors)
    expected = [sum(column) for column in zip(*(VALUES[site] for site in survivors), strict=True)]
    assert space.ring.decode(unmasked(nine, space.ring, own, pairs)) == expected
    for number in range(1, 9):
        # The victim's own mask of that round is open, as it was in the sum; the seeds with it are those of round 9.
        sent = space.sent(victim, VALUES[victim], number)
        own_then = {victim: space.self_seed(victim, number)}
        with_it = {(victim, site): pairs[site, victim] for site in survivors}
        assert space.noise(unmasked(sent, space.ring, own_then, with_it))
        then = {(victim, site): space.pair(victim, site, number) for site in survivors}  # the control
        assert space.ring.decode(unmasked(sent, space.ring, own_then, then)) == VALUES[victim]


@pytest.mark.parametrize("what", ["own", "pair", "noise", "nothing"])
def test_a_mask_that_does_not_cancel_gives_noise_and_its_commitment_names_it(space, what):
    survivors = space.names[1:]
    own, pairs = space.opened(survivors)
    site, gone = survivors[0], space.names[0]
    said = {
        "own": commitment(CommitmentKind.SELF, own[site], DIGEST, 1, "numbers", site),
        "pair": commitment(CommitmentKind.PAIR, pairs[site, gone], DIGEST, 1, "numbers", gone, site),
    }
    sent = [space.sent(name, VALUES[name]) for name in survivors]
    if what == "own":
        own[site] = bytes(32)
    elif what == "pair":
        pairs[site, gone] = bytes(32)
    elif what == "noise":
        sent[0] = space.ring.add(sent[0], sent[1])
    assert committed(said["own"], CommitmentKind.SELF, own[site], DIGEST, 1, "numbers", site) == (what != "own")
    assert committed(said["pair"], CommitmentKind.PAIR, pairs[site, gone], DIGEST, 1, "numbers", gone, site) == (
        what != "pair"
    )
    found = unmasked(space.ring.total(sent), space.ring, own, pairs)
    assert space.noise(found) == (what != "nothing")
    assert space.ring.within(found, LARGEST) == (what == "nothing")


@pytest.mark.parametrize("bits", [32, 192])
def test_shares_of_the_survivors_open_the_sum(bits):
    """All together: thresholds, shares, commitments, losses before and after the vectors came."""
    ring, source = Ring(bits), SeededRandomness(5)
    names = [f"did:web:{number:02}" for number in range(12)]
    space, thresholds = Space(names, ring), Thresholds.for_seats(12)
    thresholds.check()
    values = {name: [number, -number, 7] for number, name in enumerate(names)}
    dealt = {name: split(space.self_seed(name), thresholds.opening, 12, source) for name in names}
    survivors, opening = names[2:], names[5:]  # two never sent, three more did and are gone now
    assert thresholds.lost_too_many(len(survivors)) is None
    own = {
        site: join([dealt[site][names.index(holder)] for holder in opening], thresholds.opening, 12)
        for site in survivors
    }
    total = ring.total(space.sent(site, values[site]) for site in survivors)
    found = unmasked(total, ring, own, space.opened(survivors)[1])
    assert ring.decode(found) == [sum(values[site][at] for site in survivors) for at in range(3)]


@pytest.mark.parametrize("bits", WIDTHS)
def test_blocks_are_the_same_in_any_cut(bits):
    ring = Ring(bits)
    space, me = Space(NAMES[:3], ring), NAMES[0]
    count = BLOCK_BYTES // ring.size + 11  # more than one of the blocks in which all words are masked
    words = ring.encode(np.arange(count))
    whole = space.sent(me, np.arange(count))
    for cuts in ((0, count), (0, 1, 1, 7, count), (0, count - 1, count)):
        blocks = [words[start:stop] for start, stop in pairwise(cuts)]
        found = list(masked_blocks(blocks, ring, me, space.peers(me), space.self_seed(me)))
        assert [len(block) for block in found] == [len(block) for block in blocks]
        assert np.array_equal(np.concatenate(found), whole)
        opened = unmasked_blocks(found, ring, *space.opened([me]))
        assert np.array_equal(np.concatenate(list(opened)), words)


def test_a_block_is_masked_when_it_is_due(space):
    """Nothing is held but the block that is looked at."""
    taken = []

    def blocks():
        for number in range(3):
            taken.append(number)
            yield space.ring.encode([number])

    me = space.names[0]
    found = masked_blocks(blocks(), space.ring, me, space.peers(me), space.self_seed(me))
    assert taken == []
    next(found)
    assert taken == [0]


def test_without_peers_only_the_own_mask_is_left(space):
    sent = masked(space.ring.encode([5]), space.ring, "alone", {}, bytes(32))
    assert space.ring.decode(unmasked(sent, space.ring, {"alone": bytes(32)}, {})) == [5]


def test_no_numbers_are_masked_to_none(space):
    assert len(space.sent(space.names[0], [])) == 0


def test_a_site_is_no_peer_of_its_own(space):
    with pytest.raises(ValueError):
        masked(space.ring.encode([1]), space.ring, "a", {"a": bytes(32)}, bytes(32))


def test_seeds_of_another_length_are_refused(space):
    for peers, own in (({"b": bytes(31)}, bytes(32)), ({}, bytes(33))):
        with pytest.raises(SeedInvalidError):
            masked(space.ring.encode([1]), space.ring, "a", peers, own)


def test_words_of_another_ring_are_refused(space):
    other = Ring(32).encode([1])
    with pytest.raises(WordsInvalidError):
        masked(other, space.ring, "a", {}, bytes(32))
    with pytest.raises(WordsInvalidError):
        list(masked_blocks([other], space.ring, "a", {}, bytes(32)))
    with pytest.raises(WordsInvalidError):
        unmasked(other, space.ring, {"a": bytes(32)}, {})


def test_what_is_opened_is_of_just_these_survivors(space):
    total, seed = space.ring.encode([1]), bytes(32)
    for own, pairs, said in (
        ({}, {}, "no site is left"),
        ({"a": seed, "b": seed}, {("a", "b"): seed, ("b", "a"): seed}, "both masks of a were opened"),
        ({"a": seed, "b": seed}, {("a", "lost"): seed}, "the mask of b with lost is missing"),
        ({"a": seed}, {("a", "lost"): seed, ("b", "lost"): seed}, "with lost is missing, or one too many"),
    ):  # fmt: skip
        with pytest.raises(OpeningInvalidError) as caught:
            unmasked(total, space.ring, own, pairs)
        assert said in str(caught.value)
