"""This participant: its identity, its address, its clock and its randomness."""

from dataclasses import dataclass
from datetime import timedelta

from medspace.connector.model import Role
from medspace.core.clock import Clock, Randomness, stamp
from medspace.core.ids import new_id


@dataclass(frozen=True, slots=True)
class Local:
    """`did` is our DID, `address` the public base URL of the protocol, without trailing slash."""

    did: str
    address: str
    clock: Clock
    randomness: Randomness

    def now(self, after: float = 0.0) -> str:
        """The current instant, or one `after` so many seconds, as RFC 3339 text."""
        return stamp(self.clock.now() + timedelta(seconds=after))

    def new_id(self) -> str:
        """A fresh identifier (URN)."""
        return new_id(self.randomness)


def pids(role: Role, own: str, peer: str | None) -> dict[str, str]:
    """The pids of a process as messages carry them; the peer's is omitted while it is unknown."""
    known = {role: own} | ({role.other: peer} if peer is not None else {})
    return {f"{side.value}Pid": known[side] for side in Role if side in known}
