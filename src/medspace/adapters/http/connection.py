"""One HTTP/1.1 connection on asyncio, parsed by llhttp (RFC 9112): one exchange at a time, everything bounded.

Security model: the other side may be hostile. It gets no upgrade, no second answer to one request, and
no more memory than the limits say: what nobody has taken yet is not read on. Time is bounded by the caller, redirects
are answers like any other.
"""

import asyncio
import ssl
import zlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import cast

import httptools

from medspace.core.text import msgid

MOST_HEADER_BYTES = 32 * 1024
MOST_WAITING = 256 * 1024  # bytes of a body that wait to be taken; more is not read
_INFORMAL = range(100, 200)
_GZIP = 16 + zlib.MAX_WBITS


class BrokenAnswerError(Exception):
    """What came is not an answer that we take; its text is a msgid."""


class OversizedAnswerError(BrokenAnswerError):
    """It is larger than we take; asking again makes it no smaller."""


class NoAnswerError(Exception):
    """The connection ended before the whole answer was there; `begun` says whether any byte of it came."""

    def __init__(self, *, begun: bool) -> None:
        super().__init__("the connection ended early")
        self.begun = begun


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer; header names are in lower case."""

    status: int
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A whole answer; header names are in lower case, `body` is decompressed."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class _Reading:
    """An answer that is on its way."""

    limit: int
    headers: dict[str, str] = field(default_factory=dict)
    chunks: deque[bytes] = field(default_factory=deque)
    waiting: int = 0  # bytes in `chunks`
    head_bytes: int = 0
    body_bytes: int = 0
    all_bytes: int = 0
    status: int = 0  # once the head is whole
    whole: bool = False
    failure: Exception | None = None

    @property
    def answered(self) -> bool:
        """Whether there is nothing more to send: the answer has begun, or never will."""
        return bool(self.status) or self.failure is not None


class Connection(asyncio.Protocol):
    """The client's side of one connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reading: _Reading | None = None
        self._closed = False
        self._ended = False  # the other side said that nothing more will come
        self._choked = False  # the other side takes no more at the moment
        self._news: asyncio.Future[None] | None = None

    @property
    def usable(self) -> bool:
        """Whether another exchange may begin on it."""
        return not self._closed and self._reading is None

    @property
    def certificate(self) -> bytes:
        """The other side's certificate (DER); empty without TLS."""
        tls = None if self._transport is None else self._transport.get_extra_info("ssl_object")
        return b"" if tls is None else tls.getpeercert(binary_form=True) or b""

    async def exchange(self, request: bytes, limit: int) -> HttpResponse:
        """Send a request and wait for its answer, whose body has at most `limit` bytes, packed and unpacked.

        A caller that stops waiting closes the connection.

        Raises:
            NoAnswerError: the connection ended too early.
            BrokenAnswerError: not HTTP/1.1, or larger than the limits.
        """
        try:
            asked = self.begin(request, limit)
            head = await asked.head()
            body = b"".join([chunk async for chunk in asked.chunks()])
            return HttpResponse(
                head.status, head.headers, unpacked(body, head.headers.get("content-encoding", ""), limit)
            )
        except BaseException:
            self.close()
            raise

    def begin(self, request: bytes, limit: int) -> "Exchange":
        """Send a request, or its head and what is there of its body; the answer's body has at most `limit` bytes.

        Raises:
            NoAnswerError: the connection has ended.
        """
        if self._transport is None or not self.usable:
            raise NoAnswerError(begun=False)
        self._reading = _Reading(limit)
        self._transport.write(request)
        return Exchange(self, self._reading)

    def close(self) -> None:
        """End the connection at once, whatever is on its way."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    # --- what an exchange asks of it ---------------------------------------------------------------------------

    async def send(self, reading: _Reading, piece: bytes) -> bool:
        """Send more of the body, at the pace of the other side; False where the answer has begun already."""
        if reading.answered or self._transport is None:
            return False
        self._transport.write(piece)
        while self._choked and not reading.answered:
            await self._changed()
        return not reading.answered

    def give_up_sending(self) -> None:
        """The rest of the body is not sent; so nothing more can be asked here (RFC 9112 9.3)."""
        self._closed = True

    async def head_of(self, reading: _Reading) -> Head:
        """The head of an answer, once it is there."""
        while not reading.answered:
            await self._changed()
        if not reading.status:
            raise cast("Exception", reading.failure)
        return Head(reading.status, reading.headers)

    async def chunk_of(self, reading: _Reading) -> bytes:
        """The next piece of the body; empty at its end."""
        while not reading.chunks:
            if reading.failure is not None:
                raise reading.failure
            if reading.whole:
                return b""
            await self._changed()
        chunk = reading.chunks.popleft()
        reading.waiting -= len(chunk)
        if reading.waiting <= MOST_WAITING // 2 and reading is self._reading and self._transport is not None:
            self._transport.resume_reading()
        return chunk

    async def _changed(self) -> None:
        self._news = asyncio.get_running_loop().create_future()
        await self._news

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    # --- asyncio.Protocol --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast("asyncio.Transport", transport)  # other event loops have classes of their own

    def pause_writing(self) -> None:
        """The other side takes what we send more slowly than we send it."""
        self._choked = True

    def resume_writing(self) -> None:
        """It has taken it."""
        self._choked = False
        self._tell()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        reading = self._reading
        if reading is None:  # nobody asked: a second answer must never be taken for the next one
            self.close()
            return
        reading.all_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # An error of ours, raised in a call-back, comes wrapped.
            cause = error.__context__
            self._fail(
                cause if isinstance(cause, BrokenAnswerError) else BrokenAnswerError(msgid("it is not HTTP/1.1"))
            )
            return
        # Heads, interim answers, chunk framing and trailers count too; honest ones are no larger than the body.
        allowed = MOST_HEADER_BYTES + (2 * reading.limit if reading.status else 0)
        if reading.all_bytes > allowed and self._reading is reading:
            self._fail(OversizedAnswerError(msgid("it is too large")))

    def eof_received(self) -> None:
        """The other side sends nothing more; under TLS only what it signed counts (RFC 9112 9.8)."""
        self._ended = _took_leave(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side, or the network, ended it."""
        self._closed = True
        reading = self._reading
        if reading is None:
            return
        if exc is None and self._ended and reading.status and _until_close(reading.headers):
            self._finish(reading)
        else:
            self._fail(NoAnswerError(begun=reading.all_bytes > 0))

    # --- call-backs of the parser ------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """An answer begins."""
        if self._reading is None:
            self._closed = True  # nobody asked for it

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header field; fields of one name are joined (RFC 9110 5.3)."""
        reading = self._reading
        if reading is None or reading.status:  # trailers are not for us
            return
        reading.head_bytes += len(name) + len(value)
        if reading.head_bytes > MOST_HEADER_BYTES:
            raise OversizedAnswerError(msgid("it is too large"))
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        known = reading.headers.get(key)
        reading.headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        """The head is whole."""
        status = self._parser.get_status_code()
        if self._reading is not None and status not in _INFORMAL:
            self._reading.status = status
            self._tell()

    def on_body(self, chunk: bytes) -> None:
        """A part of the body."""
        reading = self._reading
        if reading is None:
            return
        reading.body_bytes += len(chunk)
        if reading.body_bytes > reading.limit:
            raise OversizedAnswerError(msgid("it is too large"))
        reading.chunks.append(chunk)
        reading.waiting += len(chunk)
        if reading.waiting > MOST_WAITING and self._transport is not None:
            self._transport.pause_reading()
        self._tell()

    def on_message_complete(self) -> None:
        """The answer is whole; interim answers (RFC 9110 15.2) are passed over."""
        reading = self._reading
        if reading is None:
            return
        if self._parser.get_status_code() in _INFORMAL:
            reading.headers.clear()
            return
        if not self._parser.should_keep_alive():
            self._closed = True
        if self._transport is not None:
            self._transport.resume_reading()  # to hear of its end
        self._finish(reading)

    def _finish(self, reading: _Reading) -> None:
        self._reading = None
        reading.whole = True
        self._tell()

    def _fail(self, error: Exception) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.failure = error
            self._tell()
        self.close()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that was begun, and its answer. One task awaits it, and closes the connection if it leaves early."""

    _connection: Connection
    _reading: _Reading

    async def send(self, piece: bytes) -> bool:
        """Send a piece of the request's body; False where the answer has begun, so that no more is wanted."""
        return await self._connection.send(self._reading, piece)

    def give_up_sending(self) -> None:
        """Leave the rest of the request's body away."""
        self._connection.give_up_sending()

    async def head(self) -> Head:
        """The head of the answer.

        Raises:
            NoAnswerError, BrokenAnswerError: as for `Connection.exchange`.
        """
        return await self._connection.head_of(self._reading)

    async def chunk(self) -> bytes:
        """The next piece of the answer's body as it was sent, packed or not; empty at its end.

        Raises:
            NoAnswerError, BrokenAnswerError: as for `Connection.exchange`.
        """
        return await self._connection.chunk_of(self._reading)

    async def chunks(self) -> AsyncIterator[bytes]:
        """All pieces of the answer's body."""
        while chunk := await self.chunk():
            yield chunk


