"""Turns at the work that costs: one step of a use at a time for each member, members served in turn.

A member that asks for much waits behind itself, not in front of the others.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from medspace.core.errors import WaitingError
from medspace.core.text import msgid

SECONDS = 2  # after which who was not let in may ask again


class BusyError(WaitingError):
    """A member has more steps waiting than one member may."""

    code = "job.crowded"
    sentence = msgid("{count} of your steps wait here already.")
    next_step = msgid("Ask again in {seconds} seconds.")


@dataclass(frozen=True, slots=True)
class Share:
    """How many steps are worked on at once: in all, for one member; and how many of a member may wait."""

    at_once: int = 2
    member: int = 1
    waiting: int = 16


class Turns:
    """Who works, who waits."""

    def __init__(self, share: Share | None = None) -> None:
        self._share = share or Share()
        self._working: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def idle(self) -> bool:
        """Whether nobody works and nobody waits."""
        return not self._working and not self._waiting

    def free(self, member: str) -> bool:
        """Whether a member that comes now has its turn at once."""
        return member not in self._waiting and self._has_room(member)

    @asynccontextmanager
    async def turn(self, member: str) -> AsyncIterator[None]:
        """Hold a turn of the member.

        Raises:
            BusyError: too many of its steps wait.
        """
        await self.enter(member)
        try:
            yield
        finally:
            self.leave(member)

    async def enter(self, member: str) -> None:
        """Wait for a turn of the member, and take it; whoever takes it lets it go with `leave`.

        Raises:
            BusyError: too many of its steps wait.
        """
        if self.free(member):
            self._working[member] += 1
            return
        queue = self._waiting.setdefault(member, deque())
        if len(queue) >= self._share.waiting:
            raise BusyError(count=len(queue), seconds=SECONDS)
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(called)
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled():
                self.leave(member)  # it was called, and goes without
            else:
                self._forget(member, called)
            raise

    def _has_room(self, member: str) -> bool:
        share, working = self._share, self._working
        return working.total() < share.at_once and working[member] < share.member

    def leave(self, member: str) -> None:
        """Let a turn of the member go."""
        self._working[member] -= 1
        if not self._working[member]:
            del self._working[member]
        if member in self._waiting:
            self._waiting.move_to_end(member)
        self._call()

    def _call(self) -> None:
        for member in list(self._waiting):
            if not self._has_room(member):
                continue
            called = self._waiting[member].popleft()  # waits still: who gave up has left the queue
            self._working[member] += 1
            if not self._waiting[member]:
                del self._waiting[member]
            called.set_result(None)

    def _forget(self, member: str, called: "asyncio.Future[None]") -> None:
        queue = self._waiting.get(member)
        if queue is not None and called in queue:
            queue.remove(called)
            if not queue:
                del self._waiting[member]
