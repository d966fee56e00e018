"""Rows as tasks take them, kept from one step to the next: a run asks for the same ones in every round.

This only saves time: the key includes all that a sample depends on, also the content of the table.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

from medspace.learning.glm.design import Sample

MOST_BYTES = 16 << 20  # in all; larger tables are read anew


class Samples:
    """The samples that were used last; thread-safe."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._known: OrderedDict[Hashable, tuple[Sample, int]] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def of(self, key: Hashable, make: Callable[[], Sample]) -> Sample:
        """The sample under a key, or made now."""
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key][0]
        made = make()
        self._keep(key, made)
        return made

    def _keep(self, key: Hashable, sample: Sample) -> None:
        size = sum(part.nbytes for part in (*sample.columns, sample.target, sample.persons))
        with self._lock:
            if key in self._known or size > self._most:
                return
            self._known[key] = (sample, size)
            self._size += size
            while self._size > self._most:
                _, (_, gone) = self._known.popitem(last=False)
                self._size -= gone
