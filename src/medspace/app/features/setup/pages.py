"""The page of the set-up: what still is to do on a new connector, and what does it."""

from collections.abc import Sequence
from pathlib import Path

from starlette.responses import Response

from medspace.app.doors.portal.visit import PortalVisit
from medspace.app.node.pages import HomeNotice, MenuEntry, PortalPage, PortalPages
from medspace.core.text import counted, msgid


async def setup(visit: PortalVisit) -> Response:
    """All steps in order; the doctor is the last."""
    found = await visit.get("/setup")
    checks, problem = await visit.trying("/doctor", "checks")
    bad = [check for check in checks or () if not check["ok"]]
    return visit.page("setup/setup.html", found=found, bad=bad, examined=problem is None)


async def notices(visit: PortalVisit) -> Sequence[HomeNotice]:
    """How many steps are left."""
    left = (await visit.get("/setup"))["left"]
    if not left:
        return ()
    told = counted(left, msgid("{count} step of the set-up is left"), msgid("{count} steps of the set-up are left"))
    return (HomeNotice(told, "/setup", "wait"),)


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    pages=(PortalPage("/setup", setup),),
    menu=(MenuEntry("/setup", msgid("Set-up"), "s", "connector", (), msgid("What a new connector still needs.")),),
    notices=notices,
)
