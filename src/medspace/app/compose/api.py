"""The connector itself in the management API."""

import asyncio
from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from medspace.adapters.metrics import CONTENT_TYPE
from medspace.app.compose.status import Status
from medspace.app.doors.bodies import json_response, request_language
from medspace.app.doors.management.actors import needs
from medspace.app.doors.management.routing import (
    router,
    speak_to,
)
from medspace.app.node.asset_checks import asset_checks
from medspace.core.actors import Scope
from medspace.core.canonical import JsonObject


def routes(status: Status, doctor: Callable[[str], JsonObject]) -> APIRouter:
    """The routes of the management API."""
    routes = router("space")

    @routes.get("/status", **needs(*Scope))
    async def shown() -> Response:
        return json_response(await status.status())

    @routes.get("/metrics", response_class=PlainTextResponse, **needs(Scope.READ))
    async def metrics() -> Response:
        return Response(await status.metrics(), media_type=CONTENT_TYPE)

    @routes.get("/doctor", **needs(Scope.READ))
    async def examined(request: Request) -> Response:
        return json_response(await asyncio.to_thread(doctor, request_language(request)))

    @routes.get("/doctor/assets", **needs(Scope.READ))
    async def assets(request: Request) -> Response:
        speak = speak_to(request)
        found = await asyncio.to_thread(lambda: list(asset_checks(status.node.assets.states)))
        return json_response({"checks": [check.told(speak) for check in found]})

    return routes
