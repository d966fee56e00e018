"""Consents, in the management API."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field
from starlette.requests import Request

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import Body, Text, router, speak_to
from medspace.app.features.consent.service import Consents
from medspace.core.actors import Scope
from medspace.services.consents.decisions import ConsentVerdict
from medspace.services.consents.model import ConsentTerms, ElementCodes

READERS = (Scope.READ, Scope.TERMS)
MOST_DOCUMENTS = 500
Codes = Annotated[list[Text], Field(max_length=1_000)] | None


class VerdictBody(Body):
    """What a person decides on a patient, and why."""

    patient: Text
    dataset: Text
    purpose: Text
    allowed: bool
    reason: Annotated[Text, Field(min_length=1, max_length=1_000)]


class DocumentsBody(Body):
    """FHIR Consents, in the order in which they came."""

    documents: Annotated[list[dict[str, Any]], Field(max_length=MOST_DOCUMENTS)]


class WithdrawalBody(Body):
    """Which patient withdraws, and which consent; "" is every one."""

    patient: Text
    consent: Text = ""


class PatientDaysBody(Body):
    """A patient, the day of her majority and that of her death."""

    patient: Text
    adult: Text = ""
    died: Text = ""


class PatientsBody(Body):
    """Patients."""

    patients: Annotated[list[PatientDaysBody], Field(max_length=1_000)]


class ElementBody(Body):
    """What is said of some columns."""

    classes: Codes = None
    codes: Codes = None
    labels: Codes = None

    def read(self) -> ElementCodes:
        """As it is kept."""
        listed = (None if one is None else tuple(one) for one in (self.classes, self.codes, self.labels))
        return ElementCodes(*listed)


class TermsBody(Body):
    """How a dataset is used under consent."""

    column: Text
    whole: ElementBody = ElementBody()
    columns: Annotated[dict[str, ElementBody], Field(max_length=1_000)] = {}
    since: Text = ""
    until: Text = ""
    names: Annotated[dict[str, list[Text]], Field(max_length=1_000)] = {}
    after_death: bool = False

    def read(self) -> ConsentTerms:
        """As it is kept."""
        return ConsentTerms(
            column=self.column,
            whole=self.whole.read(),
            columns={name: one.read() for name, one in self.columns.items()},
            since=self.since,
            until=self.until,
            names={did: tuple(known) for did, known in self.names.items()},
            after_death=self.after_death,
        )


def routes(consents: Consents) -> APIRouter:
    """The routes of the management API."""
    routes = router("consent")

    @routes.post("/consent/record", **needs(Scope.TERMS))
    async def record(body: DocumentsBody, by: Acting) -> Response:
        return json_response(await consents.record(body.documents, by=by.id))

    @routes.post("/consent/withdraw", **needs(Scope.TERMS))
    async def withdraw(body: WithdrawalBody, by: Acting) -> Response:
        return json_response(await consents.withdraw(body.patient, body.consent, by=by.id))

    @routes.post("/consent/patients", **needs(Scope.TERMS))
    async def describe(body: PatientsBody, by: Acting) -> Response:
        listed = [one.model_dump() for one in body.patients]
        return json_response(await consents.describe(listed, by=by.id))

    @routes.get("/consent/patients/{patient}", **needs(Scope.TERMS))
    async def explain(patient: str, request: Request, user: Text = "", purpose: Text = "") -> Response:
        return json_response(await consents.explain(patient, speak_to(request), user=user, purpose=purpose))

    @routes.get("/consent/undecided/{dataset:path}", **needs(Scope.TERMS))
    async def undecided(dataset: str, purpose: Text, user: Text = "") -> Response:
        found = await consents.undecided(dataset, purpose, user=user)
        return json_response({"dataset": dataset, "purpose": purpose, "patients": found})

    @routes.post("/consent/decisions", **needs(Scope.TERMS))
    async def decide(body: VerdictBody, by: Acting) -> Response:
        return json_response(await consents.decide(ConsentVerdict(**body.model_dump()), by=by.id))

    @routes.get("/consent/receipts/{patient}", **needs(Scope.TERMS))
    async def receipt(patient: str) -> Response:
        return json_response(await consents.receipt(patient))

    @routes.get("/consent/uses/{patient}", **needs(Scope.TERMS))
    async def uses_of(patient: str, request: Request) -> Response:
        return json_response({"patient": patient, "uses": await consents.uses_of(patient, speak_to(request))})

    @routes.get("/consent/proof", **needs(Scope.TERMS))
    async def proof(use: Text, patient: Text) -> Response:
        return json_response(await consents.proof(use, patient))

    @routes.get("/consent/replay", **needs(*READERS))
    async def replay() -> Response:
        return json_response(await consents.replay())

    @routes.get("/consent/datasets", **needs(*READERS))
    async def datasets() -> Response:
        return json_response({"datasets": await consents.datasets()})

    @routes.post("/consent/datasets/{dataset:path}", **needs(Scope.TERMS))
    async def put_terms(dataset: str, body: TermsBody, by: Acting) -> Response:
        return json_response(await consents.put_terms(dataset, body.read(), by=by.id))

    @routes.post("/consent/renew/{dataset:path}", **needs(Scope.TERMS))
    async def renew(dataset: str, by: Acting) -> Response:
        return json_response(await consents.renew(dataset, by=by.id))

    return routes
