"""Permits at the public door: `POST /permits/cases` for members, `GET /permits/register` for everybody.

Security model: a member is heard on its own cases alone, and says only its own part of them; what was said cannot be
said otherwise later. The register has public words and no name of a person.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from medspace.app.doors.bodies import json_response, problem_response, read_body
from medspace.app.doors.callers import caller_of
from medspace.app.node.node import Node
from medspace.core.canonical import JsonObject
from medspace.core.errors import MedspaceError
from medspace.core.paging import Cursor, cursor, newest
from medspace.core.text import Text, msgid
from medspace.services.permits.errors import PermitMessageError
from medspace.services.permits.model import CASES, PermitCase, Side

CASES_DOOR, REGISTER_DOOR = "/permits/cases", "/permits/register"
PAGE = 50
_BAD_PAGE = Text(msgid("there is no such page"))


@dataclass(frozen=True, slots=True)
class PermitDoor:
    """Hears the other side of a case, and shows the register."""

    node: Node

    def routes(self) -> list[Route]:
        """The routes of the public listener."""
        return [
            Route(CASES_DOOR, self._hear, methods=["POST"]),
            Route(REGISTER_DOOR, self._register, methods=["GET"]),
        ]

    async def _hear(self, request: Request) -> Response:
        from medspace.services.permits import rules, service  # noqa: PLC0415 - not at the start

        try:
            caller = await caller_of(request, self.node.authenticate)
            said = service.read_message(await read_body(request, service.LARGEST_MESSAGE))
            now, did = self.node.clock.now(), self.node.did
            if said.application is not None and await self._new(said.case):
                rules.check(said.application, now, self.node.roles(caller.did))
            case = await self.node.database.write(lambda tx: service.hear(tx, did, said, caller.did, now))
        except MedspaceError as error:
            return problem_response(error)
        return json_response({"case": case.id, "state": case.state.value})

    async def _new(self, case: str) -> bool:
        return await self.node.database.read(lambda tx: tx.get(CASES, case)) is None

    async def _register(self, request: Request) -> Response:
        try:
            after = cursor(request.query_params.get("after", "")[:512])
        except ValueError:
            return problem_response(PermitMessageError(reason=_BAD_PAGE))
        return json_response(await register(self.node, after, PAGE))


async def register(node: Node, after: Cursor | None, limit: int) -> JsonObject:
    """A page of the decisions of this access body, newest first, in public words."""
    from medspace.services.permits import rules  # noqa: PLC0415 - not at the start

    found = await newest(node.database, CASES, {"side": Side.BODY}, after, limit, by="created")
    names, now = node.names(), node.clock.now()
    shown = [rules.public(one, names.get(one.applicant, ""), now) for one in found if decided(one)]
    following = str(Cursor(found[-1].created, found[-1].id)) if len(found) == limit else ""
    return {"decisions": shown, "next": following}


def decided(case: PermitCase) -> bool:
    """Whether there is a decision to show."""
    return case.decision is not None
