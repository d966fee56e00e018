"""Turns at expensive work: one step of a use at a time per member, with members served in turn.

A member that asks for a lot delays only itself.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from medspace.core.errors import WaitingError
from medspace.core.text import msgid

SECONDS = 2  # seconds after which a member that was turned away may ask again


class BusyError(WaitingError):
    """A member has more steps waiting than one member may."""

    code = "job.crowded"
    sentence = msgid("{count} of your steps wait here already.")
    next_step = msgid("Ask again in {seconds} seconds.")


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """How many steps run at once, in all and per member, and how many steps of a member may wait."""

    at_once: int = 2
    member: int = 1
    waiting: int = 16


class Turns:
    """Who is working, and who is waiting."""

    def __init__(self, share: TurnLimits | None = None) -> None:
        self._share = share or TurnLimits()
        self._working: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def idle(self) -> bool:
        """Whether nobody is working or waiting."""
        return not self._working and not self._waiting

    def free(self, member: str) -> bool:
        """Whether a member that arrives now gets its turn at once."""
        return member not in self._waiting and self._has_room(member)

    @asynccontextmanager
    async def turn(self, member: str) -> AsyncIterator[None]:
        """Hold a turn for the member.

        Raises:
            BusyError: too many of its steps are waiting.
        """
        await self.enter(member)
        try:
            yield
        finally:
            self.leave(member)

    async def enter(self, member: str) -> None:
        """Wait for a turn for the member, and take it; `leave` gives it back.

        Raises:
            BusyError: too many of its steps are waiting.
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
                self.leave(member)  # it was given a turn just now, and gives it back
            else:
                self._forget(member, called)
            raise

    def _has_room(self, member: str) -> bool:
        share, working = self._share, self._working
        return working.total() < share.at_once and working[member] < share.member

    def leave(self, member: str) -> None:
        """Give back a turn of the member."""
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
            called = self._waiting[member].popleft()  # still waiting: those who gave up have left the queue
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
