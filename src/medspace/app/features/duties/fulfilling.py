"""As the user of data: do what is owed, in the transaction whose log entry says so, then prove it to the holder."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from medspace.adapters.logs import EventLogger, logger
from medspace.app.features.duties.door import DOOR, SEEN, claim_of
from medspace.app.node.node import Node
from medspace.connector.duties import rules, service
from medspace.connector.duties.errors import DutyUnprovenError, UnknownDutyError
from medspace.connector.duties.model import FULFIL, PROVE, OwedDuty
from medspace.connector.errors import UnreachableError
from medspace.connector.model import TRANSFERS
from medspace.core.canonical import JsonObject
from medspace.core.store import Transaction
from medspace.ledger import entry_proof
from medspace.ledger.service import checkpoint, prove_consistency
from medspace.policy.duties import ATTRIBUTE, DELETE
from medspace.runs.keeping import forget_model, runs_of
from medspace.runs.model import MODELS, Run
from medspace.runs.rules import over
from medspace.trust.did import base_url
from medspace.trust.errors import DidError

SOON, LATER = 1.0, 60.0  # seconds before a holder is told again; doubled in between
OK = 200
FINAL = frozenset({DutyUnprovenError.code})  # what no repetition changes
HANDFUL = 50  # duties that are done in one transaction


@dataclass(slots=True)
class Fulfilling:
    """Does and proves what this connector owes."""

    node: Node
    log: EventLogger = field(init=False)
    pause: float = SOON

    def __post_init__(self) -> None:
        """The operators' log of this connector."""
        self.log = logger(participant=self.node.did)

    async def look(self) -> float:
        """Do everything that is due; returns in how many seconds to look again."""
        now = self.node.clock.now()
        done = await self.node.database.write(lambda tx: do_due(tx, self.node.did, now))
        for duty in done:
            self.log.info("duty.fulfilled", duty=duty.id, action=duty.action, holder=duty.counterparty)
        if len(done) == HANDFUL:
            return 0.0
        left = await self._prove_all()
        self.pause = min(2 * self.pause, LATER) if left else SOON
        soonest = await self.node.database.read(next_done)
        wait = LATER if soonest is None else (soonest - self.node.clock.now()).total_seconds()
        return max(min(wait, self.pause if left else LATER), 0.05)

    async def _prove_all(self) -> int:
        """Send every proof that a holder does not have; returns how many are left."""
        owed = await self.node.database.read(lambda tx: list(service.with_step(tx, PROVE)))
        by_holder: dict[str, list[OwedDuty]] = {}
        for duty in owed:
            by_holder.setdefault(duty.counterparty, []).append(duty)
        left = await asyncio.gather(*(self._prove_to(duties) for duties in by_holder.values()))
        return sum(left)

    async def _prove_to(self, owed: Sequence[OwedDuty]) -> int:
        """Send the proofs to one holder, until it is away; returns how many are left."""
        for number, duty in enumerate(owed):
            try:
                if not await self.prove(duty):
                    return len(owed) - number
            except (UnreachableError, DidError):
                return len(owed) - number
        return 0

    async def prove(self, duty: OwedDuty) -> bool:
        """Send the proof of one duty; whether the holder has decided on it.

        Raises:
            UnreachableError, DidError: the holder is away.
        """
        node, now = self.node, self.node.clock.now()
        signed = await node.database.write(lambda tx: checkpoint(tx, node.signing, node.did, now))
        proof = await node.database.read(lambda tx: entry_proof.prove(tx, duty.entry, signed, ""))
        extends = await self._extends(duty.counterparty, proof.size)
        url = f"{base_url(duty.counterparty)}{DOOR}"
        reply = await node.transport.post(url, claim_of(duty, proof, extends), duty.counterparty)
        code = reply.body.get("code", "") if isinstance(reply.body, dict) else ""
        if reply.status == OK or code in FINAL:
            said = "" if reply.status == OK else str(code)
            await node.database.write(lambda tx: service.delivered(tx, duty.id, said))
            return True
        # It may not know yet that the use is over, since the message that says so is on its way.
        self.log.warning("duty.unheard", duty=duty.id, holder=duty.counterparty, code=code or UnknownDutyError.code)
        return False

    async def _extends(self, holder: str, size: int) -> tuple[bytes, ...]:
        """What proves to a holder that the log of this size begins with what it has seen of it."""
        reply = await self.node.transport.get(f"{base_url(holder)}{SEEN}", holder)
        seen = reply.body.get("size", 0) if isinstance(reply.body, dict) else 0
        if type(seen) is not int or not 0 < seen < size:
            return ()
        return (await self.node.database.read(lambda tx: prove_consistency(tx, seen, size))).hashes


def do_due(tx: Transaction, did: str, now: datetime) -> list[OwedDuty]:
    """Do what is due, with its entries; at most `HANDFUL`. What is told of a model comes before it is deleted."""
    ready = [duty for duty in service.with_step(tx, FULFIL) if rules.done_at(duty) <= now]
    ready.sort(key=lambda duty: duty.action == DELETE)
    done = (do(tx, did, duty, now) for duty in ready[:HANDFUL])
    return [duty for duty in done if duty is not None]


def do(tx: Transaction, did: str, duty: OwedDuty, now: datetime, by: str = "") -> OwedDuty | None:
    """Do what is owed, in one transaction with the entry that says so; None while its run goes on."""
    runs = list(runs_of(tx, duty.agreement, duty.kind, duty.use))
    if not all(over(run.state) for run in runs):
        return None
    said = _said(tx, duty, runs, by)
    objects = _models(tx, runs, duty.counterparty if duty.action == ATTRIBUTE else "")
    if duty.action == DELETE:
        objects = [digest for digest in (forget_model(tx, run) for run in runs) if digest]
        if _models(tx, runs, ""):  # nothing is claimed that was not done
            return None
    return service.fulfil(tx, did, duty.id, now, objects, said)


def next_done(tx: Transaction) -> datetime | None:
    """When the next duty is to be done."""
    return min((rules.done_at(duty) for duty in service.with_step(tx, FULFIL)), default=None)


def _models(tx: Transaction, runs: Sequence[Run], source: str) -> list[str]:
    """The digests of the models that these runs made, where there are any; only those with that source, if named."""
    made = [tx.get(MODELS, run.model) for run in runs if run.model]
    return [one.digest for one in made if one is not None and (not source or source in one.lineage.sites)]


def _said(tx: Transaction, duty: OwedDuty, runs: Sequence[Run], by: str) -> JsonObject:
    """What the entry says beside the things that it is about."""
    use = tx.get(TRANSFERS, duty.use)
    said: JsonObject = {"outcome": use.state.value} if use is not None else {}
    for run in runs:
        said |= {"rounds": run.round, "task": run.task_digest}
        made = tx.get(MODELS, run.model) if run.model else None
        said |= {} if made is None else {"sites": list(made.lineage.sites)}
    return said | ({"by": by} if by else {})
