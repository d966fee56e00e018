"""The assets of the configuration: labels and offers built, content checked against dictionaries, published.

Everything that needs no content is checked first, and refused at once; opening content may take long.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import ceil

from medspace.adapters.oswords import why
from medspace.adapters.ownership import read_owned
from medspace.app.node.budgets import check_delta, limits_of, offered
from medspace.app.node.config import LARGEST_FILE, Asset, Config, ConfigError
from medspace.app.node.placing import placed
from medspace.app.node.sources import SCHEMES, Location, Open, Scheme, locate
from medspace.connector.catalogue import figures
from medspace.connector.catalogue.rules import check
from medspace.connector.catalogue.service import publish, withdraw
from medspace.connector.local import Local
from medspace.connector.model import CATALOGUE, Dataset
from medspace.connector.usage import accounts, brakes, disclosures, labelling
from medspace.connector.usage.model import LABELS, BudgetLimits
from medspace.core.actors import CONFIGURATION, NOBODY
from medspace.core.canonical import Json, JsonObject
from medspace.core.dictionary import Dictionary, DictionaryError, describe, parse
from medspace.core.hashing import digest
from medspace.core.material import Checked, Form
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.policy import carried, labels, templates
from medspace.policy.actions import COMPUTED, action_of, covers, touches
from medspace.policy.errors import UnknownSourceError
from medspace.privacy.figures import PatientCounts
from medspace.privacy.publication import LEAST
from medspace.runs.model import MODELS

PAGE = 500  # datasets per read


class DictionaryFileError(DictionaryError):
    """The data dictionary of an asset is wrong."""

    sentence = msgid("The data dictionary {file} cannot be used: {reason}.")


@dataclass(frozen=True, slots=True)
class Holding:
    """One checked asset: its catalogue entry, its label and its content.

    `unpublished` tells the holder which parts of the dictionary the catalogue does not show.
    """

    dataset: Dataset
    label: JsonObject
    checked: Checked
    questions: int = 0  # that it answers a year, all users together
    unpublished: tuple[Text, ...] = ()
    least: int = LEAST  # persons that the strictest of its offers requires behind a result, at least ten
    numbers: int = 0  # that may leave it in all, all users together
    cells: int = 0  # persons, times the columns of the dictionary except the one that names the person
    publish: tuple[str, ...] = ()  # what the catalogue says of its content beside the dictionary
    counts: PatientCounts | None = None  # what that is rounded from; None where nothing is published

    def small_cells(self) -> Mapping[tuple[str, str], int]:
        """By pairs of columns, the pairs of codes that too few persons have; the first answer tells their sums."""
        return self.checked.small_cells(self.least)


@dataclass(frozen=True, slots=True)
class Prepared:
    """One asset of the configuration, parsed, before any of its content is opened.

    `dataset` has no dictionary and no content digest yet; `described` identifies what they will be built from.
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
    configured: Asset | None = None

    @property
    def id(self) -> str:
        """The asset."""
        return self.dataset.id

    @property
    def offered(self) -> bool:
        """Whether it is to appear in the catalogue; a withdrawn one still serves existing agreements."""
        return self.configured is None or self.configured.offered

    @property
    def publish(self) -> tuple[str, ...]:
        """What the catalogue says of its content beside the dictionary, rounded."""
        return () if self.configured is None else self.configured.publish

    def same_content(self, other: "Prepared") -> bool:
        """Whether both name the same content with the same dictionary, so that open content can stay open."""
        one, two = ((p.form, p.dictionary, p.location, p.opener) for p in (self, other))
        return one == two

    def open(self) -> Holding:
        """Read and check its content. Blocking.

        Raises:
            MedspaceError: it cannot be used; a `WaitingError` where it may come back without intervention.
        """
        return self.holding(self.opener(self.location, self.dictionary))

    def holding(self, checked: Checked) -> Holding:
        """The asset with a content that was read and checked. Blocking.

        Raises:
            AssetBudgetError: its budget would allow disclosing everything about one of this many persons.
        """
        check_delta(self.id, self.budget, checked.persons)
        shown = checked.published(self.least)
        dataset = replace(self.dataset, dictionary=describe(shown.dictionary), digest=checked.digest)
        questions = brakes.by_default(checked.persons) if self.questions is None else self.questions
        named = sum(column.name != self.dictionary.person for column in self.dictionary.columns)
        cells = checked.persons * named
        numbers = disclosures.by_default(cells) if self.numbers is None else self.numbers
        return Holding(
            dataset,
            self.label,
            checked,
            questions,
            shown.unpublished,
            self.least,
            numbers=numbers,
            cells=cells,
            publish=self.publish,
            counts=self._counted(checked, shown.dictionary) if self.publish else None,
        )

    def _counted(self, checked: Checked, shown: Dictionary) -> PatientCounts:
        """What is told of the content, of columns that everybody may know of and that may lack values."""
        names = {column.name for column in shown.columns if not column.required}
        missing = {name: count for name, count in checked.missing().items() if name in names}
        return PatientCounts(checked.persons, missing)


