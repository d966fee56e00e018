"""Offers that are being drafted, in the management API."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import Body, Text, router, speak_to
from medspace.app.features.offers.api import Figures
from medspace.app.features.offers.drafts import OfferDrafts
from medspace.app.features.offers.keeping import ChosenTerms, SaidOfTable
from medspace.app.features.offers.own_templates import OwnTemplates
from medspace.core.actors import Scope

Number = Annotated[int, Field(ge=0, le=1_000_000)]
MOST_COLUMNS, MOST_CHOSEN = 5_000, 200
Name = Annotated[str, Query(max_length=512)]


class PointBody(Body):
    """A file of the connector's machine, by its absolute path."""

    source: Text


class SaidBody(Body):
    """What a person says of a table. `ready`: nothing may be left open."""

    person: Text = ""
    rows_are_persons: bool = False
    leave_out: Annotated[list[Text], Field(max_length=MOST_COLUMNS)] = []
    leave_out_rows: Annotated[list[Text], Field(max_length=MOST_CHOSEN)] = []
    columns: Annotated[dict[Text, dict[Text, Text]], Field(max_length=MOST_COLUMNS)] = {}
    codes: Annotated[dict[Text, dict[Text, Text]], Field(max_length=MOST_COLUMNS)] = {}
    ready: bool = False


class ChosenBody(Body):
    """The terms of an offer; what is not said is the safe thing. `count` 0: no bound."""

    dataset: Text = ""
    title: Text = ""
    template: Text = "train-only"
    purposes: Annotated[list[Text], Field(max_length=MOST_CHOSEN)] = []
    recipients: Annotated[list[Text], Field(max_length=MOST_CHOSEN)] = []
    regions: Annotated[list[Text], Field(max_length=MOST_CHOSEN)] = []
    until: Text = ""
    count: Number | None = None
    questions: Number | None = None
    min_sites: Number | None = None
    publish: Figures = []


class PublishBody(Body):
    """Publication of what was seen: `seen` is the digest that `foreseen` tells."""

    seen: Text


class BeginBody(Body):
    """A template of one's own to begin with; none for the usual answers."""

    name: Text = ""


def draft_routes(kept: OfferDrafts, own: OwnTemplates) -> APIRouter:
    """The routes of the management API; a draft is its maker's alone, and the owner's."""
    routes = router("offers")

    @routes.get("/offer-drafts", **needs(Scope.TERMS))
    async def listed(by: Acting) -> Response:
        return json_response({"drafts": await kept.listed(by)})

    @routes.post("/offer-drafts", **needs(Scope.TERMS))
    async def upload(request: Request, by: Acting, name: Name = "") -> Response:
        made = await kept.upload(name, request.stream(), by)
        return json_response({"id": made.id}, 201)

    @routes.post("/offer-drafts/path", **needs())  # it names a file of this machine: the owner's alone
    async def point(body: PointBody, by: Acting) -> Response:
        made = await kept.point(body.source, by)
        return json_response({"id": made.id}, 201)

    @routes.post("/offer-drafts/{pid}/template", **needs(Scope.TERMS))
    async def begin_with(pid: str, body: BeginBody, by: Acting) -> Response:
        await kept.begin_with(pid, await own.find(body.name) if body.name else None, by)
        return json_response({"id": pid})

    routes.include_router(step_routes(kept))
    return routes


def step_routes(kept: OfferDrafts) -> APIRouter:
    """The routes on one draft."""
    routes = router("offers")

    @routes.get("/offer-drafts/{pid}/columns", **needs(Scope.TERMS))
    async def columns(request: Request, pid: str, by: Acting) -> Response:
        return json_response(await kept.columns(pid, by, speak_to(request)))

    @routes.post("/offer-drafts/{pid}/columns", **needs(Scope.TERMS))
    async def say(pid: str, body: SaidBody, by: Acting) -> Response:
        said = SaidOfTable(
            body.person,
            body.rows_are_persons,
            tuple(body.leave_out),
            tuple(body.leave_out_rows),
            body.columns,
            body.codes,
        )
        await kept.say(pid, said, by, ready=body.ready)
        return json_response({"id": pid})

    @routes.get("/offer-drafts/{pid}/terms", **needs(Scope.TERMS))
    async def terms(request: Request, pid: str, by: Acting) -> Response:
        return json_response(await kept.terms(pid, by, speak_to(request)))

    @routes.post("/offer-drafts/{pid}/terms", **needs(Scope.TERMS))
    async def choose(pid: str, body: ChosenBody, by: Acting) -> Response:
        said = body.model_dump()
        lists = {name: tuple(said[name]) for name in ("purposes", "recipients", "regions", "publish")}
        await kept.choose(pid, ChosenTerms(**(said | lists)), by)
        return json_response({"id": pid})

    @routes.get("/offer-drafts/{pid}/foreseen", **needs(Scope.TERMS))
    async def foreseen(request: Request, pid: str, by: Acting) -> Response:
        return json_response(await kept.foreseen(pid, by, speak_to(request)))

    @routes.post("/offer-drafts/{pid}/publish", **needs(Scope.TERMS))
    async def publish(request: Request, pid: str, body: PublishBody, by: Acting) -> Response:
        return json_response(await kept.publish(pid, body.seen, by, speak_to(request)), 201)

    @routes.post("/offer-drafts/{pid}/discard", **needs(Scope.TERMS))
    async def discard(pid: str, by: Acting) -> Response:
        await kept.discard(pid, by)
        return json_response({"id": pid})

    return routes
