"""Rings after every committed write, so that whoever waits for a change looks again; nothing polls."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from medspace.core.store import Collection, Database, Key, Log, R, T, Transaction


class Bell:
    """Something to wait at, for any write or for those to some collections only."""

    def __init__(self) -> None:
        self._rung: dict[frozenset[str], asyncio.Event] = {}  # by the names of what is waited for; none: everything

    def ring(self, changed: frozenset[str] | None = None) -> None:
        """Wake everybody who waits for what was written to these collections; all of them, where none are named."""
        for names in list(self._rung):
            if changed is None or not names or names & changed:
                self._rung.pop(names).set()

    async def until(
        self, look: Callable[[], Awaitable[T | None]], seconds: float, of: tuple[Collection[Any], ...] = ()
    ) -> T | None:
        """What `look` sees, as soon as it sees something; None after `seconds` without.

        It looks again after every write; where `of` names collections, after each that changes one of them.
        """
        names = frozenset(collection.name for collection in of)
        try:
            async with asyncio.timeout(seconds):
                while True:
                    # Taken before the look: a ring during the look is not missed.
                    rung = self._rung.setdefault(names, asyncio.Event())
                    seen = await look()
                    if seen is not None:
                        return seen
                    await rung.wait()
        except TimeoutError:
            return None


class RingingDatabase:
    """A database that rings a bell after each write (port `core.store.Database`)."""

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._bell = bell

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run a unit of work, then ring."""
        changed: set[str] = set()
        done = await self._database.write(lambda tx: work(_Noting(tx, changed)))
        self._bell.ring(frozenset(changed))
        return done

    async def read(self, view: Callable[[Transaction], T]) -> T:
        """Run a function that only looks."""
        return await self._database.read(view)


class _Noting:
    """A transaction that notes which collections are changed in it (port `core.store.Transaction`)."""

    __slots__ = ("_changed", "_tx")

    def __init__(self, tx: Transaction, changed: set[str]) -> None:
        self._tx, self._changed = tx, changed

    @property
    def log(self) -> Log:
        return self._tx.log

    def get(self, collection: Collection[R], record_id: str) -> R | None:
        return self._tx.get(collection, record_id)

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
        return self._tx.find(
            collection,
            where=where,
            order_by=order_by,
            after=after,
            after_id=after_id,
            descending=descending,
            limit=limit,
        )

    def count(self, collection: Collection[R], where: Mapping[str, Key], most: int) -> int:
        return self._tx.count(collection, where, most)

    def insert(self, collection: Collection[R], record: R) -> None:
        self._changed.add(collection.name)
        self._tx.insert(collection, record)

    def replace(self, collection: Collection[R], old: R, new: R) -> None:
        self._changed.add(collection.name)
        self._tx.replace(collection, old, new)

    def delete(self, collection: Collection[R], old: R) -> None:
        self._changed.add(collection.name)
        self._tx.delete(collection, old)
