"""One's own offers, in the management API."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from medspace.adapters.duckdb.settings import DraftOptions
from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import After, Body, Limit, Text, router, speak_to
from medspace.app.features.offers.editing import CopiedTerms, NewOffer, OfferChanges
from medspace.app.features.offers.own_templates import OwnTemplates
from medspace.app.features.offers.service import Offers
from medspace.app.node.lists import LARGEST_PAGE, PageRequest
from medspace.app.node.offering.origins import origin
from medspace.app.node.offering.wishes import COUNT, MIN_SITES, Wishes
from medspace.core.actors import Scope
from medspace.privacy.publication import LEAST

Number = Annotated[int, Field(ge=0, le=1_000_000)]
Figures = Annotated[list[Literal["size", "missing"]], Field(max_length=2)]
Some = Annotated[list[Text], Field(max_length=1000)]


class OfferBody(Body):
    """A table to offer for training, by the absolute path of a file or the address of a server.

    What is not said is the safe thing. `count` 0: no bound. `password` is the file of a server's password; `publish`
    is what the catalogue says of its content, rounded; `dry`: only say what would be published, and what it allows
    beyond other datasets of the same table, with `seen`, which stands for that and confirms it. `terms`: a template
    of one's own, whose terms take the place of the usual ones, except `until`.
    """

    source: Text
    dataset: Text = ""
    title: Text = ""
    dictionary: Text = ""
    person: Text = ""
    rows_are_persons: bool = False
    table: Text = ""
    password: Text = ""
    settings: Some = []
    leave_out: Some = []
    leave_out_rows: Some = []
    encoding: Text = ""
    delimiter: Annotated[str, Field(max_length=1)] = ""
    skip_lines: Number | None = None
    names: Annotated[list[Text], Field(max_length=10_000)] = []
    min_cohort: Annotated[int, Field(ge=LEAST, le=1_000_000)] = LEAST
    until: Text = ""
    count: Number | None = None
    min_sites: Number | None = None
    questions: Number | None = None
    holders: Some = []
    publish: Figures = []
    dry: bool = False
    seen: Text = ""
    terms: Text = ""


class ChangeBody(Body):
    """The changes to an offer; `dry`: only report their effect, with `seen`, which stands for it.

    `loosen`: terms that may protect less than before, as `seen`. `terms`: a template of one's own whose terms take
    the place of those of the offer.
    """

    until: Text | None = None
    count: Number | None = None
    min_sites: Number | None = None
    questions: Number | None = None
    publish: Figures | None = None
    offer: Number = 0
    terms: Text = ""
    loosen: Some = []
    seen: Text = ""
    dry: bool = False


class DryBody(Body):
    """`dry`: only report the effect."""

    dry: bool = False


class ReloadBody(Body):
    """`dry`: only report what changes, with `seen`, which stands for it and confirms it."""

    dry: bool = False
    seen: Text = ""


def new_offer(body: OfferBody, copied: CopiedTerms | None = None) -> NewOffer:
    """What a body asks for."""
    draft = DraftOptions(
        body.person, body.rows_are_persons, body.table, body.encoding, body.delimiter, body.skip_lines,
        tuple(body.names), tuple(body.leave_out), tuple(body.leave_out_rows), tuple(body.settings),
        body.min_cohort, body.password,
    )  # fmt: skip
    wishes = Wishes(
        name="",
        port=1,
        offer=origin(body.source),
        person=body.person,
        rows_are_persons=body.rows_are_persons,
        until=body.until,
        count={None: COUNT, 0: None}.get(body.count, body.count),
        min_sites=MIN_SITES if body.min_sites is None else body.min_sites,
        min_cohort=draft.least,
        questions=body.questions,
        holders=tuple(body.holders),
        draft=draft,
        publish=tuple(body.publish),
    )
    return NewOffer(wishes, body.dataset, body.title, body.dictionary, body.dry, body.seen, copied)


def routes(kept: Offers, own: OwnTemplates) -> APIRouter:
    """The routes of the management API."""
    routes = router("offers")

    async def copied(name: str) -> CopiedTerms | None:
        found = await own.find(name) if name else None
        return None if found is None else CopiedTerms(found.template, found.terms)

    @routes.get("/offers", **needs(Scope.READ, Scope.TERMS))
    async def offers(request: Request, limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        found = await kept.page(speak_to(request), PageRequest(limit, after))
        return json_response({"offers": found, "next": found[-1]["dataset"] if len(found) == limit else ""})

    @routes.get("/offers/{dataset:path}", **needs(Scope.READ, Scope.TERMS))
    async def one(request: Request, dataset: str) -> Response:
        return json_response(await kept.one(dataset, speak_to(request)))

    @routes.post("/offers", **needs())  # it names a file of this machine: the owner's alone
    async def offer(request: Request, body: OfferBody, by: Acting) -> Response:
        made = await kept.add(new_offer(body, await copied(body.terms)), speak_to(request), by.id)
        return json_response(made, 200 if body.dry else 201)

    @routes.post("/offers/reload", **needs(Scope.TERMS))
    async def reload(request: Request, body: ReloadBody, by: Acting) -> Response:
        return json_response(await kept.reload(speak_to(request), by.id, dry=body.dry, seen=body.seen))

    @routes.post("/offers/{dataset:path}/change", **needs(Scope.TERMS))
    async def change(request: Request, dataset: str, body: ChangeBody, by: Acting) -> Response:
        said = OfferChanges(
            body.until,
            body.count,
            body.min_sites,
            body.questions,
            body.offer,
            None if body.publish is None else tuple(body.publish),
            await copied(body.terms),
            tuple(body.loosen),
            body.seen,
        )
        return json_response(await kept.change(dataset, said, speak_to(request), by.id, dry=body.dry))

    @routes.post("/offers/{dataset:path}/withdraw", **needs(Scope.TERMS))
    async def withdraw(request: Request, dataset: str, body: DryBody, by: Acting) -> Response:
        return json_response(await kept.withdraw(dataset, speak_to(request), by.id, dry=body.dry))

    @routes.post("/offers/{dataset:path}/publish", **needs(Scope.TERMS))
    async def publish(request: Request, dataset: str, by: Acting) -> Response:
        return json_response(await kept.publish(dataset, speak_to(request), by.id))

    return routes
