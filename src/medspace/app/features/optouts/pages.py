"""The page of opt-outs: datasets that follow the registry; at the authority, the registry too."""

from pathlib import Path
from typing import Any

from starlette.responses import Response

from medspace.app.doors.portal.inquiry import InquiryError
from medspace.app.doors.portal.visit import PortalVisit
from medspace.app.node.pages import MenuEntry, PortalAction, PortalPage, PortalPages
from medspace.core.actors import Scope
from medspace.core.paths import path
from medspace.core.text import msgid

READERS = (Scope.READ, Scope.TERMS)


async def optouts(visit: PortalVisit) -> Response:
    """What follows the registry, and until when its answers hold."""
    return await _page(visit)


async def refresh(visit: PortalVisit) -> Response:
    """Ask the registry about a dataset anew."""
    try:
        await visit.post(path("optouts", "refresh", visit.field("dataset")), {})
    except InquiryError as error:
        return await _page(visit, error)
    return visit.go("/optouts")


async def _page(visit: PortalVisit, error: InquiryError | None = None) -> Response:
    found = await visit.get("/optouts/datasets")
    registry = await visit.get("/optouts/registry") if found["registry"] else None
    facts: dict[str, Any] = {"found": found, "registry": registry, "may": visit.may(Scope.TERMS)}
    if error is not None:
        return visit.refused("optouts/optouts.html", error, **facts)
    return visit.page("optouts/optouts.html", **facts)


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    pages=(PortalPage("/optouts", optouts, READERS),),
    actions=(PortalAction("/optouts/refresh", refresh, (Scope.TERMS,)),),
    menu=(
        MenuEntry(
            "/optouts",
            msgid("Opt-outs"),
            "x",
            "data",
            READERS,
            msgid(
                "Persons who opted out at the authority: which datasets leave them out, and until when that is known."
            ),
        ),
    ),
)
