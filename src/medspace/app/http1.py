"""The HTTP/1.1 protocol of a listener, with bounds on everything that a client sends and on how it takes answers.

uvicorn bounds none of it, and llhttp, which parses, only the form (RFC 9112). Bytes are fed to the parser in slices,
so that a bound is felt before much more is held. What breaks a bound is answered, where nothing else was answered
yet, and the connection ends: what follows on it cannot be trusted to be a request.
"""

import asyncio
from functools import cache
from typing import Any, cast

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from medspace.app.connection_places import ConnectionPlace, ConnectionPlaces
from medspace.app.listener_limits import Bounds, CrowdedError, Network, RequestRefusedError, forwarded, within
from medspace.core.errors import MedspaceError
from medspace.core.text import Text, msgid

PROVEN = "medspace.proven"  # in a scope: to be called once the caller is known to be a member
# In a scope: to be called, with the bytes of its body, by who takes a large body or gives a large answer: the request
# has a pace from then on in place of the usual size and time.
STREAMED = "medspace.streamed"
RETRY_AFTER = 5  # seconds
TOO_MANY = 429
_SLICE = 16 * 1024
_SINGLE = frozenset((b"host", b"authorization", b"content-type", b"content-encoding", b"medspace-job", b"expect"))
_PLAIN = (b"", b"identity")

_HEAD_SIZE = Text(msgid("its head is too large"))
_HEAD_TIME = Text(msgid("its head did not arrive in time"))
_BODY_SIZE = Text(msgid("its body is too large"))
_BODY_TIME = Text(msgid("its body did not arrive in time"))
_TRAILERS = Text(msgid("it has trailer fields"))
_CHUNKS = Text(msgid("its body comes in too many pieces"))
_PIPELINED = Text(msgid("too many requests wait on one connection"))
_FORM = Text(msgid("it is not HTTP/1.1"))
_HOST = Text(msgid("it names no host, or more than one"))
_TWICE = Text(msgid("a field that may stand once stands twice"))
_PACKED = Text(msgid("its body is packed"))
_UPGRADE = Text(msgid("it asks for another protocol and brings a body"))
_TARGET = Text(msgid("its address is too long"))


class _Leaving:
    """A transport whose `close` takes leave properly (`Bounded.take_leave`)."""

    def __init__(self, transport: asyncio.Transport, connection: "Bounded") -> None:
        self._transport = transport
        self._connection = connection

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the transport has
        return getattr(self._transport, name)

    def close(self) -> None:
        self._connection.take_leave()

    def is_closing(self) -> bool:
        return self._connection.leaving or self._transport.is_closing()


