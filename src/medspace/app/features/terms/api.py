"""Catalogues, negotiations, agreements and dry runs, in the management API."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import Field

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, named, needs
from medspace.app.doors.management.routing import (
    MOST_AGREEMENTS,
    After,
    Body,
    Limit,
    Place,
    Polling,
    Text,
    paged,
    router,
    speak_to,
    waiting,
)
from medspace.app.doors.views import Speak
from medspace.app.features.terms import checking, evaluating, views
from medspace.app.features.terms.agreements import Agreements
from medspace.app.features.terms.could import Could, CouldWishes
from medspace.app.features.terms.renewing import Renewing, changes_of
from medspace.app.features.terms.searching import OLDEST, CatalogueWishes, Searching
from medspace.app.features.terms.service import Terms
from medspace.app.features.terms.showing import Showing
from medspace.app.features.terms.trying import Trying
from medspace.app.node.lists import LARGEST_PAGE, PageRequest
from medspace.connector.catalogue.facets import FACETS, LONGEST_VALUE
from medspace.connector.model import NEGOTIATIONS, Negotiation
from medspace.core.actors import Scope
from medspace.core.canonical import JsonObject

Document = dict[str, Any] | list[Any] | str
Side = Literal["", "provider", "consumer"]


class NegotiationBody(Body):
    """What to negotiate: a dataset of a participant, by one of its offers (the first, where none is named)."""

    participant: Text
    dataset: Text
    offer: Text = ""


class DownloadBody(Body):
    """Which rows to ask for."""

    participant: Text
    dataset: Text


class RenewBody(Body):
    """The offer that takes the place of an agreement, and the digest of the differences that were seen."""

    offer: Text = ""
    seen: Annotated[str, Field(max_length=128)] = ""


class AnswerBody(Body):
    """A person's decision."""

    approve: bool
    reason: Text = ""
    seen: Annotated[str, Field(max_length=64)] = ""  # the version that was looked at; on another one nothing is done


class TryBody(Body):
    """A hypothetical use: of one's own dataset, of a participant's as it is offered, or under an agreement."""

    dataset: Text = ""
    participant: Text = ""
    offer: Text = ""
    agreement: Text = ""
    user: Text = ""
    purpose: Text = ""
    place: Text = ""
    format: Text = "medspace:train"
    at: Text = ""
    holders: Annotated[list[Text], Field(max_length=MOST_AGREEMENTS)] = []


class EvaluateBody(Body):
    """A policy, a request and a state of the world: each JSON-LD, or Turtle as one text."""

    policy: Document
    request: Document
    state: Document | None = None
    at: Text = ""


class OfferTermsBody(Body):
    """The terms of an offer."""

    policy: dict[str, Any]


LARGEST_FIND = 20_000  # datasets: the most that a search collects, so that none is requested twice
Found = Annotated[int, Query(ge=1, le=LARGEST_FIND)]
MOST_CHOSEN = 20  # values of one facet
LONGEST_SEARCH = 200
Chosen = Annotated[list[Annotated[str, Field(max_length=LONGEST_VALUE)]], Query(max_length=MOST_CHOSEN)]
Sizes = Annotated[list[Annotated[str, Field(pattern="^[0-9]{1,12}$")]], Query(max_length=MOST_CHOSEN)]


def _wishes(
    search: Annotated[str, Query(max_length=LONGEST_SEARCH)] = "",
    participant: str = "",
    holder: Chosen = [],  # noqa: B006 - FastAPI copies it
    region: Chosen = [],  # noqa: B006
    kind: Chosen = [],  # noqa: B006
    purpose: Chosen = [],  # noqa: B006
    column: Chosen = [],  # noqa: B006
    concept: Chosen = [],  # noqa: B006
    until: Chosen = [],  # noqa: B006
    size: Sizes = [],  # noqa: B006
    age: Annotated[int, Query(ge=0, le=OLDEST)] = 0,
    facets: Annotated[int, Query(ge=0, le=LARGEST_PAGE)] = 0,
    limit: Found = LARGEST_FIND,
    after: Place = "",
) -> CatalogueWishes:
    values = (holder, region, kind, purpose, column, concept, until, size)
    chosen = {name: tuple(one) for name, one in zip(FACETS, values, strict=True) if one}
    return CatalogueWishes(search, chosen, participant, age, after, limit, facets)


Wished = Annotated[CatalogueWishes, Depends(_wishes)]


async def shown(terms: Terms, record: Negotiation, speak: Speak) -> JsonObject:
    """A negotiation, with the names of who acted."""
    (told,) = await named(terms.node.actors, [views.negotiation(record, speak)])
    return told


