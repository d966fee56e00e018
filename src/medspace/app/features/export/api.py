"""A participant's data for export, page by page, in the management API."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import needs
from medspace.app.doors.management.routing import After, Limit, router
from medspace.app.features.export.service import Exported
from medspace.app.node.lists import LARGEST_PAGE, PageRequest
from medspace.core.actors import Scope


def routes(exported: Exported) -> APIRouter:
    """The routes of the management API."""
    routes = router("export")

    @routes.get("/export/configuration", **needs(Scope.AUDIT))
    async def configuration() -> Response:
        return json_response({"configuration": exported.configuration()})

    @routes.get("/export/datasets", **needs(Scope.AUDIT))
    async def datasets(limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        found = await exported.datasets(PageRequest(limit, after))
        return json_response({"datasets": found, "next": found[-1]["id"] if len(found) == limit else ""})

    @routes.get("/export/records/{kind}", **needs(Scope.AUDIT))
    async def records(kind: str, limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        found = await exported.records(kind, PageRequest(limit, after))
        return json_response({"records": found, "next": found[-1]["id"] if len(found) == limit else ""})

    @routes.get("/export/log", **needs(Scope.AUDIT))
    async def log() -> Response:
        return json_response(await exported.log())

    @routes.get("/export/log/entries", **needs(Scope.AUDIT))
    async def entries(
        after: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=1000)] = 1000
    ) -> Response:
        return json_response({"entries": list(await exported.entries(after, limit))})

    return routes
