"""Parts of questions brought to a job endpoint, parts of releases fetched from it: resumed where they broke off.

What is fetched counts once its digest was verified, whoever gave it. A broken connection costs what was on its way;
an attempt that moved nothing costs patience, and after a few of them the site is away.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from medspace.adapters.blobs.flow import pieces_of, store
from medspace.adapters.http.client import HttpClient, Outgoing, Streamed
from medspace.adapters.http.connection import HttpResponse
from medspace.adapters.http.errors import BadAnswerError
from medspace.adapters.http.pace import Pace
from medspace.connector.errors import UnreachableError
from medspace.core.decoding import read_json
from medspace.core.parts import Blobs, BlobStore, Keeping, Part, PartError, Receiving
from medspace.core.text import Text, msgid

ATTEMPTS = 4  # that moved nothing, one after the other
PAUSE = 0.5  # seconds before the next of them, twice as long each time
LARGEST_REPLY = 64 * 1024  # bytes
PACE = Pace()
WHOLE, CREATED, ACCEPTED, PARTIAL, CONFLICT = 200, 201, 202, 206, 409
_TAKING = msgid("it still takes the part from an earlier connection")
_RANGE = re.compile(r"bytes (?P<first>[0-9]{1,15})-(?P<last>[0-9]{1,15})/(?P<size>[0-9]{1,15})", re.ASCII)

# The headers of one call, with a token that is good for once; what an answer that refuses means.
Headers = Callable[[], dict[str, str]]
Refused = Callable[[HttpResponse], Exception]


class _Received(msgspec.Struct, frozen=True):
    received: int


@dataclass(frozen=True, slots=True)
class PartClient:
    """Brings and fetches parts. `pause` is in seconds."""

    client: HttpClient
    refused: Refused
    pace: Pace = PACE
    pause: float = PAUSE

    async def put(self, url: str, headers: Headers, part: Part, blobs: Blobs) -> None:
        """Bring a part to where `url` says; nothing is sent that is there already.

        Raises:
            KeyError: we have no such part. UnreachableError: several attempts moved nothing.
            What `refused` makes of an answer.
        """
        with blobs.open(part) as opened:

            async def attempt(seen: _PartProgress) -> bool:
                there = await self._ask(url, headers, part)
                seen.note(there)
                return there == part.size or await self._bring(url, headers, part, opened, there) == part.size

            await self._persist(url, attempt)

    async def fetch(self, url: str, headers: Headers, part: Part, blobs: BlobStore, keeping: Keeping) -> None:
        """Fetch a part of a release into a store of ours; nothing is fetched that is there already.

        Raises:
            BadAnswerError: it has another digest than the release says.
            UnreachableError, and what `refused` makes of an answer: as for `put`.
        """
        if await asyncio.to_thread(blobs.has, keeping, part.digest):
            return

        async def attempt(seen: _PartProgress) -> bool:
            receiving = await asyncio.to_thread(blobs.receive, keeping, part)
            try:
                seen.note(receiving.offset)
                if receiving.offset < part.size:
                    await self._take(url, headers, part, receiving)
                await asyncio.to_thread(receiving.finish)
            except PartError as error:
                raise BadAnswerError(address=url, reason=error.facts["reason"]) from error
            finally:
                await asyncio.to_thread(receiving.close)
            return True

        await self._persist(url, attempt)

    async def _persist(self, url: str, attempt: Callable[["_PartProgress"], Awaitable[bool]]) -> None:
        """Attempt again and again, for as long as something moves."""
        seen = _PartProgress()
        while True:
            failure = UnreachableError(address=url, reason=Text(msgid("it did not take all of a part")))
            try:
                if await attempt(seen):
                    return
            except BadAnswerError:
                raise
            except UnreachableError as error:
                failure = error
            seen.failures += 1
            if seen.failures >= ATTEMPTS:
                raise failure
            await asyncio.sleep(self.pause * 2 ** (seen.failures - 1))

    async def _ask(self, url: str, headers: Headers, part: Part) -> int:
        """How much of a part is there."""
        asked = headers() | {"Content-Range": f"bytes */{part.size}"}
        body = Outgoing(0, _nothing(), part.media_type)
        async with self.client.stream("PUT", url, headers=asked, limit=LARGEST_REPLY, body=body) as got:
            return await self._received(url, got, part)

    async def _bring(self, url: str, headers: Headers, part: Part, opened: BinaryIO, there: int) -> int:
        span = headers() | {"Content-Range": f"bytes {there}-{part.size - 1}/{part.size}"}
        body = Outgoing(part.size - there, pieces_of(opened, there, part.size), part.media_type)
        async with self.client.stream(
            "PUT", url, headers=span, limit=LARGEST_REPLY, body=body, pace=self.pace
        ) as got:
            return await self._received(url, got, part)

    async def _received(self, url: str, got: Streamed, part: Part) -> int:
        content = b"".join([piece async for piece in got.pieces])
        if got.status == CONFLICT:  # the connection that broke is not over for the other side yet
            raise UnreachableError(
                address=url, reason=Text(msgid("it still takes the part from an earlier connection"))
            )
        if got.status not in (CREATED, ACCEPTED):
            raise self.refused(HttpResponse(got.status, got.headers, content))
        try:
            there = read_json(content, _Received).received
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            there = -1
        if not 0 <= there <= part.size or (there == part.size) != (got.status == CREATED):
            raise BadAnswerError(address=url, reason=Text(msgid("it does not say how much of the part is there")))
        return there

    async def _take(self, url: str, headers: Headers, part: Part, receiving: Receiving) -> None:
        begin, left = receiving.offset, part.size - receiving.offset
        asked = headers() | {"Accept": part.media_type}
        if begin:
            asked |= {"Range": f"bytes={begin}-"}
        async with self.client.stream(
            "GET", url, headers=asked, limit=max(left, LARGEST_REPLY), pace=self.pace
        ) as got:
            if got.status not in (WHOLE, PARTIAL):
                content = b"".join([piece async for piece in got.pieces])[:LARGEST_REPLY]
                raise self.refused(HttpResponse(got.status, got.headers, content))
            if _first(got) != begin:
                raise BadAnswerError(
                    address=url, reason=Text(msgid("it sends other bytes of the part than were asked for"))
                )
            await store(receiving, got.pieces)


@dataclass(slots=True)
class _PartProgress:
    """How much of a part was seen to have arrived, and how many attempts have failed since."""

    there: int = -1
    failures: int = 0

    def note(self, there: int) -> None:
        """An attempt begins with so many bytes."""
        if there > self.there:
            self.there, self.failures = there, 0


def _first(got: Streamed) -> int:
    """The first byte of a part that an answer has; -1 where it does not say."""
    if got.status == WHOLE:
        return 0
    read = _RANGE.fullmatch(got.headers.get("content-range", ""))
    return int(read["first"]) if read else -1


async def _nothing() -> AsyncIterator[bytes]:
    pieces: tuple[bytes, ...] = ()
    for piece in pieces:
        yield piece
