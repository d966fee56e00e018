"""The one HTTP client of a connector: guarded, bounded in time and size, frugal.

Own code over asyncio and llhttp, for what it costs a call and for what it promises (docs/decisions/0009). No
environment variable is read, and no redirect followed.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from medspace.adapters.http.connection import (
    BrokenAnswerError,
    Connection,
    Exchange,
    Head,
    HttpResponse,
    NoAnswerError,
    OversizedAnswerError,
)
from medspace.adapters.http.dialling import Dialler, Resolver, system_resolver
from medspace.adapters.http.errors import AnswerTooLargeError, BadAnswerError
from medspace.adapters.http.guard import Guard, ParsedUrl
from medspace.adapters.http.pace import Pace, Stopwatch, TooSlowError
from medspace.adapters.http.patience import patient
from medspace.adapters.http.proxy import Proxy
from medspace.connector.errors import NotSentError, UnreachableError
from medspace.core.text import Text, msgid

T = TypeVar("T")
_Key = tuple[str, str, int]  # scheme, host, port

USER_AGENT = "medspace"
JSON = "application/json"
IDEMPOTENT = frozenset(("GET", "HEAD", "PUT", "DELETE"))  # of those that are used here (RFC 9110 9.2.2)
USUAL_PACE = Pace()


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Times in seconds, sizes in bytes."""

    total: float = 30.0  # for one call, everything included; a streamed body has a pace instead
    connect: float = 5.0  # for resolving, connecting and TLS
    idle: float = 4.0  # a connection is used again within; servers commonly close after 5
    answer: int = 8 * 1024 * 1024  # body, unpacked
    connections: int = 32  # at once to one origin


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A body that is sent piece by piece: `length` bytes, all pieces together."""

    length: int
    pieces: AsyncIterable[bytes]
    media_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer whose body is taken piece by piece, as it comes, at no less than the pace of the call."""

    status: int
    headers: dict[str, str]
    pieces: AsyncIterator[bytes]


@dataclass(slots=True)
class _Origin:
    """The connections to one scheme, host and port."""

    slots: asyncio.Semaphore
    idle: deque[tuple[Connection, asyncio.TimerHandle]] = field(default_factory=deque)
    users: int = 0


