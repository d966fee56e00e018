"""Whom an authority links across two hospitals, by all that it may read: its own log, and the logs of both.

Patients have a wallet at each hospital. They are invited, consent, and withdraw, within a month; the authority gets a
commitment of each withdrawal. It knows no patient, so what it links are traces: a withdrawal at one hospital with the
one at the other that was the same person's. It tries every member of every entry (the same text, or texts in the same
order), the numbers of entries, and times; what counts is the way that gets most.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, NamedTuple

from medspace.app.features.consent.kinds import KINDS as CONSENT_KINDS
from medspace.app.features.wallets.kinds import KINDS
from medspace.ledger import kinds
from medspace.services.consents import recording
from medspace.services.consents.recording import Office
from medspace.services.wallets import commitments, holder
from tests.unit.services.consents import document
from tests.unit.services.wallets.hospital import NOW, Hospital, Patient

MONTH = 30 * 24 * 3600
SITTING = 60.0  # seconds between two things that are done at once
Z95 = 1.959964

kinds.learn((*KINDS, *CONSENT_KINDS))  # as whoever loads the features does


class Linked(NamedTuple):
    """How many persons the best way links, and the upper end of the 95 % interval of their share above chance."""

    persons: int
    most: int
    way: str
    upper: float


@dataclass
class Trace:
    """What the authority reads of one person at one hospital: times and texts, of each thing that was done."""

    times: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)


class Act(NamedTuple):
    """Something that a person does at a hospital."""

    at: float
    number: int
    person: int
    hospital: int
    what: str


async def linked(persons: int, *, together: float, seed: int = 1) -> Linked:
    """Link persons of whom a share does both withdrawals in one sitting.

    Raises:
        ValueError: too few persons.
    """
    if persons < 2:
        raise ValueError("at least two persons")
    traces = await _lived(persons, together, random.Random(seed))
    order = random.Random(seed + 1).sample(range(persons), persons)  # the authority has no order of persons
    here, there = [traces[0][one] for one in order], traces[1]
    found = {name: _right(way(here, there), order) for name, way in WAYS.items()}
    way = max(found, key=lambda name: found[name])
    return Linked(persons, found[way], way, max(0.0, _upper(found[way], persons) - 1 / persons))


async def _lived(persons: int, together: float, chance: random.Random) -> list[list[Trace]]:
    world = _World(persons)
    for act in sorted(_plan(persons, together, chance)):
        await world.do(act)
    return world.traces


def _plan(persons: int, together: float, chance: random.Random) -> list[Act]:
    found, numbers = [], count()
    for person in range(persons):
        sitting = chance.uniform(MONTH / 2, MONTH) if chance.random() < together else None
        for hospital in (0, 1):
            invited = chance.uniform(0, MONTH / 4)
            consented = invited + chance.uniform(60, MONTH / 4)
            withdrawn = chance.uniform(MONTH / 2, MONTH) if sitting is None else sitting + chance.uniform(0, SITTING)
            for at, what in ((invited, "receive"), (consented, "consent"), (withdrawn, "withdraw")):
                found.append(Act(at, next(numbers), person, hospital, what))
    return found


class _World:
    """Two hospitals and the authority, with one clock."""

    def __init__(self, persons: int) -> None:
        self.hospitals = [
            Hospital(f"https://wallet.{name}.example", f"did:web:{name}.example", seed)
            for seed, name in enumerate(("north", "south"), 1)
        ]
        self.authority = Hospital("https://wallet.authority.example", "did:web:authority.example", 3)
        self.traces = [[Trace() for _ in range(persons)] for _ in self.hospitals]
        self.wallets = [
            [Patient(hospital, seed=person.to_bytes(16)) for person in range(persons)] for hospital in self.hospitals
        ]
        self.given: dict[tuple[int, int], str] = {}
        self.read = [0, 0, 0]
        self.published = False

    async def do(self, act: Act) -> None:
        """One thing, and what the logs say of it."""
        hospital, wallet = self.hospitals[act.hospital], self.wallets[act.hospital][act.person]
        for one in (*self.hospitals, self.authority):
            one.now = NOW + timedelta(seconds=act.at)
            if not self.published:
                await one.publish()
        self.published = True
        await getattr(self, f"_{act.what}")(act, hospital, wallet)
        trace = self.traces[act.hospital][act.person]
        for at, one in enumerate((hospital, self.authority)):
            await self._note(trace, act.hospital if at == 0 else 2, one)

    async def _receive(self, act: Act, hospital: Hospital, wallet: Patient) -> None:
        await wallet.receive(await hospital.invite(f"p-{act.person}-{act.hospital}"))

    async def _consent(self, act: Act, hospital: Hospital, wallet: Patient) -> None:
        self.given[act.hospital, act.person] = (await wallet.consent())["id"]
        office = Office(hospital.issuer.did, hospital.randomness, hospital.now)
        said = document(f"p-{act.person}-{act.hospital}")
        await hospital.database.write(lambda tx: recording.record(tx, office, [said]))

    async def _withdraw(self, act: Act, hospital: Hospital, wallet: Patient) -> None:
        said = {"act": "withdraw", "consent": self.given[act.hospital, act.person]}
        salt = self.authority.randomness.token_bytes(32)
        await wallet.withdraw(said["consent"], salt)
        text = holder.commitment_of(said, salt)
        did, now = self.authority.issuer.did, self.authority.now
        await self.authority.database.write(lambda tx: commitments.commit(tx, did, text, now))
        office = Office(hospital.issuer.did, hospital.randomness, hospital.now)
        patient = f"p-{act.person}-{act.hospital}"
        await hospital.database.write(lambda tx: recording.withdraw(tx, office, patient))

    async def _note(self, trace: Trace, at: int, hospital: Hospital) -> None:
        entries = await hospital.entries()
        for number, entry in enumerate(entries[self.read[at] :], self.read[at]):
            trace.numbers.append(number)
            trace.times.append(datetime.fromisoformat(entry["time"]).timestamp())
            trace.texts += [str(value) for value in _values(entry["facts"])]
        self.read[at] = len(entries)


def _values(facts: dict[str, Any]) -> list[Any]:
    return [value for value in facts.values() if isinstance(value, str) and len(value) >= 32]


# --- the ways of linking -----------------------------------------------------------------------------------------
# Each says for every trace of one hospital which of the other it takes for the same person's.


def _same_texts(here: Sequence[Trace], there: Sequence[Trace]) -> list[int]:
    known = {text: at for at, one in enumerate(there) for text in one.texts}
    return [next((known[text] for text in one.texts if text in known), 0) for one in here]


def _order_of_texts(here: Sequence[Trace], there: Sequence[Trace]) -> list[int]:
    return _by_rank([one.texts[-1] for one in here], [one.texts[-1] for one in there])


def _beginnings_of_texts(here: Sequence[Trace], there: Sequence[Trace]) -> list[int]:
    def alike(one: Trace, other: Trace) -> int:
        pairs = [(a[-64:], b[-64:]) for a in one.texts for b in other.texts]
        return max(next((at for at in range(min(len(a), len(b))) if a[at] != b[at]), 64) for a, b in pairs)

    return [max(range(len(there)), key=lambda at, one=one: alike(one, there[at])) for one in here]


def _order_of_numbers(here: Sequence[Trace], there: Sequence[Trace]) -> list[int]:
    return _by_rank([one.numbers[0] for one in here], [one.numbers[0] for one in there])


def _last_times(here: Sequence[Trace], there: Sequence[Trace]) -> list[int]:
    return _nearest([one.times[-1:] for one in here], [one.times[-1:] for one in there])


def _all_times(here: Sequence[Trace], there: Sequence[Trace]) -> list[int]:
    def ends(traces: Sequence[Trace]) -> list[list[float]]:
        return [[one.times[0], one.times[len(one.times) // 2], one.times[-1]] for one in traces]

    return _nearest(ends(here), ends(there))


def _by_rank(here: Sequence[Any], there: Sequence[Any]) -> list[int]:
    places = sorted(range(len(there)), key=lambda at: there[at])
    found = [0] * len(here)
    for rank, at in enumerate(sorted(range(len(here)), key=lambda at: here[at])):
        found[at] = places[rank]
    return found


def _nearest(here: Sequence[Sequence[float]], there: Sequence[Sequence[float]]) -> list[int]:
    return [min(range(len(there)), key=lambda at, one=one: math.dist(one, there[at])) for one in here]


WAYS = {
    "the same texts": _same_texts,
    "the order of texts": _order_of_texts,
    "beginnings of texts": _beginnings_of_texts,
    "the order of entries": _order_of_numbers,
    "the time of the withdrawal": _last_times,
    "all times": _all_times,
}


def _right(guessed: Sequence[int], order: Sequence[int]) -> int:
    return sum(one == truth for one, truth in zip(guessed, order, strict=True))


def _upper(hits: int, of: int) -> float:
    """The upper end of the 95 % interval of a share (Wilson)."""
    share, z2 = hits / of, Z95**2
    middle, spread = share + z2 / (2 * of), Z95 * math.sqrt(share * (1 - share) / of + z2 / (4 * of**2))
    return (middle + spread) / (1 + z2 / of)
