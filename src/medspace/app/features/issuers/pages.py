"""The page of credentials: what others have proved here, who is believed for what, what was issued."""

from pathlib import Path
from typing import Any

from starlette.responses import Response

from medspace.app.doors.portal.inquiry import InquiryError
from medspace.app.doors.portal.visit import PortalVisit
from medspace.app.node.pages import MenuEntry, PortalAction, PortalPage, PortalPages
from medspace.core.actors import Scope
from medspace.core.paths import path
from medspace.core.text import msgid

READERS = (Scope.READ, Scope.TERMS, Scope.USE)
WRITERS = (Scope.MEMBERS, Scope.TERMS)
PAGE = 50


async def credentials(visit: PortalVisit) -> Response:
    """What was proved here, and who is believed."""
    return visit.page("issuers/credentials.html", **await _found(visit))


async def revoke(visit: PortalVisit) -> Response:
    """Revoke a credential that was issued here."""
    try:
        await visit.post(path("issuers", "issued", visit.field("credential"), "revoke"), {})
    except InquiryError as error:
        return visit.refused("issuers/credentials.html", error, **await _found(visit))
    return visit.go("/credentials")


async def _found(visit: PortalVisit) -> dict[str, Any]:
    return {
        "received": await visit.get("/issuers/received", limit=PAGE, after=visit.query("after")),
        "believed": await visit.get("/issuers"),
        "issued": await visit.get("/issuers/issued", limit=PAGE),
        "may": visit.may(*WRITERS),
    }


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    pages=(PortalPage("/credentials", credentials, READERS),),
    actions=(PortalAction("/credentials/revoke", revoke, WRITERS, confirmed=True),),
    menu=(
        MenuEntry(
            "/credentials", msgid("Credentials"), "e", "proof", READERS, msgid("What others have proved here.")
        ),
    ),
)
