"""Labels, in the management API."""

from collections.abc import Awaitable

from fastapi import APIRouter
from fastapi.responses import Response

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, named, needs
from medspace.app.doors.management.routing import After, Body, Limit, router
from medspace.app.features.labels.service import Labels
from medspace.app.node.lists import LARGEST_PAGE
from medspace.core.actors import ActorKind, Scope
from medspace.core.canonical import Json, JsonObject


class LabelBody(Body):
    """What a dataset allows from now on; `{}` allows nothing."""

    label: dict[str, Json]


def routes(kept: Labels) -> APIRouter:
    """The routes of the management API."""
    routes = router("labels")

    async def one(label: Awaitable[JsonObject]) -> JsonObject:
        (shown,) = await named(kept.actors, [await label])
        return shown

    @routes.get("/labels", **needs(Scope.READ, Scope.TERMS))
    async def labels(limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        found = await named(kept.actors, await kept.page(after, limit))
        return json_response({"labels": found, "next": found[-1]["dataset"] if len(found) == limit else ""})

    @routes.get("/labels/{dataset:path}", **needs(Scope.READ, Scope.TERMS))
    async def label(dataset: str) -> Response:
        return json_response(await one(kept.of(dataset)))

    @routes.put("/labels/{dataset:path}", **needs(Scope.TERMS))
    async def set_label(dataset: str, body: LabelBody, by: Acting) -> Response:
        return json_response(await one(kept.put(dataset, body.label, by=by.id, lowers=by.kind is ActorKind.OWNER)))

    @routes.delete("/labels/{dataset:path}", **needs(Scope.TERMS))
    async def reset_label(dataset: str, by: Acting) -> Response:
        return json_response(await one(kept.reset(dataset, by=by.id, lowers=by.kind is ActorKind.OWNER)))

    return routes