def prepare(
    config: Config, schemes: Mapping[str, Scheme] = SCHEMES, kinds: Collection[str] = COMPUTED
) -> tuple[Prepared, ...]:
    """Parse and check every asset of the configuration; no content is opened.

    `kinds` are the kinds of use that this connector serves; only terms that they can keep may be offered.

    Raises:
        ConfigError: a dictionary is missing or too large.
        FileExposedError, FileForeignError: others can change a dictionary, which decides what is published.
        DictionaryError, SchemeUnknownError: a dictionary or an address has no meaning.
        InvalidLabelError, UnknownTemplateError, InvalidTermsError: the terms have no meaning.
        UnservedTemplateError: an offer permits a use that nothing here serves.
    """
    return tuple(_prepare(config, asset, schemes, kinds) for asset in config.assets)


def open_holdings(config: Config, schemes: Mapping[str, Scheme] = SCHEMES) -> tuple[Holding, ...]:
    """Read and check every asset of the configuration. Blocking.

    Raises:
        MedspaceError: as `prepare` and `Prepared.open`.
    """
    return tuple(prepared.open() for prepared in prepare(config, schemes))


def _prepare(config: Config, asset: Asset, schemes: Mapping[str, Scheme], kinds: Collection[str]) -> Prepared:
    scheme, location = locate(asset, config.path, schemes)
    with placed(config, asset, "budget"):
        budget = limits_of(asset)
    dictionary, least = _dictionary(config, asset), _least(asset)
    with placed(config, asset, "label"):
        label = labels.parse(dict(asset.label))
    written = labels.write(label) if label else {}
    for offered_as in asset.offers:
        templates.check_offerable(offered_as.template, kinds)
    offers = tuple(_offers(config, asset))
    dataset = Dataset(
        id=asset.id,
        title=asset.title,
        description=asset.description,
        keywords=asset.keywords,
        offers=offers,
        formats=_formats(offers, kinds),
        label=digest(written),
        published="",
        described=digest({"dictionary": dictionary.digest, "left_out": list(dictionary.left_out), "least": least}),
    )
    form, opener = scheme.form, scheme.open
    return Prepared(
        dataset, written, form, dictionary, least, asset.questions, location, opener, asset.numbers, budget, asset
    )


# --- the catalogue --------------------------------------------------------------------------------------------------
def arrange(
    tx: Transaction, local: Local, wanted: Sequence[Prepared], kinds: Collection[str], by: str = NOBODY
) -> None:
    """Bring labels and catalogue into line with the configuration, as far as that needs no content.

    `by` is who had the configuration read. Assets that are no longer configured are withdrawn. Assets that were
    published before stay, on the current terms; if its dictionary was changed, an asset is withdrawn until it is
    known which parts of the dictionary may be shown.

    Raises:
        OfferError, DatasetIdError: an asset could not be served as its offers promise.
    """
    for prepared in wanted:
        check(prepared.dataset, kinds)
    ids = {prepared.id for prepared in wanted}
    for asset in _offered(tx):
        if asset not in ids:
            withdraw(tx, local, asset, by)
            labelling.configure(tx, local, asset, None, by)
    budgets = {prepared.id: prepared.budget for prepared in wanted}
    for asset in {*budgets, *(account.id for account in accounts.configured(tx))}:
        accounts.configure(tx, local, asset, budgets.get(asset), by or CONFIGURATION)
    for prepared in wanted:
        label = labelling.configure(tx, local, prepared.id, prepared.label, by, _source(tx, prepared))
        old = tx.get(CATALOGUE, prepared.id)
        if old is not None and (not prepared.offered or old.described not in ("", prepared.dataset.described)):
            withdraw(tx, local, prepared.id, by)
        elif old is not None:
            told = figures.with_reach(figures.chosen(old.figures, prepared.publish), figures.reached(tx, prepared.id))
            shown = replace(prepared.dataset, dictionary=old.dictionary, digest=old.digest, figures=told)
            _offer(tx, local, replace(shown, label=digest(label)), kinds, by)