def _took_leave(transport: asyncio.Transport | None) -> bool:
    """Whether the end of what came was meant: under TLS, whether it came with a close_notify (RFC 8446 6.1).

    asyncio tells both ends alike: only the TLS object knows them apart.
    """
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object") if transport is not None else None
    if tls is None:
        return True
    try:
        return tls.read(1) == b""
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False


def _until_close(headers: dict[str, str]) -> bool:
    # RFC 9112 6.3: without a length, the body ends with the connection.
    return "content-length" not in headers and "transfer-encoding" not in headers


def unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content coding: none, or gzip (RFC 9110 8.4.1).

    Raises:
        BrokenAnswerError: another coding, not whole, or more than `limit` bytes when unpacked.
    """
    if encoding.strip().lower() in ("", "identity"):
        return body
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        raise BrokenAnswerError(msgid("it is compressed, but not with gzip"))
    packed = zlib.decompressobj(_GZIP)
    try:
        plain = packed.decompress(body, limit + 1)
    except zlib.error:
        raise BrokenAnswerError(msgid("its gzip data are corrupt")) from None
    if len(plain) > limit:
        raise OversizedAnswerError(msgid("it is too large when unpacked"))
    if not packed.eof or packed.unused_data:
        raise BrokenAnswerError(msgid("its gzip data are corrupt"))
    return plain
