"""Parts in memory, for tests and for what lives as long as the process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from typing import BinaryIO

from medspace.core.limits import KEPT_PARTS
from medspace.core.parts import Keeping, Part, PartBusyError, PartError, PartsFullError
from medspace.core.text import Text, msgid


@dataclass(slots=True)
class _Shelf:
    """The parts of one use: whole ones, those on their way, when the last one came."""

    used: float = 0.0
    whole: dict[str, bytes] = field(default_factory=dict)
    partial: dict[tuple[str, int], bytearray] = field(default_factory=dict)
    busy: set[tuple[str, int]] = field(default_factory=set)

    def taken(self) -> int:
        """The bytes that they take up, with those that are still to come."""
        return sum(map(len, self.whole.values())) + sum(size for _, size in self.partial)


@dataclass(slots=True)
class MemoryBlobStore:
    """Parts in memory, at most `most` bytes in `count` parts of a member; `now` gives seconds since 1970."""

    most: int
    now: Callable[[], float]
    count: int = KEPT_PARTS
    _shelves: dict[Keeping, _Shelf] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def of(self, keeping: Keeping) -> "MemoryBlobs":
        """The parts of one use, for an engine."""
        self.shelf(keeping)
        return MemoryBlobs(self, keeping)

    def has(self, keeping: Keeping, digest: str) -> bool:
        """Whether all of a part is here."""
        return keeping in self._shelves and digest in self._shelves[keeping].whole

    def receive(self, keeping: Keeping, part: Part) -> "_ReceivedPart":
        """Start or resume receiving a part."""
        with self._lock:
            shelf, key = self.shelf(keeping), (part.digest, part.size)
            if key in shelf.busy:
                raise PartBusyError(digest=part.digest)
            if key not in shelf.partial:
                self.check(keeping, part.size)
                shelf.partial[key] = bytearray()
            shelf.busy.add(key)
            return _ReceivedPart(shelf, part)

    def share(self, digest: str, source: Keeping, target: Keeping) -> bool:
        """Have a use keep what another one has."""
        if not self.has(source, digest):
            return False
        self.shelf(target).whole[digest] = self._shelves[source].whole[digest]
        return True

    def kept(self) -> list[Keeping]:
        """The uses that parts are kept for."""
        return list(self._shelves)

    def drop(self, keeping: Keeping) -> None:
        """Forget the parts of a use."""
        self._shelves.pop(keeping, None)

    def sweep(self, before: datetime) -> None:
        """Forget the parts of uses that have got none since `before`."""
        for keeping, shelf in list(self._shelves.items()):
            if datetime.fromtimestamp(shelf.used, UTC) < before:
                self.drop(keeping)

    def shelf(self, keeping: Keeping) -> _Shelf:
        """The parts of one use, which is used now."""
        shelf = self._shelves.setdefault(keeping, _Shelf())
        shelf.used = self.now()
        return shelf

    def check(self, keeping: Keeping, more: int) -> None:
        """Whether there is room for more of a member."""
        shelves = [shelf for known, shelf in self._shelves.items() if known.member == keeping.member]
        parts = sum(len(shelf.whole) + len(shelf.partial) for shelf in shelves)
        if parts >= self.count or sum(shelf.taken() for shelf in shelves) + more > self.most:
            raise PartsFullError(limit=self.most)


@dataclass(frozen=True, slots=True)
class MemoryBlobs:
    """The parts of one use."""

    store: MemoryBlobStore
    keeping: Keeping

    def open(self, part: Part) -> BinaryIO:
        """The bytes of a part."""
        content = self.store.shelf(self.keeping).whole[part.digest]
        if len(content) != part.size:
            raise KeyError(part.digest)
        return BytesIO(content)

    @contextmanager
    def create(self, media_type: str) -> Iterator["_NewPart"]:
        """Begin a part."""
        self.store.check(self.keeping, 0)
        new = _NewPart(self.store, self.keeping, media_type)
        yield new
        content = bytes(new.content)
        new.whole = Part(sha256(content).hexdigest(), media_type, len(content))
        self.store.shelf(self.keeping).whole[new.whole.digest] = content


@dataclass(slots=True)
class _NewPart:
    store: MemoryBlobStore
    keeping: Keeping
    media_type: str
    content: bytearray = field(default_factory=bytearray)
    whole: Part | None = None

    def write(self, data: bytes) -> None:
        """Add bytes to its end."""
        self.store.check(self.keeping, len(self.content) + len(data))
        self.content += data

    @property
    def part(self) -> Part:
        """What was written; known once the context has ended."""
        if self.whole is None:
            raise ValueError("the part is not whole yet")
        return self.whole


class _ReceivedPart:
    """A part being received."""

    def __init__(self, shelf: _Shelf, part: Part) -> None:
        self._shelf, self._part, self._key = shelf, part, (part.digest, part.size)
        self._content = shelf.partial[self._key]

    @property
    def offset(self) -> int:
        """How many of its bytes are here."""
        return len(self._content)

    def write(self, data: bytes) -> None:
        """Add bytes to its end."""
        if self.offset + len(data) > self._part.size:
            self._discard(msgid("it has more bytes than announced"))
        self._content += data

    def finish(self) -> None:
        """Keep it."""
        if self.offset < self._part.size:
            self.close()
            raise PartError(digest=self._part.digest, reason=Text(msgid("it is incomplete")))
        if sha256(self._content).hexdigest() != self._part.digest:
            self._discard(msgid("its content has a different digest"))
        self._shelf.whole[self._part.digest] = bytes(self._content)
        del self._shelf.partial[self._key]
        self.close()

    def close(self) -> None:
        """Let go of it."""
        self._shelf.busy.discard(self._key)

    def _discard(self, reason: str) -> None:
        self.close()
        self._shelf.partial.pop(self._key, None)
        raise PartError(digest=self._part.digest, reason=Text(reason))
