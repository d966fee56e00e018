"""As the holder of data: end what may not go on, and tell one's people which duties are overdue."""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from medspace.app.node.node import Node
from medspace.connector.cutoff import OWED, RACES
from medspace.connector.duties import service
from medspace.connector.duties.model import AWAIT, OwedDuty
from medspace.connector.model import AGREEMENTS, TRANSFERS, Role, Transfer, TransferState
from medspace.connector.usage.model import LABELS
from medspace.core.clock import instant
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.policy import labels, limits, odrl

MOST = 10.0  # seconds without a look, whatever happens
AGAIN = 0.05  # seconds: what is kept in memory may follow its record a moment later
HEARD_FIRST = timedelta(seconds=60)  # after a start, users may say first what they did while this connector was away
_LOGGER = logging.getLogger("medspace.duties")


@dataclass(slots=True)
class Watching:
    """Cuts off uses, and finds duties that are overdue; at the start, users are heard first for `patience`."""

    node: Node
    patience: timedelta = HEARD_FIRST
    _from: datetime | None = field(default=None)

    async def look(self) -> float:
        """End everything that may not go on; returns in how many seconds to look again."""
        now = self.node.clock.now()
        self._from = self._from or now + self.patience
        await self.overdue(now)
        await self.node.cutoff.cut()
        await self._go_on()
        soonest = await self.node.database.read(next_end)
        wait = MOST if soonest is None else (soonest - self.node.clock.now()).total_seconds()
        return max(min(wait, MOST), 0.02)

    async def _go_on(self) -> None:
        """Resume the uses that were suspended for duties that are settled now."""

        def look(tx: Transaction) -> list[str]:
            held = each(tx, TRANSFERS, {"role": Role.PROVIDER, "state": TransferState.SUSPENDED})
            return [use.id for use in held if _owed(use) and self.node.usage.lasts(tx, use.id).permitted]

        for use in await self.node.database.read(look):
            try:
                await self.node.transfers.resume(use)
            except RACES as error:
                _LOGGER.warning("resumption.failed", extra={"facts": {"process": use, "code": error.code}})

    async def overdue(self, now: datetime) -> None:
        """Break what is overdue, and tell the operators; the log, the doctor and the portal tell everybody else."""
        if self._from is not None and now < self._from:
            return
        more = True
        while more:
            broken = await self.node.database.write(lambda tx: service.overdue(tx, self.node.did, now))
            for duty in broken:
                _LOGGER.error("duty.broken", extra={"facts": told(duty)})
            more = len(broken) == service.PAGE


def told(duty: OwedDuty) -> dict[str, str]:
    """What operators are told of a broken duty."""
    return {
        "duty": duty.id,
        "action": duty.action,
        "user": duty.counterparty,
        "asset": duty.dataset,
        "due": duty.due,
    }


def next_end(tx: Transaction) -> datetime | None:
    """When the next use, label or duty ends, of what is open now."""
    ends: list[datetime] = []
    for duty in service.with_step(tx, AWAIT):
        ends.append(instant(duty.due))
        break
    for use in each(tx, TRANSFERS, {"role": Role.PROVIDER, "state": TransferState.STARTED}):
        agreement, labelled = tx.get(AGREEMENTS, use.agreement), tx.get(LABELS, use.dataset)
        end = None if agreement is None else limits.last_end(odrl.parse(agreement.policy))
        label = labels.parse(labelled.label if labelled else None)
        ends += [one for one in (end, label.valid_until if label else None) if one is not None]
    return min(ends, default=None)


def _owed(use: Transfer) -> bool:
    return use.suspended_by is Role.PROVIDER and use.failure is not None and use.failure.code == OWED
