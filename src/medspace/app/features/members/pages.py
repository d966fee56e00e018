"""The page of the members of the space; its authority admits and removes them there."""

from pathlib import Path

from starlette.responses import Response

from medspace.app.doors.portal.inquiry import InquiryError
from medspace.app.doors.portal.visit import PortalVisit
from medspace.app.node.pages import MenuEntry, PortalAction, PortalPage, PortalPages, PortalRemedy
from medspace.core.actors import Scope
from medspace.core.canonical import JsonObject
from medspace.core.paths import path
from medspace.core.text import msgid

READERS = (Scope.READ, Scope.TERMS, Scope.USE, Scope.MEMBERS)
AUTHORITY = (Scope.MEMBERS,)
KEY_READERS, KEEPERS = (Scope.READ, Scope.KEYS), (Scope.KEYS,)
REFRESHERS = (Scope.READ, Scope.MEMBERS)
PAGE = 100
WISHES = ("did", "name", "region", "operator")


async def members(visit: PortalVisit) -> Response:
    """Who belongs to the space, as its authority signed it."""
    return visit.page("members/members.html", **await _shown(visit))


async def admit(visit: PortalVisit) -> Response:
    """Admit a participant that runs."""
    wished = {name: visit.field(name) for name in WISHES}
    try:
        await visit.post(
            "/members", {**wished, "name": wished["name"] or wished["did"], "roles": visit.fields("roles")}
        )
    except InquiryError as error:
        return visit.refused("members/members.html", error, **await _shown(visit, wished))
    return visit.go("/members")


async def remove(visit: PortalVisit) -> Response:
    """Remove a member: nobody answers it any more."""
    await visit.api.ask("DELETE", path("members", visit.field("did")))
    return visit.go("/members")


async def refresh(visit: PortalVisit) -> Response:
    """Fetch the list now: a member that was just admitted would be heard of within an hour."""
    try:
        await visit.post("/members/refresh")
    except InquiryError as error:
        return visit.refused("members/members.html", error, **await _shown(visit))
    return visit.go("/members")


async def take(visit: PortalVisit) -> Response:
    """As the authority: put the keys on the list that a member's DID document shows now."""
    try:
        await visit.post("/members/keys", {"did": visit.field("did")})
    except InquiryError as error:
        return visit.refused("members/members.html", error, **await _shown(visit))
    return visit.go("/members")


async def keys(visit: PortalVisit) -> Response:
    """The keys of this connector that sign beside its first one."""
    return visit.page("members/keys.html", **await _keys(visit))


async def rotate(visit: PortalVisit) -> Response:
    """Make a new key; those before count for a day more."""
    try:
        await visit.post("/keys")
    except InquiryError as error:
        return visit.refused("members/keys.html", error, **await _keys(visit))
    return visit.go("/members/keys")


async def revoke(visit: PortalVisit) -> Response:
    """Say that a key counts for nothing any more."""
    try:
        await visit.api.ask("DELETE", path("keys", visit.field("key")))
    except InquiryError as error:
        return visit.refused("members/keys.html", error, **await _keys(visit))
    return visit.go("/members/keys")


async def _keys(visit: PortalVisit) -> JsonObject:
    status = await visit.get("/status")
    shown = {"keys": (await visit.get("/keys"))["keys"], "did": status["did"], "own_list": status["is_authority"]}
    return shown | {"may_change": visit.may(*KEEPERS)}


async def _shown(visit: PortalVisit, wished: dict[str, str] | None = None) -> JsonObject:
    found = await visit.get("/members", limit=PAGE, after=visit.query("after"))
    status = await visit.get("/status")
    authority = status["is_authority"] and visit.may(Scope.MEMBERS)
    return {
        "found": found,
        "authority": authority,
        "may_refresh": not status["is_authority"] and visit.may(*REFRESHERS),
        "own": status["did"],
        "may_see_keys": visit.may(*KEY_READERS),
        "wished": wished or dict.fromkeys(WISHES, ""),
    }


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    pages=(PortalPage("/members", members, READERS), PortalPage("/members/keys", keys, KEY_READERS)),
    actions=(
        PortalAction("/members/admit", admit, AUTHORITY, confirmed=True),
        PortalAction("/members/refresh", refresh, REFRESHERS),
        PortalAction("/members/remove", remove, AUTHORITY, confirmed=True),
        PortalAction("/members/take", take, AUTHORITY, confirmed=True),
        PortalAction("/members/keys/rotate", rotate, KEEPERS, confirmed=True),
        PortalAction("/members/keys/revoke", revoke, KEEPERS, confirmed=True),
    ),
    remedies=(
        PortalRemedy("members.", "/members", msgid("To the members"), READERS),
        PortalRemedy("membership.", "/members", msgid("To the members"), READERS),
        PortalRemedy("identity.", "/members", msgid("To the members"), READERS),
    ),
    menu=(MenuEntry("/members", msgid("Members"), "m", "connector", READERS, msgid("Who belongs to this space.")),),
)
