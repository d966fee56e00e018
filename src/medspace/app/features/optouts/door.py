"""Opt-outs at the public door of the authority, for members: `POST /optouts/key` and `POST /optouts/questions`.

Security model: a member gets the key of its own pseudonyms and is answered in them; whose pseudonyms are asked about
nobody can tell, so a member may ask about a bounded number of persons in all. See `services.optouts.pseudonyms`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from medspace.app.doors.bodies import json_response, problem_response, read_body
from medspace.app.doors.callers import caller_of
from medspace.app.node.node import Node
from medspace.core.canonical import JsonObject
from medspace.core.errors import MedspaceError

if TYPE_CHECKING:
    from medspace.app.features.optouts.service import OptOutsService
    from medspace.app.node.feature import Later

LARGEST_WISH = 1 << 13  # bytes


@dataclass(frozen=True, slots=True)
class OptOutsDoor:
    """Hands members their keys, and answers them."""

    node: Node
    optouts: "Later[OptOutsService]"

    def routes(self) -> list[Route]:
        """The routes of the public listener; none but at the authority."""
        if self.node.authority is None:
            return []
        from medspace.services.optouts.registry import KEY_DOOR, QUESTION_DOOR  # noqa: PLC0415 - at the authority

        return [
            Route(KEY_DOOR, self._key, methods=["POST"]),
            Route(QUESTION_DOOR, self._question, methods=["POST"]),
        ]

    async def _key(self, request: Request) -> Response:
        from medspace.services.optouts import registry  # noqa: PLC0415 - not at the start

        async def told(caller: str) -> JsonObject:
            public = registry.read_wish(await read_body(request, LARGEST_WISH))
            return {"key": await (await self.optouts()).key_for(caller, public)}

        return await self._answered(request, told)

    async def _question(self, request: Request) -> Response:
        from medspace.services.optouts import registry  # noqa: PLC0415 - not at the start

        async def told(caller: str) -> JsonObject:
            question = registry.read_question(await read_body(request, registry.LARGEST_QUESTION))
            return {"answer": await (await self.optouts()).answer(caller, question)}

        return await self._answered(request, told)

    async def _answered(self, request: Request, told: Callable[[str], Awaitable[JsonObject]]) -> Response:
        try:
            caller = await caller_of(request, self.node.authenticate)
            return json_response(await told(caller.did))
        except MedspaceError as error:
            return problem_response(error)
