"""The assets of the configuration: tables checked against their dictionaries, labels and offers made, published."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medspace.adapters.ownership import read_owned
from medspace.app.config import LARGEST_FILE, Asset, Config, ConfigError
from medspace.connector.catalogue.service import publish, withdraw
from medspace.connector.local import Local
from medspace.connector.model import CATALOGUE, Dataset
from medspace.connector.usage import brakes, labelling
from medspace.core.canonical import JsonObject
from medspace.core.dictionary import Dictionary, describe, parse
from medspace.core.hashing import digest
from medspace.core.material import Source
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.policy import labels, templates
from medspace.policy.actions import COMPUTED, covers
from medspace.privacy.publication import LEAST

if TYPE_CHECKING:
    from medspace.adapters.duckdb.source import Table

PAGE = 500  # datasets read at once


@dataclass(frozen=True, slots=True)
class Holding:
    """One asset, checked: how it stands in the catalogue, under which label, with which rows.

    `unpublished` says, to the holder, what of the dictionary the catalogue does not show.
    """

    dataset: Dataset
    label: JsonObject
    table: "Table"
    questions: int = 0  # that it answers a year, all users together
    unpublished: tuple[Text, ...] = ()
    least: int = LEAST  # persons that the strictest of its offers wants behind a result, ten at least

    def small_cells(self) -> int:
        """How many pairs of codes too few of its persons have; the first answer to a task tells their sums."""
        from medspace.adapters.duckdb.publishing import small_cells  # noqa: PLC0415 - see _open

        return small_cells(self.table, self.least)


@dataclass(frozen=True, slots=True)
class Holdings:
    """All assets of a connector."""

    held: tuple[Holding, ...]

    @property
    def sources(self) -> Mapping[str, Source]:
        """Where the rows of each asset are opened."""
        if not self.held:
            return {}
        from medspace.adapters.duckdb.source import TableSource  # noqa: PLC0415 - see _open

        source = TableSource({holding.dataset.id: holding.table for holding in self.held})
        return {holding.dataset.id: source for holding in self.held}

    @property
    def questions(self) -> Mapping[str, int]:
        """How many questions each asset answers a year, all users together."""
        return {holding.dataset.id: holding.questions for holding in self.held}

    def small_cells(self, asset: str) -> int:
        """How many pairs of codes too few persons of an asset have; 0 where it has no rows here."""
        return sum(holding.small_cells() for holding in self.held if holding.dataset.id == asset)

    async def publish(self, database: Database, local: Local, kinds: Collection[str]) -> None:
        """Bring the catalogue into line with the configuration: publish what is new or changed, withdraw the rest."""
        await database.write(lambda tx: self._publish(tx, local, kinds))

    def _publish(self, tx: Transaction, local: Local, kinds: Collection[str]) -> None:
        wanted = {holding.dataset.id for holding in self.held}
        for asset in _offered(tx):
            if asset not in wanted:
                withdraw(tx, local, asset)
                labelling.configure(tx, local, asset, None)
        for holding in self.held:
            label = labelling.configure(tx, local, holding.dataset.id, holding.label)
            dataset = replace(holding.dataset, label=digest(label))
            old_dataset = tx.get(CATALOGUE, dataset.id)
            if old_dataset is None or _terms(old_dataset) != _terms(dataset):
                publish(tx, local, dataset, kinds)


def _terms(dataset: Dataset) -> Dataset:
    return replace(dataset, published="", body="")


def _offered(tx: Transaction) -> list[str]:
    """The identities of all published datasets."""
    found: list[str] = []
    while True:
        page = tx.find(CATALOGUE, after=found[-1] if found else None, limit=PAGE)
        found += [dataset.id for dataset in page]
        if len(page) < PAGE:
            return found


def open_holdings(config: Config) -> Holdings:
    """Read and check every asset of the configuration.

    Raises:
        ConfigError: a dictionary is missing or too large.
        FileExposedError, FileForeignError: others can change a dictionary, which decides what is published.
        DictionaryError, TableUnreadableError, TableRefusedError: the data are not as described.
        InvalidLabelError, UnknownTemplateError, InvalidTermsError: the terms have no meaning.
    """
    return Holdings(tuple(_open(config, asset) for asset in config.assets))


def _open(config: Config, asset: Asset) -> Holding:
    from medspace.adapters.duckdb.publishing import published  # noqa: PLC0415 - as below
    from medspace.adapters.duckdb.source import load  # noqa: PLC0415 - who offers nothing needs neither duckdb nor numpy

    table = load(config.path(asset.source), _dictionary(config, asset), asset.table)
    least = _least(asset)
    shown = published(table, least)
    label = labels.parse(dict(asset.label))
    written = labels.write(label) if label else {}
    offers = tuple(_offers(config, asset))
    dataset = Dataset(
        id=asset.id,
        title=asset.title,
        description=asset.description,
        keywords=asset.keywords,
        offers=offers,
        formats=_formats(offers),
        label=digest(written),
        published="",
        dictionary=describe(shown.dictionary),
        digest=table.digest,
    )
    questions = brakes.by_default(table.persons) if asset.questions is None else asset.questions
    return Holding(dataset, written, table, questions, shown.unpublished, least)


def _least(asset: Asset) -> int:
    """How many persons must have what the catalogue says: ten, or as many as the strictest of the offers wants.

    Everybody reads the catalogue, without a contract; so an offer that wants fewer does not lower it.
    """
    stated = (offer.terms.get("min_cohort") for offer in asset.offers)
    return max([LEAST, *(number for number in stated if isinstance(number, int))])


def _dictionary(config: Config, asset: Asset) -> Dictionary:
    path = config.path(asset.dictionary)
    try:
        content = read_owned(path, LARGEST_FILE)
        if len(content) > LARGEST_FILE:
            raise ConfigError(file=str(path), reason=Text(msgid("it is larger than 1 MiB")))
        return parse(content.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(file=str(path), reason=str(error)) from error


def _offers(config: Config, asset: Asset) -> Sequence[JsonObject]:
    return [
        templates.build(offer.template, offer_id=f"{config.did}:offer:{asset.id}:{at}", **offer.terms)
        for at, offer in enumerate(asset.offers, start=1)
    ]


def _formats(offers: Sequence[JsonObject]) -> tuple[str, ...]:
    """The kinds of use that the offers permit: one distribution each."""
    actions = {rule["action"] for offer in offers for rule in offer.get("permission", ())}
    return tuple(sorted(kind for kind in COMPUTED if any(covers(action, kind) for action in actions)))
