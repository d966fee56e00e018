"""The newest part of a log, in memory: what the database adapters append to before it is stored."""

from collections.abc import Sequence
from typing import NamedTuple

from medspace.ledger.merkle import HASH_SIZE, Frontier, Node, leaf_hash


def last_leaf(node: Node) -> int:
    """The index of the entry that completed a subtree."""
    level, index = node
    return ((index + 1) << level) - 1


def hash_in(hashes: bytes, node: Node) -> bytes:
    """The hash of a subtree, out of all those that its last entry completed (level 0 first, 32 bytes each)."""
    start = node[0] * HASH_SIZE
    return hashes[start : start + HASH_SIZE]


class Row(NamedTuple):
    """One entry, with the hashes of the subtrees that it completed (level 0 first, 32 bytes each)."""

    id: int
    hashes: bytes
    entry: bytes


class Tail:
    """The entries after the first `base`, which are stored elsewhere, and the right edge of the whole tree."""

    __slots__ = ("_edge", "_frontier", "base", "rows")

    def __init__(self, base: int, edge: Sequence[bytes]) -> None:
        """Begin behind `base` entries; `edge` holds the hashes of the subtrees that `Frontier.nodes(base)` names.

        Raises:
            ValueError: there are more or fewer of them.
        """
        self.base = base
        self.rows: list[Row] = []
        self._edge = dict(zip(Frontier.nodes(base), edge, strict=True))
        self._frontier = Frontier.restore(base, edge)

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

    def rewind(self, size: int) -> None:
        """Forget what was appended since the log had this size."""
        if size != self.size:
            edge = self._edge_at(size)
            del self.rows[size - self.base :]
            self._frontier = Frontier.restore(size, list(edge.values()))

    def kept(self) -> None:
        """The rows have been stored elsewhere."""
        self._edge = self._edge_at(self.size)
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
        return {node: self._hash(node) for node in nodes if last_leaf(node) >= self.base}

    def _edge_at(self, size: int) -> dict[Node, bytes]:
        # A subtree of the edge that is older than the tail was already part of the edge at `base`.
        return {node: self._edge.get(node) or self._hash(node) for node in Frontier.nodes(size)}

    def _hash(self, node: Node) -> bytes:
        leaf = last_leaf(node)
        if leaf >= self.size:
            raise KeyError(node)
        return hash_in(self.rows[leaf - self.base].hashes, node)
