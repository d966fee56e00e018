"""Permits, in the management API."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import After, Body, Limit, Text, paged, router, speak_to
from medspace.app.features.permits.service import Permits
from medspace.app.node.lists import LARGEST_PAGE, PageRequest
from medspace.core.actors import Scope
from medspace.core.canonical import JsonObject
from medspace.services.permits.model import Application, PermitDataset

READERS = (Scope.READ, Scope.TERMS, Scope.USE)
Some = Annotated[list[Text], Field(max_length=200)]
Values = Annotated[list[Text], Field(max_length=100_000)]


class DatasetBody(Body):
    """A dataset: the DID of its holder, and its id there."""

    holder: Text
    dataset: Text


class ApplicationBody(Body):
    """An application, and the access body (DID) that decides on it."""

    body: Text
    datasets: Annotated[list[DatasetBody], Field(max_length=100)]
    people: Some
    purposes: Some
    since: Text
    until: Text
    title: Text
    summary: Text
    safeguards: Text
    ethics: Text = ""

    def read(self) -> Application:
        """The application."""
        return Application(
            datasets=_datasets(self.datasets),
            people=tuple(self.people),
            purposes=tuple(self.purposes),
            since=self.since,
            until=self.until,
            title=self.title,
            summary=self.summary,
            safeguards=self.safeguards,
            ethics=self.ethics,
        )


class CaseTextBody(Body):
    """A question, an answer or a reason."""

    text: Text


class DecisionBody(Body):
    """A decision; what it leaves out is as it was applied for."""

    granted: bool
    reasons: Text
    datasets: Annotated[list[DatasetBody], Field(max_length=100)] = []
    people: Some = []
    purposes: Some = []
    since: Text = ""
    until: Text = ""
    conditions: Some = []
    fees: Text = ""
    opt_outs: Text = ""

    def read(self) -> JsonObject:
        """As the service takes it."""
        return {
            "granted": self.granted,
            "reasons": self.reasons,
            "datasets": _datasets(self.datasets),
            "people": tuple(self.people),
            "purposes": tuple(self.purposes),
            "since": self.since,
            "until": self.until,
            "conditions": tuple(self.conditions),
            "fees": self.fees,
            "opt_outs": self.opt_outs,
        }


class OptOutsBody(Body):
    """The column and the values of the rows whose persons opted out; no values: nobody did."""

    column: Text
    values: Values


def _datasets(listed: list[DatasetBody]) -> tuple[PermitDataset, ...]:
    return tuple(PermitDataset(one.holder, one.dataset) for one in listed)


def routes(permits: Permits) -> APIRouter:
    """The routes of the management API."""
    routes = router("permits")

    @routes.get("/permits", **needs(*READERS))
    async def cases(
        request: Request,
        limit: Limit = LARGEST_PAGE,
        after: After = "",
        side: Literal["", "applicant", "body"] = "",
        state: Literal["", "applied", "questioned", "granted", "refused", "withdrawn", "revoked"] = "",
    ) -> Response:
        found = await permits.page(PageRequest(limit, after), speak_to(request), side=side, state=state)
        return paged("permits", found, [(one["created"], one["id"]) for one in found], limit)

    @routes.get("/permits/register", **needs(*READERS))
    async def register(limit: Limit = LARGEST_PAGE, after: After = "", body: Text = "") -> Response:
        return json_response(await permits.register(PageRequest(limit, after), body))

    @routes.get("/permits/opt-outs/{dataset:path}", **needs(*READERS))
    async def opt_outs(dataset: str) -> Response:
        return json_response(await permits.opt_outs(dataset))

    @routes.post("/permits/opt-outs/{dataset:path}", **needs(Scope.TERMS))
    async def opt_out(dataset: str, body: OptOutsBody, by: Acting) -> Response:
        return json_response(await permits.opt_out(dataset, body.column, body.values, by=by.id))

    @routes.post("/permits", **needs(Scope.USE))
    async def apply(body: ApplicationBody, request: Request, by: Acting) -> Response:
        return json_response(await permits.apply(body.body, body.read(), speak_to(request), by=by.id), 201)

    @routes.get("/permits/{case}", **needs(*READERS))
    async def case(case: str, request: Request) -> Response:
        return json_response(await permits.of(case, speak_to(request)))

    @routes.post("/permits/{case}/answer", **needs(Scope.USE))
    async def answer(case: str, body: CaseTextBody, request: Request, by: Acting) -> Response:
        return json_response(await permits.answer(case, body.text, speak_to(request), by=by.id))

    @routes.post("/permits/{case}/withdraw", **needs(Scope.USE))
    async def withdraw(case: str, request: Request, by: Acting) -> Response:
        return json_response(await permits.withdraw(case, speak_to(request), by=by.id))

    @routes.post("/permits/{case}/ask", **needs(Scope.TERMS))
    async def ask(case: str, body: CaseTextBody, request: Request, by: Acting) -> Response:
        return json_response(await permits.ask(case, body.text, speak_to(request), by=by.id))

    @routes.post("/permits/{case}/decide", **needs(Scope.TERMS))
    async def decide(case: str, body: DecisionBody, request: Request, by: Acting) -> Response:
        return json_response(await permits.decide(case, body.read(), speak_to(request), by=by.id))

    @routes.post("/permits/{case}/revoke", **needs(Scope.TERMS))
    async def revoke(case: str, body: CaseTextBody, request: Request, by: Acting) -> Response:
        return json_response(await permits.revoke(case, body.text, speak_to(request), by=by.id))

    return routes
