"""Credentials, in the management API."""

from fastapi import APIRouter
from fastapi.responses import Response

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import Body, Text, router
from medspace.app.features.credentials.service import CredentialDesk
from medspace.core.actors import Scope

ISSUERS = (Scope.MEMBERS, Scope.TERMS)  # as for credentials that are issued by hand


class RequestBody(Body):
    """The body of a request for a credential."""

    issuer: Text
    credential: Text


class PresentBody(Body):
    """The body of a presentation: a type of credential, and to whom it is shown."""

    type: Text
    to: Text


class GrantBody(Body):
    """The body of a decision to issue: the claims that the configuration leaves to the person who decides."""

    claims: dict[str, str | int | bool | list[str]] = {}


class RefuseBody(Body):
    """The body of a refusal."""

    reason: Text


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

    @routes.get("/credentials/waiting", **needs(Scope.READ, *ISSUERS))
    async def waiting() -> Response:
        return json_response({"requests": await desk.waiting()})

    @routes.post("/credentials/waiting/{request}/grant", **needs(*ISSUERS))
    async def grant(request: str, body: GrantBody, by: Acting) -> Response:
        return json_response(await desk.grant(request, dict(body.claims), by=by.id))

    @routes.post("/credentials/waiting/{request}/refuse", **needs(*ISSUERS))
    async def refuse(request: str, body: RefuseBody, by: Acting) -> Response:
        return json_response(await desk.refuse(request, body.reason, by=by.id))

    @routes.post("/credentials/presentations", **needs())
    async def present(body: PresentBody) -> Response:
        return json_response(await desk.present(body.type, body.to))

    @routes.post("/credentials/revocations", **needs())
    async def revoke(body: RevokeBody, by: Acting) -> Response:
        return json_response(await desk.revoke(body.credential, by=by.id))

    return routes
