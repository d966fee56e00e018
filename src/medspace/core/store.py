"""The port to the database: rooms declare collections of frozen records; one transaction holds every effect.

A unit of work is a plain function of a `Transaction`. It sees its own changes, either all of them are kept or
none, and it may be run again from the start: it must have no effect but on the transaction. The log entries that it
appends are part of the same transaction, so nothing happens that is not in the log, and nothing is in the
log that did not happen.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Record(Protocol):
    """A frozen dataclass with an `id`; its fields are what `msgspec` can write as JSON."""

    @property
    def id(self) -> str:
        """The identity, unique in the collection."""
        ...


R = TypeVar("R", bound=Record)
T = TypeVar("T")
Key = str | int | None


@dataclass(frozen=True, slots=True)
class Topic:
    """What somebody may wait for a change of: all records of a collection, or (with `id`) one of them."""

    collection: str
    id: str | None = None


LOG = Topic("log")  # grows; no collection has this name, since its table is the log's


@dataclass(frozen=True, slots=True)
class Collection(Generic[R]):
    """Records of one type that are kept together.

    `keys` are the names of fields (or properties) of the record, of type text, text enum, integer or None, by which
    records are found; `unique` are groups of keys whose values no two records share (None never clashes).
    """

    name: str
    record: type[R]
    keys: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()

    def topic(self, record_id: str | None = None) -> Topic:
        """What to wait for: a change of the record of that identity, or of any where none is named."""
        return Topic(self.name, record_id)


class Log(Protocol):
    """The append-only Merkle log of this connector, as the transaction sees it."""

    def append(self, entry: bytes) -> int:
        """Add one entry; returns its index, counted from 0."""
        ...

    def size(self) -> int:
        """How many entries there are."""
        ...

    def entries(self, start: int, stop: int) -> Sequence[bytes]:
        """The entries from `start` up to, not including, `stop`."""
        ...

    def hashes(self, nodes: Sequence[tuple[int, int]]) -> list[bytes]:
        """The hashes of complete subtrees, each named by (level, index); level 0 are the leaves.

        Raises:
            KeyError: a subtree is not complete yet.
        """
        ...


class Transaction(Protocol):
    """What a unit of work can do."""

    @property
    def log(self) -> Log:
        """The log."""
        ...

    def get(self, collection: Collection[R], record_id: str) -> R | None:
        """The record of that identity."""
        ...

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
        """Records whose keys equal `where`, in the order of the key `order_by` (ties by id).

        `after` starts behind that value of `order_by` (before it, when descending), so that any page costs the
        same. With `after_id`, records of that very value behind (before) that id come too: to page without gaps by
        a key that has ties and is never None.
        """
        ...

    def count(self, collection: Collection[R], where: Mapping[str, Key], most: int) -> int:
        """How many records have these keys, counted up to `most`; no record is read for it."""
        ...

    def insert(self, collection: Collection[R], record: R) -> None:
        """Add a record.

        Raises:
            DuplicateRecordError: its identity or unique keys are taken.
        """
        ...

    def replace(self, collection: Collection[R], old: R, new: R) -> None:
        """Compare-and-swap: put `new` in place of `old`, which has the same id.

        Raises:
            StaleRecordError: what is stored is not `old`.
        """
        ...

    def delete(self, collection: Collection[R], old: R) -> None:
        """Remove `old`.

        Raises:
            StaleRecordError: what is stored is not `old`.
        """
        ...


class Database(Protocol):
    """Runs units of work. Writes are serial and durable when they return; reads see committed state only."""

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run a unit of work and keep its changes; if it raises, nothing is kept and the error comes back."""
        ...

    async def read(self, view: Callable[[Transaction], T]) -> T:
        """Run a function that only looks."""
        ...

    def on_commit(self, hear: Callable[[AbstractSet[Topic]], None]) -> None:
        """From now on, call `hear` after each commit, in the event loop, with what it touched.

        That is the topic of each record that was inserted, replaced or deleted, and `LOG` where the log grew. It is
        called whoever waits for the write, and also where nobody can know whether it was kept: some calls are for
        nothing, none is missing. A commit of several units of work may be one call. Nothing is called for a unit that
        raised, or that touched nothing. This process is the only one that writes, so nobody else has to be heard.
        """
        ...
