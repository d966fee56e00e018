"""Watching a thing through the management API: each state as it comes, across interrupted connections."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import httpx

from medspace.core.canonical import JsonObject

OVER = frozenset({"finished", "failed", "cancelled", "FINALIZED", "COMPLETED", "TERMINATED"})  # of what is watched
NOTHING_MORE, CROWDED = 204, 503
BEAT = 15.0  # seconds after which the connector sends a heartbeat
SILENCE = 60.0  # seconds without a byte after which a connection counts as broken
POLL = 10  # seconds that a request waits at a connector that has no place for another watcher
PAUSE = 1.0  # seconds before reconnecting ...
ATTEMPTS = 30  # ... at most this often in a row: a connector that restarts is unavailable for a while


@dataclass(frozen=True, slots=True)
class Event:
    """One event: the last id received, and its data."""

    id: str
    data: str


def events(chunks: Iterable[bytes]) -> Iterator[Event | None]:
    """The events of a stream (WHATWG HTML 9.2.6); None for each comment. An incomplete last event is dropped.

    Lines end with LF, or CR LF: a connector writes no others, and `str.splitlines` would split JSON at other
    characters.
    """
    last, data = "", list[str]()
    for line in _lines(chunks):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield Event(last, "\n".join(data))
            data = []
        elif not name:
            yield None
        elif name == "data":
            data.append(value)
        elif name == "id" and "\0" not in value:
            last = value


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    rest: list[bytes] = []
    for chunk in chunks:
        *whole, last = chunk.split(b"\n")
        for line in whole:
            yield b"".join([*rest, line]).removesuffix(b"\r").decode()
            rest = []
        rest.append(last)


@dataclass(frozen=True, slots=True)
class Watch:
    """A watched thing: its path, and the client to use; `read` returns a body, or raises the error in it."""

    client: httpx.Client
    path: str
    read: Callable[[httpx.Response], JsonObject]
    pause: Callable[[float], None] = time.sleep

    def states(self, wait: float, seen: str = "") -> Iterator[JsonObject]:
        """Each state that differs from the one whose version was `seen`, up to the final one.

        It reconnects after an interruption, and polls where there is no place to watch; it ends after `wait` seconds.

        Raises:
            httpx.TransportError: nothing answers at first, or the connector does not come back.
        """
        end, breaks = time.monotonic() + wait, None
        while (left := end - time.monotonic()) > 0:
            try:
                for state in self._stream(seen, left):
                    seen, breaks = state["version"], 0
                    yield state
                    if state["state"] in OVER:
                        return
            except httpx.ReadTimeout:
                continue  # nothing came for that long: the time is over, or the connection is broken
            except httpx.TransportError:
                if breaks is None or breaks >= ATTEMPTS:
                    raise
                breaks += 1
                self.pause(min(PAUSE, left))

    def _stream(self, seen: str, left: float) -> Iterator[JsonObject]:
        """The events of one connection."""
        began, silence = time.monotonic(), min(SILENCE, left)
        fields = {"Last-Event-ID": seen} if seen else {}
        limits = httpx.Timeout(SILENCE, read=silence)
        with self.client.stream("GET", f"/events{self.path}", headers=fields, timeout=limits) as response:
            if response.status_code == CROWDED:
                response.read()
                yield from self._asked(seen, left)
            elif response.status_code == NOTHING_MORE or response.is_error:
                response.read()
                yield self.read(self.client.get(self.path) if response.is_success else response)
            else:
                for event in events(response.iter_bytes()):
                    if event is not None:
                        yield json.loads(event.data)
                    elif left - (time.monotonic() - began) < BEAT:
                        return  # the next connection waits only for the remaining time
                raise httpx.RemoteProtocolError("the stream ended")

    def _asked(self, seen: str, left: float) -> Iterator[JsonObject]:
        found = self.read(self.client.get(self.path, params={"seen": seen, "wait": min(POLL, left)}))
        if found["version"] != seen:
            yield found