class Bounded(HttpToolsProtocol):
    """One connection of a client, within bounds."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        bounds: Bounds,
        places: ConnectionPlaces,
        place: ConnectionPlace,
        proxies: tuple[Network, ...] = (),
    ) -> None:
        super().__init__(config, server_state, {})
        self.parser.set_dangerous_leniencies(lenient_data_after_close=False)
        self.bounds = bounds
        self.leaving = False
        self.since = self.loop.time()
        self._places, self._place, self._proxies = places, place, proxies
        self._raw: asyncio.Transport | None = None
        self._receiving: RequestResponseCycle | None = None  # whose body is on its way
        self._unanswered = 0
        self._watch: asyncio.TimerHandle | None = None
        self._farewell: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._later = False  # whether the last answer said: come back later
        self._flaw: tuple[int, Text] | None = None
        self._in_head = True
        self._deaf = False  # whether what follows is in another protocol
        self._bytes = 0  # since `_began`
        self._began = 0.0
        self._large = 0  # bytes that the body which is on its way may have beyond the bounds' own
        self._flowing: RequestResponseCycle | None = None  # whose answer may take its time, at its pace
        self._sent = self._taken = 0  # bytes of that answer: given to the connection, and taken when last looked
        self._sizes = dict.fromkeys(("head", "fields", "body", "framing", "chunks", "late"), 0)

    # --- asyncio ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """The connection stands: a head is awaited."""
        self._raw = transport
        super().connection_made(cast("asyncio.Transport", _Leaving(transport, self)))
        self._place.guest = self
        self._await("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        for timer in (self._watch, self._farewell, self._taking, self._resting):
            if timer is not None:
                timer.cancel()
        self.leaving = True
        self._places.free(self._place)
        self._drop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came: fed to the parser slice by slice, for as long as they keep the bounds."""
        step = len(data) if self._large else _SLICE
        for at in range(0, len(data), step):
            if self.leaving or self._deaf:
                self._discard(len(data) - at)
                return
            self._feed(data[at : at + step])

    def _feed(self, piece: bytes) -> None:
        if self._watch is None and not self._unanswered:
            self._await("head")  # also for line ends between two requests, which begin nothing
        self._bytes += len(piece)
        super().data_received(piece)
        self._sizes["head" if self._in_head else "framing"] += len(piece)
        self._check_sizes()
        if self._flaw is not None:
            self.refuse(*self._flaw)

    def _check_sizes(self) -> None:
        sizes, bounds = self._sizes, self.bounds
        if self._flaw is not None:
            return
        if self._in_head and sizes["head"] > bounds.head:
            self._flaw = 431, _HEAD_SIZE
        elif sizes["body"] > max(bounds.body, self._large):
            self._flaw = 413, _BODY_SIZE
        elif sizes["chunks"] > bounds.chunks or sizes["framing"] - sizes["body"] > bounds.framing:
            self._flaw = 400, _CHUNKS

    # --- the parser -------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._large = True, 0
        self._sizes = dict.fromkeys(self._sizes, 0)
        if len(self.pipeline) >= self.bounds.pipelined:
            self._flaw = 400, _PIPELINED
        if self._watch is None:
            self._await("head")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head; one behind the body is never a field of the request."""
        if not self._in_head:
            if not self.bounds.trailers:
                self._flaw = 400, _TRAILERS
            return
        self._sizes["fields"] += 1
        if self._sizes["fields"] > self.bounds.fields:
            self._flaw = 431, _HEAD_SIZE
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        self._sizes["framing"] = 0
        self._flaw = self._flaw or self._flaw_of_head()
        if self._flaw is not None:
            return
        self._unanswered += 1
        before = self.cycle
        super().on_headers_complete()
        self._receiving = self.cycle if self.cycle is not before else None
        self._await("body")

    def _flaw_of_head(self) -> tuple[int, Text] | None:
        if len(self.url) > self.bounds.target:
            return 414, _TARGET
        names = [name for name, _ in self.headers if name in _SINGLE]
        if self.parser.get_http_version() == "1.1" and names.count(b"host") != 1:
            return 400, _HOST  # RFC 9112 3.2
        if len(set(names)) < len(names):
            return 400, _TWICE
        lengths = [value for name, value in self.headers if name in (b"content-length", b"transfer-encoding")]
        if self.parser.should_upgrade() and any(length.strip(b" 0") for length in lengths):
            return 400, _UPGRADE  # llhttp passes over the body of such a request
        packed = next((value for name, value in self.headers if name == b"content-encoding"), b"")
        return None if packed.strip().lower() in _PLAIN else (415, _PACKED)

    def on_chunk_header(self) -> None:
        """A piece of a chunked body begins."""
        self._sizes["chunks"] += 1

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        if self._flaw is None:
            self._sizes["body"] += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole: it is our turn."""
        if self._flaw is not None:
            return
        self._receiving = None
        self._stop_watching()
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        # RFC 9110 7.8: an upgrade may be ignored. What follows is in another protocol, so nothing more is read.
        self._deaf = True
        if self._flaw is not None:
            return
        if self._unanswered:
            self.cycle.keep_alive = False
        else:
            self.take_leave()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP/1.1."""
        del msg
        self._flaw = self._flaw or (400, _FORM)

    # --- answers ----------------------------------------------------------------------------------------------

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's type
        super()._start_asgi_task(cycle, self._answering(cycle, app))

    def _answering(self, cycle: RequestResponseCycle, app: ASGIApp) -> Any:  # noqa: ANN401 - uvicorn's type
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            async def told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self._later = message["status"] == TOO_MANY
                    self._begin_answer(cycle)
                elif cycle is self._flowing:
                    self._sent += len(message.get("body", b""))
                await send(cast("Any", message))

            address = self._forwarded(scope)
            scope[PROVEN] = lambda: self._prove(address)
            scope[STREAMED] = lambda size: self._let_flow(cycle, size)
            if address is None:
                await app(scope, receive, told)
                return
            with self._places.request(address) as free:
                await (app if free else crowded)(scope, receive, told)

        return answer

    def _let_flow(self, cycle: RequestResponseCycle, size: int) -> None:
        self._flowing, self._sent, self._taken = cycle, 0, 0
        if self._receiving is cycle:
            self._large = size
            self._await("body")

    def _begin_answer(self, cycle: RequestResponseCycle) -> None:
        if cycle.more_body and not self.bounds.unread:
            cycle.keep_alive = False  # what is left of its body is not waited for
        self._expect_taking(self.bounds.flow_window if cycle is self._flowing else self.bounds.taking)

    def _expect_taking(self, seconds: float) -> None:
        if self._taking is not None:
            self._taking.cancel()
        self._taking = self.loop.call_later(seconds, self._not_taken)

    def _not_taken(self) -> None:
        left = self._raw.get_write_buffer_size() if self._raw is not None else 0
        if self._flowing is None or self._flowing.response_complete:
            if left:
                self.leave()
            return
        before, self._taken = self._taken, self._sent - left
        if left and self._taken - before < self.bounds.flow * self.bounds.flow_window:
            self.leave()
        else:
            self._expect_taking(self.bounds.flow_window)

    def _forwarded(self, scope: Scope) -> str | None:
        peer = self.client[0] if self.client else ""
        return forwarded(scope["headers"], self._proxies) if within(peer, self._proxies) else None

    def _prove(self, address: str | None) -> None:
        self._place.proven = True
        if address is not None:
            self._places.prove(address)
        elif self.client is not None and not within(self.client[0], self._proxies):
            self._places.prove(self.client[0])

    def on_response_complete(self) -> None:
        """A request was answered."""
        self._unanswered = max(self._unanswered - 1, 0)
        self.since = self.loop.time()
        super().on_response_complete()
        if self._later and not self.leaving and not self.pipeline:
            self.flow.pause_reading()  # a client that asks again at once costs nothing meanwhile
            self._resting = self.loop.call_later(self._places.rest(self._place), self.flow.resume_reading)

    # --- places -----------------------------------------------------------------------------------------------

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn."""
        return not self._unanswered or self._receiving is not None

    def leave(self) -> None:
        """End at once."""
        self.leaving = True
        self._drop()
        if self._raw is not None:
            self._raw.abort()

    def take_leave(self) -> None:
        """End once our answer is taken; what is still on its way is thrown away, so that no reset destroys it."""
        if self.leaving or self._raw is None:
            return
        self.leaving = True
        self._stop_watching()
        if self._receiving is None and self._flaw is None:
            self._raw.close()
            self._farewell = self.loop.call_later(self.bounds.taking, self._raw.abort)
            return
        self._farewell = self.loop.call_later(self.bounds.farewell, self._raw.abort)
        if self._raw.can_write_eof():
            self._raw.write_eof()
        self.flow.resume_reading()

    def _discard(self, count: int) -> None:
        self._sizes["late"] += count
        if self._sizes["late"] > self.bounds.farewell_bytes and self._raw is not None:
            self._raw.abort()

    def refuse(self, status: int, reason: Text) -> None:
        """Answer what breaks a bound, where no other answer is due before, and end."""
        if self.leaving:
            return
        self._flaw = status, reason
        mine, begun = self._receiving, self._receiving is not None and self._receiving.response_started
        earlier = self._unanswered - (mine is not None)
        self._drop()
        if earlier or begun:
            self.leave()
            return
        self.transport.write(_answer(status, RequestRefusedError(reason=reason)))
        self.take_leave()

    def _drop(self) -> None:
        """Nobody waits for what is being answered any more."""
        waiting = [cycle for cycle, _ in self.pipeline]
        self.pipeline.clear()
        for cycle in (*waiting, self._receiving, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    # --- times ------------------------------------------------------------------------------------------------

    def _await(self, part: str) -> None:
        self._stop_watching()
        self._bytes, self._began = 0, self.loop.time()
        self.since = self._began
        self._watch = self.loop.call_later(self.bounds.looks, self._look, part)

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _look(self, part: str) -> None:
        if self.flow.read_paused:  # it is we who do not read: an earlier request is being answered
            self._await(part)
            return
        if self._large and part == "body":
            self._look_at_flow()
            return
        bounds, waited = self.bounds, self.loop.time() - self._began
        longest = bounds.head_seconds if part == "head" else bounds.body_seconds
        if waited >= longest or (waited > bounds.patience and self._bytes < bounds.rate * waited):
            self._watch = None
            if part == "head" and not self._sizes["head"]:
                self.leave()  # nothing came at all
            else:
                self.refuse(408, _HEAD_TIME if part == "head" else _BODY_TIME)
        else:
            self._watch = self.loop.call_later(bounds.looks, self._look, part)

    def _look_at_flow(self) -> None:
        if self.loop.time() - self._began < self.bounds.flow_window:
            self._watch = self.loop.call_later(self.bounds.looks, self._look, "body")
        elif self._bytes < self.bounds.flow * self.bounds.flow_window:
            self._watch = None
            self.refuse(408, _BODY_TIME)
        else:
            self._await("body")


async def crowded(scope: Scope, receive: Receive, send: Send) -> None:
    """Tell one address that it asks too much at once."""
    del scope, receive
    content = _content(CrowdedError(seconds=RETRY_AFTER))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    headers.append((b"retry-after", str(RETRY_AFTER).encode()))
    await send({"type": "http.response.start", "status": TOO_MANY, "headers": headers})
    await send({"type": "http.response.body", "body": content})


@cache
def full() -> bytes:
    """What a connection is told for which there is no place."""
    return _answer(503, CrowdedError(seconds=RETRY_AFTER))


def _content(error: MedspaceError) -> bytes:
    return msgspec.json.encode({"code": error.code, "reason": [str(error.text), str(error.advice)]})


def _answer(status: int, error: MedspaceError) -> bytes:
    content = _content(error)
    after = f"retry-after: {RETRY_AFTER}\r\n" if isinstance(error, CrowdedError) else ""
    head = f"content-type: application/json\r\ncontent-length: {len(content)}\r\n{after}connection: close\r\n\r\n"
    return STATUS_LINE[status] + head.encode() + content
