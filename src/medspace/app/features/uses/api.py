"""Transfers and steps, in the management API."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, named, needs, require
from medspace.app.doors.management.routing import (
    After,
    Body,
    Limit,
    Polling,
    Text,
    paged,
    router,
    speak_to,
    waiting,
)
from medspace.app.doors.views import Speak
from medspace.app.features.uses import steps, views
from medspace.app.features.uses.service import Uses
from medspace.app.node.lists import LARGEST_PAGE, PageRequest
from medspace.app.node.node import Node
from medspace.connector.model import TRANSFERS, Role, Transfer
from medspace.connector.usage.model import AdmittedQuestion
from medspace.core.actors import Actor, Scope
from medspace.core.canonical import Json, JsonObject

LONGEST_COMMENT = 2_000
MOST_PARTS = 20
Side = Literal["", "provider", "consumer"]
Stage = Literal["", "INITIAL", "REQUESTED", "STARTED", "SUSPENDED", "COMPLETED", "TERMINATED"]
State = Literal["", "working", "held", "released", "withheld", "refused", "failed"]


class CheckBody(Body):
    """What a person decides about an output that waits; `comment` is for the holder's people alone."""

    approve: bool
    comment: Annotated[str, Field(max_length=LONGEST_COMMENT)] = ""


class LeaveOutBody(Body):
    """Parts of an output that waits which it is to be made anew without; `comment` as when it is checked."""

    leave_out: Annotated[list[Text], Field(min_length=1, max_length=MOST_PARTS)]
    comment: Annotated[str, Field(max_length=LONGEST_COMMENT)] = ""


class TransferBody(Body):
    """A use under an agreement; `address` asks for a push."""

    agreement: Text
    format: Text
    address: dict[str, Json] | None = None


class ReasonBody(Body):
    """Why."""

    reason: Text = ""


class EndBody(ReasonBody):
    """Why an agreement is ended: in words, and as one of the causes."""

    cause: Annotated[str, Field(max_length=64)] = ""


async def shown(uses: Uses, record: Transfer, speak: Speak) -> JsonObject:
    """A transfer, with the names of who acted."""
    (told,) = await named(uses.node.actors, [views.transfer(record, speak)])
    return told


def check_side(actor: Actor, role: Role) -> None:
    """Refuse an actor that may not steer a use: one's own needs `use`, others' uses of one's own data need `terms`.

    Raises:
        TokenScopeError: the token lacks that scope.
    """
    require(actor, Scope.TERMS if role is Role.PROVIDER else Scope.USE)


