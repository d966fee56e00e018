"""Consent: rows admitted, accesses outside of it, what replay misses, how fast a withdrawal works, who is linked.

`consent.rows_per_s`: what the condition does when it is asked after something was said, so that nothing is answered
from memory: three consents of each patient are decided, and the tree of commitments is built.

`consent.outside` and `consent.planted_missed`: random histories with withdrawals, restarts and consents that begin
and end, judged by an oracle that reads the documents (`tests/unit/services/consent_histories.py`).

`withdrawal.p95_ms`: 100 uses that count a patient have asked another step; one is worked on, the others wait for
their turn. From the arrival of her withdrawal to the moment from which nothing of a use can leave: its job is closed.

`consent.linked`: what the authority can do with everything that it may read, which is its own log and the logs of two
hospitals, against patients who have a wallet at both.
"""

import asyncio
import os
import random
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

from bench._linking import Linked, linked
from medspace.adapters.sql import create, open_database
from medspace.app.compose.parts import COLLECTIONS
from medspace.app.features.consent.service import Consents
from medspace.app.node.node import Node
from medspace.connector.cutoff import CutOff
from medspace.connector.model import AGREEMENTS, TRANSFERS, TransferState
from medspace.connector.transfer.service import Transfers
from medspace.connector.usage.calls import Visit
from medspace.connector.usage.model import JOBS, Job
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.core.usage import Step
from medspace.policy.model import UseRequest
from medspace.services.consents.conditions import ConsentCondition
from medspace.services.consents.model import PATIENTS, VERSIONS, ConsentPatient
from tests.unit.connector.uses import ASSET, KIND, NOW, PURPOSE, USER, transfer_of
from tests.unit.services.consent_histories import ACT_REASON, History
from tests.unit.services.consents import Clinic, document, task

ROWS = int(os.environ.get("CONSENT_ROWS", "100000"))
USES = int(os.environ.get("CONSENT_USES", "10000"))
OF_ONE = 100  # uses of one history
RUNNING = 100
PERSONS = int(os.environ.get("CONSENT_PERSONS", "300"))  # with wallets at both hospitals
BATCH = 5_000
ROUNDS = 5


def measure() -> dict[str, dict[str, Any]]:
    """All measures of consent."""
    return asyncio.run(_rows()) | asyncio.run(_histories()) | asyncio.run(_withdrawn()) | asyncio.run(_linked())


# --- rows --------------------------------------------------------------------------------------------------------


def _given(patient: int) -> list[dict[str, Any]]:
    """Three consents of a patient: to research until a day, not for marketing; nothing for teaching."""
    end = f"20{27 + patient % 10}-{1 + patient % 12:02}-{1 + patient % 28:02}"
    marketing, teaching = ([{"purpose": [{"system": ACT_REASON, "code": code}]}] for code in ("HMARKT", "TRAIN"))
    return [
        document(patient, period={"end": end}),
        document(patient, identity=f"m{patient}", provision=marketing),
        document(patient, identity=f"t{patient}", provision=teaching),
    ]


async def _filled(clinic: Clinic, rows: int) -> None:
    """So many patients with three consents each; what is like the first ones is written without reading it again."""
    await clinic.agree()
    shapes = min(rows, 840)  # a period has so many ends
    for start in range(0, shapes, 100):
        await clinic.say(*(one for patient in range(start, min(start + 100, shapes)) for one in _given(patient)))
    known = await clinic.database.read(lambda tx: list(each(tx, VERSIONS, {})))
    models = [[one for one in known if one.patient == str(patient)] for patient in range(shapes)]

    def unit(tx: Transaction, first: int) -> None:
        number = 3 * first
        for patient in range(first, min(first + BATCH, rows)):
            tx.insert(PATIENTS, ConsentPatient(str(patient), random.Random(patient).randbytes(32).hex()))
            for at, model in enumerate(models[patient % shapes]):
                number += 1
                identity = f"{model.consent[0]}{patient}"
                tx.insert(
                    VERSIONS,
                    replace(model, id=f"{patient} {at}", patient=str(patient), consent=identity, number=number),
                )

    for first in range(shapes, rows, BATCH):
        await clinic.database.write(lambda tx, first=first: unit(tx, first))
    await clinic.open()


async def _rows() -> dict[str, dict[str, Any]]:
    with _database() as database:
        clinic = Clinic(database=database, limit=10**6)
        await _filled(clinic, ROWS)
        condition = ConsentCondition(clinic.grounds)
        began = time.perf_counter()
        await _admitted(clinic, condition, 0)
        first = time.perf_counter() - began
        took = []
        for number in range(1, ROUNDS + 1):
            await clinic.withdraw(number)
            took.append(await _admitted(clinic, condition, number))
        await clinic.database.close()
    rate = ROWS / statistics.median(took)
    told = f"median of {ROUNDS} after a withdrawal, {ROWS} patients with 3 consents; {first:.1f} s after a start"
    return {"consent.rows_per_s": {"value": rate, "unit": "/s", "reference": told, "target": ">= 100000"}}


async def _admitted(clinic: Clinic, condition: ConsentCondition, number: int) -> float:
    """Seconds that the condition takes to say on the rows of whom a new use is answered."""

    def look(tx: Transaction) -> float:
        made = tx.get(AGREEMENTS, "urn:agreement:1")
        assert made is not None
        job = Job(f"urn:job:{number}", made.id, made.consumer, ASSET, KIND, 1, open=True)
        asked = UseRequest(KIND, made.consumer, PURPOSE, time=NOW)
        began = time.perf_counter()
        decision, grant = condition.admit(tx, Visit(job, made, Step({}, 1, "sum"), "", asked, NOW))
        took = time.perf_counter() - began
        assert decision.permitted
        assert len(grant.scope[0].values) == ROWS - number
        return took

    return cast("float", await clinic.database.read(look))


