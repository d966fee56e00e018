"""The management API's question to another member: how does this connector look from there?"""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import needs
from medspace.app.doors.management.routing import router, speak_to
from medspace.app.features.reach.asking import Outside
from medspace.core.actors import Scope

LONGEST_DID = 512


def routes(outside: Outside) -> APIRouter:
    """`GET /doctor/outside?member=DID`: checks as those of the doctor."""
    routes = router("space")

    @routes.get("/doctor/outside", **needs(Scope.READ))
    async def seen(request: Request, member: Annotated[str, Query(max_length=LONGEST_DID)]) -> Response:
        speak = speak_to(request)
        return json_response({"checks": [check.told(speak) for check in await outside.seen_from(member)]})

    return routes
