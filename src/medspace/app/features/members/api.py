"""Members and signing keys, in the management API."""

from fastapi import APIRouter
from fastapi.responses import Response

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import After, Body, Limit, Text, router
from medspace.app.features.members import views
from medspace.app.features.members.service import Members
from medspace.app.node.lists import FIRST, LARGEST_PAGE, PageRequest, page_of
from medspace.core.actors import Scope
from medspace.core.canonical import JsonObject


class MemberBody(Body):
    """The participant that the authority admits; its key is read from the DID document."""

    did: Text
    name: Text
    region: Text = ""
    roles: list[Text] = []
    operator: Text = ""


class MemberKeysBody(Body):
    """The member whose ML-DSA-65 keys the authority accepts."""

    did: Text


def routes(members: Members) -> APIRouter:
    """The routes of the management API."""
    routes = router("space")

    @routes.get("/members", **needs(Scope.READ, Scope.TERMS, Scope.USE, Scope.MEMBERS))
    async def listed(limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        if not members.members():  # it may have been admitted a moment ago
            await members.refresh()
        return json_response(_page(members, PageRequest(limit, after)))

    @routes.post("/members", **needs(Scope.MEMBERS))
    async def admit(body: MemberBody, by: Acting) -> Response:
        admitted = await members.admit(body.did, body.name, body.region, body.roles, body.operator, by=by.id)
        return json_response(views.member(admitted), 201)

    @routes.delete("/members/{did:path}", **needs(Scope.MEMBERS))
    async def remove(did: str, by: Acting) -> Response:
        await members.remove(did, by=by.id)
        return json_response({"did": did})

    @routes.post("/members/refresh", **needs(Scope.READ, Scope.MEMBERS))
    async def refresh() -> Response:
        await members.refresh()
        return json_response(_page(members, FIRST))

    @routes.post("/members/keys", **needs(Scope.MEMBERS))
    async def take_keys(body: MemberKeysBody, by: Acting) -> Response:
        return json_response(views.member(await members.signing.take(body.did, by=by.id)))

    @routes.get("/keys", **needs(Scope.READ, Scope.KEYS))
    async def keys() -> Response:
        return json_response({"keys": members.signing.show()})

    @routes.post("/keys", **needs(Scope.KEYS))
    async def rotate(by: Acting) -> Response:
        return json_response(await members.signing.rotate(by=by.id), 201)

    @routes.delete("/keys/{key}", **needs(Scope.KEYS))
    async def revoke(key: str, by: Acting) -> Response:
        return json_response(await members.signing.revoke(key, by=by.id))

    return routes


def _page(members: Members, page: PageRequest) -> JsonObject:
    found, following = page_of(members.members(), lambda member: member.did, page)
    return {"members": [views.member(member) for member in found], "next": following}
