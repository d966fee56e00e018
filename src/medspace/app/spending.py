"""What an asset has given of its privacy budget: as JSON and in words.

Inside, budgets are rho of zCDP. People see epsilon at the budget's delta, rounded up: never less than was spent.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from math import floor

from medspace.app.checks import HealthCheck
from medspace.connector.usage import accounts
from medspace.connector.usage.model import Account, BudgetLimits, Debit, DebitState
from medspace.core.canonical import JsonObject
from medspace.core.clock import instant
from medspace.core.text import Fact, Text, msgid
from medspace.policy.budgets import UNITS
from medspace.privacy.noise.accounting import epsilon_of

DIGITS = 4  # of an epsilon that people see
SCALE = 10_000.0
BAR = 20  # places
FULL, EMPTY = "█", "░"
ZCDP = "zcdp"  # the conversion of zCDP: a little more than what a tighter one would show


def shown(account: Account, now: datetime) -> JsonObject:
    """An account: what is allowed, spent and left; `state` is open, ended, frozen, spent or dropped.

    `epsilon`, `agreement` and `task` are as configured, None where the holder has taken the budget back. `counted`
    says how the spent epsilon was worked out, `share` how much of the year is spent.
    """
    limits = account.limits
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
        "spent": None if limits is None else _epsilon(account.taken, limits.delta),
        "left": None if limits is None else _left(account, limits),
        "share": None if limits is None else _share(account, limits),
        "counted": ZCDP,
        "near": accounts.near(account),
        "frozen": account.frozen,
        "rho": {"year": str(limits.year) if limits else None, "taken": str(account.taken)},
    }


def _state(account: Account, now: datetime) -> str:
    if account.limits is None:
        return "dropped"
    if account.frozen:
        return "frozen"
    if now >= instant(account.until):
        return "ended"
    return "spent" if account.taken >= account.limits.year else "open"


def _epsilon(rho: int, delta: float) -> float:
    """The epsilon of a rho, with few digits, rounded up."""
    exact = epsilon_of(rho, delta) if rho > 0 else 0.0
    return -floor(-exact * SCALE) / SCALE


def _left(account: Account, limits: BudgetLimits) -> float:
    """The epsilon of one task that would take all that is left, with few digits, rounded down."""
    left = 0 if account.frozen else max(limits.year - account.taken, 0)
    return floor(epsilon_of(left, limits.delta) * SCALE) / SCALE if left else 0.0


def _share(account: Account, limits: BudgetLimits) -> float:
    if account.frozen or limits.year == 0:
        return 1.0
    return round(min(account.taken / limits.year, 1.0), DIGITS)


def debit_shown(debit: Debit, delta: float) -> JsonObject:
    """What one use has taken, as epsilon at the budget's delta, and what of it came back."""
    kept = debit.total - debit.refunded
    return {
        "use": debit.id,
        "agreement": debit.agreement,
        "user": debit.user,
        "task": debit.task,
        "time": debit.time,
        "questions": len(debit.rho),
        "asked": debit.asked,
        "epsilon": _epsilon(kept, delta),
        "refunded": _epsilon(debit.refunded, delta),
        "settled": debit.state is DebitState.SETTLED,
        "rho": {"taken": str(debit.total), "refunded": str(debit.refunded)},
    }


# --- in words ------------------------------------------------------------------------------------------------------
STATES = {
    "open": msgid("open"),
    "ended": msgid("period ended"),
    "frozen": msgid("frozen"),
    "spent": msgid("spent"),
    "dropped": msgid("taken back"),
}


def bar(share: float | None) -> str:
    """How much of a budget is spent, as a picture."""
    if share is None:
        return ""
    full = min(max(round(share * BAR), 1 if share > 0 else 0), BAR)
    return f"{FULL * full}{EMPTY * (BAR - full)} {round(share * 100)} %"


def budget_left(state: JsonObject) -> Text:
    """How a budget stands, in a sentence."""
    if state["state"] == "dropped":
        return Text(msgid("{dataset} has no privacy budget any more."), {"dataset": state["dataset"]})
    facts: dict[str, Fact | Text] = {name: state[name] for name in ("dataset", "epsilon", "delta", "spent", "left")}
    facts |= {"unit": UNITS[state["unit"]], "day": state["until"][:10], "delta": f"{state['delta']:g}"}
    sentence = {
        "frozen": msgid(
            "{dataset}: a backup of the database was restored, so its privacy budget counts as spent until a new "
            "period begins, from {day} on."
        ),
        "ended": msgid("{dataset}: the period of its privacy budget has ended, so nothing is given."),
    }.get(
        state["state"],
        msgid(
            "{dataset} has given epsilon {spent} of the {epsilon} (delta {delta}) that it gives for {unit} until "
            "{day}; a task of epsilon {left} would still fit."
        ),
    )
    return Text(sentence, facts)


def counted() -> Text:
    """How the spent epsilon was worked out."""
    return Text(msgid("Epsilon is that of zCDP, rounded up: what was spent is never more."))


def uncovered(state: JsonObject) -> Text | None:
    """That a budget does not bound everything; None where it does."""
    if state["state"] == "dropped" or not state["exact"]:
        return None
    said = msgid("{dataset} gives exact answers besides: the budget does not cover them.")
    return Text(said, {"dataset": state["dataset"]})


def budget_checks(states: Sequence[JsonObject]) -> Iterator[HealthCheck]:
    """What the doctor says of budgets; one that is spent is in order, and said."""
    renew = Text(msgid("Begin a new period once this one has ended: `medspace budget renew`."))
    warned = Text(msgid("`medspace budget show` says by whom and for what; `budget` of the dataset is its limit."))
    for state in states:
        over = state["state"] in ("ended", "frozen")
        advice = renew if over else warned if state["near"] else None
        yield HealthCheck("privacy budget", ok=state["state"] != "frozen", found=budget_left(state), next_step=advice)
        more = uncovered(state)
        if more is not None:
            yield HealthCheck("privacy budget", ok=True, found=more)


def anchored(*, budgets: bool, anchors: bool) -> Iterator[HealthCheck]:
    """Whether a backup that is restored would be noticed."""
    if budgets and not anchors:
        found = Text(msgid("No anchor keeps checkpoints of the log, so a restored backup cannot be noticed by it."))
        advice = Text(msgid("Name a file outside of the backup as `file` under [checkpoints]."))
        yield HealthCheck("privacy budget", ok=True, found=found, next_step=advice)
