"""The rulebook, in the management API."""

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import needs
from medspace.app.doors.management.routing import Body, Text, router, speak_to
from medspace.app.features.rulebook.service import Rulebook
from medspace.core.actors import Scope
from medspace.core.canonical import Json

MOST = 25  # codes at once: all of them


class ConsentBody(Body):
    """Codes of consent, and what they leave open, such as `regions`."""

    codes: Annotated[list[Text], Field(min_length=1, max_length=MOST)]
    values: dict[str, Json] = {}
    template: Text = "train-only"


def routes(rulebook: Rulebook) -> APIRouter:
    """The routes of the management API."""
    routes = router("rulebook")

    @routes.get("/rulebook/classes", **needs(*Scope))
    async def classes(request: Request) -> Response:
        return json_response({"classes": rulebook.classes(speak_to(request))})

    @routes.get("/rulebook/consents", **needs(*Scope))
    async def consents(request: Request) -> Response:
        return json_response({"consents": rulebook.consents(speak_to(request))})

    @routes.post("/rulebook/consents", **needs(*Scope))
    async def consented(request: Request, body: ConsentBody) -> Response:
        found = rulebook.consented(body.codes, body.values, body.template, speak_to(request))
        return json_response(found)

    @routes.get("/rulebook/laws", **needs(*Scope))
    async def laws(request: Request) -> Response:
        return json_response(rulebook.laws(speak_to(request)))

    return routes
