"""The accounts of privacy budgets: what is written to them, each in the transaction of what it belongs to.

What a use may cost is taken whole, before its first question is admitted, and noted in the log. It is counted in
integers (rho of zCDP, which adds up, in units of 2^-40), so that nothing is lost to rounding. A period lasts a year
and never begins anew by itself.
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
    Account,
    AgreementAccount,
    BudgetLimits,
    Debit,
    DebitState,
    PeriodTotal,
)
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


# --- the holder ----------------------------------------------------------------------------------------------------
def configure(tx: Transaction, local: Local, asset: str, limits: BudgetLimits | None) -> None:
    """Hear what the configuration says of an asset's budget. What was taken stays taken, whatever it says."""
    old = tx.get(ACCOUNTS, asset)
    if old is None and limits is not None:
        now = local.now()
        made = Account(asset, now, _year_after(now), limits, tidied=now)
        tx.insert(ACCOUNTS, made)
        _tell(tx, local, made)
    elif old is not None and old.limits != limits:
        new = replace(old, limits=limits)
        tx.replace(ACCOUNTS, old, new)
        _tell(tx, local, new)


def _tell(tx: Transaction, local: Local, account: Account) -> None:
    limits = account.limits
    if limits is None:
        record(tx, Entry("budget.dropped", local.now(), local.did, {"asset": account.id}))
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
    }
    record(tx, Entry("budget.set", local.now(), local.did, facts))


def configured(tx: Transaction) -> list[Account]:
    """All accounts that there are."""
    found: list[Account] = []
    while page := tx.find(ACCOUNTS, after=found[-1].id if found else None, limit=PAGE):
        found += page
    return found


def renew(tx: Transaction, local: Local, account: Account, vouched: str) -> Account:
    """Begin a new period; `vouched` is the time that somebody else has signed, "" where nobody has."""
    since = max(local.now(), vouched)
    new = replace(account, since=since, until=_year_after(since), taken=0, other=0, warned=False, frozen="")
    tx.replace(ACCOUNTS, account, new)
    facts: JsonObject = {"asset": account.id, "since": new.since, "until": new.until}
    record(tx, Entry("budget.renewed", local.now(), local.did, facts | ({"vouched": vouched} if vouched else {})))
    return new


def freeze(tx: Transaction, local: Local, checkpoint: str, size: int) -> None:
    """Count all accounts as spent: the log is not what a checkpoint of so many entries says, so it lacks debits.

    An account that was frozen for this checkpoint before, and has a new period since, stays as it is. The uses that
    have a debit are closed.
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
    """The latest time of an agreement or debit; while a clock was ahead, one may have a time that is yet to come."""
    debits = [one.time for one in tx.find(DEBITS, order_by="time", descending=True, limit=1)]
    newest = tx.find(AGREEMENTS, order_by="finalized", descending=True, limit=1)
    return max([*debits, *(max(one.agreed, one.finalized) for one in newest)], default="")


def frozen_uses(tx: Transaction) -> list[Debit]:
    """The debits of uses that are not over, and whose account is frozen: they are to be ended."""
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
    """What an agreement has taken in all its time."""
    account = tx.get(AGREEMENT_ACCOUNTS, agreement)
    return 0 if account is None else account.taken


def debit(tx: Transaction, did: str, asking: AdmissibleStep, cost: Cost) -> None:
    """Take what a use costs, all of it at its first question; each further one is only counted."""
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


def _debited(made: Debit, account: Account) -> JsonObject:
    """What the log says of a debit: enough to add up again what the account holds, and what may come back."""
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
    """Note that a step left which lets a total out."""
    before = tx.get(DEBITS, use)
    if before is not None and (step in before.opens or not before.opens):
        tx.replace(DEBITS, before, replace(before, let_out=before.let_out + 1))


def end(tx: Transaction, use: str) -> None:
    """Note that a use is over for good."""
    before = tx.get(DEBITS, use)
    if before is not None and before.state is DebitState.OPEN:
        tx.replace(DEBITS, before, replace(before, state=DebitState.OVER))


def ended(tx: Transaction, limit: int = PAGE) -> list[Debit]:
    """Debits of uses that are over, to be settled once the keys of these are gone."""
    return tx.find(DEBITS, where={"state": DebitState.OVER}, limit=limit)


def settle(tx: Transaction, use: str, did: str, time: str) -> int:
    """Give back what a use has taken and never let out; how much that is. Its key must be gone.

    The totals that did leave count as the dearest ones. Where a backup was restored since, nobody knows what left.
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
    """Put debits of periods that are over together, one total for each period; whether there may be more.

    Nothing that a limit needs goes with them: what the period and the agreement have taken stands in their accounts,
    and what is not settled stays. Who took it, and for what, stays in the log.
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


def untidied(account: Account) -> bool:
    """Whether debits of periods that are over may still be there one by one."""
    return account.tidied != account.since


def periods(tx: Transaction, asset: str, limit: int = 100) -> list[PeriodTotal]:
    """What the newest periods that are over have taken, as far as that was put together; the newest first."""
    return tx.find(PERIODS, where={"asset": asset}, order_by="since", descending=True, limit=limit)


def _give_back(tx: Transaction, debited: Debit, rho: int) -> None:
    account = tx.get(ACCOUNTS, debited.asset)
    if account is not None and account.since == debited.period:
        tx.replace(ACCOUNTS, account, _with(account, debited, -rho))
    _take(tx, debited, -rho)


def _with(account: Account, debited: Debit, rho: int) -> Account:
    other = account.other if debited.gaussian else account.other + rho
    return replace(account, taken=account.taken + rho, other=other)


def _take(tx: Transaction, debited: Debit, rho: int) -> None:
    before = tx.get(AGREEMENT_ACCOUNTS, debited.agreement)
    if before is None:
        tx.insert(AGREEMENT_ACCOUNTS, AgreementAccount(debited.agreement, debited.asset, rho))
    else:
        tx.replace(AGREEMENT_ACCOUNTS, before, replace(before, taken=before.taken + rho))


# --- what the holder is told of -------------------------------------------------------------------------------------
def near(account: Account) -> bool:
    """Whether as much was taken as the holder wants to hear of."""
    limits = account.limits
    return limits is not None and account.taken >= limits.warn * limits.year


def warned(tx: Transaction, asset: str) -> None:
    """Note that the holder was told, once in a period."""
    account = tx.get(ACCOUNTS, asset)
    if account is not None and not account.warned:
        tx.replace(ACCOUNTS, account, replace(account, warned=True))