def routes(uses: Uses) -> APIRouter:
    """The routes of the management API."""
    routes = router("uses")

    @routes.post("/transfers", **needs(Scope.USE))
    async def request_transfer(request: Request, body: TransferBody, by: Acting) -> Response:
        begun = await uses.request(body.agreement, body.format, body.address, by=by.id)
        return json_response(await shown(uses, begun, speak_to(request)), 201)

    @routes.get("/transfers", **needs(Scope.READ, Scope.USE))
    async def transfers(request: Request, limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        speak = speak_to(request)
        found = await uses.transfers(PageRequest(limit, after))
        told = await named(uses.node.actors, [views.transfer(t, speak) for t in found])
        return paged("transfers", told, [(t.created, t.id) for t in found], limit)

    @routes.get("/transfers/{pid:path}", **needs(Scope.READ, Scope.USE))
    async def transfer(request: Request, pid: str, poll: Polling) -> Response:
        speak = speak_to(request)

        async def look() -> JsonObject:
            return await shown(uses, await uses.transfer(pid), speak)

        return await waiting(request, uses.node, TRANSFERS.topic(pid), poll, look)

    @routes.post("/transfers/{pid:path}/{verb}", **needs(Scope.USE, Scope.TERMS))
    async def steer(request: Request, pid: str, verb: str, body: ReasonBody, by: Acting) -> Response:
        check_side(by, (await uses.transfer(pid)).role)
        steered = await uses.steer(pid, verb, body.reason, by=by.id)
        return json_response(await shown(uses, steered, speak_to(request)))

    routes.include_router(step_routes(uses.node))
    routes.include_router(taking_back_routes(uses))
    return routes


def taking_back_routes(uses: Uses) -> APIRouter:
    """The routes on uses for people, and on agreements that end."""
    routes = router("uses")

    async def whole(request: Request, pid: str) -> Response:
        found, job = await uses.use(pid)
        leaks = await uses.leaks([found])
        told = views.use(found, job, uses.node.names(), speak_to(request), leaks.get(found.id, ()))
        return json_response(told)

    @routes.get("/uses", **needs(Scope.READ, Scope.USE))
    async def listed(
        request: Request,
        role: Side = "",
        state: Stage = "",
        agreement: After = "",
        limit: Limit = LARGEST_PAGE,
        after: After = "",
    ) -> Response:
        speak = speak_to(request)
        found = await uses.uses(PageRequest(limit, after), role=role, state=state, agreement=agreement)
        names, places = uses.node.names(), [(use.created, use.id) for use, _ in found]
        leaks = await uses.leaks([use for use, _ in found])
        told = [views.use(use, job, names, speak, leaks.get(use.id, ())) for use, job in found]
        return paged("uses", told, places, limit)

    @routes.get("/uses/{use:path}", **needs(Scope.READ, Scope.USE))
    async def one(request: Request, use: str) -> Response:
        return await whole(request, use)

    @routes.post("/uses/{use:path}/end", **needs(Scope.USE, Scope.TERMS))
    async def end(request: Request, use: str, body: ReasonBody, by: Acting) -> Response:
        check_side(by, (await uses.transfer(use)).role)
        await uses.ending.end_use(use, reason=body.reason, by=by.id)
        return await whole(request, use)

    @routes.post("/uses/{use:path}/{verb}", **needs(Scope.USE, Scope.TERMS))
    async def steer(
        request: Request, use: str, verb: Literal["suspend", "resume"], body: ReasonBody, by: Acting
    ) -> Response:
        check_side(by, (await uses.transfer(use)).role)
        await uses.steer(use, verb, body.reason, by=by.id)
        return await whole(request, use)

    @routes.get("/agreements/{agreement:path}/end", **needs(Scope.READ, Scope.TERMS))
    async def preview(agreement: str) -> Response:
        return json_response(await uses.ending.preview(agreement))

    @routes.post("/agreements/{agreement:path}/end", **needs(Scope.TERMS))
    async def end_agreement(agreement: str, body: EndBody, by: Acting) -> Response:
        said = {"reason": body.reason, "cause": body.cause}
        return json_response(await uses.ending.end_agreement(agreement, **said, by=by.id))

    return routes


def step_routes(node: Node) -> APIRouter:
    """The routes on steps of others on one's own datasets."""
    routes = router("steps")

    def shown(question: AdmittedQuestion) -> JsonObject:
        return steps.shown(question, node.usage.progress(question), node.names(), node.clock.now())

    async def whole(request: Request, step: str) -> Response:
        found = await node.usage.checking.step(step)
        (told,) = await named(node.actors, [shown(found.question) | steps.opened(found, speak_to(request))])
        comments = await named(node.actors, steps.comments(found))
        return json_response(told | {"comments": comments})

    @routes.get("/steps", **needs(Scope.READ, Scope.CHECK))
    async def listed(state: State = "", limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        found = await node.usage.checking.steps(steps.KEPT.get(state), PageRequest(limit, after).cursor(), limit)
        told = await named(node.actors, [shown(question) for question in found])
        return paged("steps", told, [(question.time, question.id) for question in found], limit)

    @routes.get("/steps/{step:path}", **needs(Scope.CHECK))
    async def one(request: Request, step: str) -> Response:
        return await whole(request, step)

    @routes.post("/steps/{step:path}/check", **needs(Scope.CHECK))
    async def check(request: Request, step: str, body: CheckBody, by: Acting) -> Response:
        await node.usage.checking.decide(step, approve=body.approve, by=by.id, comment=body.comment.strip())
        return await whole(request, step)

    @routes.post("/steps/{step:path}/change", **needs(Scope.CHECK))
    async def change(request: Request, step: str, body: LeaveOutBody, by: Acting) -> Response:
        await node.usage.checking.change(step, body.leave_out, by=by.id, comment=body.comment.strip())
        return await whole(request, step)

    return routes
