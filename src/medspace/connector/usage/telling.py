"""Notes about rows for the holder alone, sealed and stored in the transaction that releases the output of a step.

How many patients were clipped is an exact count, which no budget has paid for; that a column tells the outcome is
true of this holder's rows. So neither is in any answer, log entry or error, and a copy of the database does not show
it; the holder's people see it in the app.
"""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from medspace.connector.usage.calls import Admitted
from medspace.connector.usage.model import NOTES, KeptNotes
from medspace.core.clock import stamp
from medspace.core.sealing import Sealer
from medspace.core.store import Transaction
from medspace.core.usage import HolderNote, Output


@dataclass(frozen=True, slots=True)
class StepNotes:
    """The notes of one step, with what was asked: the digest of the task, and the question in its own words."""

    task: str
    step: str
    notes: tuple[HolderNote, ...]


@dataclass(frozen=True, slots=True)
class UseNotes:
    """The notes of one step of a use, opened."""

    use: str
    time: str
    said: StepNotes


def keep(tx: Transaction, sealer: Sealer, question: Admitted, output: Output, now: datetime) -> None:
    """Store the notes of an output that leaves, if it has any."""
    if output.notes:
        admission, step = question.admission, output.worded or question.step
        said = msgspec.json.encode(StepNotes(admission.task, step.name, output.notes))
        sealed = sealer.seal(said, _name(admission.id))
        tx.insert(NOTES, KeptNotes(admission.id, admission.asset, admission.use, stamp(now), sealed))


def newest(tx: Transaction, sealer: Sealer, asset: str, limit: int) -> list[UseNotes]:
    """The most recent notes on an asset, newest first.

    Raises:
        ValueError: they were sealed with another secret.
    """
    found = tx.find(NOTES, where={"asset": asset}, order_by="time", descending=True, limit=limit)
    return [UseNotes(one.use, one.time, _opened(sealer, one)) for one in found]


def _opened(sealer: Sealer, kept: KeptNotes) -> StepNotes:
    return msgspec.json.decode(sealer.open(kept.sealed, _name(kept.id)), type=StepNotes)


def _name(admission: str) -> str:
    return f"notes {admission}"
