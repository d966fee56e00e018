"""Wallets, in the management API."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import Body, Text, router
from medspace.app.features.wallets.service import Wallets
from medspace.core.actors import Scope
from medspace.services.wallets.model import ConsentForm


class PatientBody(Body):
    """A patient, as the hospital knows them."""

    patient: Annotated[Text, Field(min_length=1, max_length=200)]


class ConsentFormBody(Body):
    """A form: words by language (en, zh), each with `title`, `what` and `who`; and a FHIR R4 provision."""

    purpose: Annotated[Text, Field(max_length=200)]
    words: dict[str, dict[str, str]]
    provision: dict[str, Any]
    offered: bool = True


def routes(wallets: Wallets) -> APIRouter:
    """The routes of the management API."""
    routes = router("wallets")

    @routes.get("/wallets", **needs(Scope.TERMS))
    async def patients() -> Response:
        return json_response({"patients": await wallets.patients()})

    @routes.post("/wallets/invitations", **needs(Scope.TERMS))
    async def invite(body: PatientBody, by: Acting) -> Response:
        return json_response(await wallets.invite(body.patient, by=by.id), 201)

    @routes.post("/wallets/retired", **needs(Scope.TERMS))
    async def retire(body: PatientBody, by: Acting) -> Response:
        return json_response(await wallets.retire(body.patient, by=by.id))

    @routes.get("/wallets/forms", **needs(Scope.READ, Scope.TERMS))
    async def forms() -> Response:
        return json_response({"forms": await wallets.forms()})

    @routes.post("/wallets/forms/{form}", **needs(Scope.TERMS))
    async def publish(
        form: Annotated[str, Field(pattern="^[a-z0-9-]{1,64}$")], body: ConsentFormBody, by: Acting
    ) -> Response:
        made = ConsentForm(form, 1, body.purpose, body.words, body.provision, body.offered)
        return json_response(await wallets.publish(made, by=by.id))

    return routes
