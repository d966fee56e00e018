"""The Merkle tree of a log: roots, inclusion and consistency proofs (RFC 6962 section 2.1, RFC 9162 section 2.1).

Leaf hash = SHA-256(0x00 || entry), node hash = SHA-256(0x01 || left || right). Security model: whoever knows a
root cannot be shown another entry at an index, nor another history, unless SHA-256 collides (RFC 9162 section
11). A root does not say whose it is: the signature of a checkpoint does.

A subtree is named by `(level, index)`: it covers the leaves from `index << level` up to `(index + 1) << level`.
Stores keep complete subtrees only; the functions here say which of them a proof needs and put it together, so that
a proof costs one look-up of about log2(size) hashes.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import TypeAlias

Node: TypeAlias = tuple[int, int]  # (level, index) of a complete subtree
Span: TypeAlias = tuple[int, int]  # leaves from the first up to, not including, the second

EMPTY_ROOT = sha256(b"").digest()  # RFC 9162 2.1.1: the hash of the tree without leaves
HASH_SIZE = 32


def leaf_hash(entry: bytes) -> bytes:
    """The 32-byte hash of an entry (RFC 9162 2.1.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The 32-byte hash of the node over two subtrees (RFC 9162 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


def span_nodes(start: int, stop: int) -> list[Node]:
    """The fewest complete subtrees that cover the leaves from `start` up to, not including, `stop`; left to right."""
    nodes = []
    while start < stop:
        widest = (stop - start).bit_length() - 1
        level = min(widest, (start & -start).bit_length() - 1) if start else widest
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash of the subtree that complete subtrees make up, given left to right and shrinking to the right."""
    if not hashes:
        return EMPTY_ROOT
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


class Frontier:
    """The right edge of a growing tree: all that appending and the root need (at most 64 hashes)."""

    __slots__ = ("_hashes", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._hashes: list[bytes] = []

    @classmethod
    def restore(cls, size: int, hashes: Sequence[bytes]) -> "Frontier":
        """The frontier of a tree of `size` leaves, from the hashes of the subtrees that `nodes(size)` names.

        Raises:
            ValueError: not as many hashes as there are complete subtrees, or one that is not 32 bytes.
        """
        if size < 0 or len(hashes) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves is not made up of {len(hashes)} complete subtrees")
        if any(len(one) != HASH_SIZE for one in hashes):
            raise ValueError(f"a hash of a complete subtree is not {HASH_SIZE} bytes")
        frontier = cls()
        frontier._size = size
        frontier._hashes = list(hashes)
        return frontier

    @staticmethod
    def nodes(size: int) -> list[Node]:
        """The complete subtrees that a tree of `size` leaves is made up of, left to right."""
        return span_nodes(0, size)

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self._size

    def copy(self) -> "Frontier":
        """A frontier that grows on its own."""
        return Frontier.restore(self._size, self._hashes)

    def append(self, leaf: bytes) -> list[tuple[Node, bytes]]:
        """Add a leaf by its hash; returns it (level 0) and every subtree that it completes, from the bottom up."""
        level, index, current = 0, self._size, leaf
        completed = [((0, index), leaf)]
        while index & 1:
            current = node_hash(self._hashes.pop(), current)
            level, index = level + 1, index >> 1
            completed.append(((level, index), current))
        self._hashes.append(current)
        self._size += 1
        return completed

    def root(self) -> bytes:
        """The root of the tree so far."""
        return fold(self._hashes)


class Tree:
    """A whole tree in memory, from its leaf hashes: any root and any proof of it. Two hashes for each leaf."""

    __slots__ = ("_levels",)

    def __init__(self, leaves: Iterable[bytes]) -> None:
        level = list(leaves)
        self._levels = [level]
        while len(level) > 1:
            level = [
                sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)
            ]
            self._levels.append(level)

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return len(self._levels[0])

    def hashes(self, nodes: Iterable[Node]) -> list[bytes]:
        """The hashes of complete subtrees.

        Raises:
            IndexError: a subtree is not complete.
        """
        return [self._levels[level][index] for level, index in nodes]

    def root(self, size: int) -> bytes:
        """The root that the tree had when it had `size` leaves.

        Raises:
            ValueError: it never had so many.
        """
        if not 0 <= size <= self.size:
            raise ValueError(f"a tree of {self.size} leaves had no root at size {size}")
        return fold(self.hashes(span_nodes(0, size)))


def _split(width: int) -> int:
    # RFC 9162 2.1.1: the largest power of two smaller than the number of leaves.
    return 1 << ((width - 1).bit_length() - 1)


def _inclusion_spans(index: int, size: int) -> list[Span]:
    # RFC 9162 2.1.3.1, from the root down; a proof is told from the leaf up.
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    spans, start, stop = [], 0, size
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            spans.append((middle, stop))
            stop = middle
        else:
            spans.append((start, middle))
            start = middle
    return spans[::-1]


def _consistency_spans(size1: int, size2: int) -> list[Span]:
    # RFC 9162 2.1.4.1 (SUBPROOF, for 0 < m), from the root down.
    if not 0 < size1 <= size2:
        raise ValueError(f"a tree of {size2} leaves has no earlier size {size1} that proves anything")
    if size1 == size2:
        return []
    spans, start, stop = [], 0, size2
    while stop != size1:
        middle = start + _split(stop - start)
        if size1 <= middle:
            spans.append((middle, stop))
            stop = middle
        else:
            spans.append((start, middle))
            start = middle
    if start:  # the old tree is not itself a subtree of the new one: its last part must be told
        spans.append((start, stop))
    return spans[::-1]


def _nodes(spans: Sequence[Span]) -> list[Node]:
    return [node for span in spans for node in span_nodes(*span)]


def _proof(spans: Sequence[Span], hashes: Sequence[bytes]) -> tuple[bytes, ...]:
    proof, taken = [], 0
    for span in spans:
        count = len(span_nodes(*span))
        proof.append(fold(hashes[taken : taken + count]))
        taken += count
    if taken != len(hashes):
        raise ValueError(f"the proof needs {taken} hashes, not {len(hashes)}")
    return tuple(proof)


def inclusion_nodes(index: int, size: int) -> list[Node]:
    """The complete subtrees that the inclusion proof of leaf `index` in the tree of `size` leaves is made from.

    Raises:
        ValueError: there is no such leaf.
    """
    return _nodes(_inclusion_spans(index, size))


def inclusion_proof(index: int, size: int, hashes: Sequence[bytes]) -> tuple[bytes, ...]:
    """The inclusion proof (RFC 9162 2.1.3.1), from the hashes of `inclusion_nodes(index, size)`, leaf side first.

    Raises:
        ValueError: there is no such leaf, or not that many hashes are needed.
    """
    return _proof(_inclusion_spans(index, size), hashes)


def consistency_nodes(size1: int, size2: int) -> list[Node]:
    """The complete subtrees that the consistency proof between two sizes is made from.

    Raises:
        ValueError: `size1` is not between 1 and `size2`.
    """
    return _nodes(_consistency_spans(size1, size2))


def consistency_proof(size1: int, size2: int, hashes: Sequence[bytes]) -> tuple[bytes, ...]:
    """The consistency proof (RFC 9162 2.1.4.1), from the hashes of `consistency_nodes(size1, size2)`.

    Raises:
        ValueError: `size1` is not between 1 and `size2`, or not that many hashes are needed.
    """
    return _proof(_consistency_spans(size1, size2), hashes)


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `leaf` (a leaf hash) is number `index` of the tree of `size` leaves with that root (RFC 9162 2.1.3.2).

    The tree without leaves includes nothing, and nothing empty is a hash: an empty root must not be met by an empty
    leaf. The walk of the standard is split into two parts: up to the
    level where the paths of this leaf and of the last leaf meet, the bits of the index say on which side a sibling
    is; from there the path follows the right edge, and siblings are on the left.
    """
    if not 0 <= index < size or not (leaf and root and all(proof)):
        return False
    below = (index ^ (size - 1)).bit_length()
    if len(proof) != below + (index >> below).bit_count():
        return False
    result, position = leaf, index
    for sibling in proof[:below]:
        result = sha256(b"\x01" + (sibling + result if position & 1 else result + sibling)).digest()
        position >>= 1
    for sibling in proof[below:]:
        result = sha256(b"\x01" + sibling + result).digest()
    return result == root


def verify_consistency(size1: int, size2: int, proof: Sequence[bytes], root1: bytes, root2: bytes) -> bool:
    """Whether the tree of `size2` leaves and `root2` begins with the tree of `size1` and `root1` (RFC 9162 2.1.4.2).

    From size 0 there is no proof (RFC 9162 2.1.4: 0 < m): every tree begins with the empty one, so the answer would
    say nothing about either root, and a caller that takes it for a proof would accept any second root. An empty
    value is not a hash.
    """
    if not 0 < size1 <= size2 or not (root1 and root2 and all(proof)):
        return False
    if size1 == size2:
        return not proof and root1 == root2
    return bool(proof) and _grown(size1, size2, proof, root1, root2)


def _grown(size1: int, size2: int, proof: Sequence[bytes], root1: bytes, root2: bytes) -> bool:
    # RFC 9162 2.1.4.2 for 0 < size1 < size2: one walk computes both roots.
    path = [root1, *proof] if size1.bit_count() == 1 else list(proof)
    position, last = size1 - 1, size2 - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if not last:
            return False
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    return not last and old == root1 and new == root2
