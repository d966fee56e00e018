"""The HTTP/1.1 protocol of a listener, with limits on everything a client sends and on how slowly it reads answers.

uvicorn limits none of this, and llhttp, the parser, only the syntax (RFC 9112). Bytes are fed to the parser in
slices, so that a limit takes effect before much more is buffered. A violation is answered, unless another answer was
sent already, and the connection is closed: what follows on it cannot be trusted to be a request.
"""

import asyncio
from collections.abc import Iterable
from functools import cache
from typing import Any, cast

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from medspace.app.node.language import ENGLISH, header_language, speaker
from medspace.app.node.listening.limits import (
    Bounds,
    CrowdedError,
    Network,
    RequestRefusedError,
    StoppingError,
    forwarded,
    within,
)
from medspace.app.node.listening.places import ConnectionPlace, ConnectionPlaces
from medspace.core.errors import MedspaceError
from medspace.core.text import Text, msgid

PROVEN = "medspace.proven"  # key in a scope: to be called once the caller is known to be a member
# Key in a scope: to be called, with the size of its body in bytes, by a handler that takes a large body or gives a
# large answer. From then on the request has a minimum pace in place of the usual size and time limits.
STREAMED = "medspace.streamed"
# Key in a scope: to be called by a handler that answers for as long as the client listens. Such an answer has neither
# a size nor a time limit; the connection is closed if the client reads nothing within the usual time.
LASTING = "medspace.lasting"
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
_TWICE = Text(msgid("a field that may occur once occurs twice"))
_PACKED = Text(msgid("its body is packed"))
_UPGRADE = Text(msgid("it asks for another protocol and brings a body"))
_TARGET = Text(msgid("its address is too long"))


