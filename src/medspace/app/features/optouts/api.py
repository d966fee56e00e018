"""Opt-outs, in the management API."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import Body, Text, router
from medspace.app.features.optouts.service import OptOutsService
from medspace.core.actors import Scope

READERS = (Scope.READ, Scope.TERMS)


class PersonsBody(Body):
    """Identifiers of persons."""

    persons: Annotated[list[Text], Field(max_length=10_000)]


class AllowanceBody(Body):
    """About how many persons a hospital may ask in all."""

    hospital: Text
    persons: Annotated[int, Field(ge=0, le=10_000_000)]


class FollowBody(Body):
    """The column that names persons, and the identifier of each of its values; beside those before; asked at once."""

    column: Text
    persons: Annotated[dict[Text, Text], Field(max_length=10_000)]
    add: bool = False
    ask: bool = True


def routes(optouts: OptOutsService) -> APIRouter:
    """The routes of the management API."""
    routes = router("optouts")

    @routes.get("/optouts/registry", **needs(*READERS))
    async def registry() -> Response:
        return json_response(await optouts.registry())

    @routes.post("/optouts/registry/out", **needs(Scope.TERMS))
    async def out(body: PersonsBody, by: Acting) -> Response:
        return json_response(await optouts.change(body.persons, back=False, by=by.id))

    @routes.post("/optouts/registry/back", **needs(Scope.TERMS))
    async def back(body: PersonsBody, by: Acting) -> Response:
        return json_response(await optouts.change(body.persons, back=True, by=by.id))

    @routes.post("/optouts/registry/allow", **needs(Scope.TERMS))
    async def allow(body: AllowanceBody, by: Acting) -> Response:
        return json_response(await optouts.allow(body.hospital, body.persons, by=by.id))

    @routes.get("/optouts/datasets", **needs(*READERS))
    async def datasets() -> Response:
        return json_response({"datasets": await optouts.datasets(), "registry": optouts.keeps})

    @routes.post("/optouts/follow/{dataset:path}", **needs(Scope.TERMS))
    async def follow(dataset: str, body: FollowBody, by: Acting) -> Response:
        return json_response(
            await optouts.follow(dataset, body.column, body.persons, add=body.add, ask=body.ask, by=by.id)
        )

    @routes.post("/optouts/refresh/{dataset:path}", **needs(Scope.TERMS))
    async def refresh(dataset: str, by: Acting) -> Response:
        return json_response(await optouts.refresh(dataset, by=by.id))

    @routes.post("/optouts/stop/{dataset:path}", **needs(Scope.TERMS))
    async def stop(dataset: str, by: Acting) -> Response:
        return json_response(await optouts.stop(dataset, by=by.id))

    return routes
