"""How fast consents admit rows, whether anything slips through, and how soon a withdrawal reaches running uses.

Whom a use may count is judged here by a model of its own, a set of patients, and not by the program's rooms.
"""

import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench._linking import linked
from medspace.adapters.memory import SeededRandomness
from medspace.adapters.sql import open_database, upgrade
from medspace.app.compose.features import FEATURES
from medspace.app.compose.parts import COLLECTIONS, histories_of
from medspace.connector.usage.model import JOBS
from medspace.core.canonical import JsonObject
from medspace.core.paging import each
from medspace.policy.consent.model import ConsentParty, seconds
from medspace.services.consents import editions, recording
from medspace.services.consents.model import ConsentTerms
from medspace.services.consents.recording import Office
from medspace.services.consents.register import Register
from tests.e2e.space import ASSET, Stage, hospital, staged, step
from tests.unit.connector.uses import NOW, PURPOSE
from tests.unit.services.consents import Clinic, document, task

ROWS = int(os.environ.get("CONSENT_ROWS", "100000"))
HOUSES = int(os.environ.get("CONSENT_HOUSES", "100"))  # each with a hundred random uses
OF_EACH, PATIENTS = 100, 40
RUNNING = int(os.environ.get("CONSENT_RUNNING", "100"))
LINKED = int(os.environ.get("CONSENT_LINKED", "200"))
PATIENCE = 120.0
HOLDER, USER = "did:web:clinic.example", "did:web:company.example"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def measure() -> dict[str, dict[str, Any]]:
    """Rows a second, accesses outside consent, planted ones that replay did not find, the reach of a withdrawal."""
    admitted, told = asyncio.run(_admitted())
    seen = asyncio.run(_random_uses())
    apart = asyncio.run(linked(LINKED, together=False))
    together = asyncio.run(linked(LINKED, together=True))
    taken = _withdrawn()
    return {
        "consent.rows_per_s": {"value": admitted, "unit": "1/s", "reference": told, "target": ">= 100000"},
        "consent.outside": {
            "value": len(seen.outside),
            "unit": "accesses",
            "reference": f"{seen.answered} answered of {HOUSES * OF_EACH} random uses, {seen.restarts} restarts",
            "target": "0",
        },
        "consent.planted_missed": {
            "value": len(seen.planted - seen.found),
            "unit": "accesses",
            "reference": f"{len(seen.planted)} planted; {len(seen.found - seen.planted)} found that were none",
            "target": "0",
        },
        "consent.linked": {
            "value": apart.upper,
            "unit": "share",
            "reference": f"of {LINKED} patients {apart.by_text} by text, {apart.by_time} by time; where "
            f"they withdraw at both within a minute: {together.by_text} and {together.by_time}",
            "target": "<= 0.05",
        },
        "withdrawal.p95_ms": {
            "value": 1000 * statistics.quantiles(taken, n=20)[-1],
            "unit": "ms",
            "reference": f"{RUNNING} running uses that count the patient; slowest {1000 * max(taken):.0f} ms",
            "target": "<= 1000",
        },
    }


# --- how fast -------------------------------------------------------------------------------------------------------
async def _admitted() -> tuple[float, str]:
    """Rows a second that a question admits, each of a patient with three consents; nothing kept from before."""
    chance, register = random.Random(3), Register()
    office = Office(HOLDER, SeededRandomness(5), NOW)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/consents.sqlite"
        upgrade(url, histories_of(FEATURES))
        async with open_database(url, COLLECTIONS) as database:
            began = time.perf_counter()
            for start in range(0, ROWS, 1000):
                given = [one for patient in range(start, start + 1000) for one in _three(str(patient), chance)]
                await database.write(lambda tx, given=given: recording.record(tx, office, given))
            recorded = time.perf_counter()
            await database.read(register.follow)
            followed = time.perf_counter()
    parties = {ConsentParty.USER: USER, ConsentParty.HOLDER: HOLDER}
    asked = editions.request(ConsentTerms("person"), PURPOSE, None, parties, frozenset())
    found = register.reached(asked, "once", seconds(NOW), 3 * ROWS, after_death=False)
    ended = time.perf_counter()
    told = f"{ROWS} patients with 3 consents each, {len(found.patients)} admitted; recorded with "
    told += f"{3 * ROWS / (recorded - began):.0f}/s, "
    told += f"read anew after a start with {3 * ROWS / (followed - recorded):.0f}/s"
    return ROWS / (ended - followed), told


