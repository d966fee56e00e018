"""What an asset has spent of its privacy budget, as JSON.

Internally, budgets and their limits are rho of zCDP. People see epsilon at the budget's delta, rounded up: never less
than was spent. The spent epsilon is that of the mechanisms together, where the accountant can compose them
(`privacy.noise.composition`); a task with an epsilon takes the rho of its conversion, so what is left is shown in
these terms.
"""

from collections.abc import Iterator
from datetime import datetime
from math import floor

from medspace.connector.usage import accounts, telling
from medspace.connector.usage.model import BudgetLimits, Debit, DebitState, PeriodTotal, PrivacyAccount
from medspace.connector.usage.telling import UseNotes
from medspace.core.canonical import JsonObject
from medspace.core.clock import instant
from medspace.core.sealing import Sealer
from medspace.core.store import Transaction
from medspace.core.usage import HolderNoteKind
from medspace.privacy.noise.accounting import epsilon_of
from medspace.privacy.noise.composition import Accountant, EpsilonBound, PrivacyLoss, ZcdpAccountant

DIGITS = 4  # decimal places of an epsilon shown to people
SCALE = 10_000.0
CLIPPED = (HolderNoteKind.SHORTENED, HolderNoteKind.OUTSIDE)
MOST_STEPS = 200  # records that are searched for clipping of a dataset
CONVERTS = ZcdpAccountant()


def shown(account: PrivacyAccount, now: datetime, accountant: Accountant = CONVERTS) -> JsonObject:
    """An account: what is allowed, spent and left; `state` is open, ended, frozen, spent or dropped.

    `epsilon`, `agreement` and `task` are as configured, None where the holder has removed the budget. `counted` is
    the method by which the spent epsilon was computed ("pld" or "zcdp"), `spent_zcdp` the amount that the limit
    counts, `share` the share of the year that is spent.
    """
    limits = account.limits
    spent = PrivacyLoss(account.taken - account.other, account.other)
    read = None if limits is None else accountant.reading(spent, limits.delta)
    return {
        "dataset": account.id,
        "state": _state(account, now),
        "since": account.since,
        "until": account.until,
        "epsilon": limits and limits.epsilon,
        "agreement": limits and limits.of_agreement,
        "task": limits and limits.of_task,
        "delta": limits and limits.delta,
        "unit": limits and limits.unit,
        "exact": limits is None or limits.exact,
        "spent": None if read is None else _up(read),
        "spent_zcdp": None if limits is None else _up(CONVERTS.reading(spent, limits.delta)),
        "left": None if limits is None else _left(account, limits),
        "share": None if limits is None else _share(account, limits),
        "counted": None if read is None else read.counted,
        "near": accounts.near(account),
        "frozen": account.frozen,
        "rho": {"year": str(limits.year) if limits else None, "taken": str(account.taken)},
    }


def _state(account: PrivacyAccount, now: datetime) -> str:
    if account.limits is None:
        return "dropped"
    if account.frozen:
        return "frozen"
    if now >= instant(account.until):
        return "ended"
    return "spent" if account.taken >= account.limits.year else "open"


def _up(read: EpsilonBound) -> float:
    """An epsilon with few digits, rounded up."""
    return -floor(-read.epsilon * SCALE) / SCALE


def _left(account: PrivacyAccount, limits: BudgetLimits) -> float:
    """The epsilon of one task that would use up what is left, with few digits, rounded down."""
    left = 0 if account.frozen else max(limits.year - account.taken, 0)
    return floor(epsilon_of(left, limits.delta) * SCALE) / SCALE if left else 0.0


def _share(account: PrivacyAccount, limits: BudgetLimits) -> float:
    if account.frozen or limits.year == 0:
        return 1.0
    return round(min(account.taken / limits.year, 1.0), DIGITS)


def debit_shown(debit: Debit, delta: float, accountant: Accountant = CONVERTS) -> JsonObject:
    """What one use was debited, as epsilon at the budget's delta, and what of it was refunded."""
    kept, back = (
        accountant.reading(PrivacyLoss(rho) if debit.gaussian else PrivacyLoss(0, rho), delta)
        for rho in (debit.total - debit.refunded, debit.refunded)
    )
    return {
        "use": debit.id,
        "agreement": debit.agreement,
        "user": debit.user,
        "task": debit.task,
        "time": debit.time,
        "questions": len(debit.rho),
        "asked": debit.asked,
        "epsilon": _up(kept),
        "counted": kept.counted,
        "refunded": _up(back),
        "settled": debit.state is DebitState.SETTLED,
        "rho": {"taken": str(debit.total), "refunded": str(debit.refunded)},
    }


def period_shown(period: PeriodTotal, delta: float) -> JsonObject:
    """What the uses of a past period have taken together, as epsilon at the budget's delta."""
    return {
        "since": period.since,
        "uses": period.uses,
        "epsilon": _up(CONVERTS.reading(PrivacyLoss(0, period.taken - period.refunded), delta)),
        "rho": {"taken": str(period.taken), "refunded": str(period.refunded)},
    }


def clipped(tx: Transaction, sealer: Sealer, dataset: str) -> list[JsonObject]:
    """Clipping on a dataset by use, newest first; for each use the step with the most.

    Raises:
        ValueError: it was sealed with another secret.
    """
    found: dict[tuple[str, HolderNoteKind, str], JsonObject] = {}
    for one in telling.newest(tx, sealer, dataset, MOST_STEPS):
        for shown in _shown(one):
            key = shown["use"], shown["told"], shown["column"]
            if shown["count"] and shown["count"] >= found.get(key, shown)["count"]:
                found[key] = shown
    return list(found.values())


def _shown(one: UseNotes) -> Iterator[JsonObject]:
    for note in one.said.notes:
        if note.told not in CLIPPED:  # other notes are shown with the use
            continue
        yield {
            "use": one.use,
            "time": one.time,
            "task": one.said.task,
            "step": one.said.step,
            "told": note.told.value,
            "column": note.about,
            "count": note.count,
            "of": note.of,
        }
