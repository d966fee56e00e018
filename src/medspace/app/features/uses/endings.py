"""Both sides keep that an agreement was ended, by whom and for which cause: `POST /agreements/ended`, and its sender.

The Dataspace Protocol has no message for it (DSP 2025-1, 7). Security model: only a party of the agreement with a
valid ID token is heard, and what it says can end its own agreement only, which it may end anyway. The end counts
from the transaction in which it is stored on either side, whether the other one was reached or not.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from medspace.app.doors.bodies import json_response, problem_response, read_body
from medspace.app.doors.callers import caller_of
from medspace.app.features.uses.ending import UNTOLD, AgreementEnding, UntoldEnding
from medspace.app.node.node import Node
from medspace.connector.errors import MessageError, UnreachableError
from medspace.connector.usage import ended
from medspace.connector.usage.model import ENDED
from medspace.connector.wire import stated_reason
from medspace.core.canonical import JsonObject
from medspace.core.decoding import read_json
from medspace.core.errors import MedspaceError
from medspace.core.store import Transaction
from medspace.core.text import msgid
from medspace.trust.did import base_url
from medspace.trust.errors import DidError

DOOR = "/agreements/ended"
LARGEST = 8 * 1024  # bytes
SOON, LATER = 1.0, 60.0  # seconds before the other side is told again; doubled in between
HEARD = range(200, 500)  # statuses that no repetition changes
OK, BUSY = 200, 429
_LOGGER = logging.getLogger("medspace.usage")


class EndedMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That the sender has ended an agreement, for which cause, and why in words."""

    agreement: Annotated[str, msgspec.Meta(max_length=512)]
    cause: Annotated[str, msgspec.Meta(max_length=64)] = ""
    reason: Annotated[str, msgspec.Meta(max_length=2_000)] = ""


@dataclass(frozen=True, slots=True)
class EndedDoor:
    """Hears that the other party has ended an agreement."""

    node: Node

    def routes(self) -> list[Route]:
        """The route of the public listener."""
        return [Route(DOOR, self._answer, methods=["POST"])]

    async def _answer(self, request: Request) -> Response:
        try:
            caller = await caller_of(request, self.node.authenticate)
            told = read_message(await read_body(request, LARGEST))
            reason = " ".join(stated_reason({"reason": told.reason}).reason)
            local, by_them = self.node.local, {"cause": told.cause, "ender": caller.did}
            await self.node.database.write(lambda tx: ended.end(tx, local, told.agreement, reason, **by_them))
        except MedspaceError as error:
            return problem_response(error)
        return json_response({"agreement": told.agreement})


def read_message(content: bytes) -> EndedMessage:
    """The message.

    Raises:
        MessageError: it cannot be read.
    """
    try:
        return read_json(content, EndedMessage)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise MessageError(reason=msgid("it does not say which agreement was ended")) from error


@dataclass(slots=True)
class Endings:
    """What follows once an agreement is ended: its uses are terminated, and the other side is told."""

    node: Node
    ending: AgreementEnding
    pause: float = field(default=SOON)

    async def work(self) -> None:
        """Do so, now and whenever one is ended; until cancelled."""
        await self.ending.sweep()
        with self.node.changes.listening(ENDED.topic(), UNTOLD.topic()) as woken:
            while True:
                woken.clear()
                await self.ending.newest()
                left = await self.tell()
                self.pause = min(2 * self.pause, LATER) if left else SOON
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.pause if left else None):
                        await woken.wait()

    async def tell(self) -> int:
        """Tell each other side that was not told yet; returns how many are left."""
        untold = await self.node.database.read(lambda tx: list(tx.find(UNTOLD, limit=ended.MOST_AT_ONCE)))
        return sum([not await self._told(one) for one in untold])

    async def _told(self, one: UntoldEnding) -> bool:
        message = await self.node.database.read(lambda tx: _message(tx, one))
        try:
            url = f"{base_url(one.counterparty)}{DOOR}"
            reply = await self.node.transport.post(url, message, one.counterparty)
        except (UnreachableError, DidError):
            return False
        if reply.status not in HEARD or reply.status == BUSY:
            return False
        await self.node.database.write(lambda tx: tx.delete(UNTOLD, one))
        if reply.status != OK:
            _LOGGER.warning("ending.unheard", extra={"facts": {"agreement": one.id, "status": reply.status}})
        return True


def _message(tx: Transaction, one: UntoldEnding) -> JsonObject:
    made = tx.get(ENDED, one.id)
    return {"agreement": one.id} | ({"cause": made.cause, "reason": made.reason} if made else {})