def _three(patient: str, chance: random.Random) -> Iterator[JsonObject]:
    """A broad consent, one for a purpose until some day, and one for another purpose."""
    end = f"20{chance.randrange(25, 40)}-0{chance.randrange(1, 10)}-{chance.randrange(10, 28)}"
    coded = {"purpose": [{"system": ACT_REASON, "code": "HRESCH"}]}
    yield document(patient, chance.choice(("permit", "permit", "deny")), identity="broad")
    yield document(patient, "deny", identity="purpose", provision=[coded], period={"end": end})
    yield document(patient, "permit", identity="other", period={"start": "2024-01-01"})


# --- whether anything slips through ---------------------------------------------------------------------------------
@dataclass(slots=True)
class _Seen:
    outside: set[str] = field(default_factory=set)
    planted: set[str] = field(default_factory=set)
    found: set[str] = field(default_factory=set)
    answered: int = 0
    restarts: int = 0


async def _random_uses() -> _Seen:
    seen = _Seen()
    for number in range(HOUSES):
        await _house(number, seen)
    return seen


async def _house(number: int, seen: _Seen) -> None:
    """A hundred uses of one holder, some of them by a connector without the condition; replay looks at the end."""
    chance, clinic = random.Random(number), Clinic(limit=1 << 20)
    await clinic.ready(range(PATIENTS))
    consenting = set(range(PATIENTS))
    for at in range(OF_EACH):
        await _said(clinic, chance, consenting)
        wrong = chance.random() < 0.1
        restarts = wrong or chance.random() < 0.1
        if restarts:
            clinic.brakes = replace(clinic.brakes, consent=not wrong)
            clinic.build()
            seen.restarts += 1
        job, before = f"urn:job:{number}:{at}", len(clinic.source.opened)
        answer = await clinic.ask(await clinic.start(job), job, task=task(f"{number} {at}"))
        if not isinstance(answer, str):
            seen.answered += 1
        if len(clinic.source.opened) > before and not clinic.counted() <= consenting:
            (seen.planted if wrong else seen.outside).add(job)
        if wrong:
            clinic.brakes = replace(clinic.brakes, consent=True)
            clinic.build()
    found, _ = await clinic.replay()
    seen.found |= {one.use for one in found}


async def _said(clinic: Clinic, chance: random.Random, consenting: set[int]) -> None:
    """Somebody withdraws, consents again, or says nothing; newcomers count once enough have said something."""
    patient = chance.randrange(PATIENTS)
    said = chance.random()
    if said < 0.3:
        await clinic.withdraw(patient)
        consenting.discard(patient)
    elif said < 0.6:
        version = int(clinic.clock.now().timestamp())
        await clinic.say(document(patient, version=version))
        consenting.add(patient)
    await clinic.renew()


# --- how soon -------------------------------------------------------------------------------------------------------
def _withdrawn() -> list[float]:
    """Seconds from the call that records a withdrawal to the cut-off of each running use that counts the patient."""
    with _running() as stage:
        began = time.time()
        stage.space("clinic").withdraw_consent("p1-1")
        taken: list[float] = []
        while len(taken) < RUNNING and time.time() < began + PATIENCE:
            taken += [time.time() - began] * (RUNNING - _open(stage) - len(taken))
            time.sleep(0.002)
        return taken + [PATIENCE] * (RUNNING - len(taken))


@contextmanager
def _running() -> Iterator[Stage]:
    with tempfile.TemporaryDirectory() as folder, staged(Path(folder)) as stage:
        more = "[quotas]\ntransfers = 1000\nnegotiations = 1000\n"
        stage.add("clinic", hospital(route="consent", count=1000), more=more)  # the authority too
        stage.add("user", more=more)
        stage.open()
        stage.admit()
        clinic = stage.space("clinic")
        clinic.record_consents([document(f"p1-{number}") for number in range(60)])
        clinic.put_consent_terms(ASSET, "person")
        agreement = stage.agree("user", "clinic")
        for _ in range(RUNNING):
            use = stage.space("user").request(agreement, "medspace:train")["id"]
            answer = stage.ask("user", "clinic", use, step())
            assert answer.status_code == 200, answer.text
        assert _open(stage) == RUNNING
        yield stage


def _open(stage: Stage) -> int:
    connector = stage.nodes["clinic"].connector
    assert connector is not None
    return int(stage.run(connector.node.database.read(lambda tx: sum(job.open for job in each(tx, JOBS, {})))))
