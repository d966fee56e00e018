"""Cuts off uses that may not go on: all in one transaction, then their users are told."""

import logging
from dataclasses import dataclass

from medspace.connector.errors import CrossedError, TransitionError, UnknownProcessError
from medspace.connector.reasons import clause_of, sentences
from medspace.connector.steady import advance
from medspace.connector.transfer.service import Transfers
from medspace.connector.usage.service import UsageControl
from medspace.core.clock import Clock
from medspace.core.decision import Decision
from medspace.core.errors import StorageError
from medspace.core.store import Database, Transaction

OWED = "policy.duty_violated"
_LOGGER = logging.getLogger("medspace.cutoff")
# It is over or about to be, or storage failed: the next look sees it again.
RACES = (CrossedError, TransitionError, UnknownProcessError, StorageError)


@dataclass(frozen=True, slots=True)
class CutOff:
    """Asked by whatever takes away what a use hangs on, and by whoever watches all of it."""

    database: Database
    clock: Clock
    usage: UsageControl
    transfers: Transfers

    async def cut(self) -> list[str]:
        """Cut off uses that may not go on, all at once, then tell their users; returns their pids."""
        now = self.clock.now()

        def unit(tx: Transaction) -> list[tuple[str, Decision]]:
            advance(tx, now)
            return self.usage.cut(tx)

        found = await self.database.write(unit)
        for use, decision in found:
            await self._end(use, decision)
        return [use for use, _ in found]

    async def _end(self, use: str, decision: Decision) -> None:
        """What is owed can still be done, so such a use is suspended; all else is over for good."""
        steer = self.transfers.suspend if decision.code == OWED else self.transfers.terminate
        code = clause_of(decision) if (clause_of(decision) or "").startswith("label.") else decision.code
        try:
            await steer(use, code or decision.code, *sentences(decision))
        except RACES as error:
            _LOGGER.warning("termination.failed", extra={"facts": {"process": use, "code": error.code}})
