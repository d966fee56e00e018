"""The pages of consents, for the data office and ethics boards: whom each purpose reaches, what a patient has said."""

from pathlib import Path
from typing import Any

from starlette.responses import Response

from medspace.app.doors.portal.inquiry import InquiryError
from medspace.app.doors.portal.visit import PortalVisit
from medspace.app.node.pages import MenuEntry, PortalAction, PortalPage, PortalPages
from medspace.core.actors import Scope
from medspace.core.canonical import JsonObject
from medspace.core.paths import path
from medspace.core.text import msgid

READERS = (Scope.READ, Scope.TERMS)
LIST, PATIENT = "consent/consents.html", "consent/patient.html"


async def consents(visit: PortalVisit) -> Response:
    """Datasets under consent, how many patients each purpose reaches, and the replay."""
    return visit.page(LIST, **await _datasets(visit))


async def renew(visit: PortalVisit) -> Response:
    """Begin the next edition of a dataset, if enough patients have said something new."""
    try:
        await visit.post(path("consent", "renew", visit.field("dataset")))
    except InquiryError as error:
        return visit.refused(LIST, error, **await _datasets(visit))
    return visit.go("/consent")


async def patient(visit: PortalVisit) -> Response:
    """What a patient has said and who used her data. Her name is in the form and never in an address."""
    return await _shown(visit, visit.field("patient"))


async def withdraw(visit: PortalVisit) -> Response:
    """Record that a patient withdraws one consent, or all."""
    name = visit.field("patient")
    try:
        done = await visit.post("/consent/withdraw", {"patient": name, "consent": visit.field("consent")})
    except InquiryError as error:
        return visit.refused(LIST, error, **await _datasets(visit))
    return await _shown(visit, name, done=done)


async def decide(visit: PortalVisit) -> Response:
    """Record what a person decided on a patient."""
    patient, reason = visit.field("patient"), visit.field("reason")
    dataset, _, purpose = visit.field("about").partition(" ")  # the identity of a dataset has no space
    said = {"patient": patient, "dataset": dataset, "purpose": purpose, "reason": reason}
    try:
        await visit.post("/consent/decisions", {**said, "allowed": visit.field("verdict") == "allow"})
    except InquiryError as error:
        return visit.refused(LIST, error, **await _datasets(visit))
    return await _shown(visit, patient)


async def _shown(visit: PortalVisit, name: str, done: JsonObject | None = None) -> Response:
    try:
        said = await visit.get(path("consent", "patients", name))
        used = (await visit.get(path("consent", "uses", name)))["uses"]
    except InquiryError as error:
        return visit.refused(LIST, error, **await _datasets(visit))
    return visit.page(PATIENT, said=said, used=used, done=done)


async def _datasets(visit: PortalVisit) -> dict[str, Any]:
    datasets = (await visit.get("/consent/datasets"))["datasets"]
    replay = await visit.get("/consent/replay") if visit.query("replay") else None
    return {"datasets": datasets, "replay": replay, "may": visit.may(Scope.TERMS)}


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    pages=(PortalPage("/consent", consents, READERS),),
    actions=(
        PortalAction("/consent/renew", renew, (Scope.TERMS,)),
        PortalAction("/consent/patient", patient, (Scope.TERMS,)),
        PortalAction("/consent/decide", decide, (Scope.TERMS,), confirmed=True),
        PortalAction("/consent/withdraw", withdraw, (Scope.TERMS,), confirmed=True),
    ),
    menu=(
        MenuEntry(
            "/consent",
            msgid("Consents"),
            "i",
            "data",
            READERS,
            msgid("Consents of patients: whom each purpose reaches, and whether every use was inside consent."),
        ),
    ),
)
