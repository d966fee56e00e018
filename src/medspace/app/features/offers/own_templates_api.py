"""Templates of one's own, in the management API."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import After, Body, Limit, Text, router, speak_to
from medspace.app.features.offers.own_templates import MOST_TERMS, OwnTemplates, shown
from medspace.app.node.lists import LARGEST_PAGE, PageRequest
from medspace.core.actors import Scope


class TemplateBody(Body):
    """Terms to save: those of an offer of one's own dataset, or these of a template of the program."""

    title: Text = ""
    dataset: Text = ""
    offer: Annotated[int, Field(ge=0, le=1_000)] = 0
    template: Text = "train-only"
    terms: Annotated[dict[Text, Any], Field(max_length=MOST_TERMS)] = {}


def template_routes(kept: OwnTemplates) -> APIRouter:
    """The routes of the management API."""
    routes = router("offers")

    @routes.get("/terms", **needs(Scope.READ, Scope.TERMS))
    async def listed(request: Request, limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        found = await kept.page(speak_to(request), PageRequest(limit, after))
        return json_response({"templates": found, "next": found[-1]["name"] if len(found) == limit else ""})

    @routes.get("/terms/{name}", **needs(Scope.READ, Scope.TERMS))
    async def one(request: Request, name: str) -> Response:
        return json_response(shown(await kept.find(name), speak_to(request)))

    @routes.post("/terms/{name}", **needs(Scope.TERMS))
    async def save(request: Request, name: str, body: TemplateBody, by: Acting) -> Response:
        if body.dataset:
            made = await kept.save_offer(name, body.title, body.dataset, body.offer, by.id)
        else:
            made = await kept.save(name, body.title, body.template, body.terms, by.id)
        return json_response(shown(made, speak_to(request)), 201)

    @routes.post("/terms/{name}/remove", **needs(Scope.TERMS))
    async def remove(name: str) -> Response:
        await kept.remove(name)
        return json_response({"name": name})

    return routes
