"""The label of an asset as it is put in force: by the configuration at start, by a person at any time.

The last word counts. What a person says holds over restarts until the configuration says something else than it did
then, or the person takes it back; `Labelled.configured` is what the configuration said. A label takes effect with the
transaction that changes it: door and gate read it in theirs. Nothing else writes labels (a test proves it).
"""

from dataclasses import replace

from medspace.connector.errors import UnknownDatasetError
from medspace.connector.local import Local
from medspace.connector.model import CATALOGUE
from medspace.connector.usage.model import LABELS, Job, Labelled
from medspace.core.canonical import JsonObject
from medspace.core.decision import Decision
from medspace.core.hashing import digest
from medspace.core.store import Transaction
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.policy import labels

CLAUSE = "label."  # how the clauses of labels begin


def configure(tx: Transaction, local: Local, asset: str, label: JsonObject | None) -> JsonObject | None:
    """Hear what the configuration says of an asset, None where it is no longer held; the label in force from now on.

    Without a label nothing is permitted, under agreements that stay either.
    """
    old = tx.get(LABELS, asset)
    if old is not None and label is not None and label == _configured(old):
        return old.label
    _put(tx, local, asset, None if label is None else Labelled(asset, label))
    return label


def set_label(tx: Transaction, local: Local, asset: str, label: JsonObject) -> Labelled:
    """Put the label that a person says in force, at once; `{}` allows nothing.

    Raises:
        UnknownDatasetError: there is no such asset here.
        InvalidLabelError: the label says something that has no meaning.
    """
    old = _known(tx, asset)
    read = labels.parse(label)
    written = {} if read is None else labels.write(read)
    configured = _configured(old)
    return _put(tx, local, asset, Labelled(asset, written, None if written == configured else configured))


def reset(tx: Transaction, local: Local, asset: str) -> Labelled:
    """Put the label of the configuration in force again, at once.

    Raises:
        UnknownDatasetError: there is no such asset here.
    """
    return _put(tx, local, asset, Labelled(asset, _configured(_known(tx, asset))))


def _known(tx: Transaction, asset: str) -> Labelled:
    old = tx.get(LABELS, asset)
    if old is None:
        raise UnknownDatasetError(dataset=asset)
    return old


def _configured(labelled: Labelled) -> JsonObject:
    return labelled.label if labelled.configured is None else labelled.configured


def _put(tx: Transaction, local: Local, asset: str, new: Labelled | None) -> Labelled:
    old = tx.get(LABELS, asset)
    if old is None and new is not None:
        tx.insert(LABELS, new)
    elif old is not None and new is None:
        tx.delete(LABELS, old)
    elif old is not None and new is not None and old != new:
        tx.replace(LABELS, old, new)
    before, after = _digest(old), _digest(new)
    if before != after:
        _tell(tx, local, asset, before, after)
    return new or Labelled(asset, {})


def _digest(labelled: Labelled | None) -> str | None:
    return None if labelled is None else digest(labelled.label)


def _tell(tx: Transaction, local: Local, asset: str, before: str | None, after: str | None) -> None:
    """Note the change by digests, and let the catalogue's record name the label in force."""
    facts = {"asset": asset, "before": before, "label": after}
    said = {name: value for name, value in facts.items() if value is not None}
    record(tx, Entry("label.changed", local.now(), local.did, said))
    offered = tx.get(CATALOGUE, asset)
    if offered is not None and after is not None:
        tx.replace(CATALOGUE, offered, replace(offered, label=after))


def lapsed(job: Job, task: str, decision: Decision) -> bool:
    """Whether a refusal ends the use: what the use began with is no longer what the label allows.

    A first step that asks for too much, or a step with another task, is refused and no more: its user can ask better.
    """
    return job.task == task and against(decision)


def against(decision: Decision) -> bool:
    """Whether the label is among what stands against something."""
    return any(premise.clause.startswith(CLAUSE) for premise in decision.failures)
