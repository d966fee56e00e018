"""Seats in runs, taken by hand: manifests as users sign them, and who the parties of a test are."""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Any

from medspace.core.canonical import exact
from medspace.core.engine import COORDINATOR_SEES_SUMS
from medspace.core.hashing import digest
from medspace.core.signing import Ed25519Signer, Signer
from medspace.runs import manifest as manifests
from medspace.runs.manifest import Manifest
from medspace.runs.model import Seat
from medspace.trust.errors import NotMemberError
from medspace.trust.model import Member
from tests.signing import Ring, ring_of


@cache
def signer_of(did: str) -> Ed25519Signer:
    """The key of a party, the same in every test."""
    return Ed25519Signer.from_seed(sha256(did.encode()).digest())


class Everybody:
    """A members list (`trust.ports.Directory`) of whoever is asked for, but for strangers.

    `hybrid` members have keys of ML-DSA-65, those in `rings` others than `hybrid_of` signs with.
    """

    def __init__(self, strangers: Sequence[str] = (), *, hybrid: bool = False) -> None:
        self.strangers, self.hybrid = set(strangers), hybrid
        self.rings: dict[str, Ring] = {}

    def member(self, did: str) -> Member:
        if did in self.strangers:
            raise NotMemberError(did=did)
        mldsa = self.rings.get(did, ring_of(did)).known if self.hybrid else ()
        return Member(did, did, "DE", (), signer_of(did).public_key, mldsa=mldsa)


def manifest_of(
    user: str, task: dict[str, Any], seats: dict[str, str], *, run: str = "urn:run:by-hand", **changes: Any
) -> Manifest:
    """The manifest of a task at these seats (DID to agreement), which all of them must keep."""
    said: dict[str, Any] = {"protocol": COORDINATOR_SEES_SUMS, "min_sites": len(seats), "coordinator": user}
    said |= {"nonce": "0" * 64} | changes
    placed = tuple(Seat(site, agreement) for site, agreement in sorted(seats.items()))
    return Manifest(run=run, user=user, task=digest(exact(task)), seats=placed, **said)


def signed(manifest: Manifest, signer: Signer | None = None) -> str:
    """As its user signs it."""
    return manifests.sign(manifest, signer or signer_of(manifest.user))
