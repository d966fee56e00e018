"""What the space and the authority can link of a patient with wallets at two hospitals.

Whoever links has the logs of both hospitals and the log of the authority, whole: every text in them, and every time.
Two things are tried: the same text on both sides, and withdrawals that lie closest in time.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from scipy.stats import beta

from medspace.adapters.memory import MemoryDatabase
from medspace.app.features.wallets.kinds import KINDS
from medspace.core.clock import instant
from medspace.ledger import kinds
from medspace.services.wallets import commitments
from tests.unit.services.wallets.hospital import NOW, Hospital, Patient

HOSPITALS = (
    ("https://wallet.one.example", "did:web:one.example"),
    ("https://wallet.two.example", "did:web:two.example"),
)
kinds.learn(KINDS)  # as whoever loads the features does
AUTHORITY = "did:web:authority.example"
MONTH, YEAR = 30 * 24 * 3600.0, 365 * 24 * 3600.0
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Linked:
    """How many of `patients` were linked rightly, by the same text and by times."""

    patients: int
    by_text: int
    by_time: int

    @property
    def upper(self) -> float:
        """The upper bound (Clopper and Pearson, 95 %) of the share that is linked in the better way, above chance."""
        found, rest = max(self.by_text, self.by_time), self.patients - max(self.by_text, self.by_time)
        bound = 1.0 if not rest else float(beta.ppf((1 + CONFIDENCE) / 2, found + 1, rest))
        return max(0.0, bound - 1 / self.patients)


async def linked(patients: int, *, together: bool) -> Linked:
    """Patients who consent and withdraw at both hospitals: at times of their own, or both within one minute."""
    chance, authority = random.Random(7), MemoryDatabase()
    hospitals = [Hospital(origin, did, seed) for seed, (origin, did) in enumerate(HOSPITALS, 1)]
    for one in hospitals:
        await one.publish()
    truth = [dict[str, int](), dict[str, int]()]  # whose a commitment is
    wallets: dict[tuple[int, int], tuple[Patient, str]] = {}
    for at, patient, side in sorted(_plan(patients, chance, together=together)):
        hospital = hospitals[side]
        hospital.now = NOW + timedelta(seconds=at)
        known = wallets.get((patient, side))
        if known is None:
            wallet = Patient(hospital, seed=patient.to_bytes(16))
            await wallet.receive(await hospital.invite(f"{side}-{chance.randrange(1 << 40)}"))
            wallets[patient, side] = wallet, (await wallet.consent())["id"]
            continue
        await known[0].withdraw(known[1], chance.randbytes(32))
        committed = (await hospital.entries())[-1]["facts"]["commitment"]
        truth[side][committed] = patient
        await authority.write(lambda tx, c=committed, now=hospital.now: commitments.commit(tx, AUTHORITY, c, now))
    logs = [await one.entries() for one in hospitals]
    return Linked(patients, _by_text(logs), _by_time(logs, truth))


def _plan(patients: int, chance: random.Random, *, together: bool) -> Sequence[tuple[float, int, int]]:
    """When each patient consents and withdraws at each hospital, in seconds."""
    found: list[tuple[float, int, int]] = []
    for patient in range(patients):
        first = chance.uniform(0, YEAR)
        second = first + chance.uniform(5, 60) if together else chance.uniform(0, YEAR)
        found += [(at + later, patient, side) for side, at in enumerate((first, second)) for later in (0.0, MONTH)]
    return found


def _by_text(logs: Sequence[Sequence[Any]]) -> int:
    """How many texts of a withdrawal or a consent stand in both logs."""
    said = [
        {text for entry in log for name, text in entry["facts"].items() if name not in ("form", "role", "version")}
        for log in logs
    ]
    return len({json.dumps(one) for one in said[0]} & {json.dumps(one) for one in said[1]})


def _by_time(logs: Sequence[Sequence[Any]], truth: Sequence[dict[str, int]]) -> int:
    """How many withdrawals have the same patient's at the other hospital as the nearest in time."""
    ends = [
        [
            (instant(one["time"]), truth[side][one["facts"]["commitment"]])
            for one in log
            if one["kind"] == "wallet.withdrawn"
        ]
        for side, log in enumerate(logs)
    ]
    return sum(min(ends[1], key=lambda other: abs(other[0] - at))[1] == patient for at, patient in ends[0])
