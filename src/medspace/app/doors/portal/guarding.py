"""What stands between a browser and a page: cookies, the forms' token, origins, what a page may load.

A form is taken where the browser says that it comes from this portal (Origin, or Sec-Fetch-Site where it sends
none), and where it has the token of its session (OWASP, cross-site request forgery prevention).
"""

from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response

from medspace.connector.errors import MessageTooLargeError
from medspace.core.errors import RefusedError
from medspace.core.hashing import same_secret
from medspace.core.text import msgid

SESSION = "__Host-medspace"  # Secure, path /, no domain (RFC 6265bis 4.1.3.2)
VISITOR = "__Host-medspace-visitor"  # of somebody who is signing in
TOKEN_FIELD = "token"  # noqa: S105 - the name of a field
BACK_FIELD = "from_page"  # the page that a form stands on
TOKEN_HEADER = "x-form-token"  # noqa: S105 - the name of a header
LARGEST_ANSWER = 64 * 1024  # bytes of what a script or a small form sends
LONGEST_LENGTH = 12  # digits of a length
LONGEST_PAGE = 2_000  # characters of an address within the portal
HOME = "/portal/"
_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",  # "no-referrer" would make the Origin of forms "null"
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SOURCES = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
# The one policy makes the address of the worker, whatever it is given (`portal.js`).
_TRUSTED = "; require-trusted-types-for 'script'; trusted-types portal-worker"
HTML_ISLANDS = frozenset({"vendor/htmx.min.js"})  # these write HTML by themselves


class ForeignFormError(RefusedError):
    """A form was sent from another site, or from a page that was opened before this session."""

    code = "portal.foreign_form"
    sentence = msgid("This form was not sent from a page of this session.")
    next_step = msgid("Open the page again and send the form from there.")


def check_token(token: str, given: str) -> None:
    """Refuse a form that has not the token of its session.

    Raises:
        ForeignFormError: it has another one, or none.
    """
    if not token or not same_secret(token, given):
        raise ForeignFormError


def check_origin(request: Request, own: str) -> None:
    """Refuse a form that comes from another site than the portal, whose origin is `own`.

    Raises:
        ForeignFormError: it does, or its browser does not say.
    """
    origin = request.headers.get("origin")
    same = origin == own if origin is not None else request.headers.get("sec-fetch-site") == "same-origin"
    if not same:
        raise ForeignFormError


def check_length(request: Request, largest: int) -> None:
    """Refuse a form that is too large, or does not say how large it is.

    Raises:
        MessageTooLargeError: it is.
    """
    declared = request.headers.get("content-length", "")
    readable = declared.isascii() and declared.isdigit() and len(declared) <= LONGEST_LENGTH
    if not readable or int(declared) > largest:
        raise MessageTooLargeError(limit=largest)


def guarded(response: Response, islands: frozenset[str] = frozenset()) -> Response:
    """An answer that tells the browser what it may load and do."""
    protect(response.headers, islands)
    return response


def protect(headers: MutableHeaders, islands: frozenset[str] = frozenset()) -> None:
    """Add to the headers of an answer what the browser may load and do."""
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    headers["Content-Security-Policy"] = _SOURCES + ("" if islands & HTML_ISLANDS else _TRUSTED)


def within(path: str) -> bool:
    """Whether a path leads to a page of the portal, and to nothing else that a browser makes of it."""
    return path.startswith(HOME) and path.isprintable() and not any(one in path for one in ("//", "\\", ".."))


def page_of(request: Request) -> str:
    """The page that is asked for, with its query: where a form stands, and where signing in leads back to."""
    query = request.scope["query_string"].decode("latin-1")
    page = request.scope["path"] + (f"?{query}" if query else "")
    return str(page) if len(page) <= LONGEST_PAGE and within(page) else HOME


def kept(request: Request, name: str) -> str:
    """The secret that a browser keeps under this name; "" where it has none, or two.

    A browser has one cookie of such a name, unless somebody else found a way to put another beside it.
    """
    chunks = (chunk.partition("=") for header in request.headers.getlist("cookie") for chunk in header.split(";"))
    found = [value.strip() for key, _, value in chunks if key.strip() == name]
    return found[0] if len(found) == 1 else ""


def cookie_of(name: str, origin: str) -> str:
    """What a cookie is called at this origin.

    Browsers keep cookies by host and not by port: two connectors on one machine would sign people out of each other.
    """
    port = urlsplit(origin).port
    return f"{name}-{port}" if port else name


def keep(response: Response, name: str, secret: str, seconds: int | None = None, *, lax: bool = False) -> None:
    """Give the browser a secret that no script reads and no other site sends.

    A `lax` one comes along where somebody follows a link from another site, as on the way back from a login there.
    """
    site: Literal["lax", "strict"] = "lax" if lax else "strict"
    response.set_cookie(name, secret, max_age=seconds, path="/", secure=True, httponly=True, samesite=site)


def forget(response: Response, name: str) -> None:
    """Take it back."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="strict")
