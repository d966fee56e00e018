"""The privacy budgets of one's own datasets, as a participant's people see and renew them.

A new period must not begin because a clock was set forward. The accepted evidence is a time that another party has
signed: that of the members list, which the authority signs daily. The unsigned clocks of other connectors can only
speak against it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from medspace.adapters.losses import GaussianLosses, installed
from medspace.app.features.budget.clipping import of_last_use
from medspace.app.features.budget.statements import CONVERTS, clipped, debit_shown, period_shown, shown
from medspace.app.node.clocks import Comparison, compare
from medspace.app.node.lists import FIRST, PageRequest
from medspace.app.node.node import Node
from medspace.connector.local import Local
from medspace.connector.usage import accounts
from medspace.connector.usage.model import ACCOUNTS, DEBITS, PrivacyAccount
from medspace.core import actors
from medspace.core.canonical import JsonObject
from medspace.core.clock import instant, stamp
from medspace.core.errors import InvalidInputError, MedspaceError, RefusedError
from medspace.core.paging import Cursor, newest
from medspace.core.sealing import Sealer
from medspace.core.store import Database, Transaction
from medspace.core.text import msgid
from medspace.policy.budgets import DEFAULT_DELTA
from medspace.privacy.noise.composition import Accountant, LossAccountant, ZcdpAccountant
from medspace.trust.service import MembersBook

NOBODY = ""  # has signed a time

AskClocks = Callable[[Sequence[str]], Awaitable[list[Comparison]]]


class BudgetUnknownError(InvalidInputError):
    """A dataset without a privacy budget."""

    code = "budget.unknown"
    sentence = msgid("{dataset} has no privacy budget.")
    next_step = msgid("`medspace budget` lists those that have one; set `budget` of a dataset in the configuration.")


class BudgetEarlyError(RefusedError):
    """The current period of a budget has not ended."""

    code = "budget.early"
    sentence = msgid("The period of the privacy budget of {dataset} runs until {until}.")
    next_step = msgid("Renew it then. What may be given in a period is `epsilon` of the budget in the configuration.")


class BudgetClockError(RefusedError):
    """The clock is ahead of other clocks, by which the current period of a budget has not ended."""

    code = "budget.clock"
    sentence = msgid(
        "By our clock the period of the privacy budget of {dataset} has ended at {until}, by the clocks of others "
        "it has not."
    )
    next_step = msgid("Set this machine's clock by NTP; `medspace doctor` compares it with others.")


class BudgetUnvouchedError(RefusedError):
    """No other party has signed a time after the end of the period."""

    code = "budget.unvouched"
    sentence = msgid(
        "Nobody but our own clock says that the period of the privacy budget of {dataset} has ended at {until}."
    )
    next_step = msgid(
        "Wait until the authority has signed the members list anew, or, if you know that the time is right, add "
        "--anyway: the log keeps that nobody vouched for it."
    )


@dataclass(frozen=True, slots=True)
class Budgets:
    """Shows accounts, with the spent epsilon from the accountant, and begins new periods.

    `ask_clocks` compares with the clocks of others. Accountants may load libraries, so they are called in a thread.
    """

    database: Database
    local: Local
    book: MembersBook
    authority: str
    ask_clocks: AskClocks
    accountant: Accountant = CONVERTS
    sealer: Sealer | None = None  # of notes for the holder alone; without it none are shown

    async def page(self, page: PageRequest = FIRST) -> tuple[list[JsonObject], str]:
        """A page of the accounts, by dataset, and where the next one begins."""

        def work(tx: Transaction) -> list[tuple[PrivacyAccount, list[JsonObject]]]:
            found = tx.find(ACCOUNTS, after=page.after or None, limit=page.limit)
            return [(one, of_last_use(self._clipped(tx, one.id))) for one in found]

        found = await self.database.read(work)
        shown = [await self._shown(account) | {"clipped": notes} for account, notes in found]
        return shown, found[-1][0].id if len(found) == page.limit else ""

    def _clipped(self, tx: Transaction, dataset: str) -> list[JsonObject]:
        return [] if self.sealer is None else clipped(tx, self.sealer, dataset)

    async def known(self, dataset: str) -> JsonObject | None:
        """One account, where the dataset has a budget."""
        account = await self.database.read(lambda tx: tx.get(ACCOUNTS, dataset))
        return None if account is None else await self._shown(account)

    async def of(self, dataset: str, after: Cursor | None, limit: int) -> JsonObject:
        """One account, with a page of debits, newest first, and the notes for the holder alone.

        `earlier` are totals of past periods, whose debits were combined.

        Raises:
            BudgetUnknownError: there is none.
        """
        account = await self.database.read(lambda tx: _known(tx, dataset))
        found = await newest(self.database, DEBITS, {"asset": dataset}, after, limit, by="time")
        delta = account.limits.delta if account.limits else float(DEFAULT_DELTA)
        following = str(Cursor(found[-1].time, found[-1].id)) if len(found) == limit else ""
        debits = [await asyncio.to_thread(debit_shown, debit, delta, self.accountant) for debit in found]
        earlier = await self.database.read(lambda tx: accounts.periods(tx, dataset))
        beside = {
            "earlier": [period_shown(period, delta) for period in earlier],
            "clipped": await self.database.read(lambda tx: self._clipped(tx, dataset)),
        }
        return await self._shown(account) | {"debits": debits, "next": following} | beside

    async def _shown(self, account: PrivacyAccount) -> JsonObject:
        return await asyncio.to_thread(shown, account, self.local.clock.now(), self.accountant)

    async def renew(self, dataset: str, *, anyway: bool, by: str = actors.NOBODY) -> JsonObject:
        """Begin a new period of a budget whose period has ended.

        Raises:
            BudgetUnknownError: there is none.
            BudgetEarlyError: its period has not ended by our clock.
            BudgetClockError: it has not ended by the clocks of others.
            BudgetUnvouchedError: no other party confirms that it has ended; not raised with `anyway`.
        """
        account = await self.database.read(lambda tx: _known(tx, dataset))
        self._check_ended(account)
        signed = await self._signed()
        if signed < account.until:
            await self._check_clocks(account)
            if not anyway:
                raise BudgetUnvouchedError(dataset=dataset, until=account.until)
        vouched = signed if signed >= account.until else NOBODY

        def work(tx: Transaction) -> PrivacyAccount:
            now_known = _known(tx, dataset)
            self._check_ended(now_known)  # it may have been renewed meanwhile
            return accounts.renew(tx, self.local, now_known, vouched, by)

        return await self._shown(await self.database.write(work))

    def _check_ended(self, account: PrivacyAccount) -> None:
        if self.local.now() < account.until:
            raise BudgetEarlyError(dataset=account.id, until=account.until)

    async def _signed(self) -> str:
        """The latest time that the authority has signed; none if this connector is the authority."""
        if self.authority == self.local.did:
            return NOBODY
        with suppress(
            MedspaceError
        ):  # the authority is unavailable, or does not fit our clock: earlier signed times still count
            await self.book.refresh()
        return stamp(self.book.current.issued) if self.book.current else NOBODY

    async def _check_clocks(self, account: PrivacyAccount) -> None:
        members = self.book.current.members if self.book.current else ()
        dids = [did for did in (self.authority, *(member.did for member in members)) if did != self.local.did]
        asked = await self.ask_clocks(dids)
        now = self.local.clock.now()
        theirs = [_of_theirs(now, one.ahead) for one in asked if one.ahead is not None]
        if theirs and max(theirs) < instant(account.until):
            raise BudgetClockError(dataset=account.id, until=account.until)


def _of_theirs(now: datetime, ahead: float) -> datetime:
    return now - timedelta(seconds=ahead)


def _known(tx: Transaction, dataset: str) -> PrivacyAccount:
    account = tx.get(ACCOUNTS, dataset)
    if account is None:
        raise BudgetUnknownError(dataset=dataset)
    return account


def budgets_of(node: Node) -> Budgets:
    """The budgets of a connector, accounted for as tightly as the installed extras allow."""

    def ask(dids: Sequence[str]) -> Awaitable[list[Comparison]]:
        return compare(node.client, node.clock, dids)

    accountant = LossAccountant(GaussianLosses()) if installed() else ZcdpAccountant()
    return Budgets(node.database, node.local, node.book, node.config.space.authority, ask, accountant, node.sealer)
