"""Ends stale processes, which would otherwise use up a member's quota, and ours, for ever.

Each pass reads pages, oldest first, and stops at the first process that is young enough. A started transfer is a use
that may last for months; its agreement ends it.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from medspace.connector.errors import CrossedError, TransitionError, UnknownProcessError
from medspace.connector.model import NEGOTIATIONS, TRANSFERS, NegotiationState, TransferState
from medspace.connector.negotiation.service import Negotiations
from medspace.connector.transfer.service import Transfers
from medspace.core.clock import Clock, stamp
from medspace.core.errors import StorageError
from medspace.core.store import Collection, Database, R, Transaction
from medspace.core.text import Text, msgid

EVERY = 3_600.0  # seconds
PAGE = 100
CODE = "process.idle"
CODES = frozenset({CODE})
_LOGGER = logging.getLogger("medspace.ending")

_NEGOTIATING = (
    NegotiationState.REQUESTED,
    NegotiationState.OFFERED,
    NegotiationState.ACCEPTED,
    NegotiationState.AGREED,
    NegotiationState.VERIFIED,
)
_TRANSFERRING = (TransferState.REQUESTED, TransferState.SUSPENDED)


@dataclass(frozen=True, slots=True)
class StaleEnding:
    """Ends processes that have not changed for a set time."""

    database: Database
    negotiations: Negotiations
    transfers: Transfers
    clock: Clock
    after: timedelta

    async def run(self) -> None:
        """Run a pass every hour, until cancelled."""
        while True:
            await self.look()
            await self.clock.sleep(EVERY)

    async def look(self) -> int:
        """End the processes that are due; returns how many there were."""
        count = 0
        for state in _NEGOTIATING:
            count += await self._end(NEGOTIATIONS, state.value, self.negotiations.terminate)
        for phase in _TRANSFERRING:
            count += await self._end(TRANSFERS, phase.value, self.transfers.terminate)
        return count

    async def _end(
        self, collection: Collection[R], state: str, terminate: Callable[[str, str, str], Awaitable[object]]
    ) -> int:
        count, place = 0, ("", "")
        while True:
            oldest = await self._oldest(collection, state, place)
            for pid, created, updated in oldest:
                if updated <= self._due:
                    count += await self._terminated(pid, terminate)
                place = created, pid
            if len(oldest) < PAGE:
                return count

    @property
    def _due(self) -> str:
        return stamp(self.clock.now() - self.after)

    async def _oldest(
        self, collection: Collection[R], state: str, place: tuple[str, str]
    ) -> list[tuple[str, str, str]]:
        """Identity, start and last change of the processes that began before the limit; no later ones."""
        due = self._due

        def view(tx: Transaction) -> list[tuple[str, str, str]]:
            found = tx.find(
                collection,
                where={"state": state},
                order_by="created",
                after=place[0],
                after_id=place[1],
                limit=PAGE,
            )
            return [(one.id, one.created, one.updated) for one in found if one.created <= due]  # type: ignore[attr-defined]  # both kinds have them

        return await self.database.read(view)

    async def _terminated(self, pid: str, terminate: Callable[[str, str, str], Awaitable[object]]) -> bool:
        days = Text(msgid("there was no activity for {days} days"), {"days": self.after.days})
        try:
            await terminate(pid, CODE, str(days))
        except (CrossedError, TransitionError, UnknownProcessError, StorageError) as error:
            _LOGGER.warning("ending.failed", extra={"facts": {"process": pid, "code": error.code}})
            return False
        return True
