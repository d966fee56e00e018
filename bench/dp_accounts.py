"""Debits of privacy budgets, durable: as many uses that pay as a holder's database takes.

Each unit of work is what the door does of a debit: the condition judges, takes what the use costs from the account
of the asset and that of its agreement, keeps the debit, and notes it in the log. They go through the real SQLite
database on a file, with its fsync, from many callers at once. The reference of the same run are units that do nothing
but add one entry to the log.
"""

import asyncio
import os
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from medspace.adapters.sql import SqlDatabase, create, open_database
from medspace.adapters.system import SystemClock, SystemRandomness
from medspace.app.compose import COLLECTIONS
from medspace.connector.local import Local
from medspace.connector.model import Agreement
from medspace.connector.usage import accounts
from medspace.connector.usage.calls import AdmissibleStep, Holder, Visit
from medspace.connector.usage.conditions import Grounds
from medspace.connector.usage.conditions.budget import BudgetCondition
from medspace.connector.usage.model import BudgetLimits, Job
from medspace.connector.usage.notebook import Notebook
from medspace.core.clock import stamp
from medspace.core.engine import RHO_ONE, Cost
from medspace.core.hashing import digest
from medspace.core.sealing import Sealer
from medspace.core.store import Transaction
from medspace.core.usage import Brakes, Grant, Step
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.policy import templates
from medspace.policy.model import UseRequest
from medspace.trust.model import Facts

DEBITS = int(os.environ.get("DP_DEBITS", "20000"))
AT_ONCE = 512  # callers
ASSETS, AGREEMENTS = 4, 100
HOLDER, USER, TASK = "did:web:clinic.example", "did:web:company.example", digest("task")
COST = Cost((7, 7, 7))


def measure() -> dict[str, dict[str, Any]]:
    """Debits a second, and empty units of the same run."""
    with tempfile.TemporaryDirectory() as folder:
        debits, empty = asyncio.run(_measured(f"sqlite:///{folder}/connector.db"))
    reference = f"{DEBITS} uses, {AT_ONCE} callers at once, SQLite with fsync by group commit"
    return {
        "dp.debits_per_s": {"value": debits, "unit": "1/s", "reference": reference, "target": ">= 2000"},
        "dp.empty_units_per_s": {
            "value": empty,
            "unit": "1/s",
            "reference": "the same run, one entry of the log each",
        },
    }


async def _measured(url: str) -> tuple[float, float]:
    create(url, COLLECTIONS)
    async with open_database(url, COLLECTIONS) as database:
        local = Local(HOLDER, "https://clinic.example", SystemClock(), SystemRandomness())
        await database.write(lambda tx: _set(tx, local))
        empty = await _rate(database, [_empty(number) for number in range(DEBITS)])
        debits = await _rate(database, [_debit(number) for number in range(DEBITS)])
        taken = await database.read(lambda tx: sum(account.taken for account in accounts.configured(tx)))
        assert taken == DEBITS * COST.total
        return debits, empty


async def _rate(database: SqlDatabase, units: Sequence[Callable[[Transaction], object]]) -> float:
    waiting = iter(units)

    async def caller() -> None:
        for unit in waiting:
            await database.write(unit)

    started = perf_counter()
    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    return len(units) / (perf_counter() - started)


def _set(tx: Transaction, local: Local) -> None:
    limits = BudgetLimits(8.0, 8.0, 8.0, 1e-5, RHO_ONE, RHO_ONE, RHO_ONE)
    for number in range(ASSETS):
        accounts.configure(tx, local, f"asset-{number}", limits)


def _empty(number: int) -> Callable[[Transaction], object]:
    facts = {"admission": f"urn:uuid:{number}", "code": "use.failed"}
    return lambda tx: record(tx, Entry("use.failed", stamp(datetime.now(UTC)), HOLDER, facts))


def _debit(number: int) -> Callable[[Transaction], object]:
    asking = _asking(number)

    def unit(tx: Transaction) -> None:
        assert _CONDITION.judge(tx, asking).permitted
        _CONDITION.spend(tx, asking)

    return unit


def _asking(number: int) -> AdmissibleStep:
    asset, agreement = f"asset-{number % ASSETS}", _AGREEMENTS[number % AGREEMENTS]
    job = Job(f"urn:uuid:use-{number}", agreement.id, USER, asset, "medspace:train", 1, open=True)
    visit = Visit(job, agreement, Step({"task": "glm"}, 1, "moments"), TASK, UseRequest(), datetime.now(UTC))
    return AdmissibleStep(visit, Grant(), TASK, new=True, cost=COST, bounded=True)


def _agreement(number: int) -> Agreement:
    offer = templates.build("train-only", epsilon=8.0)
    policy = offer | {"@type": "Agreement", "assigner": HOLDER, "assignee": USER, "target": "asset"}
    policy |= {"@id": f"urn:agreement:{number}"}
    time = "2026-01-01T00:00:00.000Z"
    return Agreement(f"urn:agreement:{number}", "urn:n", HOLDER, USER, "asset", policy, TASK, time, time)


_AGREEMENTS = [_agreement(number) for number in range(AGREEMENTS)]
_HOLDER = Holder(HOLDER, {}, {}, Notebook(Sealer(bytes(32), SystemRandomness())))
_CONDITION = BudgetCondition(Grounds(_HOLDER, Brakes(), lambda _tx, did: Facts(did)))
