"""Putting labels of assets in force: from the configuration at start, by a person at any time.

The most recent change counts. What a person sets survives restarts until the configured label changes, or the person
resets it; `Labelled.configured` remembers the configured label. A label takes effect with the transaction that
changes it, since door and gate read it in theirs. Nothing else writes labels (a test proves it).
"""

from dataclasses import replace

from medspace.connector.errors import UnknownDatasetError
from medspace.connector.local import Local
from medspace.connector.model import CATALOGUE
from medspace.connector.usage.model import LABELS, Job, Labelled
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.decision import Decision
from medspace.core.hashing import digest
from medspace.core.store import Transaction
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.policy import carried, labels
from medspace.policy.errors import FreerLabelError
from medspace.policy.model import Label

PAGE = 500
_NOTHING: tuple[JsonObject, ...] = ({}, labels.write(Label()))  # no label, and one that allows nothing
CLAUSE = "label."  # how the clauses of labels begin


def configure(
    tx: Transaction,
    local: Local,
    asset: str,
    label: JsonObject | None,
    by: str = NOBODY,
    source: JsonObject | None = None,
) -> JsonObject | None:
    """Apply the configured label of an asset, None where it is no longer held.

    Returns the label in force from now on.

    Without a label nothing is permitted, even under existing agreements. `by` is who had the configuration read.
    `source` is what the asset carries of the labels of what it was made of (`policy.carried`).

    Raises:
        FreerLabelError: it allows more than they do.
    """
    old = tx.get(LABELS, asset)
    if old is not None and label is not None and label == _configured(old) and old.source == source:
        return old.label
    _put(tx, local, asset, None if label is None else Labelled(asset, label, source=source), by)
    return label


def set_label(tx: Transaction, local: Local, asset: str, label: JsonObject, by: str = NOBODY) -> Labelled:
    """Put a person's label in force, at once; `{}` allows nothing.

    Raises:
        UnknownDatasetError: there is no such asset here.
        InvalidLabelError: the label has a statement without meaning.
        FreerLabelError: it allows more than those of what the asset was made of.
    """
    return _put(tx, local, asset, wanted(tx, asset, label, by), by)


def wanted(tx: Transaction, asset: str, label: JsonObject | None, by: str = NOBODY) -> Labelled:
    """What a person's label would be once it is in force; None stands for the label of the configuration.

    Raises:
        UnknownDatasetError, InvalidLabelError: as `set_label`.
    """
    old = _known(tx, asset)
    configured = _configured(old)
    if label is None:
        return Labelled(asset, configured, by=by, source=old.source)
    read = labels.parse(label)
    written = {} if read is None else labels.write(read)
    return Labelled(asset, written, None if written == configured else configured, by, old.source)


def reset(tx: Transaction, local: Local, asset: str, by: str = NOBODY) -> Labelled:
    """Put the label of the configuration in force again, at once.

    Raises:
        UnknownDatasetError: there is no such asset here.
    """
    return _put(tx, local, asset, wanted(tx, asset, None, by), by)


def close_all(tx: Transaction, local: Local) -> list[str]:
    """Close all labels until a person confirms them; returns the assets whose label allowed anything.

    Only a person knows what was said of a label since the backup was made; the restored database does not.
    """
    found: list[Labelled] = []
    while page := tx.find(LABELS, after=found[-1].id if found else None, limit=PAGE):
        found += page
    open_ones = [one.id for one in found if one.label not in _NOTHING]
    for asset in open_ones:
        set_label(tx, local, asset, {}, NOBODY)
    return open_ones


def label_of(tx: Transaction, asset: str) -> Label | None:
    """The current label of an asset; None where it has none."""
    labelled = tx.get(LABELS, asset)
    return labels.parse(labelled.label if labelled else None)


def unconfirmed(labelled: Labelled) -> bool:
    """Whether the label is closed because a backup was restored and no person has confirmed it since."""
    return labelled.label in _NOTHING and labelled.configured is not None and labelled.by == NOBODY


def _known(tx: Transaction, asset: str) -> Labelled:
    old = tx.get(LABELS, asset)
    if old is None:
        raise UnknownDatasetError(dataset=asset)
    return old


def _configured(labelled: Labelled) -> JsonObject:
    return labelled.label if labelled.configured is None else labelled.configured


def _put(tx: Transaction, local: Local, asset: str, new: Labelled | None, by: str = NOBODY) -> Labelled:
    if new is not None and new.source is not None:
        wider = carried.freer(labels.parse(new.label), new.source)
        if wider:
            raise FreerLabelError(asset=asset, reason=wider[0])
    old = tx.get(LABELS, asset)
    if old is None and new is not None:
        tx.insert(LABELS, new)
    elif old is not None and new is None:
        tx.delete(LABELS, old)
    elif old is not None and new is not None and old != new:
        tx.replace(LABELS, old, new)
    before, after = _digest(old), _digest(new)
    if before != after:
        _tell(tx, local, asset, before, after, by)
    return new or Labelled(asset, {})


def _digest(labelled: Labelled | None) -> str | None:
    return None if labelled is None else digest(labelled.label)


def _tell(tx: Transaction, local: Local, asset: str, before: str | None, after: str | None, by: str) -> None:
    """Record the change by digests, and update the catalogue's record with the label in force."""
    facts = {"asset": asset, "before": before, "label": after, "by": by or None}
    said = {name: value for name, value in facts.items() if value is not None}
    record(tx, Entry("label.changed", local.now(), local.did, said))
    offered = tx.get(CATALOGUE, asset)
    if offered is not None and after is not None:
        tx.replace(CATALOGUE, offered, replace(offered, label=after))


def lapsed(job: Job, task: str, decision: Decision) -> bool:
    """Whether a refusal ends the use: the label no longer allows what the use began with.

    A first step that asks for too much, or a step with another task, is only refused: its user can ask for less.
    """
    return job.task == task and against(decision)


def against(decision: Decision) -> bool:
    """Whether the label is among the reasons for a denial."""
    return any(premise.clause.startswith(CLAUSE) for premise in decision.failures)
