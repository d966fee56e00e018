"""How a connector looks from outside: its public address is called, and the result reported.

`GET /reach/path`, below any prefix, returns nothing but the path that arrived, so that the caller learns whether a
proxy on the way has stripped a prefix.
"""

import ssl
from typing import Annotated, Literal

import msgspec

from medspace.adapters.certificates import read_der
from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.errors import ForbiddenAddressError
from medspace.app.doors.protocol.prefix import LONGEST_PATH, PATH
from medspace.app.node.clocks import ahead
from medspace.connector.errors import UnreachableError
from medspace.core.clock import Clock, stamp
from medspace.core.decoding import read_json

LARGEST_ANSWER = 2048  # bytes
PATIENCE = 5.0  # seconds for a call
OK = 200

# Of OpenSSL (x509_vfy.h): what is wrong with a certificate.
_EXPIRED, _NOT_YET, _SELF_SIGNED, _NAME = (10,), (9,), (18, 19), (62, 64)
_NO_ISSUER = (2, 20, 21)
Flaw = Literal["", "expired", "early", "self-signed", "name", "issuer", "other"]
_Text = Annotated[str, msgspec.Meta(max_length=LONGEST_PATH)]


class Sight(msgspec.Struct, frozen=True):
    """What was seen at an address: the HTTP `status` or 0, the `code` of a failure, the `flaw` of a certificate.

    `expires` is the end of the certificate, `ahead` by how many seconds the caller's clock is ahead of the answer's,
    `path` the path that arrived there.
    """

    status: Annotated[int, msgspec.Meta(ge=0, le=999)] = 0
    milliseconds: Annotated[int, msgspec.Meta(ge=0, le=3_600_000)] = 0
    code: _Text = ""
    flaw: Flaw = ""
    expires: _Text = ""
    ahead: float | None = None
    path: _Text = ""

    @property
    def reached(self) -> bool:
        """Whether there was an answer."""
        return self.status > 0


async def look(client: HttpClient, clock: Clock, base: str) -> Sight:
    """Call a connector by its base URL, and nothing else; takes at most three times `PATIENCE`."""
    url, began = f"{base}{PATH}", clock.now()
    try:
        answer = await client.request("GET", url, limit=LARGEST_ANSWER, timeout=PATIENCE)
    except UnreachableError as error:
        return Sight(code=error.code, flaw=flaw_of(error))
    ended = clock.now()
    taken = max(int((ended - began).total_seconds() * 1000), 0)
    date = ahead(began, ended, answer.headers.get("date", ""))
    expires = await _expires(client, base)
    return Sight(answer.status, min(taken, 3_600_000), expires=expires, ahead=date, path=_path(answer.body))


async def _expires(client: HttpClient, base: str) -> str:
    if not base.startswith("https://"):
        return ""
    try:
        return stamp(read_der(await client.certificate(base)).ends)
    except (UnreachableError, ValueError):  # it answered a moment ago
        return ""


def flaw_of(error: UnreachableError) -> Flaw:
    """What is wrong with a certificate, if that is the cause of the failure."""
    cause = error.__cause__
    if isinstance(error, ForbiddenAddressError) or not isinstance(cause, ssl.SSLCertVerificationError):
        return ""
    known: dict[Flaw, tuple[int, ...]] = {
        "expired": _EXPIRED,
        "early": _NOT_YET,
        "self-signed": _SELF_SIGNED,
        "name": _NAME,
        "issuer": _NO_ISSUER,
    }
    return next((flaw for flaw, numbers in known.items() if cause.verify_code in numbers), "other")


def _path(body: bytes) -> str:
    try:
        said = read_json(body, _Seen).path
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""
    return said if said.isprintable() else ""


class _Seen(msgspec.Struct, frozen=True):
    path: _Text
