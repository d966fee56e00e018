"""Periodic checkpoints, also kept by anchors, so that the history of a log cannot be denied later.

The newest checkpoint is enough, since it proves all that came before it: one that an anchor missed is not sent
again.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from medspace.core.clock import Clock
from medspace.core.errors import MedspaceError
from medspace.core.signing import Signer
from medspace.core.store import Database, Transaction
from medspace.ledger import note, service
from medspace.ledger.errors import AnchorUnavailableError, MalformedNoteError
from medspace.ledger.model import CHECKPOINTS, Checkpoint, SignedCheckpoint
from medspace.ledger.ports import Anchor

_LOGGER = logging.getLogger("medspace.anchoring")


@dataclass(frozen=True, slots=True)
class Anchoring:
    """Signs the log of `origin` every so often, and gives what it signed to the anchors."""

    database: Database
    signer: Signer
    origin: str
    clock: Clock
    every: timedelta
    anchors: Sequence[Anchor] = ()

    async def run(self) -> None:
        """Look at the start, and again after each interval; until cancelled.

        A log that no longer matches what was signed is never signed again, and the connector reports it each time.
        """
        while True:
            try:
                await self.look()
            except MedspaceError as error:
                _LOGGER.error("checkpoint.failed", extra={"facts": {"code": error.code}})  # noqa: TRY400 - a code says it
            await self.clock.sleep(self.every.total_seconds())

    async def look(self) -> SignedCheckpoint:
        """Sign what was added since the last checkpoint, and have the anchors keep it; the checkpoint as it is kept.

        Raises:
            InconsistentLogError: the log does not begin with what was signed last.
        """
        now = self.clock.now()
        signed = await self.database.write(lambda tx: service.checkpoint(tx, self.signer, self.origin, now))
        missing = [one for one in self.anchors if one.name not in {receipt.anchor for receipt in signed.receipts}]
        for anchor in missing:
            try:
                receipt = await anchor.anchor(signed)
            except AnchorUnavailableError as error:
                facts = {"anchor": anchor.name, "code": error.code}
                _LOGGER.warning("anchor.unavailable", extra={"facts": facts})
                continue
            before, signed = signed, replace(signed, receipts=(*signed.receipts, receipt))
            await self.database.write(partial(_keep, before, signed))
        return signed

    async def lacking(self) -> Checkpoint | None:
        """Our checkpoint that an anchor keeps but the log does not contain: the log was restored from a backup.

        Anchors that cannot be asked now, or keep it under another name or key, prove nothing.
        """
        for anchor in self.anchors:
            try:
                kept = await anchor.newest()
            except AnchorUnavailableError as error:
                facts = {"anchor": anchor.name, "code": error.code}
                _LOGGER.warning("anchor.unavailable", extra={"facts": facts})
                continue
            told = None if kept is None else self._own(kept)
            if told is not None and not await self.database.read(partial(_bears_out, told)):
                return told
        return None

    def _own(self, kept: str) -> Checkpoint | None:
        try:
            signed = note.parse(kept)
            told = note.read_checkpoint(signed.text)
        except MalformedNoteError:
            return None
        ours = told.origin == self.origin and signed.signed_by(self.origin, self.signer.public_key)
        return told if ours else None


def _bears_out(told: Checkpoint, tx: Transaction) -> bool:
    return tx.log.size() >= told.size and service.root(tx.log, told.size) == told.root


def _keep(before: SignedCheckpoint, after: SignedCheckpoint, tx: Transaction) -> None:
    tx.replace(CHECKPOINTS, before, after)
