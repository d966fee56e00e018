"""The pages of data permits: for researchers, the access body, ethics boards and the data office."""

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
SIDES = ("applicant", "body")
_FIELDS = ("body", "holder", "dataset", "since", "until", "title", "summary", "safeguards", "ethics")
_TALK = {"ask": "ask", "answer": "answer", "revoke": "revoke"}


async def permits(visit: PortalVisit) -> Response:
    """The applications, one's own and those that one decides on."""
    return visit.page("permits/permits.html", **await _cases(visit))


async def case(visit: PortalVisit) -> Response:
    """One application; without a name, all of them."""
    if not visit.query("case"):
        return visit.go("/permits")
    return visit.page("permits/permit.html", **await _case(visit, visit.query("case")))


async def wish(visit: PortalVisit) -> Response:
    """The form of an application."""
    return visit.page("permits/apply.html", typed=dict.fromkeys((*_FIELDS, "people", "purpose"), ""))


async def apply(visit: PortalVisit) -> Response:
    """Apply for a permit."""
    typed = {name: visit.field(name) for name in (*_FIELDS, "people", "purpose")}
    asked = {name: typed[name] for name in ("body", "since", "until", "title", "summary", "safeguards", "ethics")}
    lists = {
        "datasets": [{"holder": typed["holder"], "dataset": typed["dataset"]}],
        "people": [one.strip() for one in typed["people"].splitlines() if one.strip()],
        "purposes": [one for one in typed["purpose"].split() if one],
    }
    try:
        made = await visit.post("/permits", {**asked, **lists})
    except InquiryError as error:
        return visit.refused("permits/apply.html", error, typed=typed)
    return visit.go("/permits/case", {"case": made["id"]})


async def say(visit: PortalVisit) -> Response:
    """A question, an answer, or a revocation with its reason."""
    name = visit.field("case")
    verb = _TALK.get(visit.field("verb"), "answer")
    return await _done(visit, name, path("permits", name, verb), {"text": visit.field("text")})


async def decide(visit: PortalVisit) -> Response:
    """Grant or refuse."""
    name = visit.field("case")
    conditions = [one.strip() for one in visit.field("conditions").splitlines() if one.strip()]
    wanted: dict[str, Any] = {"granted": visit.field("verdict") == "grant", "reasons": visit.field("reasons")}
    wanted |= {"conditions": conditions, "fees": visit.field("fees"), "opt_outs": visit.field("opt_outs")}
    return await _done(visit, name, path("permits", name, "decide"), wanted)


async def register(visit: PortalVisit) -> Response:
    """The register of decisions in public words."""
    found = await visit.get("/permits/register", limit=PAGE, after=visit.query("after"), body=visit.query("body"))
    return visit.page("permits/register.html", found=found, body=visit.query("body"))


async def notices(visit: PortalVisit) -> Sequence[HomeNotice]:
    """Applications to decide on, and questions to answer."""
    found = []
    if visit.may(Scope.TERMS):
        wait = (await visit.get("/permits", limit=PAGE, side="body", state="applied"))["permits"]
        said = counted(
            len(wait), msgid("{count} application to decide on"), msgid("{count} applications to decide on")
        )
        found += [HomeNotice(said, "/permits?side=body", "wait")] if wait else []
    if visit.may(Scope.USE):
        asked = (await visit.get("/permits", limit=PAGE, side="applicant", state="questioned"))["permits"]
        said = counted(len(asked), msgid("{count} question to answer"), msgid("{count} questions to answer"))
        found += [HomeNotice(said, "/permits?side=applicant", "wait")] if asked else []
    return found


async def _done(visit: PortalVisit, name: str, where: str, said: dict[str, Any]) -> Response:
    try:
        await visit.post(where, said)
    except InquiryError as error:
        return visit.refused("permits/permit.html", error, **await _case(visit, name))
    return visit.go("/permits/case", {"case": name})


async def _cases(visit: PortalVisit) -> dict[str, Any]:
    side = visit.query("side") if visit.query("side") in SIDES else ""
    found = await visit.get("/permits", limit=PAGE, after=visit.query("after"), side=side)
    return {"found": found, "side": side, "may": visit.may(Scope.USE)}


async def _case(visit: PortalVisit, name: str) -> dict[str, Any]:
    found = await visit.get(path("permits", name))
    return {"one": found, "may": {"use": visit.may(Scope.USE), "terms": visit.may(Scope.TERMS)}}


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    pages=(
        PortalPage("/permits", permits, READERS),
        PortalPage("/permits/case", case, READERS),
        PortalPage("/permits/apply", wish, (Scope.USE,)),
        PortalPage("/permits/register", register, READERS),
    ),
    actions=(
        PortalAction("/permits/apply", apply, (Scope.USE,), confirmed=True),
        PortalAction("/permits/say", say, (Scope.USE, Scope.TERMS), confirmed=True),
        PortalAction("/permits/decide", decide, (Scope.TERMS,), confirmed=True),
    ),
    menu=(
        MenuEntry(
            "/permits",
            msgid("Permits"),
            "b",
            "contracts",
            READERS,
            msgid("Data permits: applications and decisions."),
        ),
    ),
    notices=notices,
)
