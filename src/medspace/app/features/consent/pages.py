"""The page of consents, for the data office: datasets under consent, and whether every use was inside consent."""

from pathlib import Path

from starlette.responses import Response

from medspace.app.doors.portal.visit import PortalVisit
from medspace.app.node.pages import MenuEntry, PortalPage, PortalPages
from medspace.core.actors import Scope
from medspace.core.text import msgid

READERS = (Scope.READ, Scope.TERMS)


async def consents(visit: PortalVisit) -> Response:
    """Datasets under consent, how many patients each purpose reaches, and the replay."""
    datasets = (await visit.get("/consent/datasets"))["datasets"]
    replay = await visit.get("/consent/replay") if visit.query("replay") else None
    return visit.page("consent/consents.html", datasets=datasets, replay=replay)


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    pages=(PortalPage("/consent", consents, READERS),),
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