def _source(tx: Transaction, prepared: Prepared) -> JsonObject | None:
    """The strictest of the labels that the models carry of which an asset was made; None where it was made of none.

    Raises:
        UnknownSourceError: one of them is not kept here.
    """
    named = () if prepared.configured is None else prepared.configured.made_from
    found: list[JsonObject] = []
    for name in named:
        model = tx.get(MODELS, name)
        if model is None:
            raise UnknownSourceError(asset=prepared.id, model=name)
        found.append(model.lineage.carried or carried.CLOSED)
    return carried.strictest(found) if named else None


def offer(tx: Transaction, local: Local, holding: Holding, kinds: Collection[str], by: str = NOBODY) -> None:
    """Publish an asset that was checked, if anything about it is new.

    Raises:
        OfferError, DatasetIdError: it could not be served as its offers promise.
    """
    labelled = tx.get(LABELS, holding.dataset.id)
    label = digest(labelled.label if labelled else {})
    dataset = replace(holding.dataset, label=label)
    if holding.counts is not None:
        rounded = figures.rounded(tx, dataset.id, holding.counts, holding.least)
        dataset = replace(dataset, figures=figures.shown(rounded, holding.publish))
    dataset = replace(dataset, figures=figures.with_reach(dataset.figures, figures.reached(tx, dataset.id)))
    _offer(tx, local, dataset, kinds, by)


def note_limits(tx: Transaction, local: Local, old: Prepared | None, new: Prepared, by: str = NOBODY) -> None:
    """Record a change in how many questions an asset answers, or how many numbers it may release."""
    before = (None, None) if old is None else (old.questions, old.numbers)
    if before != (new.questions, new.numbers):
        facts = {"asset": new.id, "questions": new.questions, "numbers": new.numbers, "by": by or None}
        said: JsonObject = {name: value for name, value in facts.items() if value is not None}
        record(tx, Entry("questions.limited", local.now(), local.did, said))


def refuse(tx: Transaction, local: Local, asset: str) -> None:
    """Withdraw an asset whose content cannot be used from the catalogue; its label and agreements stay."""
    if tx.get(CATALOGUE, asset) is not None:
        withdraw(tx, local, asset)


def _offer(tx: Transaction, local: Local, dataset: Dataset, kinds: Collection[str], by: str) -> None:
    old = tx.get(CATALOGUE, dataset.id)
    if old is None or _terms(old) != _terms(dataset):
        publish(tx, local, dataset, kinds, by)
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
    """The minimum number of persons behind anything in the catalogue: ten, or what the strictest offer requires.

    Anyone can read the catalogue without a contract, so an offer with a lower minimum does not lower it.
    """
    return max([LEAST, *(_persons(offer.terms.get("min_cohort")) for offer in asset.offers)])


def _persons(stated: Json) -> int:
    """A number of persons in any form that terms accept: 50, 50.0 or "50"; `templates.build_from` refuses others."""
    try:
        return ceil(Decimal(str(stated)))
    except (ArithmeticError, ValueError):
        return 0


def _dictionary(config: Config, asset: Asset) -> Dictionary:
    path = config.path(asset.dictionary)
    try:
        content = read_owned(path, LARGEST_FILE)
        if len(content) > LARGEST_FILE:
            raise ConfigError(file=str(path), reason=Text(msgid("it is larger than 1 MiB")))
        return parse(content)
    except OSError as error:
        raise ConfigError(file=str(path), reason=why(error)) from error
    except DictionaryError as error:
        raise DictionaryFileError(file=str(path), reason=error.facts["reason"]) from error


def _offers(config: Config, asset: Asset) -> Sequence[JsonObject]:
    return [_offer_of(config, asset, at) for at in range(len(asset.offers))]


def _offer_of(config: Config, asset: Asset, at: int) -> JsonObject:
    offer, identity = asset.offers[at], f"{config.did}:offer:{asset.id}:{at + 1}"
    part = "terms" if offer.template in templates.TEMPLATES else "template"
    with placed(config, asset, "offers", at, part):
        return templates.build_from(offer.template, offered(asset, offer), identity)


def _formats(offers: Sequence[JsonObject], kinds: Collection[str]) -> tuple[str, ...]:
    """The kinds of use, among those served, that at least one of the offers permits: one distribution each."""
    return tuple(sorted(kind for kind in kinds if any(_permits(offer, action_of(kind)) for offer in offers)))


def _permits(offer: JsonObject, action: str) -> bool:
    allowed, barred = ([rule["action"] for rule in offer.get(name, ())] for name in ("permission", "prohibition"))
    return any(covers(one, action) for one in allowed) and not any(touches(one, action) for one in barred)
