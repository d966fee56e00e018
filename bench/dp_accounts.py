"""Debits of privacy budgets, durable: as many as a holder's database takes; and the epsilon that people see of them.

Each unit of work is what the door does of a debit: the condition judges, takes what the use costs from the account
of the asset and that of its agreement, keeps the debit, and notes it in the log. They go through the real SQLite
database on a file, with its fsync, from many callers at once. The reference of the same run are units that do nothing
but add one entry to the log.

The epsilon that people see is held against the exact one: 52 weekly releases with the rho of sensitivity 1 at sigma 5
are debited, and what the account shows is compared with the least epsilon that the integers of all of them have. They
are discrete Gaussians, so the privacy loss depends on their sum alone, whose probabilities are summed up one by one.
"""

import asyncio
import math
import os
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import numpy as np

from medspace.adapters.losses import GaussianLosses
from medspace.adapters.memory import MemoryDatabase
from medspace.adapters.sql import SqlDatabase, create, open_database
from medspace.adapters.system import SystemClock, SystemRandomness
from medspace.app.compose.connector import COLLECTIONS
from medspace.app.features.budget.statements import shown
from medspace.connector.local import Local
from medspace.connector.model import Agreement
from medspace.connector.usage import accounts
from medspace.connector.usage.calls import AdmissibleStep, Holder, Visit
from medspace.connector.usage.conditions import Grounds
from medspace.connector.usage.conditions.budget import BudgetCondition
from medspace.connector.usage.model import ACCOUNTS, BudgetLimits, Job
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
from medspace.privacy.noise.accounting import cost, epsilon_of
from medspace.privacy.noise.composition import LossAccountant
from medspace.privacy.noise.sigma import SIGMA
from medspace.trust.model import Facts

DEBITS = int(os.environ.get("DP_DEBITS", "20000"))
AT_ONCE = 512  # callers
ASSETS, AGREEMENTS = 4, 100
HOLDER, USER, TASK = "did:web:clinic.example", "did:web:company.example", digest("task")
COST = Cost((7, 7, 7))
WEEKS, WEEKLY_DELTA = 52, 1e-6
MOVE = SIGMA // 5  # the L2 sensitivity of a week's integers: what a sensitivity of 1 is at sigma 5
WEEKLY = "asset-weekly"


def measure() -> dict[str, dict[str, Any]]:
    """Debits a second, and empty units of the same run."""
    with tempfile.TemporaryDirectory() as folder:
        debits, empty = asyncio.run(_measured(f"sqlite:///{folder}/connector.db"))
    spent, exact = asyncio.run(_shown_of_a_year()), _exact(WEEKS * MOVE**2)
    formula = epsilon_of(WEEKS * cost(MOVE**2, 1), WEEKLY_DELTA)
    weekly = f"{WEEKS} weekly releases, delta {WEEKLY_DELTA:g}: shown {spent['spent']:.4f} ({spent['counted']})"
    reference = f"{DEBITS} uses, {AT_ONCE} callers at once, SQLite with fsync by group commit"
    return {
        "dp.debits_per_s": {"value": debits, "unit": "1/s", "reference": reference, "target": ">= 2000"},
        "dp.empty_units_per_s": {
            "value": empty,
            "unit": "1/s",
            "reference": "the same run, one entry of the log each",
        },
        "dp.epsilon_gap": {
            "value": spent["spent"] - exact,
            "unit": "epsilon",
            "reference": f"{weekly}, exact {exact:.4f}; from zCDP {formula:.2f}, by its plain formula {_plain():.2f}",
            "target": ">= 0 and <= .25",
        },
    }


async def _shown_of_a_year() -> dict[str, Any]:
    """What a holder's account shows after its weekly releases, each debited as a use of its own."""
    database, local = MemoryDatabase(), Local(HOLDER, "https://clinic.example", SystemClock(), SystemRandomness())
    limits = BudgetLimits(9.0, 9.0, 9.0, WEEKLY_DELTA, 2 * RHO_ONE, 2 * RHO_ONE, 2 * RHO_ONE)
    await database.write(lambda tx: accounts.configure(tx, local, WEEKLY, limits))
    weekly = Cost((cost(MOVE**2, 1),), gaussian=True)
    for week in range(WEEKS):
        await database.write(_paid(_asking(week, WEEKLY, weekly)))
    account = await database.read(lambda tx: tx.get(ACCOUNTS, WEEKLY))
    assert account is not None
    assert account.taken == WEEKS * weekly.total
    return shown(account, local.clock.now(), LossAccountant(GaussianLosses()))


def _exact(moved: int) -> float:
    """The least epsilon, by bisection, of all weeks' integers; `moved` is the square of the distance of two tables'.

    The integers of a year are a vector x of one discrete Gaussian a week; another table's are moved by the vector v,
    with the same move each week. The loss follows from x.v, so all that matters is the sum of x, which is a discrete
    Gaussian of the summed variance to within 2**-(10**9) (`privacy.noise.composition`).
    """
    variance, move = WEEKS * SIGMA**2, WEEKS * math.isqrt(moved // WEEKS)
    width = int(14 * math.sqrt(variance)) + move
    places = np.arange(-width, width + 1, dtype=np.float64)
    chances = np.exp(-np.square(places) / (2 * variance)) / math.sqrt(2 * math.pi * variance)
    losses = move * (move - 2 * places) / (2 * variance)
    low, high = 0.0, 20.0
    for _ in range(40):
        middle = (low + high) / 2
        lost = float((chances * -np.expm1(np.minimum(middle - losses, 0.0))).sum())
        low, high = (low, middle) if lost <= WEEKLY_DELTA else (middle, high)
    return high


def _plain() -> float:
    """The conversion of Bun and Steinke, by which the reference was worked out."""
    rho = WEEKS * cost(MOVE**2, 1) / RHO_ONE
    return rho + 2 * math.sqrt(rho * math.log(1 / WEEKLY_DELTA))


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
    asset = f"asset-{number % ASSETS}"
    return _paid(_asking(number, asset, COST))


def _paid(asking: AdmissibleStep) -> Callable[[Transaction], object]:
    def unit(tx: Transaction) -> None:
        assert _CONDITION.judge(tx, asking).permitted
        _CONDITION.spend(tx, asking)

    return unit


def _asking(number: int, asset: str, cost: Cost) -> AdmissibleStep:
    agreement = _AGREEMENTS[number % AGREEMENTS]
    job = Job(f"urn:uuid:use-{number}", agreement.id, USER, asset, "medspace:train", 1, open=True)
    visit = Visit(job, agreement, Step({"task": "glm"}, 1, "moments"), TASK, UseRequest(), datetime.now(UTC))
    return AdmissibleStep(visit, Grant(), TASK, new=True, cost=cost, bounded=True)


def _agreement(number: int) -> Agreement:
    offer = templates.build("train-only", epsilon=8.0)
    policy = offer | {"@type": "Agreement", "assigner": HOLDER, "assignee": USER, "target": "asset"}
    policy |= {"@id": f"urn:agreement:{number}"}
    time = "2026-01-01T00:00:00.000Z"
    return Agreement(f"urn:agreement:{number}", "urn:n", HOLDER, USER, "asset", policy, TASK, time, time)


_AGREEMENTS = [_agreement(number) for number in range(AGREEMENTS)]
_HOLDER = Holder(HOLDER, {}, {}, Notebook(Sealer(bytes(32), SystemRandomness())))
_CONDITION = BudgetCondition(Grounds(_HOLDER, Brakes(), lambda _tx, did: Facts(did)))
