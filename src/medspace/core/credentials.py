"""Who is believed for what, and what a verified credential says of a participant: facts, without any signature."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

ANY = "*"  # of a type: all its claims count


class Believed(msgspec.Struct, frozen=True):
    """The issuers that are believed for one type, and the claims that count then (`*`: all of them).

    `where` is an address at which people read how to obtain such a credential.
    """

    type: str
    issuers: tuple[str, ...]
    claims: tuple[str, ...] = (ANY,)
    where: str = ""


@dataclass(frozen=True, slots=True)
class Proved:
    """One credential that was verified and whose issuer is believed for its type.

    `claims` are what it says of its holder, each name with its values. It holds from `since` until before `until`,
    which is the earliest end of the credential itself, of its status list, and of the list that names its issuer.
    """

    type: str
    issuer: str  # DID
    claims: tuple[tuple[str, tuple[str, ...]], ...]
    since: datetime
    until: datetime

    def values(self, name: str) -> tuple[str, ...]:
        """The values of a claim; none where it does not make it."""
        return next((values for claim, values in self.claims if claim == name), ())

    def holds(self, now: datetime) -> bool:
        """Whether it holds at an instant."""
        return self.since <= now < self.until

    def __str__(self) -> str:
        """Its type and issuer, and no claim: what it says is for those who asked for it."""
        return f"{self.type} ({self.issuer})"


def holding(proved: tuple[Proved, ...], now: datetime) -> Iterator[Proved]:
    """Those that hold at an instant."""
    return (one for one in proved if one.holds(now))
