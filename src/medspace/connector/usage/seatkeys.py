"""A cache of verified seat keys, so that not every step of a run verifies all of them again.

A verification applies to the exact texts, to their signers as the members list has them now, and until one of their
keys becomes valid or expires. So a revoked key, or a seat that is no longer a member, is noticed at the next step, as
it would be without the cache. Nothing here is secret.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from medspace.runs import manifest as manifests
from medspace.runs.manifest import Manifest, SeatKey
from medspace.trust.hybrid import LEEWAY
from medspace.trust.model import Member

MOST_RUNS = 64  # kept at a time


@dataclass(frozen=True, slots=True)
class _ProvenKeys:
    texts: tuple[str, ...]
    members: tuple[Member, ...]
    since: float
    until: float
    keys: Mapping[str, SeatKey]

    def holds(self, texts: Sequence[str], members: tuple[Member, ...], at: float) -> bool:
        """Whether verifying again would give the same result."""
        return self.since <= at < self.until and self.members == members and self.texts == tuple(texts)


class SeatKeys:
    """The most recent verifications; thread-safe."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _ProvenKeys] = OrderedDict()
        self._lock = Lock()

    def read(
        self, texts: Sequence[str], manifest: Manifest, member: Callable[[str], Member], at: datetime
    ) -> Mapping[str, SeatKey]:
        """The keys of all seats, by DID, as `runs.manifest.read_keys`.

        Raises:
            UnauthenticatedError: a seat is no longer a member.
            SeatKeyInvalidError, SignatureSingleError, ...: as `runs.manifest.read_keys`.
        """
        members, now = tuple(member(site) for site in manifest.sites), at.timestamp()
        with self._lock:
            known = self._known.get(manifest.digest)
        if known is not None and known.holds(texts, members, now):
            return known.keys
        read = manifests.read_keys(texts, manifest, {one.did: one for one in members}.__getitem__, at)
        keys = {key.site: key for key in read}
        with self._lock:
            self._known[manifest.digest] = _ProvenKeys(tuple(texts), members, now, _changes(members, now), keys)
            self._known.move_to_end(manifest.digest)
            if len(self._known) > MOST_RUNS:
                self._known.popitem(last=False)
        return keys


def _changes(members: Sequence[Member], now: float) -> float:
    """When the next of their keys becomes valid or expires, allowing for the difference between clocks."""
    times = (time for member in members for key in member.mldsa for time in (key.since, key.until))
    leeway = LEEWAY.total_seconds()
    near = (time + shift for time in times for shift in (-leeway, 0.0, leeway))
    return min((time for time in near if time > now), default=float("inf"))
