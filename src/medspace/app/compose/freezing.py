"""At the start: a log that falls short of what its anchors keep was restored from a backup, so debits are missing."""

from medspace.app.compose.base import Base
from medspace.connector.usage import accounts, budgets
from medspace.connector.usage.model import ACCOUNTS, Account, Debit
from medspace.connector.usage.terminations import Terminations
from medspace.core.hashing import digest
from medspace.core.store import Transaction


async def freeze_if_restored(base: Base, terminations: Terminations) -> None:
    """Count all privacy budgets as spent where a backup was restored, and end what goes on under them."""
    lacking = await base.anchoring().lacking()
    if lacking is not None:
        mark = digest([lacking.size, lacking.root.hex()])
        await base.database.write(lambda tx: accounts.freeze(tx, base.local, mark, lacking.size))
        base.log.error("budget.frozen", code=accounts.RESTORED, entries=lacking.size)
    for debit, account in await base.database.read(_frozen):
        terminations.ask(debit.id, budgets.unfrozen(account))


def _frozen(tx: Transaction) -> list[tuple[Debit, Account]]:
    found = ((debit, tx.get(ACCOUNTS, debit.asset)) for debit in accounts.frozen_uses(tx))
    return [(debit, account) for debit, account in found if account is not None]
