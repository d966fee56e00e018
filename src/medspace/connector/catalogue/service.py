"""The catalogue: publishing and withdrawing within a transaction, and serving pages to others."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from medspace.connector import journal, wire
from medspace.connector.catalogue import figures, query, rules
from medspace.connector.errors import FilterError, UnknownDatasetError
from medspace.connector.local import Local
from medspace.connector.model import CATALOGUE, Dataset
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid

SELECTED = 500  # the most datasets that a query returns
SCANNED = 500  # datasets that are scanned per read
MOST_SCANNED = 20_000


@dataclass(frozen=True, slots=True)
class CataloguePage:
    """A page of the catalogue: the dcat:Catalog as JSON bytes, and its Link header."""

    content: bytes
    links: str | None


def publish(tx: Transaction, local: Local, dataset: Dataset, available: Collection[str], by: str = NOBODY) -> Dataset:
    """Offer a dataset, or offer it on new terms; each offer writes an entry to the log.

    `available` are the formats that an engine or a data plane here serves. `published` and `body` are set here.

    Raises:
        OfferError: it could not be served as its offers promise.
    """
    rules.check(dataset, available)
    made = replace(dataset, published=local.now(), body=_encoded(local, dataset))
    old = tx.get(CATALOGUE, dataset.id)
    if old is None:
        tx.insert(CATALOGUE, made)
    else:
        tx.replace(CATALOGUE, old, made)
    for offer in dataset.offers:
        journal.note_offer(tx, local.did, made, offer, by)
    return made


def show_reach(tx: Transaction, local: Local, asset: str, counts: Mapping[str, int]) -> None:
    """Have the catalogue say how many patients each purpose reaches by consent; the terms stay as they are."""
    figures.reach(tx, asset, counts)
    old = tx.get(CATALOGUE, asset)
    if old is not None:
        new = replace(old, figures=figures.with_reach(old.figures, counts))
        tx.replace(CATALOGUE, old, replace(new, body=_encoded(local, new)))


def _encoded(local: Local, dataset: Dataset) -> str:
    return wire.encode(rules.body(dataset, rules.service_id(local.did))).decode()


def withdraw(tx: Transaction, local: Local, asset: str, by: str = NOBODY) -> None:
    """Stop offering a dataset; existing agreements stay.

    Raises:
        UnknownDatasetError: it is not offered.
    """
    old = tx.get(CATALOGUE, asset)
    if old is None:
        raise UnknownDatasetError(dataset=asset)
    tx.delete(CATALOGUE, old)
    journal.note_withdrawal(tx, local.now(), local.did, asset, by)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What other participants may read, `page_size` datasets at a time."""

    database: Database
    local: Local
    page_size: int = rules.PAGE
    scans: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def request(self, content: bytes, after: str | None = None, before: str | None = None) -> CataloguePage:
        """A page of the catalogue: the first one, the one after or before a dataset, or the result of a query.

        Raises:
            MessageError: the request cannot be read.
            FilterError: its filter cannot be evaluated.
        """
        wanted = query.read(wire.read(content, "CatalogRequestMessage").body.get("filter"))
        if wanted.plain and wanted.limit != 0:
            return await self.page(after, before, wanted.limit)
        async with self.scans:
            return await self._selected(wanted)

    async def page(
        self, after: str | None = None, before: str | None = None, limit: int | None = None
    ) -> CataloguePage:
        """A page, in the order of identities; its cost does not depend on the size of the catalogue."""
        size = min(limit or self.page_size, self.page_size)
        found = await self.database.read(
            lambda tx: tx.find(
                CATALOGUE,
                after=after if before is None else before,
                descending=before is not None,
                limit=size + 1,
            )
        )
        datasets = rules.fitting(found[:size])
        further = len(found) > len(datasets)
        if before is not None:
            datasets.reverse()
        more, earlier = (further, after is not None) if before is None else (True, further)
        return CataloguePage(
            rules.catalogue(self.local.did, self.local.address, [dataset.body for dataset in datasets]),
            rules.links(self.local.address, datasets, more=more, earlier=earlier),
        )

    async def _selected(self, wanted: query.Query) -> CataloguePage:
        """The result of a query; only keys, and the bodies that are shown, are held in memory."""
        size = self.page_size if wanted.limit is None else min(wanted.limit, SELECTED)
        keys: list[tuple[str, str]] = []
        after: str | None = None
        for _ in range(MOST_SCANNED // SCANNED):  # one read per chunk, so that other readers get their turn
            found, after = await self.database.read(lambda tx, after=after: _scan(tx, wanted, after))  # type: ignore[misc]
            keys += found
            if after is None:
                break
        else:
            raise FilterError(reason=Text(msgid("it has more than {most} datasets"), {"most": MOST_SCANNED}))
        keys.sort(reverse=wanted.descending)
        chosen = [identity for _, identity in keys[wanted.offset : wanted.offset + size]]
        shown = await self.database.read(lambda tx: [tx.get(CATALOGUE, identity) for identity in chosen])
        bodies = [dataset.body for dataset in shown if dataset is not None]
        return CataloguePage(rules.catalogue(self.local.did, self.local.address, bodies), None)

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


def _scan(tx: Transaction, wanted: query.Query, after: str | None) -> tuple[list[tuple[str, str]], str | None]:
    """The keys of the matches in one chunk of datasets, and where the next chunk begins."""
    chunk = tx.find(CATALOGUE, after=after, limit=SCANNED)
    keys = [wanted.key(dataset) for dataset in chunk if wanted.matches(dataset)]
    return keys, chunk[-1].id if len(chunk) == SCANNED else None
