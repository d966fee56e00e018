"""Where the portal's pages are reached, and what passkeys are bound to there.

Passkeys belong to a host (the relying party), and browsers offer them to pages of that host over https only, or on
localhost; an address of numbers is nobody's host (WebAuthn 5.1.2, HTML: registrable domain).
"""

import re
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from medspace.app.node.networks import is_loopback
from medspace.core.text import Text, msgid
from medspace.services.accounts.ports import RelyingParty

LOCALHOST = "localhost"
ENTRANCE = "/portal/enter"
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}")  # RFC 6749 3.3
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.ASCII)
CALLBACK = "/portal/oidc/callback"
_PORTS = {"http": 80, "https": 443}
LoginRole = Literal["steward", "user", "checker", "auditor", "authority", "patient"]


class OidcSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The hospital's own login, by OpenID Connect: people sign in there, and their roles follow from their groups.

    `issuer` is what the login calls itself, an https address. There it is told of this connector as the program
    `client_id` that people are sent back to at `url` and `/portal/oidc/callback`; `client_secret` is the file of its
    secret, where it has one. `roles` says which groups have which roles, `role_claim` which claim of the ID token has
    the groups, dots leading into it (`realm_access.roles`). Who is in none of these groups does not come in; nobody
    becomes the owner this way. `name` is what the login is called on the pages.
    """

    issuer: str
    client_id: str
    roles: dict[str, tuple[LoginRole, ...]]
    client_secret: str = ""
    role_claim: str = "groups"
    scopes: tuple[str, ...] = ("openid", "profile")
    name: str = ""


def flaw(url: str) -> Text | None:
    """Why the pages cannot be reached at this address; None where they can. Nothing said is localhost."""
    if not url:
        return None
    try:
        split = urlsplit(url)
        host, _ = split.hostname or "", split.port
    except ValueError:
        host, split = "", urlsplit("")
    beside = split.username is not None or split.path.strip("/") or split.query or split.fragment
    if split.scheme not in _PORTS or beside or not _HOST.fullmatch(host) or host.rpartition(".")[2].isdigit():
        return Text(msgid("portal.url is not an address such as https://portal.hospital.example, a name and no path"))
    if split.scheme != "https" and host != LOCALHOST:
        return Text(msgid("portal.url must begin with https: browsers offer passkeys elsewhere on localhost only"))
    return None


def origin_of(url: str, private_port: int) -> str:
    """The origin of the pages, as browsers write it."""
    split = urlsplit(url or f"http://{LOCALHOST}:{private_port}")
    port = "" if split.port in (None, _PORTS[split.scheme]) else f":{split.port}"
    return f"{split.scheme}://{split.hostname}{port}"


def party_of(origin: str, name: str) -> RelyingParty:
    """Who passkeys are made for."""
    return RelyingParty(urlsplit(origin).hostname or LOCALHOST, origin, name)


def entrance(origin: str, link: str) -> str:
    """The address that a sign-in link is followed at."""
    return f"{origin}{ENTRANCE}?link={link}"


def login_flaws(login: OidcSettings) -> Iterator[Text]:
    """Why nobody can come in by the hospital's login."""
    try:
        split = urlsplit(login.issuer)
        host = split.hostname or ""
    except ValueError:
        split, host = urlsplit(""), ""
    plain = host and split.username is None and not split.query and not split.fragment and login.issuer.isascii()
    if not plain or not (split.scheme == "https" or (split.scheme == "http" and is_loopback(host))):
        yield Text(msgid("portal.oidc.issuer is not an https address such as https://login.hospital.example"))
    if "openid" not in login.scopes or not all(_SCOPE.fullmatch(scope) for scope in login.scopes):
        yield Text(msgid("portal.oidc.scopes are words, and openid is one of them"))
    if not login.client_id or not login.client_id.isascii() or not login.client_id.isprintable():
        yield Text(msgid("portal.oidc.client_id is what the login calls this connector"))
    if not any(login.roles.values()) or not login.role_claim:
        yield Text(msgid("portal.oidc.roles gives nobody a role: name groups of the login, each with its roles"))
