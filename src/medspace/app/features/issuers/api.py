"""Issuers and credentials, in the management API."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import After, Body, Limit, Text, paged, router, speak_to
from medspace.app.features.issuers.service import Issuers
from medspace.app.node.lists import LARGEST_PAGE, PageRequest
from medspace.core.actors import Scope
from medspace.core.canonical import Json
from medspace.core.clock import instant
from medspace.core.credentials import ANY, Believed
from medspace.core.text import Text as Sentence
from medspace.core.text import msgid
from medspace.services.issuers.errors import IssuingError

READERS = (Scope.READ, Scope.TERMS, Scope.USE)
Names = Annotated[list[Text], Field(max_length=64)]


class BelievedBody(Body):
    """Who is believed for a type; `claims` None are all; no issuers: nobody."""

    type: Text
    issuers: Names
    claims: Names | None = None
    where: Text = ""


class NarrowBody(Body):
    """Whom to believe for a type, of those whom the authority believes; None: all of them."""

    type: Text
    issuers: Names | None = None


class IssueBody(Body):
    """A credential to sign: about whom, of which types, what it says, from when until when, whom it is sent to."""

    subject: Text
    types: Annotated[list[Text], Field(min_length=1, max_length=8)]
    claims: dict[str, str | int | bool | list[str]] = {}
    since: Text = ""
    until: Text
    receivers: Names = []


def routes(issuers: Issuers) -> APIRouter:
    """The routes of the management API."""
    routes = router("issuers")

    @routes.get("/issuers", **needs(*READERS))
    async def believed() -> Response:
        return json_response(await issuers.believed())

    @routes.post("/issuers", **needs(Scope.MEMBERS))
    async def believe(body: BelievedBody, by: Acting) -> Response:
        wanted = Believed(body.type, tuple(body.issuers), tuple(body.claims or (ANY,)), body.where)
        return json_response(await issuers.believe(wanted, by=by.id))

    @routes.post("/issuers/narrow", **needs(Scope.TERMS))
    async def narrow(body: NarrowBody, by: Acting) -> Response:
        return json_response(await issuers.narrow(body.type, body.issuers, by=by.id))

    @routes.post("/issuers/refresh", **needs(Scope.TERMS, Scope.MEMBERS))
    async def refresh() -> Response:
        return json_response(await issuers.refresh())

    @routes.get("/issuers/received", **needs(*READERS))
    async def received(
        request: Request, limit: Limit = LARGEST_PAGE, after: After = "", subject: str = ""
    ) -> Response:
        found = await issuers.received(PageRequest(limit, after), speak_to(request), subject)
        return paged("credentials", found, [(one["received"], one["id"]) for one in found], limit)

    @routes.get("/issuers/issued", **needs(*READERS))
    async def issued(limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        found = await issuers.issued(PageRequest(limit, after))
        return paged("credentials", found, [(one["issued"], one["id"]) for one in found], limit)

    @routes.post("/issuers/issued", **needs(Scope.MEMBERS, Scope.TERMS))
    async def issue(body: IssueBody, by: Acting) -> Response:
        from medspace.services.issuers.issuing import IssuingWish  # noqa: PLC0415 - not at the start

        begins = _instant(body.since) if body.since else issuers.node.clock.now()
        claims: dict[str, Json] = dict(body.claims)
        wish = IssuingWish(
            body.subject, tuple(body.types), claims, begins, _instant(body.until), tuple(body.receivers)
        )
        return json_response(await issuers.issue(wish, by=by.id), 201)

    @routes.post("/issuers/issued/{credential}/revoke", **needs(Scope.MEMBERS, Scope.TERMS))
    async def revoke(credential: str, by: Acting) -> Response:
        return json_response(await issuers.revoke(credential, by=by.id))

    return routes


def _instant(text: str) -> datetime:
    try:
        return instant(text)
    except ValueError:
        raise IssuingError(reason=Sentence(msgid("{time} is no instant"), {"time": text[:64]})) from None
