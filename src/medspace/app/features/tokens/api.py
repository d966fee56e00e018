"""Tokens, in the management API."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import After, Body, Limit, paged, router
from medspace.app.features.tokens.service import AccessTokens
from medspace.app.node.lists import LARGEST_PAGE, PageRequest
from medspace.core.actors import Scope
from medspace.services.tokens.rules import LONGEST_DAYS, LONGEST_NAME

DAYS = 90


class TokenBody(Body):
    """For whom a token is, what for, and for how many days; all tokens of a `person` are one actor."""

    name: Annotated[str, Field(max_length=LONGEST_NAME)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
    days: Annotated[int, Field(ge=1, le=LONGEST_DAYS)] = DAYS
    person: bool = False


def routes(tokens: AccessTokens) -> APIRouter:
    """The routes of the management API."""
    routes = router("tokens")

    @routes.post("/tokens", **needs(Scope.TOKENS))
    async def make(body: TokenBody, by: Acting) -> Response:
        made = await tokens.make(body.name, body.scopes, body.days, by, person=body.person)
        return json_response(made, 201, {"Cache-Control": "no-store"})

    @routes.get("/tokens", **needs(Scope.TOKENS))
    async def listed(limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        found = await tokens.page(PageRequest(limit, after).cursor(), limit)
        return paged("tokens", found, [(one["created"], one["id"]) for one in found], limit)

    @routes.get("/tokens/self", **needs(*Scope))
    async def mine(by: Acting) -> Response:
        return json_response(await tokens.own(by))

    @routes.delete("/tokens/{token}", **needs(Scope.TOKENS))
    async def revoke(token: str, by: Acting, forget: Annotated[bool, Query()] = False) -> Response:  # noqa: FBT002
        return json_response(await tokens.revoke(token, by, forget=forget))

    return routes
