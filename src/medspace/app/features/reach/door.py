"""A member asks to be called back: `POST /reach` on the public listener.

Security model: only a caller with a valid ID token is called back, and only at the address that its own DID stands
for, with a fixed path, so that nobody chooses host, port or path. The call passes the guard like any other, follows
no redirect, and over https only reaches a server with a certificate for that very name. A failure is reported as a
code and the flaw of the certificate, without address or time, so that a member who points its own name at other
addresses learns nothing about them. One call at a time per member, one in ten seconds; a small answer to a small
question.
"""

import asyncio
from dataclasses import dataclass, field

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from medspace.adapters.http.client import HttpClient
from medspace.app.doors.bodies import json_response, problem_response, read_body
from medspace.app.doors.callers import Authenticate, caller_of
from medspace.app.features.reach.sight import Sight, look
from medspace.core.clock import Clock
from medspace.core.errors import MedspaceError, WaitingError
from medspace.core.text import msgid
from medspace.trust.did import base_url

DOOR = "/reach"
EVERY = 10.0  # seconds between two calls for one member
AT_ONCE = 4  # calls for all members together
LONGEST = 12.0  # seconds for one
MOST_KEPT = 10_000  # members whose last call is remembered
BUSY = 429


class ReachBusyError(WaitingError):
    """A member is being called back already, or was a moment ago; or there are too many calls."""

    code = "reach.busy"
    sentence = msgid("You were called a moment ago, or too many others are being called.")
    next_step = msgid("Ask again in {seconds} seconds.")


@dataclass(slots=True)
class ReachDoor:
    """Calls members back with the connector's HTTP client."""

    client: HttpClient
    clock: Clock
    authenticate: Authenticate
    _last: dict[str, float] = field(default_factory=dict)
    _calling: int = 0

    def routes(self) -> list[Route]:
        """The route of the public listener."""
        return [Route(DOOR, self._answer, methods=["POST"])]

    async def _answer(self, request: Request) -> Response:
        try:
            caller = await caller_of(request, self.authenticate)
            await read_body(request, 0)  # there is nothing to report
            sight = await self.called(caller.did)
        except MedspaceError as error:
            return problem_response(error, BUSY if isinstance(error, ReachBusyError) else None)
        return json_response(msgspec.to_builtins(sight))

    async def called(self, did: str) -> Sight:
        """What is seen of a member from here.

        Raises:
            ReachBusyError: not possible now.
        """
        now = self.clock.now().timestamp()
        if self._calling >= AT_ONCE or abs(now - self._last.get(did, now - EVERY)) < EVERY:
            raise ReachBusyError(seconds=int(EVERY))
        self._note(did, now)
        self._calling += 1
        try:
            async with asyncio.timeout(LONGEST):
                sight = await look(self.client, self.clock, base_url(did))
        except TimeoutError:
            return Sight(code="peer.unreachable")
        finally:
            self._calling -= 1
        return sight if sight.reached else Sight(code=sight.code, flaw=sight.flaw)

    def _note(self, did: str, now: float) -> None:
        self._last.pop(did, None)
        while len(self._last) >= MOST_KEPT:
            self._last.pop(next(iter(self._last)))
        self._last[did] = now
