"""Credentials, in the management API."""

from fastapi import APIRouter
from fastapi.responses import Response

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import Body, Text, router
from medspace.app.features.credentials.service import CredentialDesk
from medspace.core.actors import Scope


class RequestBody(Body):
    """The body of a request for a credential."""

    issuer: Text
    credential: Text


class PresentBody(Body):
    """The body of a presentation: a type of credential, and to whom it is shown."""

    type: Text
    to: Text


class RevokeBody(Body):
    """The body of a revocation."""

    credential: Text


def routes(desk: CredentialDesk) -> APIRouter:
    """The routes of the management API."""
    routes = router("credentials")

    @routes.get("/credentials", **needs(Scope.READ))
    async def listed() -> Response:
        return json_response(await desk.listed())

    @routes.post("/credentials/requests", **needs())  # of the owner alone
    async def request(body: RequestBody) -> Response:
        return json_response(await desk.request(body.issuer, body.credential), 201)

    @routes.post("/credentials/presentations", **needs())
    async def present(body: PresentBody) -> Response:
        return json_response(await desk.present(body.type, body.to))

    @routes.post("/credentials/revocations", **needs())
    async def revoke(body: RevokeBody, by: Acting) -> Response:
        return json_response(await desk.revoke(body.credential, by=by.id))

    return routes
