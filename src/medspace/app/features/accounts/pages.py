"""The page of accounts: the owner makes them, says what each may do, hands out links, closes them."""

from pathlib import Path

from starlette.responses import Response

from medspace.app.doors.portal.inquiry import InquiryError
from medspace.app.doors.portal.visit import PortalVisit
from medspace.app.node.pages import MenuEntry, PortalAction, PortalPage, PortalPages, PortalRemedy
from medspace.core.canonical import JsonObject
from medspace.core.paths import path
from medspace.core.text import msgid
from medspace.services.accounts.model import AccountRole

PAGE = 100
ROLES = (
    (AccountRole.STEWARD, msgid("Data steward"), msgid("offers data, decides contracts")),
    (AccountRole.USER, msgid("Data user"), msgid("finds data, agrees, trains")),
    (AccountRole.CHECKER, msgid("Output checker"), msgid("lets results go, or keeps them back")),
    (AccountRole.AUDITOR, msgid("Auditor"), msgid("reads the log and what it proves")),
    (AccountRole.AUTHORITY, msgid("Authority"), msgid("admits and removes members")),
    (AccountRole.PATIENT, msgid("Patient"), msgid("sees what happened to their own data")),
    (AccountRole.OWNER, msgid("Owner"), msgid("may do everything, accounts included")),
)


async def accounts(visit: PortalVisit) -> Response:
    """Who may come in, and what each may do."""
    return visit.page("accounts/accounts.html", **await _shown(visit))


async def make(visit: PortalVisit) -> Response:
    """Make an account, and show the link with which its person signs in."""
    try:
        made = await visit.post("/accounts", {"name": visit.field("name"), "roles": visit.fields("roles")})
    except InquiryError as error:
        return visit.refused("accounts/accounts.html", error, **await _shown(visit))
    return await _linked(visit, made["id"])


async def change(visit: PortalVisit) -> Response:
    """Say what an account may do from now on."""
    await visit.post(path("accounts", visit.field("account"), "roles"), {"roles": visit.fields("roles")})
    return visit.go("/accounts")


async def link(visit: PortalVisit) -> Response:
    """Make a link for somebody; it is shown on this answer and nowhere else."""
    return await _linked(visit, visit.field("account"), reset=visit.field("reset") == "yes")


async def close(visit: PortalVisit) -> Response:
    """Close an account: its sessions end."""
    await visit.post(path("accounts", visit.field("account"), "close"))
    return visit.go("/accounts")


async def _linked(visit: PortalVisit, account: str, *, reset: bool = False) -> Response:
    made = await visit.post(path("accounts", account, "link"), {"reset": reset})
    return visit.page("accounts/link.html", made=made)


async def _shown(visit: PortalVisit) -> JsonObject:
    found = await visit.get("/accounts", limit=PAGE, after=visit.query("after"))
    return {"found": found, "roles": ROLES, "names": {role.value: name for role, name, _ in ROLES}}


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    pages=(PortalPage("/accounts", accounts),),
    actions=(
        PortalAction("/accounts/make", make, confirmed=True),
        PortalAction("/accounts/roles", change, confirmed=True),
        PortalAction("/accounts/link", link, confirmed=True),
        PortalAction("/accounts/close", close, confirmed=True),
    ),
    remedies=(PortalRemedy("account.", "/accounts", msgid("To the accounts"), ()),),
    menu=(MenuEntry("/accounts", msgid("Accounts"), "p", "connector", (), msgid("Who may come in, and do what.")),),
)
