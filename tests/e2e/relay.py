"""Byte relays between connectors: everything that goes over TCP is carried on, and written down.

A connector that stands behind one has the relay's address as its own (`url`), so that all others call it there.
"""

import asyncio
import gzip
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

BLOCK = 64 * 1024


@dataclass
class Connection:
    """What went over one connection to a node: what its caller said, and what the node said."""

    node: str
    said: bytearray = field(default_factory=bytearray)
    answered: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class Message:
    """A request or an answer (RFC 9112): its head, and its body, put together of chunks and unpacked."""

    head: bytes
    body: bytes


@dataclass
class Relay:
    """Carries what comes to one port on to another one of this machine."""

    node: str
    port: int
    target: int
    heard: list[Connection]
    _server: asyncio.Server | None = None
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def open(self) -> None:
        """Listen, if it does not yet."""
        if self._server is None:
            self._server = await asyncio.start_server(self._met, "127.0.0.1", self.port)

    async def close(self) -> None:
        """Listen no longer, and hang up."""
        if self._server is not None:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._server = None

    def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection to its end; where the node does not listen, the caller is hung up on."""
        one = Connection(self.node)
        self.heard.append(one)
        try:
            with suppress(OSError):
                inner, outer = await asyncio.open_connection("127.0.0.1", self.target)
                try:
                    await asyncio.gather(_copy(reader, outer, one.said), _copy(inner, writer, one.answered))
                finally:
                    await _hung_up(outer)
        finally:
            await _hung_up(writer)


def passed_on(block: bytes) -> bytes:
    """What is carried on of what came; a test puts somebody who changes it in this place."""
    return block


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: bytearray) -> None:
    """Bytes of one direction; its end is carried on as well."""
    while block := await reader.read(BLOCK):
        heard += block
        writer.write(passed_on(block))
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()


async def _hung_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def messages(content: bytes) -> Iterator[Message]:
    """The whole messages of one direction of a connection, one after the other; what is cut off is left out."""
    at = 0
    while (end := content.find(b"\r\n\r\n", at)) >= 0:
        head, at = content[at:end], end + 4
        named = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
        if named.get(b"transfer-encoding", b"").strip() == b"chunked":
            body, at = _dechunked(content, at)
        else:
            length = int(named.get(b"content-length", b"0"))
            body, at = content[at : at + length], at + length
        if at > len(content):
            return
        if named.get(b"content-encoding", b"").strip() == b"gzip":
            body = gzip.decompress(body)
        yield Message(head, body)


def _dechunked(content: bytes, at: int) -> tuple[bytes, int]:
    """A body without its chunks (RFC 9112 7.1; nobody here sends trailers), and where it ends."""
    body = b""
    while True:
        line = content.find(b"\r\n", at)
        if line < 0:
            return body, len(content) + 1
        size = int(content[at:line].partition(b";")[0], 16)
        body, at = body + content[line + 2 : line + 2 + size], line + 2 + size + 2
        if not size:
            return body, at
