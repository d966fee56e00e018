"""Labels, in the management API."""

from collections.abc import Awaitable
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, named, needs
from medspace.app.doors.management.routing import After, Body, Limit, Place, Text, router, speak_to
from medspace.app.features.labels.service import LabelChange, Labels
from medspace.app.node.lists import LARGEST_PAGE
from medspace.core.actors import Actor, ActorKind, Scope
from medspace.core.canonical import Json, JsonObject

Loosen = Annotated[list[Text], Field(max_length=100)]


class LabelBody(Body):
    """What a dataset allows from now on; `{}` allows nothing. `dry`: only report what changes, with `seen`.

    `loosen`: terms that may allow more than before, as `seen`.
    """

    label: dict[str, Json]
    loosen: Loosen = []
    seen: Text = ""
    dry: bool = False


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

    async def change(request: Request, dataset: str, said: LabelChange, by: Actor, *, dry: bool) -> Response:
        if dry:
            return json_response(await one(kept.tried(dataset, said, speak_to(request))))
        return json_response(await one(kept.put(dataset, said, by=by.id, lowers=by.kind is ActorKind.OWNER)))

    @routes.put("/labels/{dataset:path}", **needs(Scope.TERMS))
    async def set_label(request: Request, dataset: str, body: LabelBody, by: Acting) -> Response:
        said = LabelChange(body.label, tuple(body.loosen), body.seen)
        return await change(request, dataset, said, by, dry=body.dry)

    @routes.delete("/labels/{dataset:path}", **needs(Scope.TERMS))
    async def reset_label(
        request: Request,
        dataset: str,
        by: Acting,
        loosen: Annotated[Loosen, Query()] = [],  # noqa: B006 - FastAPI copies it
        seen: Place = "",
        dry: bool = False,  # noqa: FBT001, FBT002 - a query parameter
    ) -> Response:
        return await change(request, dataset, LabelChange(None, tuple(loosen), seen), by, dry=dry)

    return routes
