"""The newest part of a log, in memory: what the database adapters append to before it is kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from medspace.ledger.merkle import HASH_SIZE, Frontier, Node, leaf_hash


def last_leaf(node: Node) -> int:
    """The index of the entry that completed a subtree."""
    level, index = node
    return ((index + 1) << level) - 1


def hash_in(hashes: bytes, node: Node) -> bytes:
    """The hash of a subtree, out of all those that its last entry completed (level 0 first, 32 bytes each)."""
    start = node[0] * HASH_SIZE
    return hashes[start : start + HASH_SIZE]


@dataclass(frozen=True, slots=True)
class Row:
    """One entry, with the hashes of the subtrees that it completed (level 0 first, 32 bytes each)."""

    index: int
    hashes: bytes
    entry: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """A point to which a tail can go back."""

    count: int
    frontier: Frontier


class Tail:
    """The entries behind the first `base`, which are kept elsewhere, and the right edge of the whole tree."""

    __slots__ = ("_frontier", "base", "rows")

    def __init__(self, frontier: Frontier) -> None:
        self.base = frontier.size
        self.rows: list[Row] = []
        self._frontier = frontier

    @property
    def size(self) -> int:
        """How many entries the log has, with this tail."""
        return self._frontier.size

    def append(self, entry: bytes) -> int:
        """Add one entry; returns its index."""
        index = self._frontier.size
        completed = self._frontier.append(leaf_hash(entry))
        self.rows.append(Row(index, b"".join([digest for _, digest in completed]), entry))
        return index

    def mark(self) -> Mark:
        """Where the tail is now."""
        return Mark(len(self.rows), self._frontier.copy())

    def rewind(self, mark: Mark) -> None:
        """Forget what was appended since."""
        del self.rows[mark.count :]
        self._frontier = mark.frontier.copy()

    def kept(self) -> None:
        """The rows are kept elsewhere now."""
        self.base = self.size
        self.rows.clear()

    def entries(self, start: int, stop: int) -> list[bytes]:
        """Those of the entries from `start` up to `stop` that are in the tail."""
        base = self.base
        return [row.entry for row in self.rows[max(start - base, 0) : max(stop - base, 0)]]

    def hashes(self, nodes: Sequence[Node]) -> dict[Node, bytes]:
        """The hashes of those subtrees that an entry of the tail completed.

        Raises:
            KeyError: a subtree is not complete yet.
        """
        return {node: hash_in(self._row(node).hashes, node) for node in nodes if last_leaf(node) >= self.base}

    def _row(self, node: Node) -> Row:
        if last_leaf(node) >= self.size:
            raise KeyError(node)
        return self.rows[last_leaf(node) - self.base]
