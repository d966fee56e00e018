"""The places of a listener: a total, a share per address, and some reserved for members.

A newcomer is not turned away while another connection is merely idle: the one that has kept us waiting longest is
closed, starting with those of the newcomer's own address. So a large number of nearly idle connections blocks
nothing.
"""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from medspace.app.node.listening.limits import Bounds, neighbourhood

MOST_KNOWN = 10_000


class Guest(Protocol):
    """A connection as the places see it."""

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn, so that no work of ours is in progress."""
        ...

    @property
    def since(self) -> float:
        """Since when it is waiting."""
        ...

    def leave(self) -> None:
        """Close it at once."""
        ...


@dataclass(eq=False, slots=True)
class ConnectionPlace:
    """A place that is held; `guest` is None until the connection is established (TLS)."""

    home: str
    taken: float
    guest: Guest | None = None
    proven: bool = False
    evict: Callable[[], None] = field(default=lambda: None)

    @property
    def standing(self) -> tuple[bool, float]:
        """The lower, the sooner it is closed to make room."""
        return self.proven, self.taken if self.guest is None else self.guest.since


class ConnectionPlaces:
    """The places of one listener."""

    def __init__(self, bounds: Bounds, now: Callable[[], float] = time.monotonic) -> None:
        self._bounds = bounds
        self._now = now
        self._homes: dict[str, set[ConnectionPlace]] = defaultdict(set)
        self._count = 0
        self._known: OrderedDict[str, float] = OrderedDict()
        self._requests: dict[str, int] = defaultdict(int)
        self._refused: OrderedDict[str, float] = OrderedDict()  # until when its recent refusals count
        self._arrived: OrderedDict[str, tuple[float, float]] = OrderedDict()  # how many recently, and when that was

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return self._count

    def take(self, address: str, *, proxy: bool = False) -> ConnectionPlace | None:
        """A place for a connection from this address; None where no other connection can be closed for it.

        A `proxy` of ours serves many addresses and has no share of its own; `request` counts what comes through it.
        """
        home, bounds = neighbourhood(address), self._bounds
        if not proxy and not self._arrives(home):
            return None
        known = proxy or self._is_known(home)
        mine = self._homes.get(home, set())
        if not proxy and len(mine) >= self._share(home) and not self._make_room(mine):
            return None
        most = bounds.places if known else bounds.places - bounds.kept
        if self._count >= most and not self._make_room(self._largest()):
            return None
        place = ConnectionPlace(home, self._now())
        self._homes[home].add(place)
        self._count += 1
        return place

    def free(self, place: ConnectionPlace) -> None:
        """Give a place back; repeating it does nothing."""
        held = self._homes.get(place.home)
        if held is None or place not in held:
            return
        held.remove(place)
        self._count -= 1
        if not held:
            del self._homes[place.home]

    def prove(self, address: str) -> None:
        """A member has authenticated from this address."""
        home = neighbourhood(address)
        self._known[home] = self._now()
        self._known.move_to_end(home)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    def relieve(self) -> bool:
        """Close the connection that has kept us waiting longest, whoever it is: file descriptors have run out."""
        return self._make_room(place for held in self._homes.values() for place in held)

    def rest(self, place: ConnectionPlace) -> float:
        """Seconds for which a connection that was told to come back later is not read.

        All connections of one address share them, so using many connections does not make retries faster.
        """
        now, bounds = self._now(), self._bounds
        free = min(max(self._refused.get(place.home, now), now) + 1 / bounds.refusals, now + bounds.longest_rest)
        self._refused[place.home] = free
        self._refused.move_to_end(place.home)
        if len(self._refused) > MOST_KNOWN:
            self._refused.popitem(last=False)
        return free - now

    @contextmanager
    def request(self, address: str) -> Iterator[bool]:
        """Count a request from an address that a proxy reported, while it is answered.

        False where there are too many.
        """
        home = neighbourhood(address)
        self._requests[home] += 1
        try:
            yield self._requests[home] <= self._share(home)
        finally:
            self._requests[home] -= 1
            if not self._requests[home]:
                del self._requests[home]

    def _arrives(self, home: str) -> bool:
        """Whether an address may connect again: a bucket of `burst` that drains by `arrivals` per second."""
        now, bounds = self._now(), self._bounds
        count, when = self._arrived.get(home, (0.0, now))
        count = max(count - (now - when) * bounds.arrivals, 0.0)
        came = count + 1 <= bounds.burst
        self._arrived[home] = (count + 1 if came else count, now)
        self._arrived.move_to_end(home)
        if len(self._arrived) > MOST_KNOWN:
            self._arrived.popitem(last=False)
        return came

    def _share(self, home: str) -> int:
        return self._bounds.known_share if self._is_known(home) else self._bounds.share

    def _is_known(self, home: str) -> bool:
        proven = self._known.get(home)
        return proven is not None and self._now() - proven <= self._bounds.memory

    def _largest(self) -> set[ConnectionPlace]:
        strangers = [held for home, held in self._homes.items() if not self._is_known(home)]
        return max(strangers or self._homes.values(), key=len, default=set())

    def _make_room(self, places: Iterable[ConnectionPlace]) -> bool:
        waiting = [place for place in places if place.guest is None or place.guest.waits]
        if not waiting:
            return False
        place = min(waiting, key=lambda one: one.standing)
        self.free(place)
        if place.guest is not None:
            place.guest.leave()
        else:
            place.evict()
        return True
