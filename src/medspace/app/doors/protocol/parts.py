"""Parts at a job endpoint: those of a question are uploaded (PUT), those of a release fetched (GET), piece by piece.

No body is read before the caller is authenticated and the job's token is accepted. An interrupted upload resumes
where it stopped: `Content-Range: bytes */SIZE` asks how much has arrived, `bytes FIRST-LAST/SIZE` (RFC 9110 14.5)
sends the rest.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import BinaryIO, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from medspace.adapters.blobs.flow import pieces_of, store
from medspace.app.doors.bodies import json_response
from medspace.app.doors.callers import Authenticate, caller_of
from medspace.app.node.listening.http1 import STREAMED
from medspace.connector.errors import MessageError
from medspace.connector.turns import TurnLimits, Turns
from medspace.core.errors import InvalidInputError, RefusedError
from medspace.core.parts import BlobStore, Keeping, Part, PartError, Receiving, flaw_of_part
from medspace.core.text import Text, msgid

JOB_HEADER = "medspace-job"
LONGEST_JOB_TOKEN = 256
# How many uploads may run at once, in all and per member; further ones wait.
SHARE = TurnLimits(at_once=8, member=4, waiting=16)
_RANGE = re.compile(r"bytes (?:(?P<first>[0-9]{1,15})-(?P<last>[0-9]{1,15})|\*)/(?P<size>[0-9]{1,15})", re.ASCII)
_WANTED = re.compile(r"bytes=(?P<first>[0-9]{1,15})-(?P<last>[0-9]{1,15})?", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)


class UnknownPartError(RefusedError):
    """The use has released no such part."""

    code = "part.unknown"
    sentence = msgid("The use has released no part {digest}.")
    next_step = msgid("Ask for a part that a release of this use names.")


class PartLengthError(InvalidInputError):
    """A part was sent without its length."""

    code = "part.length"
    sentence = msgid("A part must be sent with Content-Length, uncompressed and not in chunks.")
    next_step = msgid("Name its length before its bytes.")


class PartOffsetError(InvalidInputError):
    """An upload resumes at an offset other than where it stopped."""

    code = "part.offset"
    sentence = msgid("{received} bytes of the part are here; what comes next begins there.")
    next_step = msgid("Send the rest from that byte on.")


class PartRangeError(InvalidInputError):
    """The requested byte range is outside the part."""

    code = "part.range"
    sentence = msgid("The part has no such bytes: it has {size}.")
    next_step = msgid("Ask for one range within it, or for all of it.")


class PartAccess(Protocol):
    """Decides who may upload and fetch which parts; implemented by usage control."""

    async def enter(self, user: str, job: str, token: str) -> Keeping:
        """The user for whom the parts of the job are kept, if the caller may upload parts to it now.

        Raises:
            UnknownJobError, JobClosedError: as for a step.
        """
        ...

    async def released(self, user: str, job: str, token: str, digest: str) -> Part | None:
        """The part that a release of this job names, while that release may leave; None where no release names it.

        Raises:
            UnknownJobError, JobClosedError: as for a step.
            NotAdmittedError: agreement or label no longer allow the answer.
        """
        ...


class PartEndpoint:
    """The two handlers, to be wrapped by code that reports errors."""

    def __init__(
        self, access: PartAccess, blobs: BlobStore, authenticate: Authenticate, share: TurnLimits = SHARE
    ) -> None:
        self._access, self._blobs, self._authenticate = access, blobs, authenticate
        self._turns = Turns(share)

    async def put(self, request: Request) -> Response:
        """Accept a part of a question, or the rest of it; or report how much of it has arrived."""
        user, job, token = await self._caller(request)
        keeping = await self._access.enter(user, job, token)
        part, span = _brought(request)
        async with self._turns.turn(user):
            if await asyncio.to_thread(self._blobs.has, keeping, part.digest):
                await _pass_over(request, 0 if span is None else span[1])
                return _receipt_response(part, part.size)
            try:
                return await self._taken(request, keeping, part, span)
            except PartOffsetError:
                await _pass_over(request, 0 if span is None else span[1])
                raise

    async def _taken(self, request: Request, keeping: Keeping, part: Part, span: tuple[int, int] | None) -> Response:
        async with self._received(keeping, part) as receiving:
            if span is not None:
                await _take(request, receiving, *span)
            if receiving.offset == part.size:
                await asyncio.to_thread(receiving.finish)
            return _receipt_response(part, receiving.offset)

    async def get(self, request: Request) -> Response:
        """Send a part of a release, or a range of it."""
        user, job, token = await self._caller(request)
        digest = request.path_params["digest"]
        keeping = await self._access.enter(user, job, token)
        part = await self._access.released(user, job, token, digest)
        if part is None:
            raise UnknownPartError(digest=digest)
        first, last = _wanted(request.headers.get("range"), part)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._turns.turn(user))
            try:
                opened = await asyncio.to_thread(self._blobs.of(keeping).open, part)
            except KeyError:
                raise UnknownPartError(digest=digest) from None
            file = stack.enter_context(opened)
            return _Sent(file, part, first, last, stack.pop_all())

    async def _caller(self, request: Request) -> tuple[str, str, str]:
        caller = await caller_of(request, self._authenticate)
        return caller.did, request.path_params["job"], request.headers.get(JOB_HEADER, "")[:LONGEST_JOB_TOKEN]

    @asynccontextmanager
    async def _received(self, keeping: Keeping, part: Part) -> AsyncIterator[Receiving]:
        receiving = await asyncio.to_thread(self._blobs.receive, keeping, part)
        try:
            yield receiving
        finally:
            await asyncio.to_thread(receiving.close)


def _brought(request: Request) -> tuple[Part, tuple[int, int] | None]:
    """Which part is uploaded, and which bytes of it are sent; none if the request only asks for the status."""
    headers, digest = request.headers, request.path_params["digest"]
    declared = headers.get("content-length", "")
    if not _NUMBER.fullmatch(declared) or "transfer-encoding" in headers:
        raise PartLengthError
    length, said = int(declared), headers.get("content-range")
    read = _RANGE.fullmatch(said or f"bytes 0-{max(length - 1, 0)}/{length}")
    if read is None:
        raise PartError(digest=digest, reason=Text(msgid("its Content-Range cannot be read")))
    part = Part(digest, headers.get("content-type", ""), int(read["size"]))
    if (flaw := flaw_of_part(part)) is not None:
        raise PartError(digest=digest, reason=flaw)
    if read["first"] is None:
        return part, None
    first, last = int(read["first"]), int(read["last"])
    if length and (last - first + 1 != length or last >= part.size):
        raise PartError(digest=digest, reason=Text(msgid("its Content-Range does not match its length")))
    return part, (first, length)


async def _pass_over(request: Request, length: int) -> None:
    """Read and discard an unneeded body: an answer before its end would be lost if the client keeps sending.

    A client that asks first whether to send (RFC 9110, section 10.1.1) is answered at once.
    """
    if "expect" in request.headers:
        return
    request.scope.get(STREAMED, _nobody)(length)
    try:
        async for _ in request.stream():
            pass
    except ClientDisconnect:
        raise MessageError(reason=Text(msgid("the client went away"))) from None


async def _take(request: Request, receiving: Receiving, first: int, length: int) -> None:
    if receiving.offset != first:
        raise PartOffsetError(received=receiving.offset)
    request.scope.get(STREAMED, _nobody)(length)
    try:
        await store(receiving, request.stream())
    except ClientDisconnect:
        raise MessageError(reason=Text(msgid("the client went away"))) from None


def _wanted(said: str | None, part: Part) -> tuple[int, int]:
    """The first and the last byte requested; a header of another form may be ignored (RFC 9110 14.2)."""
    read = _WANTED.fullmatch(said or "")
    if read is None:
        return 0, part.size - 1
    first, last = int(read["first"]), int(read["last"] or part.size)
    if first >= part.size or last < first:
        raise PartRangeError(size=part.size)
    return first, min(last, part.size - 1)


def _receipt_response(part: Part, received: int) -> Response:
    whole = received == part.size
    return json_response({"digest": part.digest, "size": part.size, "received": received}, 201 if whole else 202)


class _Sent(Response):
    """A part being sent; `held` is released however that ends."""

    def __init__(self, opened: BinaryIO, part: Part, first: int, last: int, held: AsyncExitStack) -> None:
        self._opened, self._first, self._stop, self._held = opened, first, last + 1, held
        headers = {"Accept-Ranges": "bytes", "ETag": f'"{part.digest}"', "Content-Length": str(last + 1 - first)}
        whole = last + 1 - first == part.size
        if not whole:
            headers["Content-Range"] = f"bytes {first}-{last}/{part.size}"
        super().__init__(None, 200 if whole else 206, headers, part.media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it at the client's pace, for as long as the client is there."""
        scope.get(STREAMED, _nobody)(0)
        gone = asyncio.ensure_future(_left(receive))
        async with self._held, aclosing(pieces_of(self._opened, self._first, self._stop)) as pieces:
            try:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                async for piece in pieces:
                    if gone.done():
                        return
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            finally:
                gone.cancel()


async def _left(receive: Receive) -> None:
    """Wait until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _nobody(_: int) -> None:
    """Used without a listener: there are no limits to lift."""
