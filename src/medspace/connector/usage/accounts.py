"""The accounts of privacy budgets. Each entry is written in the transaction of the event it belongs to.

The whole cost of a use is debited before its first question is admitted, and recorded in the log. Amounts are
integers (rho of zCDP, which is additive, in units of 2^-40), so that nothing is lost to rounding. A period lasts a
year and is never renewed automatically.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from medspace.connector.local import Local
from medspace.connector.model import AGREEMENTS
from medspace.connector.usage.calls import AdmissibleStep
from medspace.connector.usage.model import (
    ACCOUNTS,
    AGREEMENT_ACCOUNTS,
    DEBITS,
    JOBS,
    PERIODS,
    AgreementAccount,
    BudgetLimits,
    Debit,
    DebitState,
    PeriodTotal,
    PrivacyAccount,
)
from medspace.core.actors import CONFIGURATION, NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.clock import instant, stamp
from medspace.core.engine import Cost
from medspace.core.store import Transaction
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.policy.budgets import decimal

YEAR = timedelta(days=365)
PAGE = 500
RESTORED = "budget.restored"  # why an account is frozen: a backup of the database was restored
CODES = frozenset({RESTORED})


# --- the holder ----------------------------------------------------------------------------------------------------
def configure(
    tx: Transaction, local: Local, asset: str, limits: BudgetLimits | None, by: str = CONFIGURATION
) -> None:
    """Hear what the configuration says of an asset's budget. What was taken stays taken, whatever it says.

    `by` is who had the configuration read; at a start it is the configuration itself that acts.
    """
    old = tx.get(ACCOUNTS, asset)
    if old is None and limits is not None:
        now = local.now()
        made = PrivacyAccount(asset, now, _year_after(now), limits, tidied=now)
        tx.insert(ACCOUNTS, made)
        _tell(tx, local, made, by)
    elif old is not None and old.limits != limits:
        new = replace(old, limits=limits)
        tx.replace(ACCOUNTS, old, new)
        _tell(tx, local, new, by)


def _tell(tx: Transaction, local: Local, account: PrivacyAccount, by: str) -> None:
    limits = account.limits
    if limits is None:
        record(tx, Entry("budget.dropped", local.now(), local.did, {"asset": account.id, "by": by}))
        return
    facts: JsonObject = {
        "asset": account.id,
        "epsilon": decimal(limits.epsilon),
        "agreement": decimal(limits.of_agreement),
        "task": decimal(limits.of_task),
        "delta": decimal(limits.delta),
        "unit": limits.unit,
        "exact": "allowed" if limits.exact else "refused",
        "rho": str(limits.year),
        "agreement_rho": str(limits.agreement),
        "task_rho": str(limits.task),
        "since": account.since,
        "until": account.until,
        "by": by,
    }
    record(tx, Entry("budget.set", local.now(), local.did, facts))


def configured(tx: Transaction) -> list[PrivacyAccount]:
    """All accounts."""
    found: list[PrivacyAccount] = []
    while page := tx.find(ACCOUNTS, after=found[-1].id if found else None, limit=PAGE):
        found += page
    return found


def renew(tx: Transaction, local: Local, account: PrivacyAccount, vouched: str, by: str = NOBODY) -> PrivacyAccount:
    """Begin a new period; `vouched` is a time that another party has signed, "" where none has."""
    since = max(local.now(), vouched)
    new = replace(account, since=since, until=_year_after(since), taken=0, other=0, warned=False, frozen="")
    tx.replace(ACCOUNTS, account, new)
    facts: JsonObject = {"asset": account.id, "since": new.since, "until": new.until}
    facts |= {name: said for name, said in (("vouched", vouched), ("by", by)) if said}
    record(tx, Entry("budget.renewed", local.now(), local.did, facts))
    return new


def freeze(tx: Transaction, local: Local, checkpoint: str, size: int) -> None:
    """Freeze all accounts, so that they count as spent: the log falls short of a checkpoint, so debits are missing.

    An account that was frozen for this checkpoint before, and has started a new period since, stays as it is. Uses
    that have a debit are closed.
    """
    now = local.now()
    noticed = max(now, _newest(tx))
    for account in configured(tx):
        if account.restored != checkpoint:
            new = replace(account, frozen=RESTORED, restored=checkpoint, restored_at=noticed)
            tx.replace(ACCOUNTS, account, new)
            facts: JsonObject = {"asset": account.id, "code": RESTORED, "size": size}
            record(tx, Entry("budget.frozen", now, local.did, facts))
    for debit in frozen_uses(tx):
        job = tx.get(JOBS, debit.id)
        if job is not None and job.open:
            tx.replace(JOBS, job, replace(job, open=False, held=True))


def _newest(tx: Transaction) -> str:
    """The latest time of an agreement or debit; if a clock was ahead, such a time may lie in the future."""
    debits = [one.time for one in tx.find(DEBITS, order_by="time", descending=True, limit=1)]
    newest = tx.find(AGREEMENTS, order_by="finalized", descending=True, limit=1)
    return max([*debits, *(max(one.agreed, one.finalized) for one in newest)], default="")


def frozen_uses(tx: Transaction) -> list[Debit]:
    """The debits of unfinished uses whose account is frozen; these uses are to be ended."""
    frozen = {account.id for account in configured(tx) if account.frozen}
    found: list[Debit] = []
    last: str | None = None
    while frozen and (page := tx.find(DEBITS, where={"state": DebitState.OPEN}, after=last, limit=PAGE)):
        found += [debit for debit in page if debit.asset in frozen]
        last = page[-1].id
    return found


def _year_after(time: str) -> str:
    return stamp(instant(time) + YEAR)


# --- uses ----------------------------------------------------------------------------------------------------------
def taken_by(tx: Transaction, agreement: str) -> int:
    """The total that an agreement has taken so far."""
    account = tx.get(AGREEMENT_ACCOUNTS, agreement)
    return 0 if account is None else account.taken


def debit(tx: Transaction, did: str, asking: AdmissibleStep, cost: Cost) -> None:
    """Debit the whole cost of a use at its first question; later questions are only counted."""
    visit, job = asking.visit, asking.visit.job
    before = tx.get(DEBITS, job.id)
    if before is not None:
        tx.replace(DEBITS, before, replace(before, asked=before.asked + 1))
        return
    account = tx.get(ACCOUNTS, job.asset)
    if account is None:
        return
    time, opens = stamp(visit.now), tuple(sorted(cost.opens))
    made = Debit(
        job.id,
        job.asset,
        job.agreement,
        job.user,
        visit.task,
        time,
        account.since,
        cost.rho,
        opens,
        gaussian=cost.gaussian,
    )
    tx.insert(DEBITS, made)
    new = _with(account, made, cost.total)
    tx.replace(ACCOUNTS, account, new)
    _take(tx, made, cost.total)
    record(tx, Entry("budget.debited", time, did, _debited(made, new)))


def _debited(made: Debit, account: PrivacyAccount) -> JsonObject:
    """What the log records of a debit: enough to recompute the account, including later refunds."""
    return {
        "asset": made.asset,
        "agreement": made.agreement,
        "transfer": made.id,
        "user": made.user,
        "task": made.task,
        "rho": str(made.total),
        "rounds": len(made.rho),
        "each": [str(one) for one in made.rho],
        "opens": list(made.opens),
        "since": account.since,
        "taken": str(account.taken),
    } | ({} if account.limits is None else {"limit": str(account.limits.year)})


def let_out(tx: Transaction, use: str, step: str) -> None:
    """Record that a step was released that lets a total out."""
    before = tx.get(DEBITS, use)
    if before is not None and (step in before.opens or not before.opens):
        tx.replace(DEBITS, before, replace(before, let_out=before.let_out + 1))


def end(tx: Transaction, use: str) -> None:
    """Record that a use has ended for good."""
    before = tx.get(DEBITS, use)
    if before is not None and before.state is DebitState.OPEN:
        tx.replace(DEBITS, before, replace(before, state=DebitState.OVER))


def ended(tx: Transaction, limit: int = PAGE) -> list[Debit]:
    """Debits of uses that have ended, to be settled once their keys are deleted."""
    return tx.find(DEBITS, where={"state": DebitState.OVER}, limit=limit)


def settle(tx: Transaction, use: str, did: str, time: str) -> int:
    """Refund what a use was debited for and never released; returns the amount. The key of the use must be deleted.

    Released totals count at the highest of the possible costs. Where a backup was restored in the meantime, what was
    released is unknown.
    """
    before = tx.get(DEBITS, use)
    if before is None or before.state is not DebitState.OVER:
        return 0
    account = tx.get(ACCOUNTS, before.asset)
    known = account is None or before.time > account.restored_at
    back = sum(sorted(before.rho, reverse=True)[before.let_out :]) if known else 0
    settled = replace(before, state=DebitState.SETTLED, refunded=back)
    tx.replace(DEBITS, before, settled)
    if back:
        _give_back(tx, before, back)
        facts: JsonObject = {"asset": before.asset, "agreement": before.agreement, "transfer": use, "rho": str(back)}
        record(tx, Entry("budget.refunded", time, did, facts))
    if account is not None and account.since != settled.period:
        _fold(tx, [settled])
    return back


def tidy(tx: Transaction, asset: str, limit: int = PAGE) -> bool:
    """Combine debits of past periods into one total per period; returns whether there may be more.

    Nothing that a limit depends on is lost: the accounts hold what the period and the agreement have taken, and
    unsettled debits stay. Who took it, and for what, stays in the log.
    """
    account = tx.get(ACCOUNTS, asset)
    if account is None or account.tidied == account.since:
        return False
    where = {"asset": asset, "state": DebitState.SETTLED}
    found = tx.find(DEBITS, where=where, order_by="time", limit=limit)
    past = [debit for debit in found if debit.period != account.since]
    _fold(tx, past)
    more = len(past) == limit
    if not more:
        tx.replace(ACCOUNTS, account, replace(account, tidied=account.since))
    return more


def _fold(tx: Transaction, settled: Sequence[Debit]) -> None:
    for debit in settled:
        name = f"{debit.asset} {debit.period}"
        before = tx.get(PERIODS, name)
        known = before or PeriodTotal(name, debit.asset, debit.period)
        total = replace(
            known,
            uses=known.uses + 1,
            taken=known.taken + debit.total,
            refunded=known.refunded + debit.refunded,
            last=max(known.last, debit.time),
        )
        if before is None:
            tx.insert(PERIODS, total)
        else:
            tx.replace(PERIODS, before, total)
        tx.delete(DEBITS, debit)


def untidied(account: PrivacyAccount) -> bool:
    """Whether debits of past periods may still exist individually."""
    return account.tidied != account.since


def periods(tx: Transaction, asset: str, limit: int = 100) -> list[PeriodTotal]:
    """The totals of the most recent past periods, as far as they have been combined; newest first."""
    return tx.find(PERIODS, where={"asset": asset}, order_by="since", descending=True, limit=limit)


def _give_back(tx: Transaction, debited: Debit, rho: int) -> None:
    account = tx.get(ACCOUNTS, debited.asset)
    if account is not None and account.since == debited.period:
        tx.replace(ACCOUNTS, account, _with(account, debited, -rho))
    _take(tx, debited, -rho)


def _with(account: PrivacyAccount, debited: Debit, rho: int) -> PrivacyAccount:
    other = account.other if debited.gaussian else account.other + rho
    return replace(account, taken=account.taken + rho, other=other)


def _take(tx: Transaction, debited: Debit, rho: int) -> None:
    before = tx.get(AGREEMENT_ACCOUNTS, debited.agreement)
    if before is None:
        tx.insert(AGREEMENT_ACCOUNTS, AgreementAccount(debited.agreement, debited.asset, rho))
    else:
        tx.replace(AGREEMENT_ACCOUNTS, before, replace(before, taken=before.taken + rho))


# --- what the holder is told of -------------------------------------------------------------------------------------
def near(account: PrivacyAccount) -> bool:
    """Whether spending has reached the share at which the holder wants a warning."""
    limits = account.limits
    return limits is not None and account.taken >= limits.warn * limits.year


def warned(tx: Transaction, asset: str) -> None:
    """Record that the holder was warned; once per period."""
    account = tx.get(ACCOUNTS, asset)
    if account is not None and not account.warned:
        tx.replace(ACCOUNTS, account, replace(account, warned=True))
