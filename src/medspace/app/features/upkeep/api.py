"""Backups, in the management API: the owner's alone, since a backup holds all keys."""

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response
from pydantic import Field
from starlette.requests import ClientDisconnect

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import Body, router
from medspace.app.features.upkeep.downloads import LARGEST_CHECKED, BackupRoom
from medspace.connector.errors import MessageError
from medspace.core.text import Text, msgid

LONGEST_PASSPHRASE = 1024
LONGEST_LINE = 8 * 1024  # bytes of the line in front of a file


class BackupBody(Body):
    """The passphrase of a new backup; `without_database` where a server keeps the records."""

    passphrase: Annotated[str, Field(max_length=LONGEST_PASSPHRASE, repr=False)]
    without_database: bool = False


def routes(room: BackupRoom) -> APIRouter:
    """`POST /backups` makes one, `GET /backups/{id}` is its file, `POST /backups/check` reads one."""
    routes = router("upkeep")

    @routes.get("/backups", **needs())
    async def shown(by: Acting) -> Response:
        ready = room.ready(by)
        told = {"config": room.config, "whole": room.whole, "largest": LARGEST_CHECKED}
        return json_response({**told, "ready": None if ready is None else ready.shown})

    @routes.post("/backups", **needs())
    async def make(body: BackupBody, by: Acting) -> Response:
        made = await room.make(body.passphrase, by, without_database=body.without_database)
        return json_response(made, 201)

    @routes.post("/backups/check", **needs())
    async def check(request: Request, name: Annotated[str, Query(max_length=512)] = "") -> Response:
        pieces = aiter(request.stream())
        passphrase, rest = await _first_line(pieces)
        return json_response(await room.check(passphrase, name or "-", _joined(rest, pieces)))

    @routes.get("/backups/{backup}", response_class=FileResponse, **needs())
    async def download(backup: str, by: Acting) -> Response:
        found = room.one(backup, by)
        return FileResponse(found.file, media_type="application/octet-stream", filename=found.name)

    return routes


async def _first_line(pieces: AsyncIterator[bytes]) -> tuple[str, bytes]:
    """The passphrase, which stands as a JSON text in the first line, in front of the file; and what came after it."""
    head = b""
    async for piece in pieces:
        head += piece
        if b"\n" in head or len(head) > LONGEST_LINE:
            break
    line, _, rest = head.partition(b"\n")
    try:
        return msgspec.json.decode(line[:LONGEST_LINE], type=str), rest
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MessageError(reason=Text(msgid("there is no passphrase in its first line"))) from None


async def _joined(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    try:
        async for piece in pieces:
            yield piece
    except ClientDisconnect:
        raise MessageError(reason=Text(msgid("the client went away"))) from None
