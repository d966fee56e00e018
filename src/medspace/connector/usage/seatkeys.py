"""The keys of the seats of runs, proven once: else each step of a run would prove all of them anew.

What was proven counts for the texts that were proven, for their signers as the members list has them now, and until
one of their keys begins or ends. So a key that is revoked, or a seat that is no member any more, is found in the next
step, as it would be without this. Nothing here is secret.
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
class _Proven:
    texts: tuple[str, ...]
    members: tuple[Member, ...]
    since: float
    until: float
    keys: Mapping[str, SeatKey]

    def holds(self, texts: Sequence[str], members: tuple[Member, ...], at: float) -> bool:
        """Whether proving the same again would come to the same."""
        return self.since <= at < self.until and self.members == members and self.texts == tuple(texts)


class SeatKeys:
    """What was proven last; threads may share it."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Proven] = OrderedDict()
        self._lock = Lock()

    def read(
        self, texts: Sequence[str], manifest: Manifest, member: Callable[[str], Member], at: datetime
    ) -> Mapping[str, SeatKey]:
        """The keys of all seats, by DID, as `runs.manifest.read_keys`.

        Raises:
            UnauthenticatedError: a seat is no member any more.
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
            self._known[manifest.digest] = _Proven(tuple(texts), members, now, _changes(members, now), keys)
            self._known.move_to_end(manifest.digest)
            if len(self._known) > MOST_RUNS:
                self._known.popitem(last=False)
        return keys


def _changes(members: Sequence[Member], now: float) -> float:
    """When the next key of one of them begins or ends, as early and as late as clocks may differ."""
    times = (time for member in members for key in member.mldsa for time in (key.since, key.until))
    leeway = LEEWAY.total_seconds()
    near = (time + shift for time in times for shift in (-leeway, 0.0, leeway))
    return min((time for time in near if time > now), default=float("inf"))
