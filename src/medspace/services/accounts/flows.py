"""One way through the hospital's login and back: what the browser keeps of it, and what follows from that.

The connector keeps nothing until somebody comes back: the browser has one secret, and `state`, `nonce` and the
verifier of PKCE follow from that and from all that the flow says of itself. So who begins without end fills nothing
here, and an answer that was meant for another browser, or for another page, has another state. What the browser keeps
is authenticated by a key of this process: nobody who sits at a browser writes a flow, or says that it began earlier.
"""

import binascii
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from medspace.core.hashing import same_secret

FLOW_LIFE = timedelta(minutes=10)  # from leaving to coming back
LONGEST_BACK = 2_000  # bytes of the page that somebody goes back to
_WRITTEN = re.compile(
    r"([0-9a-f]{64})\.([0-9]{1,11})\.([0-9a-f]{64})?\.([A-Za-z0-9_-]{0,2700})\.([0-9a-f]{64})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class LoginFlow:
    """One way to the login and back to the page `back`.

    `begun` is in seconds since 1970; `session` is the identity of the session that is confirmed, "" where somebody
    signs in.
    """

    secret: str = field(repr=False)
    begun: int
    back: str
    session: str = ""

    def derived(self, purpose: str) -> str:
        """A value that only this flow has, for one purpose."""
        said = "\0".join((purpose, str(self.begun), self.session, self.back))
        return hmac.new(self.secret.encode(), said.encode(), sha256).hexdigest()

    @property
    def state(self) -> str:
        """What the answer has to bring back (RFC 6749 10.12)."""
        return self.derived("state")

    @property
    def nonce(self) -> str:
        """What the ID token has to hold (OpenID Connect Core 3.1.2.1)."""
        return self.derived("nonce")

    @property
    def verifier(self) -> str:
        """The verifier of PKCE, which goes along with the code (RFC 7636 4.1)."""
        return self.derived("verifier")

    @property
    def challenge(self) -> str:
        """What the login is told of the verifier, by S256 (RFC 7636 4.2)."""
        return urlsafe_b64encode(sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()

    def kept(self, key: bytes) -> str:
        """The flow as the browser keeps it, in a cookie, with its code of authentication under `key`."""
        back = urlsafe_b64encode(self.back.encode()).rstrip(b"=").decode()
        said = f"{self.secret}.{self.begun}.{self.session}.{back}"
        return f"{said}.{_code(key, said)}"

    @property
    def began_at(self) -> datetime:
        """When it was begun."""
        return datetime.fromtimestamp(self.begun, UTC)

    def counts(self, now: datetime) -> bool:
        """Whether somebody may still come back by it."""
        return timedelta(0) <= now - self.began_at < FLOW_LIFE


def begun(secret: str, now: datetime, back: str, session: str = "") -> LoginFlow:
    """A new flow; `secret` is a fresh one of 256 bits. A page with too long an address, or none, is left out."""
    kept = back if back.isprintable() and len(back.encode()) <= LONGEST_BACK else ""
    return LoginFlow(secret, int(now.timestamp()), kept, session)


def read_flow(text: str, key: bytes) -> LoginFlow | None:
    """The flow that a browser keeps; None where it keeps none, or one that was not written with `key`."""
    found = _WRITTEN.fullmatch(text)
    if found is None or not same_secret(found[5], _code(key, text.rpartition(".")[0])):
        return None
    try:
        back = urlsafe_b64decode(found[4] + "=" * (-len(found[4]) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return LoginFlow(found[1], int(found[2]), back, found[3] or "")


def _code(key: bytes, said: str) -> str:
    return hmac.new(key, said.encode(), sha256).hexdigest()
