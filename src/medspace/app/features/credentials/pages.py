"""The page of requests for credentials: what others ask this issuer for, granted or refused by a person."""

from collections.abc import Sequence
from pathlib import Path

from starlette.responses import Response

from medspace.app.doors.portal.inquiry import InquiryError
from medspace.app.doors.portal.visit import PortalVisit
from medspace.app.node.pages import HomeNotice, MenuEntry, PortalAction, PortalPage, PortalPages
from medspace.core.actors import Scope
from medspace.core.paths import path
from medspace.core.text import counted, msgid

READERS = (Scope.READ, Scope.MEMBERS, Scope.TERMS)
ISSUERS = (Scope.MEMBERS, Scope.TERMS)
PATH, TEMPLATE = "/credentials/requests", "credentials/requests.html"


async def requests(visit: PortalVisit) -> Response:
    """The requests on which a person has to decide."""
    return await _page(visit)


async def grant(visit: PortalVisit) -> Response:
    """Issue what a request asks for."""
    request = visit.field("request")
    waiting = (await visit.get("/credentials/waiting"))["requests"]
    stated: list[str] = next((one["stated"] for one in waiting if one["id"] == request), [])
    claims = {name: value for name in stated if (value := visit.field(f"claim-{name}").strip())}
    return await _decided(visit, request, "grant", {"claims": claims})


async def refuse(visit: PortalVisit) -> Response:
    """Refuse a request; its holder is told the reason."""
    return await _decided(visit, visit.field("request"), "refuse", {"reason": visit.field("reason")})


async def notices(visit: PortalVisit) -> Sequence[HomeNotice]:
    """Requests that wait for the person."""
    if not visit.may(*ISSUERS):
        return []
    count = len((await visit.get("/credentials/waiting"))["requests"])
    said = counted(
        count, msgid("{count} request for a credential waits"), msgid("{count} requests for credentials wait")
    )
    return [HomeNotice(said, PATH, "wait")] if count else []


async def _decided(visit: PortalVisit, request: str, verb: str, said: dict[str, object]) -> Response:
    try:
        await visit.post(path("credentials", "waiting", request, verb), said)
    except InquiryError as error:
        return await _page(visit, error)
    return visit.go(PATH)


async def _page(visit: PortalVisit, error: InquiryError | None = None) -> Response:
    facts = {**await visit.get("/credentials/waiting"), "may": visit.may(*ISSUERS)}
    return visit.page(TEMPLATE, **facts) if error is None else visit.refused(TEMPLATE, error, **facts)


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    pages=(PortalPage(PATH, requests, READERS),),
    actions=(
        PortalAction("/credentials/requests/grant", grant, ISSUERS, confirmed=True),
        PortalAction("/credentials/requests/refuse", refuse, ISSUERS, confirmed=True),
    ),
    menu=(
        MenuEntry(
            PATH,
            msgid("Credential requests"),
            "q",
            "proof",
            READERS,
            msgid("Who asks you for a credential; a person decides."),
        ),
    ),
    notices=notices,
)
