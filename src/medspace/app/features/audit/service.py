"""The evidence that this participant shows from its log: bundles, checkpoints, proofs, and records for an auditor."""

from dataclasses import dataclass

from medspace.app.doors.views import Speak
from medspace.app.node.node import Node
from medspace.core.canonical import JsonObject
from medspace.core.store import Transaction
from medspace.ledger import bundle, service
from medspace.ledger.model import CHECKPOINTS, shown
from medspace.runs.keeping import kept_model
from medspace.runs.model import Model


@dataclass(frozen=True, slots=True)
class Proofs:
    """The signed log, and the evidence beside it."""

    node: Node

    async def bundle(self) -> bytes:
        """The whole log with a fresh checkpoint, as a file for an audit."""
        now = self.node.clock.now()
        signed = await self.node.database.write(
            lambda tx: service.checkpoint(tx, self.node.signing, self.node.did, now)
        )
        members = self.node.book.text
        exported = await self.node.database.read(lambda tx: bundle.export(tx.log, signed, members))
        return bundle.render(exported)

    async def checkpoints(self, limit: int, after: int | None = None) -> list[JsonObject]:
        """Signed checkpoints of the log, newest first, with fewer entries than `after`, and their receipts."""
        found = await self.node.database.read(
            lambda tx: tx.find(CHECKPOINTS, order_by="size", after=after, descending=True, limit=limit)
        )
        return [
            {
                "size": one.size,
                "time": one.time,
                "note": one.note,
                "receipts": [{"anchor": r.anchor, "time": r.time, "proof": r.proof} for r in one.receipts],
            }
            for one in found
        ]

    async def near_repeats(self, dataset: str, speak: Speak) -> list[JsonObject]:
        """Tasks that differ in one respect only from one answered before, for all our datasets or one."""
        found = []
        for asset in sorted(self.node.assets.sources):
            repeats = await self.node.usage.near_repeats(asset) if dataset in ("", asset) else []
            found += [
                {"dataset": asset, "entry": n.entry, "earlier": n.earlier, "differs": n.differs.render(speak)}
                for n in repeats
            ]
        return found

    async def entries(self, after: int, limit: int) -> list[JsonObject]:
        """Entries of the log from index `after`."""

        def look(tx: Transaction) -> list[bytes]:
            return list(tx.log.entries(after, min(after + limit, tx.log.size())))

        found = await self.node.database.read(look)
        return [{"index": after + at, **shown(entry)} for at, entry in enumerate(found)]

    async def questions(self, use: str, asset: str) -> JsonObject:
        """The questions that our datasets were asked, in the form for an auditor, who gets them beside the log."""
        shown = await self.node.usage.notebook.exported(self.node.database, use=use, asset=asset)
        return {"format": "medspace-questions-1", "origin": self.node.did, "questions": shown}

    async def records(self, run: str) -> JsonObject:
        """Our records of a masked run, sums over all of its sites, for an auditor to whom we show them.

        Raises:
            RecordsMissingError: nothing is kept of that run.
        """
        task, shown = await self.node.database.read(lambda tx: self.node.usage.notebook.recorded(tx, run))
        said = {"format": "medspace-records-1", "origin": self.node.did, "run": run}
        return {**said, "task": task, "records": shown}

    async def model(self, model: str) -> JsonObject:
        """A model with what its sites signed and the manifest of its run.

        Raises:
            NoModelError, ModelUnknownError: there is none.
        """
        record = await self.node.database.read(lambda tx: kept_model(tx, model))
        return exported_model(record, self.node.did)


def exported_model(record: Model, owner: str) -> JsonObject:
    """A model in the form in which an auditor is shown it (`runs.masked.proof.ModelFile`)."""
    return {
        "format": "medspace-model-1",
        "origin": owner,
        "run": record.lineage.run,
        "created": record.created,
        "task": record.task,
        "result": record.result,
        "rows": record.rows,
        "sites": list(record.lineage.sites),
        "digest": record.digest,
        "manifest": record.lineage.manifest,
    }
