"""Credentials at the public door: `POST /credentials/received`, `GET /status-lists/{n}`, `GET /trust-list`.

Security model: only a member with a valid ID token sends credentials, its own or those that it has issued; what it
sends is verified before anything is kept, and answered with a code and no claim. Lists say nothing of anybody, so
whoever knows their address reads them.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from medspace.app.doors.bodies import json_response, problem_response, read_body
from medspace.app.doors.callers import caller_of
from medspace.app.node.node import Node
from medspace.core.errors import MedspaceError
from medspace.services.issuers.model import CURRENT, LISTS, TRUST
from medspace.services.issuers.places import RECEIVED_DOOR, STATUS_DOOR, TRUST_DOOR


@dataclass(frozen=True, slots=True)
class CredentialDoor:
    """Takes credentials and lists, and hands out one's own lists."""

    node: Node

    def routes(self) -> list[Route]:
        """The routes of the public listener."""
        return [
            Route(RECEIVED_DOOR, self._take, methods=["POST"]),
            Route(STATUS_DOOR + "/{number:int}", self._status, methods=["GET"]),
            Route(TRUST_DOOR, self._trust, methods=["GET"]),
        ]

    async def _take(self, request: Request) -> Response:
        # A connector to which nobody sends credentials does without what verifies them.
        from medspace.app.features.issuers.arriving import (  # noqa: PLC0415
            LARGEST_MESSAGE,
            Arriving,
            read_presented,
        )

        try:
            caller = await caller_of(request, self.node.authenticate)
            presented = read_presented(await read_body(request, LARGEST_MESSAGE))
            taken = await Arriving(self.node).take(presented, caller.did)
        except MedspaceError as error:
            return problem_response(error)
        return json_response({"taken": [one.id for one in taken]})

    async def _status(self, request: Request) -> Response:
        name = f"{self.node.config.base_url}{STATUS_DOOR}/{request.path_params['number']}"
        found = await self.node.database.read(lambda tx: tx.get(LISTS, name))
        if found is None:
            return PlainTextResponse("", 404)
        return Response(found.text, media_type="application/vc+jwt")

    async def _trust(self, _: Request) -> Response:
        found = await self.node.database.read(lambda tx: tx.get(TRUST, CURRENT))
        return json_response({"list": "" if found is None else found.text})
