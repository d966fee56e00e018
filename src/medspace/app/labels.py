"""The labels of one's own datasets, as a participant's people see and change them."""

from collections.abc import Sequence
from dataclasses import dataclass

from medspace.connector.errors import UnknownDatasetError
from medspace.connector.local import Local
from medspace.connector.usage import labelling
from medspace.connector.usage.model import LABELS, Labelled
from medspace.core.canonical import JsonObject
from medspace.core.hashing import digest
from medspace.core.store import Database

CONFIGURATION, PERSON = "configuration", "person"


@dataclass(frozen=True, slots=True)
class Labels:
    """What is in force, and who said it."""

    database: Database
    local: Local

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

    async def put(self, dataset: str, label: JsonObject) -> JsonObject:
        """Put a label in force at once; uses that it allows no longer end at their next step.

        Raises:
            UnknownDatasetError: it is not one's own dataset.
            InvalidLabelError: the label says something that has no meaning.
        """
        return shown(await self.database.write(lambda tx: labelling.set_label(tx, self.local, dataset, label)))

    async def reset(self, dataset: str) -> JsonObject:
        """Put the label of the configuration in force again, at once.

        Raises:
            UnknownDatasetError: it is not one's own dataset.
        """
        return shown(await self.database.write(lambda tx: labelling.reset(tx, self.local, dataset)))


def shown(labelled: Labelled) -> JsonObject:
    """A label with its digest, by which the log names it; `configured` is what the configuration says instead."""
    return {
        "dataset": labelled.id,
        "label": labelled.label,
        "digest": digest(labelled.label),
        "source": CONFIGURATION if labelled.configured is None else PERSON,
        "configured": labelled.configured,
    }
