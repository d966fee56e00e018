"""The page of the rulebook: what terms can say, and what of it holds."""

from pathlib import Path

from starlette.responses import Response

from medspace.app.doors.portal.visit import PortalVisit
from medspace.app.node.pages import MenuEntry, PortalPage, PortalPages
from medspace.core.actors import Scope
from medspace.core.text import msgid

READERS = (Scope.READ, Scope.TERMS, Scope.USE)


async def rulebook(visit: PortalVisit) -> Response:
    """Classes, codes of consent and rule packs."""
    classes = (await visit.get("/rulebook/classes"))["classes"]
    consents = (await visit.get("/rulebook/consents"))["consents"]
    return visit.page(
        "rulebook/rulebook.html", classes=classes, consents=consents, laws=await visit.get("/rulebook/laws")
    )


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    pages=(PortalPage("/rulebook", rulebook, READERS),),
    menu=(
        MenuEntry(
            "/rulebook",
            msgid("Rulebook"),
            "r",
            "contracts",
            READERS,
            msgid("What terms can say, and what of it holds."),
        ),
    ),
)
