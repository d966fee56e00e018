"""The store, the clock and the randomness in memory: for tests, and for trying medspace without a disk."""

import asyncio
import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from medspace.adapters.records import codec, known, plain, read_only
from medspace.adapters.tail import Tail
from medspace.core.clock import Clock, Randomness, stamp
from medspace.core.errors import DuplicateRecordError, StaleRecordError
from medspace.core.hashing import digest_bytes
from medspace.core.sealing import KEY_BYTES
from medspace.core.store import LOG, Collection, Key, R, T, Topic, Transaction
from medspace.ledger.model import Receipt, SignedCheckpoint


class MemoryAnchor:
    """An anchor in memory (port `ledger.ports.Anchor`)."""

    def __init__(self, clock: Clock, name: str = "memory") -> None:
        self.name, self._clock = name, clock
        self._kept: dict[str, Receipt] = {}

    async def anchor(self, checkpoint: SignedCheckpoint) -> Receipt:
        """Keep a checkpoint; the same one again has the receipt that it had."""
        made = Receipt(self.name, stamp(self._clock.now()), digest_bytes(checkpoint.note.encode()))
        return self._kept.setdefault(checkpoint.note, made)

    async def newest(self) -> str | None:
        """The note that was given to it last."""
        return next(reversed(self._kept), None)

    async def verify(self, checkpoint: SignedCheckpoint, receipt: Receipt) -> bool:
        """Whether it is kept under that receipt."""
        return self._kept.get(checkpoint.note) == receipt


@dataclass(frozen=True, slots=True)
class _Row:
    body: str
    keys: Mapping[str, Key]


@dataclass(slots=True)
class _State:
    tables: dict[str, dict[str, _Row]] = field(default_factory=dict)
    tail: Tail = field(default_factory=lambda: Tail(0, ()))


class MemoryLog:
    """The log, as a transaction in memory sees it."""

    def __init__(self, tail: Tail, *, writable: bool) -> None:
        self._tail = tail
        self._writable = writable

    def append(self, entry: bytes) -> int:
        """Add one entry."""
        if not self._writable:
            raise read_only()
        return self._tail.append(entry)

    def size(self) -> int:
        """How many entries there are."""
        return self._tail.size

    def entries(self, start: int, stop: int) -> Sequence[bytes]:
        """The entries from `start` up to `stop`."""
        return self._tail.entries(start, stop)

    def hashes(self, nodes: Sequence[tuple[int, int]]) -> list[bytes]:
        """The hashes of complete subtrees."""
        found = self._tail.hashes(nodes)
        return [found[node] for node in nodes]


class MemoryTransaction:
    """A transaction on dictionaries; `undo` takes its changes back."""

    def __init__(self, state: _State, *, writable: bool) -> None:
        self.log = MemoryLog(state.tail, writable=writable)
        self._state = state
        self._writable = writable
        self._undo: list[tuple[str, str, _Row | None]] = []

    def get(self, collection: Collection[R], record_id: str) -> R | None:
        """The record of that identity."""
        row = self._table(collection).get(record_id)
        return None if row is None else codec(collection).decode(row.body)

    def find(
        self,
        collection: Collection[R],
        *,
        where: Mapping[str, Key] | None = None,
        order_by: str = "id",
        after: Key = None,
        after_id: str | None = None,
        descending: bool = False,
        limit: int = 100,
    ) -> list[R]:
        """Records whose keys equal `where`, in the order of the key `order_by` (ties by id)."""
        wanted = {name: plain(value) for name, value in (where or {}).items()}
        known(collection, [*wanted, order_by])
        rows = [row for row in self._table(collection).values() if wanted.items() <= row.keys.items()]
        if after is not None:
            behind = partial(_behind, after=plain(after), descending=descending)
            tied = partial(_behind, after=after_id, descending=descending)
            rows = [
                row
                for row in rows
                if behind(row.keys[order_by])
                or (after_id is not None and row.keys[order_by] == plain(after) and tied(row.keys["id"]))
            ]
        rows.sort(key=lambda row: (_rank(row.keys[order_by]), _rank(row.keys["id"])), reverse=descending)
        return [codec(collection).decode(row.body) for row in rows[: max(limit, 0)]]

    def count(self, collection: Collection[R], where: Mapping[str, Key], most: int) -> int:
        """How many records have these keys, counted up to `most`."""
        wanted = {name: plain(value) for name, value in where.items()}
        known(collection, wanted)
        return min(sum(wanted.items() <= row.keys.items() for row in self._table(collection).values()), most)

    def insert(self, collection: Collection[R], record: R) -> None:
        """Add a record."""
        row = self._row(collection, record)
        if record.id in self._table(collection) or self._clashes(collection, row):
            raise DuplicateRecordError(id=record.id)
        self._put(collection, record.id, row)

    def replace(self, collection: Collection[R], old: R, new: R) -> None:
        """Compare-and-swap."""
        row = self._row(collection, new)
        self._compare(collection, old, new.id)
        if self._clashes(collection, row):
            raise DuplicateRecordError(id=old.id)
        self._put(collection, new.id, row)

    def delete(self, collection: Collection[R], old: R) -> None:
        """Remove `old`."""
        self._compare(collection, old, old.id)
        self._put(collection, old.id, None)

    def undo(self) -> None:
        """Take every change back, the last one first."""
        for name, record_id, row in reversed(self._undo):
            _set(self._state.tables[name], record_id, row)

    def touched(self) -> AbstractSet[Topic]:
        """The records that it changed."""
        return {Topic(name, record_id) for name, record_id, _ in self._undo}

    def _table(self, collection: Collection[R]) -> dict[str, _Row]:
        return self._state.tables.setdefault(collection.name, {})

    def _row(self, collection: Collection[R], record: R) -> _Row:
        if not self._writable:
            raise read_only()
        form = codec(collection)
        return _Row(form.encode(record), form.row(record))

    def _clashes(self, collection: Collection[R], row: _Row) -> bool:
        groups = [group.items() for group in codec(collection).clashes(row.keys)]
        others = [other.keys for key, other in self._table(collection).items() if key != row.keys["id"]]
        return any(group <= keys.items() for group in groups for keys in others)

    def _compare(self, collection: Collection[R], old: R, record_id: str) -> None:
        if not self._writable:
            raise read_only()
        row = self._table(collection).get(old.id)
        if old.id != record_id or row is None or row.body != codec(collection).seen(old):
            raise StaleRecordError(id=old.id)

    def _put(self, collection: Collection[R], record_id: str, row: _Row | None) -> None:
        table = self._table(collection)
        self._undo.append((collection.name, record_id, table.get(record_id)))
        _set(table, record_id, row)


