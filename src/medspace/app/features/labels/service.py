"""The labels of one's own datasets, as a participant's people see and change them."""

from collections.abc import Sequence
from dataclasses import dataclass

from medspace.app.doors.views import Speak
from medspace.app.node.offering.loosening import check_confirmed, label_changes, seen_of
from medspace.connector.errors import UnknownDatasetError
from medspace.connector.local import Local
from medspace.connector.usage import labelling
from medspace.connector.usage.model import LABELS, Labelled
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.errors import RefusedError
from medspace.core.hashing import digest
from medspace.core.store import Database, Transaction
from medspace.core.text import msgid
from medspace.policy import labels
from medspace.services.tokens.service import Tokens

CONFIGURATION, PERSON, RESTORED = "configuration", "person", "restored"


class ReviewersLoweredError(RefusedError):
    """The change would reduce the number of persons who review results of a dataset."""

    code = "label.reviewers"
    sentence = msgid("{before} persons review results of {dataset}; only the owner can reduce that number.")
    next_step = msgid("Keep `review` as it is, or use the owner's token.")


@dataclass(frozen=True, slots=True)
class LabelChange:
    """A label to put in force; None is that of the configuration. `loosen`: terms that may allow more, as `seen`."""

    label: JsonObject | None
    loosen: tuple[str, ...] = ()
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels in force, and who set them."""

    database: Database
    local: Local
    actors: Tokens

    async def page(self, after: str, limit: int) -> Sequence[JsonObject]:
        """The labels of one's datasets, by identity."""
        found = await self.database.read(lambda tx: tx.find(LABELS, after=after or None, limit=limit))
        return [shown(one) for one in found]

    async def of(self, dataset: str) -> JsonObject:
        """The label of one dataset.

        Raises:
            UnknownDatasetError: it is not one's own dataset.
        """
        found = await self.database.read(lambda tx: tx.get(LABELS, dataset))
        if found is None:
            raise UnknownDatasetError(dataset=dataset)
        return shown(found)

    async def put(self, dataset: str, said: LabelChange, *, by: str = NOBODY, lowers: bool = True) -> JsonObject:
        """Put a label in force at once; uses that it no longer allows end at their next step.

        Only an actor that `lowers` may reduce the number of reviewers: two are required so that one alone cannot
        decide, so somebody who may approve results must not be able to remove the second one.

        Raises:
            UnknownDatasetError: it is not one's own dataset.
            InvalidLabelError: the label has a statement without meaning.
            ReviewersLoweredError: fewer persons would review results, which only the owner may decide.
            OfferLoosenedError: it would allow more than before, and that is not among what may.
            OfferMovedError: the changes are not those that were seen when that was confirmed.
        """

        def unit(tx: Transaction) -> Labelled:
            before = tx.get(LABELS, dataset) or Labelled(dataset, {})
            after = _unlowered(before, labelling.wanted(tx, dataset, said.label, by), lowers=lowers)
            check_confirmed(dataset, label_changes(before.label, after.label), said.loosen, said.seen)
            if said.label is None:
                return labelling.reset(tx, self.local, dataset, by)
            return labelling.set_label(tx, self.local, dataset, said.label, by)

        return shown(await self.database.write(unit))

    async def tried(self, dataset: str, said: LabelChange, speak: Speak) -> JsonObject:
        """What a change would change, with `seen`, which stands for it; nothing is written.

        Raises:
            UnknownDatasetError, InvalidLabelError: as `put`.
        """

        def look(tx: Transaction) -> tuple[Labelled | None, Labelled]:
            return tx.get(LABELS, dataset), labelling.wanted(tx, dataset, said.label)

        before, after = await self.database.read(look)
        found = label_changes({} if before is None else before.label, after.label)
        told: JsonObject = {"changes": [one.told(speak) for one in found], "seen": seen_of(dataset, found)}
        return told | shown(after) | {"dry": True}


def _unlowered(before: Labelled, after: Labelled, *, lowers: bool) -> Labelled:
    """The new label; if it may not be lowered, the whole unit of work is refused."""
    if not lowers and _reviewers(after) < _reviewers(before):
        raise ReviewersLoweredError(dataset=after.id, before=_reviewers(before))
    return after


def _reviewers(labelled: Labelled) -> int:
    label = labels.parse(labelled.label)
    return 0 if label is None else int(label.review)


def shown(labelled: Labelled) -> JsonObject:
    """A label with its digest, by which the log names it.

    `configured` is the configuration's label, where it differs.

    `source` is who set it: `configuration`, `person`, or `restored` where it awaits confirmation since a restore.
    """
    return {
        "dataset": labelled.id,
        "label": labelled.label,
        "digest": digest(labelled.label),
        "source": _source(labelled),
        "configured": labelled.configured,
        "set_by": labelled.by,
    }


def _source(labelled: Labelled) -> str:
    if labelling.unconfirmed(labelled):
        return RESTORED
    return CONFIGURATION if labelled.configured is None else PERSON
