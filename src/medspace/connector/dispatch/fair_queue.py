"""Who may send now: slots for messages in flight, shared fairly among the members that they go to.

A member that accepts connections and never answers occupies its own few slots and nobody else's; after a few attempts
without an answer it is only probed, one message at a time and ever less often, until it answers again.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from medspace.connector.dispatch.rules import RetryPolicy
from medspace.core.clock import Randomness

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sharing:
    """The most messages in flight: `at_once` in all, per `member`, and to all `silent` (unresponsive) members."""

    at_once: int = 64
    member: int = 4
    silent: int = 32


@dataclass(slots=True)
class _Queue(Generic[T]):
    waiting: deque[T] = field(default_factory=deque)
    flying: int = 0
    silences: int = 0  # consecutive attempts without an answer
    opens: datetime | None = None  # no attempt before this instant


class FairQueue(Generic[T]):
    """Messages waiting for a slot, by member; the state of a member is forgotten once nothing refers to it."""

    def __init__(self, sharing: Sharing, patience: RetryPolicy, randomness: Randomness) -> None:
        self._sharing = sharing
        self._patience = patience
        self._randomness = randomness
        self._queues: dict[str, _Queue[T]] = {}
        self._turns: deque[str] = deque()  # members for which something waits, in turn
        self._flying = 0
        self._tried: set[str] = set()  # silent members with a message in flight

    def enter(self, member: str, item: T) -> None:
        """Wait for a slot."""
        queue = self._queues.setdefault(member, _Queue())
        if not queue.waiting:
            self._turns.append(member)
        queue.waiting.append(item)

    def next(self, now: datetime) -> list[T]:
        """The items that get a slot now, one per member in turn; each item keeps its slot until `leave`."""
        found: list[T] = []
        blocked = 0
        while self._turns and blocked < len(self._turns) and self._flying < self._sharing.at_once:
            member = self._turns.popleft()
            queue = self._queues[member]
            if self._open(queue, now):
                found.append(queue.waiting.popleft())
                queue.flying += 1
                self._flying += 1
                self._mark(member, queue)
                blocked = 0
            else:
                blocked += 1
            if queue.waiting:
                self._turns.append(member)
        return found

    def opens(self, now: datetime) -> datetime | None:
        """When the next silent member may be probed again; None where nothing waits for one."""
        closed = (self._queues[member].opens for member in self._turns)
        return min((opens for opens in closed if opens is not None and opens > now), default=None)

    def leave(self, member: str) -> None:
        """Give a slot back."""
        queue = self._queues[member]
        queue.flying -= 1
        self._flying -= 1
        self._mark(member, queue)
        if not (queue.flying or queue.waiting or queue.silences):
            del self._queues[member]

    def answered(self, member: str) -> None:
        """The member answered, whatever the answer."""
        queue = self._queues[member]
        queue.silences, queue.opens = 0, None
        self._mark(member, queue)

    def set_back(self, by: timedelta) -> None:
        """The clock was set back: waits must not become longer by that."""
        for queue in self._queues.values():
            queue.opens = None if queue.opens is None else queue.opens - by

    def silent(self, member: str, now: datetime, overdue: Callable[[T], bool]) -> list[T]:
        """The member did not answer. Removes its overdue items from the queue and returns them."""
        queue = self._queues[member]
        queue.silences += 1
        self._mark(member, queue)
        if self._is_silent(queue):
            pause = self._patience.pause(queue.silences - self._patience.silences + 1, self._randomness)
            queue.opens = now + timedelta(seconds=pause)
        late = [item for item in queue.waiting if overdue(item)]
        if late:
            queue.waiting = deque(item for item in queue.waiting if not overdue(item))
            if not queue.waiting:
                self._turns.remove(member)
        return late

    def _open(self, queue: _Queue[T], now: datetime) -> bool:
        if not self._is_silent(queue):
            return queue.flying < self._sharing.member
        tried = len(self._tried) < self._sharing.silent
        return tried and not queue.flying and (queue.opens is None or queue.opens <= now)

    def _is_silent(self, queue: _Queue[T]) -> bool:
        return queue.silences >= self._patience.silences

    def _mark(self, member: str, queue: _Queue[T]) -> None:
        if queue.flying and self._is_silent(queue):
            self._tried.add(member)
        else:
            self._tried.discard(member)
