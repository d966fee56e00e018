"""The assets of the configuration: labels and offers made, content checked against dictionaries, published.

All that needs no content is understood before anything is opened, and refused at once; opening may take long.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from medspace.adapters.ownership import read_owned
from medspace.app.budgets import check_delta, limits_of, offered
from medspace.app.config import LARGEST_FILE, Asset, Config, ConfigError
from medspace.app.sources import SCHEMES, Location, Open, Scheme, locate
from medspace.connector.catalogue.rules import check
from medspace.connector.catalogue.service import publish, withdraw
from medspace.connector.local import Local
from medspace.connector.model import CATALOGUE, Dataset
from medspace.connector.usage import accounts, brakes, disclosures, labelling
from medspace.connector.usage.model import LABELS, BudgetLimits
from medspace.core.canonical import JsonObject
from medspace.core.dictionary import Dictionary, describe, parse
from medspace.core.hashing import digest
from medspace.core.material import Checked, Form
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.policy import labels, templates
from medspace.policy.actions import COMPUTED, covers
from medspace.privacy.publication import LEAST

PAGE = 500  # datasets read at once


@dataclass(frozen=True, slots=True)
class Holding:
    """One asset, checked: how it stands in the catalogue, under which label, with which content.

    `unpublished` says, to the holder, what of the dictionary the catalogue does not show.
    """

    dataset: Dataset
    label: JsonObject
    checked: Checked
    questions: int = 0  # that it answers a year, all users together
    unpublished: tuple[Text, ...] = ()
    least: int = LEAST  # persons that the strictest of its offers wants behind a result, ten at least
    numbers: int = 0  # that leave it in all, all users together
    cells: int = 0  # persons, times the columns that the dictionary names beside that which says whose a row is

    def small_cells(self) -> int:
        """How many pairs of codes too few of its persons have; the first answer to a task tells their sums."""
        return self.checked.small_cells(self.least)


@dataclass(frozen=True, slots=True)
class Prepared:
    """One asset as the configuration has it, understood, before anything of its content is opened.

    `dataset` has no dictionary and no digest of the content yet; `described` names what they will be made from.
    """

    dataset: Dataset
    label: JsonObject
    form: Form
    dictionary: Dictionary
    least: int
    questions: int | None
    location: Location
    opener: Open
    numbers: int | None = None
    budget: BudgetLimits | None = None

    @property
    def id(self) -> str:
        """The asset."""
        return self.dataset.id

    def open(self) -> Holding:
        """Read and check its content. Blocking.

        Raises:
            MedspaceError: it cannot be used as it is; a `WaitingError` where it may come back by itself.
        """
        checked = self.opener(self.location, self.dictionary)
        check_delta(self.id, self.budget, checked.persons)
        shown = checked.published(self.least)
        dataset = replace(self.dataset, dictionary=describe(shown.dictionary), digest=checked.digest)
        questions = brakes.by_default(checked.persons) if self.questions is None else self.questions
        named = sum(column.name != self.dictionary.person for column in self.dictionary.columns)
        cells = checked.persons * named
        numbers = disclosures.by_default(cells) if self.numbers is None else self.numbers
        return Holding(
            dataset, self.label, checked, questions, shown.unpublished, self.least, numbers=numbers, cells=cells
        )


def prepare(config: Config, schemes: Mapping[str, Scheme] = SCHEMES) -> tuple[Prepared, ...]:
    """Understand every asset of the configuration; no content is opened.

    Raises:
        ConfigError: a dictionary is missing or too large.
        FileExposedError, FileForeignError: others can change a dictionary, which decides what is published.
        DictionaryError, SchemeUnknownError: a dictionary or an address has no meaning.
        InvalidLabelError, UnknownTemplateError, InvalidTermsError: the terms have no meaning.
    """
    return tuple(_prepare(config, asset, schemes) for asset in config.assets)


def open_holdings(config: Config, schemes: Mapping[str, Scheme] = SCHEMES) -> tuple[Holding, ...]:
    """Read and check every asset of the configuration. Blocking.

    Raises:
        MedspaceError: of `prepare` and of `Prepared.open`.
    """
    return tuple(prepared.open() for prepared in prepare(config, schemes))


def _prepare(config: Config, asset: Asset, schemes: Mapping[str, Scheme]) -> Prepared:
    scheme, location = locate(asset, config.path, schemes)
    budget = limits_of(asset)
    dictionary, least = _dictionary(config, asset), _least(asset)
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
        described=digest({"dictionary": dictionary.digest, "left_out": list(dictionary.left_out), "least": least}),
    )
    form, opener = scheme.form, scheme.open
    return Prepared(
        dataset, written, form, dictionary, least, asset.questions, location, opener, asset.numbers, budget
    )


# --- the catalogue --------------------------------------------------------------------------------------------------
def arrange(tx: Transaction, local: Local, wanted: Sequence[Prepared], kinds: Collection[str]) -> None:
    """Bring labels and catalogue into line with the configuration, as far as no content is needed for it.

    What is not configured any more is withdrawn. What was published before stays, on the terms of now; where its
    dictionary was written anew, it is withdrawn until it is known what of that may be shown.

    Raises:
        OfferError, DatasetIdError: an asset could not be served as its offers promise.
    """
    for prepared in wanted:
        check(prepared.dataset, kinds)
    ids = {prepared.id for prepared in wanted}
    for asset in _offered(tx):
        if asset not in ids:
            withdraw(tx, local, asset)
            labelling.configure(tx, local, asset, None)
    budgets = {prepared.id: prepared.budget for prepared in wanted}
    for asset in {*budgets, *(account.id for account in accounts.configured(tx))}:
        accounts.configure(tx, local, asset, budgets.get(asset))
    for prepared in wanted:
        label = labelling.configure(tx, local, prepared.id, prepared.label)
        old = tx.get(CATALOGUE, prepared.id)
        if old is not None and old.described not in ("", prepared.dataset.described):
            withdraw(tx, local, prepared.id)
        elif old is not None:
            shown = replace(prepared.dataset, dictionary=old.dictionary, digest=old.digest)
            _offer(tx, local, shown, label, kinds)


def offer(tx: Transaction, local: Local, holding: Holding, kinds: Collection[str]) -> None:
    """Publish an asset that was checked, where anything of it is new.

    Raises:
        OfferError, DatasetIdError: it could not be served as its offers promise.
    """
    labelled = tx.get(LABELS, holding.dataset.id)
    _offer(tx, local, holding.dataset, labelled.label if labelled else {}, kinds)


def refuse(tx: Transaction, local: Local, asset: str) -> None:
    """Take an asset off the catalogue whose content cannot be used; its label and agreements stay."""
    if tx.get(CATALOGUE, asset) is not None:
        withdraw(tx, local, asset)


def _offer(tx: Transaction, local: Local, dataset: Dataset, label: JsonObject | None, kinds: Collection[str]) -> None:
    dataset = replace(dataset, label=digest(label))
    old = tx.get(CATALOGUE, dataset.id)
    if old is None or _terms(old) != _terms(dataset):
        publish(tx, local, dataset, kinds)
    elif old.described != dataset.described:
        tx.replace(CATALOGUE, old, replace(old, described=dataset.described))


def _terms(dataset: Dataset) -> Dataset:
    return replace(dataset, published="", body="", described="")


def _offered(tx: Transaction) -> list[str]:
    """The identities of all published datasets."""
    found: list[str] = []
    while True:
        page = tx.find(CATALOGUE, after=found[-1] if found else None, limit=PAGE)
        found += [dataset.id for dataset in page]
        if len(page) < PAGE:
            return found


# --- what the configuration says ------------------------------------------------------------------------------------
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
        templates.build(offer.template, offer_id=f"{config.did}:offer:{asset.id}:{at}", **offered(asset, offer))
        for at, offer in enumerate(asset.offers, start=1)
    ]


def _formats(offers: Sequence[JsonObject]) -> tuple[str, ...]:
    """The kinds of use that the offers permit: one distribution each."""
    actions = {rule["action"] for offer in offers for rule in offer.get("permission", ())}
    return tuple(sorted(kind for kind in COMPUTED if any(covers(action, kind) for action in actions)))
