"""Wakes those that wait for a change. Nothing polls, and each waiter is woken only by its own topics.

A topic is a collection, one of its records, or the log (`core.store.Topic`). The database reports what a commit
touched. Changes that exist only in memory, such as a site's progress within a round, are reported under the topic of
the record that they belong to.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager

from medspace.core.store import T, Topic


class Changes:
    """The waiters. For one event loop; each waiter has one entry, which is removed with it."""

    def __init__(self) -> None:
        self._waiting: dict[Topic, set[asyncio.Event]] = {}

    @property
    def waiting(self) -> int:
        """The number of waiters, counted once per topic."""
        return sum(map(len, self._waiting.values()))

    def tell(self, changed: Iterable[Topic]) -> None:
        """Wake those that wait for one of these records, or for its collection."""
        for topic in {*changed, *(Topic(one.collection) for one in changed)}:
            for woken in self._waiting.get(topic, ()):
                woken.set()

    @contextmanager
    def listening(self, *topics: Topic) -> Iterator[asyncio.Event]:
        """An event that is set by any change of these topics from now on; clear it before each look."""
        woken = asyncio.Event()
        for topic in topics:
            self._waiting.setdefault(topic, set()).add(woken)
        try:
            yield woken
        finally:
            for topic in topics:
                there = self._waiting.get(topic, set())
                there.discard(woken)
                if not there:
                    self._waiting.pop(topic, None)

    async def until(self, look: Callable[[], Awaitable[T | None]], seconds: float, *topics: Topic) -> T | None:
        """The result of `look`, as soon as it returns one; None after `seconds`.

        It is called now, and again after each change of these topics.
        """
        with self.listening(*topics) as woken:  # before the first look, so that no change during it is missed
            try:
                async with asyncio.timeout(seconds):
                    while True:
                        woken.clear()
                        seen = await look()
                        if seen is not None:
                            return seen
                        await woken.wait()
            except TimeoutError:
                return None