class MemoryDatabase:
    """A database in memory: one per test, discarded with it."""

    def __init__(self) -> None:
        self._state = _State()
        self._hearers: list[Callable[[AbstractSet[Topic]], None]] = []

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run a unit of work and keep its changes; if it raises, nothing is kept."""
        transaction = MemoryTransaction(self._state, writable=True)
        size = self._state.tail.size
        try:
            done = work(transaction)
        except BaseException:
            transaction.undo()
            self._state.tail.rewind(size)
            raise
        touched = transaction.touched() | ({LOG} if self._state.tail.size > size else set())
        for hear in self._hearers if touched else ():
            hear(touched)
        return done

    async def read(self, view: Callable[[Transaction], T]) -> T:
        """Run a read-only function."""
        return view(MemoryTransaction(self._state, writable=False))

    def on_commit(self, hear: Callable[[AbstractSet[Topic]], None]) -> None:
        """Call `hear` with what each unit of work touched, once it is kept."""
        self._hearers.append(hear)

    async def close(self) -> None:
        """Nothing to close."""


class ManualClock:
    """A clock that stands still until it is moved; sleepers wake when their time has come."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._sleepers: list[tuple[datetime, int, asyncio.Event]] = []
        self._slept = 0

    def now(self) -> datetime:
        """The instant at which the clock stands, in UTC."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return once the clock was moved that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._slept += 1
        sleeper = (self._now + timedelta(seconds=seconds), self._slept, asyncio.Event())
        heapq.heappush(self._sleepers, sleeper)
        try:
            await sleeper[2].wait()
        finally:
            self._leave(sleeper)

    def advance(self, seconds: float) -> None:
        """Move the clock on, and wake who is due."""
        self._now += timedelta(seconds=seconds)
        while self._sleepers and self._sleepers[0][0] <= self._now:
            heapq.heappop(self._sleepers)[2].set()

    def _leave(self, sleeper: tuple[datetime, int, asyncio.Event]) -> None:
        if sleeper in self._sleepers:  # cancelled before it was due
            self._sleepers.remove(sleeper)
            heapq.heapify(self._sleepers)

    @property
    def sleepers(self) -> int:
        """How many are waiting for the clock to move."""
        return len(self._sleepers)


class SeededRandomness:
    """The same bytes for the same seed: for tests only, anybody can guess them."""

    def __init__(self, seed: int = 0) -> None:
        self._source = random.Random(seed)  # noqa: S311 - repeatable on purpose, and named so

    def token_bytes(self, count: int) -> bytes:
        """The next `count` bytes of the sequence."""
        return self._source.randbytes(count)


class MemoryUseKeys:
    """Keys of uses in memory (port `connector.usage.memory.UseKeys`)."""

    def __init__(self, randomness: Randomness) -> None:
        self._randomness = randomness
        self._keys: dict[str, bytes] = {}
        self._begun: dict[str, tuple[int, str]] = {}

    def key(self, use: str) -> bytes | None:
        """The key of a use; None where it has none, or no longer."""
        return self._keys.get(use)

    def make(self, use: str) -> bytes:
        """The key of a use; made where there is none."""
        if use not in self._keys:
            self._keys[use] = self._randomness.token_bytes(KEY_BYTES)
        return self._keys[use]

    def begin(self, use: str, number: int, step: str) -> bool:
        """Note that a step of a use begins; False where a later one has begun, or another one of this number."""
        last, known = self._begun.get(use, (-1, ""))
        if number < last or (number == last and step != known):
            return False
        self._begun[use] = (number, step)
        return True

    def forget(self, use: str) -> None:
        """Delete the key of a use, if it has one."""
        self._keys.pop(use, None)
        self._begun.pop(use, None)

    def uses(self) -> list[str]:
        """The uses that have a key."""
        return list(self._keys)


def _rank(key: Key) -> tuple[bool, str | int]:
    return (False, 0) if key is None else (True, key)


def _behind(key: Key, after: Key, *, descending: bool) -> bool:
    return _rank(key) < _rank(after) if descending else _rank(key) > _rank(after)


def _set(table: dict[str, _Row], record_id: str, row: _Row | None) -> None:
    if row is None:
        table.pop(record_id, None)
    else:
        table[record_id] = row
