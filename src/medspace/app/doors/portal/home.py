"""The first page: what waits for the person, and what there is; and how somebody likes pages to be."""

from pathlib import Path

from starlette.responses import Response

from medspace.app.doors.portal.visit import PortalVisit
from medspace.app.node.pages import PortalPage, PortalPages


async def home(visit: PortalVisit) -> Response:
    """What waits for the person, most urgent first, and where to go from here."""
    return visit.page("home.html", notices=await visit.notices())


async def styleguide(visit: PortalVisit) -> Response:
    """All parts that pages are made of, in all their states."""
    return visit.page("styleguide.html")


async def keys(visit: PortalVisit) -> Response:
    """The keys of the keyboard."""
    return visit.page("keys.html")


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    pages=(
        PortalPage("/", home, everybody=True),
        PortalPage("/styleguide", styleguide, everybody=True),
        PortalPage("/keys", keys, everybody=True),
    ),
)
