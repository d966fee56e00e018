"""The catalogue: publishing and withdrawing as part of a transaction, and pages of it for others."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from medspace.connector import journal, wire
from medspace.connector.catalogue import rules
from medspace.connector.errors import UnknownDatasetError
from medspace.connector.local import Local
from medspace.connector.model import CATALOGUE, Dataset
from medspace.core.canonical import JsonObject
from medspace.core.store import Database, Transaction


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the catalogue: the dcat:Catalog as JSON bytes, and the Link header that belongs to it."""

    content: bytes
    links: str | None


def publish(tx: Transaction, local: Local, dataset: Dataset, available: Collection[str]) -> Dataset:
    """Offer a dataset, or offer it on new terms; each offer is an entry of the log.

    `available` are the formats that an engine or a data plane here serves. `published` and `body` are set here.

    Raises:
        OfferError: it could not be served as its offers promise.
    """
    rules.check(dataset, available)
    shown = wire.encode(rules.body(dataset, rules.service_id(local.did))).decode()
    made = replace(dataset, published=local.now(), body=shown)
    old = tx.get(CATALOGUE, dataset.id)
    if old is None:
        tx.insert(CATALOGUE, made)
    else:
        tx.replace(CATALOGUE, old, made)
    for offer in dataset.offers:
        journal.note_offer(tx, local.did, made, offer)
    return made


def withdraw(tx: Transaction, local: Local, asset: str) -> None:
    """Offer a dataset no longer; agreements that exist stay.

    Raises:
        UnknownDatasetError: it is not offered.
    """
    old = tx.get(CATALOGUE, asset)
    if old is None:
        raise UnknownDatasetError(dataset=asset)
    tx.delete(CATALOGUE, old)
    journal.note_withdrawal(tx, local.now(), local.did, asset)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What others may read, `page_size` datasets at once."""

    database: Database
    local: Local
    page_size: int = rules.PAGE

    async def request(self, content: bytes, after: str | None = None, before: str | None = None) -> Page:
        """A page of the catalogue: the first one, or the one behind or before a dataset.

        Raises:
            MessageError: the request cannot be read.
            FilterError: it has a filter.
        """
        wire.check_filter(wire.read(content, "CatalogRequestMessage"))
        return await self.page(after, before)

    async def page(self, after: str | None = None, before: str | None = None) -> Page:
        """A page, in the order of identities; it costs the same however large the catalogue is."""
        found = await self.database.read(
            lambda tx: tx.find(
                CATALOGUE,
                after=after if before is None else before,
                descending=before is not None,
                limit=self.page_size + 1,
            )
        )
        datasets = rules.fitting(found[: self.page_size])
        further = len(found) > len(datasets)
        if before is not None:
            datasets.reverse()
        more, earlier = (further, after is not None) if before is None else (True, further)
        return Page(
            rules.catalogue(self.local.did, self.local.address, [dataset.body for dataset in datasets]),
            rules.links(self.local.address, datasets, more=more, earlier=earlier),
        )

    async def dataset(self, asset: str) -> bytes:
        """One dcat:Dataset as JSON bytes.

        Raises:
            UnknownDatasetError: it is not offered.
        """
        found = await self.find(asset)
        context: JsonObject = {"@context": [wire.CONTEXT]}
        return wire.encode(context)[:-1] + b"," + found.body.encode()[1:]

    async def find(self, asset: str) -> Dataset:
        """One dataset as it was published.

        Raises:
            UnknownDatasetError: it is not offered.
        """
        found = await self.database.read(lambda tx: tx.get(CATALOGUE, asset))
        if found is None:
            raise UnknownDatasetError(dataset=asset)
        return found