class HttpClient:
    """Sends requests over connections that are used again; to be closed at the end.

    `resolve` is injected by tests; the addresses that it gives are checked, and the checked ones are connected to.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        tls: ssl.SSLContext | None = None,
        resolve: Resolver = system_resolver,
        limits: ClientLimits | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self._guard = guard
        self._limits = limits or ClientLimits()
        self._dialler = Dialler(guard, tls, resolve, patience=self._limits.connect, proxy=proxy)
        self._origins: dict[_Key, _Origin] = {}

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        limit: int | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - a bound of the call, kept inside
        media_type: str = JSON,
    ) -> HttpResponse:
        """Send one request and read its whole answer. Redirects are answers like any other.

        `limit` (bytes) and `timeout` (seconds) override the client's; `media_type` is that of the body. Where a kept
        connection ends before any byte of the answer came, an idempotent request is sent once more, on a new one
        (RFC 9112 9.3.1).

        Raises:
            ForbiddenAddressError: the address must not be called; nothing was sent.
            NotSentError: there was no connection; nothing was sent.
            BadAnswerError: an answer came, but not as HTTP demands, or too large.
            UnreachableError: no answer in time; the request may have been delivered.
        """
        target = self._guard.target(url)
        length = len(body) if body or method == "POST" else None
        head = _head(method, target, {"Accept-Encoding": "gzip", **(headers or {})}, length, media_type)

        def ask(connection: Connection) -> Awaitable[HttpResponse]:
            return connection.exchange(head + body, limit or self._limits.answer)

        again = method in IDEMPOTENT
        try:
            async with patient(timeout or self._limits.total):
                with _connection_errors(url):
                    async with self._exchanged(url, target, ask, again=again) as answer:
                        return answer
        except TimeoutError:
            raise UnreachableError(address=url, reason=Text(msgid("it took too long"))) from None

    async def certificate(self, url: str) -> bytes:
        """The certificate (DER) that the server of an https URL shows, once it was verified as for any call.

        Raises:
            ForbiddenAddressError, NotSentError: as `request`; a failure of TLS is the cause of the latter.
        """
        connection = await self._dialler.dial(url, self._guard.target(url))
        try:
            return connection.certificate
        finally:
            connection.close()

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        limit: int,
        headers: Mapping[str, str] | None = None,
        body: Outgoing | None = None,
        pace: Pace = USUAL_PACE,
    ) -> AsyncIterator[Streamed]:
        """Send one request and take its answer piece by piece, both with bounded memory and no total time.

        The answer's body has at most `limit` bytes and is not packed. An answer that comes before the whole body was
        sent ends the sending. Who leaves before the end of the answer closes the connection.

        Raises:
            As `request`; also while the pieces are taken. ValueError: the body has not the length that it says.
        """
        target = self._guard.target(url)
        length, kind = (body.length, body.media_type) if body else (None, "")
        head = _head(method, target, {"Accept-Encoding": "identity", **(headers or {})}, length, kind)
        watch = Stopwatch(pace)

        async def ask(connection: Connection) -> tuple[Exchange, Head]:
            try:
                exchange = connection.begin(head, limit)
                if body is not None:
                    await _send(exchange, body, watch)
                return exchange, _plain(await watch.waits(exchange.head()))
            except BaseException:
                connection.close()
                raise

        with _connection_errors(url):
            async with self._exchanged(url, target, ask, again=body is None and method in IDEMPOTENT) as (
                exchange,
                told,
            ):
                yield Streamed(told.status, told.headers, _taken(exchange, watch))

    @asynccontextmanager
    async def _exchanged(
        self, url: str, target: ParsedUrl, ask: Callable[[Connection], Awaitable[T]], *, again: bool
    ) -> AsyncIterator[T]:
        """What comes of asking on a connection to the target; `ask` closes the connection where it fails."""
        key = (target.scheme, target.host, target.port)
        origin = self._origins.setdefault(key, _Origin(asyncio.Semaphore(self._limits.connections)))
        origin.users += 1
        try:
            async with origin.slots:
                connection, asked = await self._ask(url, target, origin, ask, again=again)
                try:
                    yield asked
                except BaseException:
                    connection.close()
                    raise
                self._keep(key, origin, connection)
        finally:
            origin.users -= 1
            self._forget(key, origin)

    async def _ask(
        self, url: str, target: ParsedUrl, origin: _Origin, ask: Callable[[Connection], Awaitable[T]], *, again: bool
    ) -> tuple[Connection, T]:
        kept = self._idle(origin)
        if kept is not None:
            try:
                return kept, await ask(kept)
            except NoAnswerError as lost:
                if lost.begun or not again:
                    raise
        fresh = await self._dialler.dial(url, target)
        return fresh, await ask(fresh)

    def _idle(self, origin: _Origin) -> Connection | None:
        while origin.idle:
            connection, expiry = origin.idle.pop()
            expiry.cancel()
            if connection.usable:
                return connection
            connection.close()
        return None

    def _keep(self, key: _Key, origin: _Origin, connection: Connection) -> None:
        if not connection.usable:
            connection.close()
            return
        expiry = asyncio.get_running_loop().call_later(self._limits.idle, self._expire, key, origin)
        origin.idle.append((connection, expiry))

    def _expire(self, key: _Key, origin: _Origin) -> None:
        # The connection that was kept first expires first; a server cannot make us hold on to one.
        connection, _ = origin.idle.popleft()
        connection.close()
        self._forget(key, origin)

    def _forget(self, key: _Key, origin: _Origin) -> None:
        if not origin.users and not origin.idle:
            self._origins.pop(key, None)

    async def close(self) -> None:
        """Close the idle connections."""
        for origin in self._origins.values():
            while origin.idle:
                connection, expiry = origin.idle.pop()
                expiry.cancel()
                connection.close()
        self._origins.clear()


@contextmanager
def _connection_errors(url: str) -> Iterator[None]:
    """What goes wrong on a connection, in the words of the connector."""
    try:
        yield
    except TooSlowError:
        raise UnreachableError(address=url, reason=Text(msgid("it took too long"))) from None
    except NoAnswerError:
        reason = Text(msgid("the connection ended before the answer was there"))
        raise UnreachableError(address=url, reason=reason) from None
    except OversizedAnswerError as error:
        raise AnswerTooLargeError(address=url, reason=Text(str(error))) from None
    except BrokenAnswerError as error:
        raise BadAnswerError(address=url, reason=Text(str(error))) from None


def _plain(head: Head) -> Head:
    if head.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        raise BrokenAnswerError(msgid("it is compressed, though it was asked for uncompressed"))
    return head


async def _send(exchange: Exchange, body: Outgoing, watch: Stopwatch) -> None:
    sent = 0
    async for piece in body.pieces:
        sent += len(piece)
        if sent > body.length:
            raise ValueError("the body is longer than it says")
        if not await watch.waits(exchange.send(piece)):
            exchange.give_up_sending()
            return
        watch.moved(len(piece))
    if sent < body.length:
        raise ValueError("the body is shorter than it says")


async def _taken(exchange: Exchange, watch: Stopwatch) -> AsyncIterator[bytes]:
    while piece := await watch.waits(exchange.chunk()):
        watch.moved(len(piece))
        yield piece


def _head(method: str, target: ParsedUrl, headers: Mapping[str, str], length: int | None, media_type: str) -> bytes:
    fields = {"Host": target.authority, "User-Agent": USER_AGENT, "Accept": JSON, **headers}
    if length is not None:
        fields |= {"Content-Length": str(length), "Content-Type": media_type}
    if not all(text.isascii() and text.isprintable() for field in fields.items() for text in field):
        # RFC 9110 5.5; a counterparty chooses the job token.
        raise NotSentError(address=target.authority, reason=Text(msgid("a header would contain invalid characters")))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {target.path} HTTP/1.1\r\n{lines}\r\n".encode()
