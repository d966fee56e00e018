"""Things that many clients watch at once: one look per change, however many watch, and no queue per watcher.

A feed is one thing in one language. It exists while it is watched, and looks once after each change. A fast watcher
is shown every state; a slow one is shown the newest state whenever it is ready.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from medspace.app.node.changes import Changes
from medspace.core.actors import Scope
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock
from medspace.core.errors import WaitingError
from medspace.core.store import Collection, Topic
from medspace.core.text import msgid

BEAT = 15.0  # seconds without a change after which a watcher is sent a heartbeat
AGAIN = 5  # seconds after which a place may be free


class WatchersError(WaitingError):
    """The connector has no free place for another watcher."""

    code = "events.crowded"
    sentence = msgid("{most} others are watching already; there is no place for one more.")
    next_step = msgid("Close a window that watches, or ask again in {seconds} seconds.")


@dataclass(frozen=True, slots=True)
class State:
    """A thing at one moment: `version` changes whenever its content does; no state follows one that is `over`."""

    version: str
    shown: bytes
    over: bool


Look = Callable[[], Awaitable[State]]


class _Feed:
    """One watched thing. `turn` is set, and replaced, at each new state, at each heartbeat, and at the end."""

    def __init__(self) -> None:
        self.state: State | None = None
        self.beats = self.watchers = 0
        self.ended = False
        self.turn = asyncio.Event()
        self.work: asyncio.Task[None] | None = None

    def show(self, state: State) -> None:
        """The current state."""
        if self.state is None or self.state.version != state.version:
            self.state = state
            self.turned()

    def end(self) -> None:
        """End the feed."""
        self.ended = True
        self.turned()

    def turned(self) -> None:
        """Wake the watchers."""
        turn, self.turn = self.turn, asyncio.Event()
        turn.set()

    async def states(self, seen: str) -> AsyncIterator[State | None]:
        """The states that one watcher is shown (`Feeds.watch`)."""
        beats = -1  # so that something is shown at once: the state, or that it is the one already seen
        while True:
            turn, state = self.turn, self.state
            if state is not None and state.version != seen:
                seen, beats = state.version, self.beats
                yield state
            elif self.ended:
                break
            elif state is not None and self.beats != beats:
                beats = self.beats
                yield None
            else:
                await turn.wait()
        if self.work is not None:
            await asyncio.wait({self.work})
            if not self.work.cancelled():
                self.work.result()


class Feeds:
    """The feeds of one connector, in one event loop."""

    def __init__(self, changes: Changes, clock: Clock, *, most: int, beat: float = BEAT) -> None:
        self._changes, self._clock, self._beat, self._most = changes, clock, beat, most
        self._feeds: dict[tuple[Topic, str], _Feed] = {}
        self.closed = False
        self.watchers = 0

    @property
    def open(self) -> int:
        """How many things are being watched."""
        return len(self._feeds)

    @asynccontextmanager
    async def watch(
        self, topic: Topic, language: str, look: Look, seen: str = ""
    ) -> AsyncIterator[AsyncIterator[State | None]]:
        """The states that `look` returns, from now on; the one whose version was `seen` is not shown again.

        Between them there is None for each heartbeat without a change, and at once where there is nothing new. The
        iteration ends after a state that is over, and when the connector stops; it raises what `look` raises.

        Raises:
            WatchersError: there are too many watchers already.
        """
        if self.watchers >= self._most:
            raise WatchersError(most=self._most, seconds=AGAIN)
        key = (topic, language)
        feed = self._feeds.get(key)
        if feed is None or feed.ended:
            feed = self._feeds[key] = self._begun(topic, look)
        self.watchers += 1
        feed.watchers += 1
        try:
            yield feed.states(seen)
        finally:
            self.watchers -= 1
            feed.watchers -= 1
            if not feed.watchers:
                self._forget(key, feed)

    def close(self) -> None:
        """End all feeds, so that no watcher is shown anything more."""
        self.closed = True
        for feed in self._feeds.values():
            if feed.work is not None:
                feed.work.cancel()
            feed.end()

    def _forget(self, key: tuple[Topic, str], feed: _Feed) -> None:
        if feed.work is not None:
            feed.work.cancel()
        if self._feeds.get(key) is feed:
            del self._feeds[key]

    def _begun(self, topic: Topic, look: Look) -> _Feed:
        feed = _Feed()
        if self.closed:
            feed.end()
        else:
            feed.work = asyncio.create_task(self._work(feed, topic, look))
        return feed

    async def _work(self, feed: _Feed, topic: Topic, look: Look) -> None:
        try:
            with self._changes.listening(topic) as woken:
                while True:
                    woken.clear()
                    state = await look()
                    feed.show(state)
                    if state.over:
                        return
                    await self._pause(feed, woken)
        finally:
            feed.end()

    async def _pause(self, feed: _Feed, woken: asyncio.Event) -> None:
        """Wait until something changes, or the heartbeat is due."""
        waiting = [asyncio.ensure_future(woken.wait()), asyncio.ensure_future(self._clock.sleep(self._beat))]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
        if not woken.is_set():
            feed.beats += 1
            feed.turned()


Show = Callable[[str, str], Awaitable[JsonObject]]  # the thing with that identity, in that language, as JSON


@dataclass(frozen=True, slots=True)
class Watched:
    """A kind of thing that can be watched: its collection, and how to show one, with a `version` and a `state`.

    Any of the `scopes` allows it.
    """

    collection: Collection[Any]
    show: Show
    scopes: tuple[Scope, ...] = (Scope.READ,)
