"""Settling debits once a use is over, and warning the holder about its budgets; in the background.

The key of a use that is over is deleted first: then nobody can open what it never released, and that part is
refunded. The connector may be killed anywhere in between; uses that are over and not settled are found again.
"""

import asyncio
import logging
from dataclasses import dataclass
from functools import partial

from medspace.connector.usage import accounts
from medspace.connector.usage.calls import Holder
from medspace.connector.usage.memory import AGAIN, LOOK, UseKeys
from medspace.connector.usage.model import ACCOUNTS, DEBITS, Debit, PrivacyAccount
from medspace.connector.usage.ports import ChangeSignal, Threads
from medspace.core.clock import Clock, stamp
from medspace.core.errors import MedspaceError
from medspace.core.store import Database, Transaction

_LOGGER = logging.getLogger("medspace.budget")


@dataclass(frozen=True, slots=True)
class Due:
    """Debits of uses that are over, accounts whose holder has not been warned yet, and periods that can be tidied."""

    ended: list[Debit]
    near: list[PrivacyAccount]
    untidied: list[PrivacyAccount]


class Settling:
    """Settles debits, and warns when a budget is running out."""

    def __init__(
        self, holder: Holder, keys: UseKeys, database: Database, threads: Threads, changes: ChangeSignal, clock: Clock
    ) -> None:
        self._holder, self._keys, self._database = holder, keys, database
        self._threads, self._changes, self._clock = threads, changes, clock

    async def work(self) -> None:
        """Do what is due, as soon as it is; until cancelled."""
        while True:
            try:
                due = await self._changes.until(self._look, LOOK, ACCOUNTS.topic(), DEBITS.topic())
                await self._do(due or Due([], [], []))
            except MedspaceError as error:  # a full disk, a key file that cannot be deleted: retry
                _LOGGER.warning("budget.unsettled", extra={"facts": {"code": error.code}})
                await self._clock.sleep(AGAIN)

    async def sweep(self) -> None:
        """Do what is due now; for the start."""
        while due := await self._look():
            await self._do(due)

    async def _look(self) -> Due | None:
        due = await self._database.read(_due)
        return due if due.ended or due.near or due.untidied else None

    async def _do(self, due: Due) -> None:
        for debit in due.ended:
            await asyncio.shield(self._threads.call(debit.id, partial(self._keys.forget, debit.id)))
            await self._database.write(partial(self._settled, debit))
        for account in due.near:
            self._holder.near_end(account.id)
            await self._database.write(partial(accounts.warned, asset=account.id))
        for account in due.untidied:
            more = True
            while more:
                more = await self._database.write(partial(accounts.tidy, asset=account.id))

    def _settled(self, debit: Debit, tx: Transaction) -> None:
        accounts.settle(tx, debit.id, self._holder.did, stamp(self._clock.now()))


def _due(tx: Transaction) -> Due:
    known = accounts.configured(tx)
    near = [one for one in known if accounts.near(one) and not one.warned]
    return Due(accounts.ended(tx), near, [one for one in known if accounts.untidied(one)])
