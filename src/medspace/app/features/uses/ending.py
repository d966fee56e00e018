"""What ends: a use, an agreement for good, by its holder or its user."""

import logging
from dataclasses import dataclass

from medspace.app.node.node import Node
from medspace.connector.errors import CrossedError, TransitionError, UnknownAgreementError, UnknownProcessError
from medspace.connector.model import AGREEMENTS, Agreement, Role, Transfer, TransferState
from medspace.connector.reasons import sentences
from medspace.connector.usage import ended
from medspace.connector.usage.model import ENDED, EndedAgreement
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.errors import StorageError
from medspace.core.store import Collection, Transaction

PAGE = ended.MOST_AT_ONCE
_LOGGER = logging.getLogger("medspace.usage")
# It is over or about to be, or storage failed: its next step, if any, ends it.
_RACES = (CrossedError, TransitionError, UnknownProcessError, StorageError)


@dataclass(frozen=True, slots=True)
class UntoldEnding:
    """An agreement that was ended here, and the DID of its other party, which has not heard of it yet."""

    id: str
    counterparty: str


UNTOLD = Collection("untold_endings", UntoldEnding)
COLLECTIONS = (UNTOLD,)


@dataclass(frozen=True, slots=True)
class AgreementEnding:
    """Ends agreements, and the uses under them on both sides."""

    node: Node

    async def preview(self, agreement: str) -> JsonObject:
        """What ending it would end; nothing is ended.

        Raises:
            UnknownAgreementError: there is none.
        """

        def look(tx: Transaction) -> JsonObject:
            made = self._known(tx, agreement)
            going = ended.open_uses(tx, agreement)
            return {
                "agreement": agreement,
                "user": made.consumer,
                "dataset": made.dataset,
                "ended": tx.get(ENDED, agreement) is not None,
                "uses": [use.id for use in going],
            }

        return await self.node.database.read(look)

    async def end_agreement(
        self, agreement: str, *, reason: str = "", cause: str = "", by: str = NOBODY
    ) -> JsonObject:
        """End an agreement, for good: nothing is admitted under it once its holder has stored that.

        Its uses are then terminated, each with the code. The other side keeps the cause and the reason as well; one
        that is unavailable is told once it is back.

        Raises:
            UnknownAgreementError, UnknownCauseError, AgreementReplacedError: as `ended.end`.
        """
        local = self.node.local

        def unit(tx: Transaction) -> EndedAgreement:
            before, made = tx.get(ENDED, agreement), tx.get(AGREEMENTS, agreement)
            stopped = ended.end(tx, local, agreement, reason, by, cause=cause)
            if before is None and made is not None and made.provider != made.consumer:
                other = made.consumer if made.provider == local.did else made.provider
                tx.insert(UNTOLD, UntoldEnding(agreement, other))
            return stopped

        made = await self.node.database.write(unit)
        told = await self._terminate(made)
        shown = {"agreement": made.id, "user": made.user, "dataset": made.asset, "reason": made.reason}
        return shown | {"cause": made.cause or None, "ended": made.time, "uses": told}

    async def newest(self) -> None:
        """Terminate the uses under the agreements that were ended last, such as by their users."""
        found = await self.node.database.read(lambda tx: tx.find(ENDED, order_by="time", descending=True, limit=PAGE))
        for one in found:
            await self._terminate(one)

    async def sweep(self) -> None:
        """Terminate the uses that a killed connector had not terminated yet."""
        after: str | None = None
        while True:
            page = await self.node.database.read(lambda tx, after=after: tx.find(ENDED, after=after, limit=PAGE))  # type: ignore[misc]
            for one in page:
                await self._terminate(one)
            if len(page) < PAGE:
                return
            after = page[-1].id

    async def end_use(self, use: str, *, reason: str = "", by: str = NOBODY) -> Transfer:
        """End one use: a use of another's data is completed, a use of one's own data is terminated.

        Raises:
            UnknownProcessError: there is none.
            TransitionError, CrossedError: it is over, or about to be.
        """
        transfers = self.node.transfers
        found = await transfers.find(use)
        if found.role is Role.CONSUMER and found.state is TransferState.STARTED:
            return await transfers.complete(use, by=by)
        return await transfers.terminate(use, "transfer.ended", *((reason,) if reason else ()), by=by)

    async def _terminate(self, made: EndedAgreement) -> list[str]:
        """Terminate the uses under an ended agreement; returns their pids."""

        def look(tx: Transaction) -> tuple[list[Transfer], tuple[str, ...]]:
            told = sentences(ended.decide(tx, self._known(tx, made.id)))
            return list(ended.open_uses(tx, made.id)), told

        going, told = await self.node.database.read(look)
        for use in going:
            try:
                await self.node.transfers.terminate(use.id, ended.CODE, *told)
            except _RACES as error:
                _LOGGER.warning("termination.failed", extra={"facts": {"process": use.id, "code": error.code}})
        return [use.id for use in going]

    def _known(self, tx: Transaction, agreement: str) -> Agreement:
        made = tx.get(AGREEMENTS, agreement)
        if made is None:
            raise UnknownAgreementError(agreement=agreement)
        return made
