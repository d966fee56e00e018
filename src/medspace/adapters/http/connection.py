"""One HTTP/1.1 connection on asyncio, parsed by llhttp (RFC 9112): one exchange at a time, everything bounded.

Security model: the other side may be hostile. It gets no upgrade, no second answer to one request, and
no more memory than the limits say. Time is bounded by the caller, redirects are answers like any other.
"""

import asyncio
import zlib
from dataclasses import dataclass, field
from typing import cast

import httptools

from medspace.core.text import msgid

MOST_HEADER_BYTES = 32 * 1024
_INFORMAL = range(100, 200)
_GZIP = 16 + zlib.MAX_WBITS


class BrokenAnswerError(Exception):
    """What came is not an answer that we take; its text is a msgid."""


class NoAnswerError(Exception):
    """The connection ended before the whole answer was there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names are in lower case, `body` is decompressed."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class _Reading:
    """An answer that is on its way."""

    done: "asyncio.Future[Answer]"
    limit: int
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    head_bytes: int = 0
    body_bytes: int = 0
    all_bytes: int = 0
    headers_complete: bool = False


class Connection(asyncio.Protocol):
    """The client's side of one connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reading: _Reading | None = None
        self._closed = False

    @property
    def usable(self) -> bool:
        """Whether another exchange may begin on it."""
        return not self._closed and self._reading is None

    async def exchange(self, request: bytes, limit: int) -> Answer:
        """Send a request and wait for its answer, whose body has at most `limit` bytes, packed and unpacked.

        A caller that stops waiting closes the connection.

        Raises:
            NoAnswerError: the connection ended too early.
            BrokenAnswerError: not HTTP/1.1, or larger than the limits.
        """
        if self._transport is None or not self.usable:
            raise NoAnswerError("the connection is closed")
        done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._reading = _Reading(done, limit)
        try:
            self._transport.write(request)
            return await done
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connection at once, whatever is on its way."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast("asyncio.Transport", transport)  # other event loops have classes of their own

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
        allowed = MOST_HEADER_BYTES + (2 * reading.limit if reading.headers_complete else 0)
        if reading.all_bytes > allowed and self._reading is reading:
            self._fail(BrokenAnswerError(msgid("it is too large")))

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side, or the network, ended it."""
        self._closed = True
        reading = self._reading
        if reading is None or reading.done.done():
            return
        whole = exc is None and reading.headers_complete and _until_close(reading.headers)
        if whole:
            self._finish(reading)
        else:
            self._fail(NoAnswerError("the connection ended early"))

    # call-backs of the parser

    def on_message_begin(self) -> None:
        """An answer begins."""
        if self._reading is None:
            self._closed = True  # nobody asked for it

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header field; fields of one name are joined (RFC 9110 5.3)."""
        reading = self._reading
        if reading is None or reading.headers_complete:  # trailers are not for us
            return
        reading.head_bytes += len(name) + len(value)
        if reading.head_bytes > MOST_HEADER_BYTES:
            raise BrokenAnswerError(msgid("it is too large"))
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        known = reading.headers.get(key)
        reading.headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._reading is not None and self._parser.get_status_code() not in _INFORMAL:
            self._reading.headers_complete = True

    def on_body(self, chunk: bytes) -> None:
        """A part of the body."""
        reading = self._reading
        if reading is None:
            return
        reading.body_bytes += len(chunk)
        if reading.body_bytes > reading.limit:
            raise BrokenAnswerError(msgid("it is too large"))
        reading.chunks.append(chunk)

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
        self._finish(reading)

    def _finish(self, reading: _Reading) -> None:
        self._reading = None
        try:
            body = unpacked(b"".join(reading.chunks), reading.headers.get("content-encoding", ""), reading.limit)
        except BrokenAnswerError as error:
            self._settle(reading, error)
        else:
            self._settle(reading, Answer(self._parser.get_status_code(), reading.headers, body))

    def _fail(self, error: Exception) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            self._settle(reading, error)
        self.close()

    @staticmethod
    def _settle(reading: _Reading, outcome: Answer | Exception) -> None:
        if reading.done.done():
            return
        if isinstance(outcome, Answer):
            reading.done.set_result(outcome)
        else:
            reading.done.set_exception(outcome)


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
        raise BrokenAnswerError(msgid("it is packed in another way than gzip"))
    packed = zlib.decompressobj(_GZIP)
    try:
        plain = packed.decompress(body, limit + 1)
    except zlib.error:
        raise BrokenAnswerError(msgid("its gzip is broken")) from None
    if len(plain) > limit:
        raise BrokenAnswerError(msgid("it is too large when unpacked"))
    if not packed.eof or packed.unused_data:
        raise BrokenAnswerError(msgid("its gzip is broken"))
    return plain
