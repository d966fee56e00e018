"""Duties, in the management API."""

from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import After, Limit, paged, router, speak_to
from medspace.app.features.duties.service import Duties
from medspace.app.node.lists import LARGEST_PAGE, PageRequest
from medspace.core.actors import Scope

READERS = (Scope.READ, Scope.TERMS, Scope.USE)


def routes(kept: Duties) -> APIRouter:
    """The routes of the management API."""
    routes = router("duties")

    @routes.get("/duties", **needs(*READERS))
    async def duties(
        request: Request,
        limit: Limit = LARGEST_PAGE,
        after: After = "",
        role: Literal["", "provider", "consumer"] = "",
        state: Literal["", "open", "kept", "broken", "late", "waived"] = "",
        agreement: str = "",
    ) -> Response:
        found = await kept.page(
            PageRequest(limit, after), speak_to(request), role=role, state=state, agreement=agreement
        )
        return paged("duties", found, [(one["since"], one["id"]) for one in found], limit)

    @routes.get("/duties/clock", **needs(*READERS))
    async def clock() -> Response:
        return json_response(await kept.clock())

    @routes.post("/duties/clock", **needs())  # of the owner alone
    async def reset_clock(by: Acting) -> Response:
        return json_response(await kept.reset_clock(by=by.id))

    @routes.get("/duties/logs", **needs(*READERS))
    async def logs(limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        found = await kept.logs(PageRequest(limit, after))
        return paged("logs", found, [(one["seen"], one["user"]) for one in found], limit)

    @routes.post("/duties/logs/{user:path}/forget", **needs())  # of the owner alone
    async def forget_log(user: str, by: Acting) -> Response:
        await kept.forget_log(user, by=by.id)
        return json_response({"user": user})

    @routes.get("/duties/{duty}", **needs(*READERS))
    async def duty(duty: str, request: Request) -> Response:
        return json_response(await kept.of(duty, speak_to(request)))

    @routes.post("/duties/{duty}/fulfil", **needs(Scope.USE))
    async def fulfil(duty: str, request: Request, by: Acting) -> Response:
        return json_response(await kept.fulfil(duty, speak_to(request), by=by.id))

    @routes.post("/duties/{duty}/waive", **needs(Scope.TERMS))
    async def waive(duty: str, request: Request, by: Acting) -> Response:
        return json_response(await kept.waive(duty, speak_to(request), by=by.id))

    return routes
