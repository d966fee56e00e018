"""The page of duties: who owes what, until when, and what was kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.responses import Response

from medspace.app.doors.portal.inquiry import InquiryError
from medspace.app.doors.portal.visit import PortalVisit
from medspace.app.node.pages import HomeNotice, MenuEntry, PortalAction, PortalPage, PortalPages
from medspace.core.actors import Scope
from medspace.core.paths import path
from medspace.core.text import counted, msgid

READERS = (Scope.READ, Scope.TERMS, Scope.USE)
PAGE = 50
SIDES = ("provider", "consumer")


async def duties(visit: PortalVisit) -> Response:
    """What others owe and what is owed to them."""
    return visit.page("duties/duties.html", **await _found(visit, visit.query("role"), visit.query("after")))


async def notices(visit: PortalVisit) -> Sequence[HomeNotice]:
    """What somebody owes and has not done in time."""
    if not visit.may(*READERS):
        return ()
    late = (await visit.get("/duties", limit=PAGE, role="provider", state="broken"))["duties"]
    if not late:
        return ()
    said = counted(len(late), msgid("{count} duty is overdue"), msgid("{count} duties are overdue"))
    return (HomeNotice(said, "/duties?role=provider", "bad"),)


async def settle(visit: PortalVisit) -> Response:
    """Fulfil a duty now, or give up what is owed."""
    verb = "waive" if visit.field("verb") == "waive" else "fulfil"
    try:
        await visit.post(path("duties", visit.field("duty"), verb), {})
    except InquiryError as error:
        return visit.refused("duties/duties.html", error, **await _found(visit, visit.field("role"), ""))
    return visit.go("/duties", {"role": visit.field("role")})


async def _found(visit: PortalVisit, side: str, after: str) -> dict[str, Any]:
    role = side if side in SIDES else ""
    found = await visit.get("/duties", limit=PAGE, after=after, role=role)
    clock = await visit.get("/duties/clock")
    logs = await visit.get("/duties/logs", limit=PAGE)
    may = {"waive": visit.may(Scope.TERMS), "fulfil": visit.may(Scope.USE)}
    return {
        "found": found,
        "role": role,
        "clock": clock,
        "may": may,
        "forked": [one for one in logs["logs"] if one["forked"]],
    }


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    pages=(PortalPage("/duties", duties, READERS),),
    actions=(PortalAction("/duties/settle", settle, (Scope.USE, Scope.TERMS), confirmed=True),),
    menu=(MenuEntry("/duties", msgid("Duties"), "w", "contracts", READERS, msgid("What is owed after a use.")),),
    notices=notices,
)