def routes(terms: Terms, searching: Searching, trying: Trying, agreements: Agreements, showing: Showing) -> APIRouter:
    """The routes of the management API."""
    routes = router("terms")

    @routes.get("/catalog", **needs(Scope.READ, Scope.TERMS, Scope.USE))
    async def catalog(request: Request, wishes: Wished) -> Response:
        found, catalogues = await searching.search(wishes)
        return json_response(views.catalogue(found, catalogues, terms.node.names(), speak_to(request)))

    @routes.get("/catalog/could", **needs(Scope.READ, Scope.TERMS, Scope.USE))
    async def could(
        request: Request, use: After, purpose: After = "", place: After = "", at: After = "", search: After = ""
    ) -> Response:
        wishes = CouldWishes(use, purpose, place, at, search)
        return json_response(await Could(terms.node, searching).search(wishes, speak_to(request)))

    @routes.get("/datasets", **needs(Scope.READ, Scope.TERMS))
    async def datasets(request: Request, limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        speak = speak_to(request)
        found = await terms.datasets(PageRequest(limit, after))
        after_it = found[-1].id if len(found) == limit else ""
        return json_response({"datasets": [views.dataset(d, speak) for d in found], "next": after_it})

    @routes.post("/negotiations", **needs(Scope.TERMS))
    async def negotiate(request: Request, body: NegotiationBody, by: Acting) -> Response:
        begun = await terms.negotiate(body.participant, body.dataset, body.offer, by=by.id)
        return json_response(await shown(terms, begun, speak_to(request)), 201)

    @routes.get("/negotiations", **needs(Scope.READ, Scope.TERMS))
    async def negotiations(request: Request, limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        speak = speak_to(request)
        found = await terms.negotiations(PageRequest(limit, after))
        told = await named(terms.node.actors, [views.negotiation(n, speak) for n in found])
        return paged("negotiations", told, [(n.created, n.id) for n in found], limit)

    @routes.get("/negotiations/{pid:path}", **needs(Scope.READ, Scope.TERMS))
    async def negotiation(request: Request, pid: str, poll: Polling) -> Response:
        speak = speak_to(request)

        async def look() -> JsonObject:
            found = await terms.negotiation(pid)
            return await shown(terms, found, speak) | {"changes": await changes_of(terms, found, speak)}

        return await waiting(request, terms.node, NEGOTIATIONS.topic(pid), poll, look)

    @routes.post("/negotiations/{pid:path}/answer", **needs(Scope.TERMS))
    async def answer(request: Request, pid: str, body: AnswerBody, by: Acting) -> Response:
        decided = await terms.answer(pid, approve=body.approve, reason=body.reason, by=by.id, seen=body.seen)
        return json_response(await shown(terms, decided, speak_to(request)))

    routes.include_router(agreement_routes(agreements))
    routes.include_router(renewal_routes(terms))
    routes.include_router(dataset_routes(terms, trying, showing))
    return routes


def dataset_routes(terms: Terms, trying: Trying, showing: Showing) -> APIRouter:
    """The routes on one dataset: what it is, what may be done with it, its rows."""
    routes = router("terms")

    @routes.post("/policy/try", **needs(Scope.READ, Scope.TERMS, Scope.USE))
    async def try_policy(request: Request, body: TryBody) -> Response:
        speak = speak_to(request)
        return json_response(await trying.try_policy(body.model_dump(), speak))

    @routes.post("/policy/evaluate", **needs(Scope.READ, Scope.TERMS, Scope.USE))
    async def evaluate_policy(body: EvaluateBody) -> Response:
        found = await asyncio.to_thread(evaluating.evaluate, body.policy, body.request, body.state, body.at)
        return json_response(evaluating.told(found))

    @routes.post("/policy/check", **needs(Scope.READ, Scope.TERMS, Scope.USE))
    async def check_policy(request: Request, body: OfferTermsBody) -> Response:
        found = await asyncio.to_thread(checking.check, body.policy, trying.node.clock.now())
        return json_response(checking.told(found, speak_to(request)))

    @routes.post("/downloads", **needs(Scope.USE, also=Scope.TERMS))
    async def download(body: DownloadBody, by: Acting) -> Response:
        return json_response(await terms.download(body.participant, body.dataset, by=by.id), 201)

    @routes.get("/show/{dataset:path}", **needs(Scope.READ, Scope.TERMS, Scope.USE))
    async def show(request: Request, dataset: str, participant: After = "") -> Response:
        return json_response(await showing.show(participant, dataset, speak_to(request)))

    return routes


def renewal_routes(terms: Terms) -> APIRouter:
    """The routes on what takes the place of an agreement."""
    routes = router("terms")

    @routes.get("/renewals/{agreement:path}", **needs(Scope.READ, Scope.TERMS, Scope.USE))
    async def renewal(request: Request, agreement: str, offer: After = "") -> Response:
        return json_response(await Renewing(terms).preview(agreement, speak_to(request), offer))

    @routes.post("/renewals/{agreement:path}", **needs(Scope.TERMS))
    async def renew(request: Request, agreement: str, body: RenewBody, by: Acting) -> Response:
        begun = await Renewing(terms).renew(agreement, body.seen, body.offer, by=by.id)
        return json_response(await shown(terms, begun, speak_to(request)), 201)

    @routes.post("/amendments/{agreement:path}", **needs(Scope.TERMS))
    async def amend(request: Request, agreement: str, body: RenewBody, by: Acting) -> Response:
        begun = await Renewing(terms).amend(agreement, body.seen, body.offer, by=by.id)
        return json_response(await shown(terms, begun, speak_to(request)), 201)

    return routes


def agreement_routes(agreements: Agreements) -> APIRouter:
    """The routes on agreements."""
    routes = router("terms")

    @routes.get("/agreements", **needs(Scope.READ, Scope.TERMS, Scope.USE))
    async def listed(
        request: Request, role: Side = "", dataset: After = "", limit: Limit = LARGEST_PAGE, after: After = ""
    ) -> Response:
        found = await agreements.page(PageRequest(limit, after).cursor(), limit, role=role, dataset=dataset)
        told = await named(agreements.node.actors, await agreements.shown(found, speak_to(request)))
        return paged("agreements", told, [(a.finalized, a.id) for a in found], limit)

    return routes