class _database:  # noqa: N801 - used as a function
    """A database on disk, or in memory as files where that is possible."""

    def __enter__(self) -> Any:  # noqa: ANN401 - an adapter
        shm = Path("/dev/shm")  # noqa: S108 - what is measured is not the disk
        self._folder = tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None)
        url = f"sqlite:///{self._folder.name}/clinic.db"
        create(url, COLLECTIONS)
        return open_database(url, COLLECTIONS)

    def __exit__(self, *error: object) -> None:
        self._folder.cleanup()


# --- histories ---------------------------------------------------------------------------------------------------


async def _histories() -> dict[str, dict[str, Any]]:
    inside = [await History(seed).run(OF_ONE) for seed in range(USES // OF_ONE)]
    planted = [await History(10**6 + seed, planted=True).run(OF_ONE) for seed in range(max(1, USES // OF_ONE // 5))]
    outside = sum(len(one.outside) for one in (*inside, *planted))
    invented, missed = (
        sum(len(getattr(one, name)) for one in (*inside, *planted)) for name in ("invented", "missed")
    )
    answers, restarts = sum(one.answered for one in inside), sum(one.restarts for one in inside)
    told = f"{answers} answers, {sum(one.withdrawals for one in inside)} withdrawals, {restarts} restarts"
    uses = sum(one.uses for one in inside)
    found = f"of {sum(len(one.wrong) for one in planted)} planted; {invented} found in vain"
    return {
        "consent.outside": {"value": outside, "unit": f"of {uses} uses", "reference": told, "target": "0"},
        "consent.planted_missed": {"value": missed, "unit": "not found", "reference": found, "target": "0"},
    }


# --- a withdrawal ------------------------------------------------------------------------------------------------


async def _withdrawn() -> dict[str, dict[str, Any]]:
    with _database() as database:
        clinic = Clinic(database=database, limit=10**6)
        tokens = await _running(clinic)
        ended: dict[str, float] = {}
        left: list[float] = []
        steps = [asyncio.create_task(_asked(clinic, job, token, left)) for job, token in tokens.items()]
        await asyncio.to_thread(clinic.working.wait)
        began = time.perf_counter()
        watching = asyncio.create_task(_watch(clinic, ended))
        await _consents(clinic).withdraw("7", by="")
        said = time.perf_counter() - began
        await asyncio.gather(*steps, watching)
        late = [1000 * (one - began) for one in left if one > began]
        await clinic.database.close()
    took = [1000 * (one - began) for one in ended.values()]
    told = (
        f"{RUNNING} running uses on SQLite; answered after {1000 * said:.0f} ms; {len(late)} releases after arrival"
    )
    slow = max(statistics.quantiles(took, n=20)[-1], max(late, default=0.0))
    return {"withdrawal.p95_ms": {"value": slow, "unit": "ms", "reference": told, "target": "<= 1000"}}


async def _running(clinic: Clinic) -> dict[str, str]:
    """So many started uses, each of which has counted everybody; and their tokens."""
    await clinic.ready()
    tokens = {}
    for number in range(RUNNING):
        job = f"urn:job:{number}"
        made = transfer_of(job, "urn:agreement:1", KIND)
        made = replace(made, state=TransferState.STARTED, counterparty=USER, peer_pid=f"{job}:user")
        await clinic.database.write(lambda tx, made=made: tx.insert(TRANSFERS, made))
        tokens[job] = await clinic.start(job)
        assert not isinstance(await clinic.ask(tokens[job], job, task=task(number)), str)
    clinic.working = Event()

    def worked() -> None:
        clinic.working.set()
        time.sleep(0.02)

    clinic.engine.before = worked
    return tokens


async def _asked(clinic: Clinic, job: str, token: str, left: list[float]) -> None:
    answer = await clinic.ask(token, job, task=task(int(job.rpartition(":")[2])), name="mean")
    if not isinstance(answer, str):
        left.append(time.perf_counter())


async def _watch(clinic: Clinic, ended: dict[str, float]) -> None:
    """Note when each use was closed."""

    def look(tx: Transaction) -> list[str]:
        return [job.id for job in each(tx, JOBS, {}) if not job.open]

    while len(ended) < RUNNING:
        for one in await clinic.database.read(look):
            ended.setdefault(one, time.perf_counter())
        await asyncio.sleep(0.002)


def _consents(clinic: Clinic) -> Consents:
    async def terminate(*_: object) -> None:
        """Telling the user comes after, and holds nothing up."""

    transfers = cast("Transfers", SimpleNamespace(terminate=terminate))
    node = SimpleNamespace(
        did=clinic.did,
        database=clinic.database,
        randomness=clinic.salting,
        clock=clinic.clock,
        cutoff=CutOff(clinic.database, clinic.clock, clinic.control, transfers),
    )
    return Consents(cast("Node", node))


# --- linking -----------------------------------------------------------------------------------------------------


async def _linked() -> dict[str, dict[str, Any]]:
    apart, sitting = await linked(PERSONS, together=0.0), await linked(PERSONS, together=1.0)
    return {
        "consent.linked": _measure(apart, "<= .05", "each hospital dealt with in its own time"),
        "consent.linked.sitting": _measure(sitting, "-", "both withdrawals within a minute: times tell"),
    }


def _measure(found: Linked, target: str, how: str) -> dict[str, Any]:
    told = f"{found.most} of {found.persons} by {found.way}, {how}; chance 1 in {found.persons}"
    return {"value": found.upper, "unit": "upper CI", "reference": told, "target": target}
