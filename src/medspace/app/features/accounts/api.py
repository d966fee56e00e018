"""Accounts, in the management API."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import After, Body, Limit, paged, router
from medspace.app.features.accounts.service import AccountDesk
from medspace.app.node.lists import LARGEST_PAGE, PageRequest
from medspace.core.actors import Scope
from medspace.services.accounts.model import AccountRole
from medspace.services.tokens.rules import LONGEST_NAME

ONCE = {"Cache-Control": "no-store"}  # what is in the answer and nowhere else
Roles = Annotated[list[AccountRole], Field(min_length=1, max_length=len(AccountRole))]


class RolesBody(Body):
    """What an account is."""

    roles: Roles


class AccountBody(RolesBody):
    """Whose an account is; they are one actor with the tokens of that person."""

    name: Annotated[str, Field(max_length=LONGEST_NAME)]


class CloseBody(Body):
    """With `forget` the name is deleted as well, where no token of it counts."""

    forget: bool = False


class LinkBody(Body):
    """With `reset` passkeys and sessions of the account are gone first."""

    reset: bool = False


def routes(desk: AccountDesk) -> APIRouter:
    """The routes of the management API."""
    routes = router("accounts")

    @routes.get("/accounts", **needs())
    async def listed(limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        found = await desk.page(PageRequest(limit, after).cursor(), limit)
        return paged("accounts", found, [(one["created"], one["id"]) for one in found], limit)

    @routes.post("/accounts", **needs())
    async def make(body: AccountBody, by: Acting) -> Response:
        return json_response(await desk.make(body.name, body.roles, by), 201)

    @routes.post("/accounts/{account}/roles", **needs())
    async def change(account: str, body: RolesBody, by: Acting) -> Response:
        return json_response(await desk.change(account, body.roles, by))

    @routes.post("/accounts/{account}/close", **needs())
    async def close(account: str, body: CloseBody, by: Acting) -> Response:
        return json_response(await desk.close(account, by, forget=body.forget))

    @routes.post("/accounts/{account}/link", **needs())
    async def link(account: str, body: LinkBody, by: Acting) -> Response:
        return json_response(await desk.link(account, by, reset=body.reset), 201, ONCE)

    @routes.post("/links", **needs(*Scope))
    async def own_link(by: Acting) -> Response:
        return json_response(await desk.own_link(by), 201, ONCE)

    return routes
