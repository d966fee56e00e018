"""The public endpoints for runs that others hand over to this connector; every caller is authenticated first.

POST /runs                 the user's signed manifest: 200 with the key to hand the run over with
POST /runs/{run}/mandate   the mandate to lead the run, sealed for that key: 200, and it is led
GET  /runs/{run}           its state: at once, or once it differs from `seen`
POST /runs/{run}/cancel    cancels it
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from medspace.app.doors.bodies import json_response, problem_response, read_body
from medspace.app.doors.callers import Authenticate, caller_of
from medspace.app.node.changes import Changes
from medspace.connector.errors import MessageError
from medspace.connector.turns import TurnLimits, Turns
from medspace.core import limits
from medspace.core.decoding import read_json
from medspace.core.errors import MedspaceError
from medspace.core.text import Text, msgid
from medspace.runs.errors import NotCoordinatedError, RunUnknownError
from medspace.runs.model import RUNS

if TYPE_CHECKING:
    from medspace.runs.coordinating import Coordination
    from medspace.runs.telling import RunStatus

PATIENCE = 5.0  # seconds that an answer waits for a change
NOT_FOUND, FORBIDDEN = 404, 403
LONGEST_SEEN = 100
T = TypeVar("T")
_STATUS: dict[type[MedspaceError], int] = {RunUnknownError: NOT_FOUND, NotCoordinatedError: FORBIDDEN}


class _SubmittedManifest(msgspec.Struct, frozen=True):
    manifest: str


class _Mandate(msgspec.Struct, frozen=True):
    sealed: str


class CoordinationDoor:
    """The endpoints. `allowed` says for whom runs are led; `coordination` is created on first use."""

    def __init__(
        self,
        coordination: Callable[[], Awaitable["Coordination"]],
        allowed: Callable[[str], bool],
        authenticate: Authenticate,
        did: str,
        changes: Changes,
        share: TurnLimits | None = None,
    ) -> None:
        self._coordination = coordination
        self._allowed = allowed
        self._authenticate = authenticate
        self._did = did
        self._changes = changes
        self._turns = Turns(share)

    def routes(self) -> list[Route]:
        """The routes of the public listener."""
        return [
            Route("/runs", self._guarded(self._key), methods=["POST"]),
            Route("/runs/{run}/mandate", self._guarded(self._mandate), methods=["POST"]),
            Route("/runs/{run}/cancel", self._guarded(self._cancel), methods=["POST"]),
            Route("/runs/{run}", self._guarded(self._status), methods=["GET"]),
        ]

    async def _key(self, request: Request, caller: str, coordination: "Coordination") -> Response:
        said = _read(await read_body(request, limits.MANIFEST + limits.ENVELOPE), _SubmittedManifest)
        async with self._turns.turn(caller):
            return json_response({"key": await coordination.key(caller, said.manifest)})

    async def _mandate(self, request: Request, caller: str, coordination: "Coordination") -> Response:
        said = _read(await read_body(request, limits.HANDOVER), _Mandate)
        async with self._turns.turn(caller):
            await coordination.accept(caller, request.path_params["run"], said.sealed)
        return json_response({"run": request.path_params["run"]})

    async def _status(self, request: Request, caller: str, coordination: "Coordination") -> Response:
        run, seen = request.path_params["run"], request.query_params.get("seen", "")[:LONGEST_SEEN]

        async def changed() -> "RunStatus | None":
            told = await coordination.told(caller, run)
            return told if told.over or told.version != seen else None

        told = await self._changes.until(changed, PATIENCE, RUNS.topic(run))
        return json_response(told or await coordination.told(caller, run))

    async def _cancel(self, request: Request, caller: str, coordination: "Coordination") -> Response:
        await coordination.cancel(caller, request.path_params["run"])
        return json_response({"run": request.path_params["run"]})

    def _guarded(
        self, handler: Callable[[Request, str, "Coordination"], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            try:
                caller = await caller_of(request, self._authenticate)
                if not self._allowed(caller.did):
                    raise NotCoordinatedError(coordinator=self._did, user=caller.did)
                return await handler(request, caller.did, await self._coordination())
            except MedspaceError as error:
                return problem_response(error, _STATUS.get(type(error)))

        return guarded


def _read(body: bytes, form: type[T]) -> T:
    try:
        return read_json(body, form)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise MessageError(reason=Text(msgid("it is not what a coordinator is asked"))) from error
