"""Masking one site's vector, and unmasking the sum of those received.

For each pair the site with the lower name adds the pair's mask and the other subtracts it, so that it cancels in a
sum over both. Vectors that are too big to be held twice are masked block by block; blocks may be cut anywhere, the
numbers are the same in any cut.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

import numpy as np

from medspace.core.text import Text, msgid
from medspace.privacy.masking.errors import OpeningInvalidError
from medspace.privacy.masking.ring import Ring, Words
from medspace.privacy.masking.seeds import BLOCK_BYTES, Keystream

Seeds = Mapping[str, bytes]
Pairs = Mapping[tuple[str, str], bytes]


def masked(words: Words, ring: Ring, me: str, pair_seeds: Seeds, self_seed: bytes) -> Words:
    """A site's words under the masks that it shares with each peer, and under its own.

    `pair_seeds` has the seed of this round and part for every peer of the run, by name.

    Raises:
        WordsInvalidError: these are not words of the ring.
        SeedInvalidError: a seed does not have 32 bytes.
        ValueError: the site is its own peer.
    """
    return _whole(words, ring, lambda blocks: masked_blocks(blocks, ring, me, pair_seeds, self_seed))


def masked_blocks(
    blocks: Iterable[Words], ring: Ring, me: str, pair_seeds: Seeds, self_seed: bytes
) -> Iterator[Words]:
    """The same, block by block; beside a block, memory for two more of its size is all that is used.

    Raises:
        WordsInvalidError: as `masked` does, when the block is due.
        SeedInvalidError: a seed does not have 32 bytes.
        ValueError: the site is its own peer.
    """
    if me in pair_seeds:
        raise ValueError("a site has no pair with itself")
    plus = [seed for peer, seed in pair_seeds.items() if me < peer]
    minus = [seed for peer, seed in pair_seeds.items() if peer < me]
    return _applied(blocks, ring, [*plus, self_seed], minus)


def unmasked(total: Words, ring: Ring, self_seeds: Seeds, open_pairs: Pairs) -> Words:
    """The sum of the survivors' own words, from that of their masked ones.

    `self_seeds` has the own seed of each survivor; `open_pairs` has the seed of each survivor with each lost site,
    by (survivor, lost). Masks between survivors cancel.

    Raises:
        OpeningInvalidError: there is no survivor, a site is both survivor and lost, or a pair is missing.
        WordsInvalidError: these are not words of the ring.
        SeedInvalidError: a seed does not have 32 bytes.
    """
    return _whole(total, ring, lambda blocks: unmasked_blocks(blocks, ring, self_seeds, open_pairs))


def unmasked_blocks(blocks: Iterable[Words], ring: Ring, self_seeds: Seeds, open_pairs: Pairs) -> Iterator[Words]:
    """The same, block by block.

    Raises:
        OpeningInvalidError: as `unmasked` does.
        WordsInvalidError: these are not words of the ring, when the block is due.
        SeedInvalidError: a seed does not have 32 bytes.
    """
    _check_opening(self_seeds, open_pairs)
    added = [seed for (survivor, lost), seed in open_pairs.items() if survivor < lost]
    taken = [seed for (survivor, lost), seed in open_pairs.items() if lost < survivor]
    return _applied(blocks, ring, taken, [*self_seeds.values(), *added])


def _whole(words: Words, ring: Ring, change: Callable[[Iterable[Words]], Iterator[Words]]) -> Words:
    """All words, changed block by block."""
    ring.check(words)
    step = BLOCK_BYTES // ring.size
    found, at = np.empty(words.shape, words.dtype), 0
    for block in change(words[start : start + step] for start in range(0, len(words), step)):
        found[at : at + len(block)] = block
        at += len(block)
    return found


def _check_opening(self_seeds: Seeds, open_pairs: Pairs) -> None:
    if not self_seeds:
        raise OpeningInvalidError(reason=Text(msgid("no site is left")))
    lost = {gone for _, gone in open_pairs}
    if both := lost & self_seeds.keys():
        reason = Text(msgid("both masks of {site} were opened, which would uncover it"), {"site": min(both)})
        raise OpeningInvalidError(reason=reason)
    due = {(survivor, gone) for survivor in self_seeds for gone in lost}
    if wrong := due ^ open_pairs.keys():
        survivor, gone = min(wrong)
        facts = {"survivor": survivor, "lost": gone}
        raise OpeningInvalidError(
            reason=Text(msgid("the mask of {survivor} with {lost} is missing, or one too many"), facts)
        )


def _applied(blocks: Iterable[Words], ring: Ring, plus: Sequence[bytes], minus: Sequence[bytes]) -> Iterator[Words]:
    """Blocks with the streams of `plus` added and those of `minus` subtracted."""
    added = [Keystream(seed, ring) for seed in plus]
    taken = [Keystream(seed, ring) for seed in minus]
    return (_block(block, ring, added, taken) for block in blocks)


def _block(block: Words, ring: Ring, added: list[Keystream], taken: list[Keystream]) -> Words:
    room = np.empty(block.shape, block.dtype)
    found = ring.total(chain((block,), _filled(room, added))) if added else block
    return ring.subtract(found, ring.total(_filled(room, taken))) if taken else found


def _filled(room: Words, streams: list[Keystream]) -> Iterator[Words]:
    """The next words of each stream, in one room after the other had its turn."""
    for stream in streams:
        stream.fill(room)
        yield room