class _Leaving:
    """A transport whose `close` lingers first (`Bounded.take_leave`)."""

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
    """One connection of a client, within limits."""

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
        self._receiving: RequestResponseCycle | None = None  # whose body is arriving
        self._unanswered = 0
        self._watch: asyncio.TimerHandle | None = None
        self._farewell: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._later = False  # whether the last answer asked the client to come back later
        self._flaw: tuple[int, Text] | None = None
        self._in_head = True
        self._deaf = False  # whether the following bytes are in another protocol
        self._bytes = 0  # since `_began`
        self._began = 0.0
        self._large = 0  # bytes that the arriving body may have in addition to the usual limit
        self._flowing: RequestResponseCycle | None = None  # whose answer has a minimum pace instead of a time limit
        self._lasting: RequestResponseCycle | None = None  # whose answer is open-ended
        self._sent = self._taken = (
            0  # bytes of that answer: passed to the connection, and read by the client at the last check
        )
        self._sizes = dict.fromkeys(("head", "fields", "body", "framing", "chunks", "late"), 0)

    # --- asyncio ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """The connection is established: a request head is awaited."""
        self._raw = transport
        super().connection_made(cast("asyncio.Transport", _Leaving(transport, self)))
        self._place.guest = self
        self._await("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        for timer in (self._watch, self._farewell, self._taking, self._resting):
            if timer is not None:
                timer.cancel()
        self.leaving = True
        self._places.free(self._place)
        self._drop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes arrived: fed to the parser slice by slice, while they stay within the limits."""
        step = len(data) if self._large else _SLICE
        for at in range(0, len(data), step):
            if self.leaving or self._deaf:
                self._discard(len(data) - at)
                return
            self._feed(data[at : at + step])

    def _feed(self, piece: bytes) -> None:
        if self._watch is None and not self._unanswered:
            self._await("head")  # also for line ends between two requests, which start nothing
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
        """A header field; one after the body is never a field of the request."""
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
        """The head is complete."""
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
            return 400, _UPGRADE  # llhttp skips the body of such a request
        packed = next((value for name, value in self.headers if name == b"content-encoding"), b"")
        return None if packed.strip().lower() in _PLAIN else (415, _PACKED)

    def on_chunk_header(self) -> None:
        """A chunk of a chunked body begins."""
        self._sizes["chunks"] += 1

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        if self._flaw is None:
            self._sizes["body"] += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete: it is our turn."""
        self._check_sizes()  # what went beyond a limit with its last bytes is refused as well, with an answer
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
        """The input is not HTTP/1.1."""
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

            try:
                await self._admit(cycle, app, scope, receive, told)
            except asyncio.CancelledError:  # uvicorn's, after the grace period of a stopping connector
                if cycle.response_started:
                    self.leave()
                else:
                    cycle.keep_alive = False
                    await stopping(scope, told)

        return answer

    async def _admit(
        self, cycle: RequestResponseCycle, app: ASGIApp, scope: Scope, receive: Receive, told: Send
    ) -> None:
        address = self._forwarded(scope)
        scope[PROVEN] = lambda: self._prove(address)
        scope[STREAMED] = lambda size: self._let_flow(cycle, size)
        scope[LASTING] = lambda: self._let_last(cycle)
        if address is None:
            await app(scope, receive, told)
            return
        with self._places.request(address) as free:
            await (app if free else crowded)(scope, receive, told)

    def _let_flow(self, cycle: RequestResponseCycle, size: int) -> None:
        self._flowing, self._sent, self._taken = cycle, 0, 0
        if self._receiving is cycle:
            self._large = size
            self._await("body")

    def _let_last(self, cycle: RequestResponseCycle) -> None:
        self._lasting = cycle
        self._let_flow(cycle, 0)

    def _begin_answer(self, cycle: RequestResponseCycle) -> None:
        if cycle.more_body and not self.bounds.unread:
            cycle.keep_alive = False  # the rest of its body is not awaited
        self._expect_taking(self.bounds.flow_window if self._has_pace(cycle) else self.bounds.taking)

    def _has_pace(self, cycle: RequestResponseCycle | None) -> bool:
        return cycle is self._flowing and cycle is not self._lasting

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
        bounds, paced = self.bounds, self._has_pace(self._flowing)
        if left and self._taken - before < (bounds.flow * bounds.flow_window if paced else 1):
            self.leave()
        else:
            self._expect_taking(bounds.flow_window if paced else bounds.taking)

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
            self.flow.pause_reading()  # a client that retries at once must cost nothing meanwhile
            self._resting = self.loop.call_later(self._places.rest(self._place), self.flow.resume_reading)

    # --- places -----------------------------------------------------------------------------------------------

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn."""
        return not self._unanswered or self._receiving is not None

    def leave(self) -> None:
        """Close at once."""
        self.leaving = True
        self._drop()
        if self._raw is not None:
            self._raw.abort()

    def take_leave(self) -> None:
        """Close once our answer is read.

        Incoming data is discarded meanwhile, so that no reset destroys the answer.
        """
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
        """Answer a violation of a limit, unless another answer is due first, and close."""
        if self.leaving:
            return
        self._flaw = status, reason
        mine, begun = self._receiving, self._receiving is not None and self._receiving.response_started
        earlier = self._unanswered - (mine is not None)
        self._drop()
        if earlier or begun:
            self.leave()
            return
        self.transport.write(_answer(status, RequestRefusedError(reason=reason), _language(self.headers or ())))
        self.take_leave()

    def _drop(self) -> None:
        """Abandon the answer in progress: nobody waits for it."""
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
        if self.flow.read_paused:  # we are not reading: an earlier request is being answered
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
                self.leave()  # nothing arrived at all
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
    """The response to an address that has too many requests or connections."""
    del receive
    await _send(TOO_MANY, CrowdedError(seconds=RETRY_AFTER), scope, send)


async def stopping(scope: Scope, send: Send) -> None:
    """The response to waiting requests when the connector stops."""
    await _send(503, StoppingError(), scope, send)


async def _send(status: int, error: MedspaceError, scope: Scope, send: Send) -> None:
    content = _content(error, _language(scope["headers"]))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    headers.append((b"retry-after", str(RETRY_AFTER).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


@cache
def full() -> bytes:
    """The response to a connection for which there is no place."""
    return _answer(503, CrowdedError(seconds=RETRY_AFTER))


def _language(fields: Iterable[tuple[bytes, bytes]]) -> str:
    wished = next((value for name, value in fields if name == b"accept-language"), b"")
    return header_language(wished.decode("latin-1"))


def _content(error: MedspaceError, language: str = ENGLISH) -> bytes:
    """An error in the form of either listener: the protocol's `reason`, and the management API's sentences."""
    speak = speaker(language)
    sentence, advice = error.text.render(speak), error.advice.render(speak)
    told = {"code": error.code, "sentence": sentence, "next_step": advice, "exit_code": error.exit_code}
    return msgspec.json.encode({**told, "reason": [sentence, advice]})


def _answer(status: int, error: MedspaceError, language: str = ENGLISH) -> bytes:
    content = _content(error, language)
    after = f"retry-after: {RETRY_AFTER}\r\n" if isinstance(error, CrowdedError) else ""
    head = f"content-type: application/json\r\ncontent-length: {len(content)}\r\n{after}connection: close\r\n\r\n"
    return STATUS_LINE[status] + head.encode() + content
