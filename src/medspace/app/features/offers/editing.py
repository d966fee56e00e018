"""Editing offers in the configuration file: the new text is checked as at a start before it replaces the file."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex

import msgspec

from medspace.adapters.filenames import absolute
from medspace.adapters.oswords import why
from medspace.adapters.ownership import read_owned, replace_owned, write_owned
from medspace.adapters.toml_editing import Place, appended, changed
from medspace.app.node.config import LARGEST_FILE, Asset, Config, ConfigError, read_config
from medspace.app.node.holdings import Holding, Prepared
from medspace.app.node.offering.loosening import TermChange, beside, check_seen, seen_of_all
from medspace.app.node.offering.origins import Origin, source_of
from medspace.app.node.offering.wishes import (
    LONGEST_TEXT,
    MOST,
    MOST_SITES,
    WishError,
    Wishes,
    check,
    check_number,
    end,
    identity,
    questions,
)
from medspace.app.node.offering.writing import asset_block, drafted_of, form_of, own_dictionary, told_of
from medspace.connector.catalogue import figures
from medspace.connector.catalogue.figures import PUBLISHABLE
from medspace.connector.catalogue.rules import check_id
from medspace.connector.errors import UnknownDatasetError
from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import Clock
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid
from medspace.policy.templates import TEMPLATES
from medspace.privacy.figures import DatasetFigures, figures_of


class DatasetTakenError(InvalidInputError):
    """A dataset with that name exists already."""

    code = "offer.taken"
    sentence = msgid("There is a dataset {dataset} already.")
    next_step = msgid("Give the new one another name with --id, or change that one with `medspace offer change`.")


class OfferUnclearError(InvalidInputError):
    """The dataset has several offers, and none was chosen."""

    code = "offer.unclear"
    sentence = msgid("The dataset {dataset} has {count} offers, and the offer was not named or does not exist.")
    next_step = msgid("Name it with --offer, counted from 1, as `medspace offers` lists them.")


class ChangeUnknownError(InvalidInputError):
    """No change was given."""

    code = "offer.change"
    sentence = msgid("Nothing to change was given.")
    next_step = msgid("Give at least one of --until, --count, --min-sites, --questions, --publish, --terms.")


class OfferFileEditedError(InvalidInputError):
    """The configuration says of datasets what is not in force: it would take effect along with a change, unshown."""

    code = "offer.edited"
    sentence = msgid(
        "The configuration file, or a dictionary that it names, was edited by hand, and that is not in force yet: "
        "{datasets}."
    )
    next_step = msgid("`medspace offers reload` puts it in force, and tells what that changes; then do this again.")


@dataclass(frozen=True, slots=True)
class CopiedTerms:
    """The terms of a template of one's own, for an offer."""

    template: str
    terms: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class NewOffer:
    """A file to offer: its name and title, with an existing dictionary or one to be drafted.

    `copied` are terms that take the place of the usual ones; an end that was wished for stays.
    """

    wishes: Wishes
    name: str = ""
    title: str = ""
    dictionary: str = ""  # a file; drafted where none is named
    dry: bool = False  # only say what would be published
    seen: str = ""  # the digest of what it allows beyond the offers of the same table, as it was shown
    copied: CopiedTerms | None = None


@dataclass(frozen=True, slots=True)
class OfferChanges:
    """The changes to an offer; None leaves a value as it is, and a `count` of 0 removes the limit."""

    until: str | None = None
    count: int | None = None
    min_sites: int | None = None
    questions: int | None = None
    offer: int = 0  # which one, from 1; 0 where there is only one
    publish: tuple[str, ...] | None = None  # what the catalogue says of its content; () is nothing
    copied: CopiedTerms | None = None  # the terms of a template, in place of those of the offer
    loosen: tuple[str, ...] = ()  # the terms that may protect less than before
    seen: str = ""  # the digest of the changes that were shown when that was confirmed


@dataclass(frozen=True, slots=True)
class Written:
    """A configuration with one more dataset; `files` are new files beside it, by their paths."""

    text: str
    dataset: str
    files: Mapping[Path, str]
    told: JsonObject


def read_text(file: Path) -> str:
    """The text of the configuration.

    Raises:
        FileExposedError, FileForeignError: others can change it.
        OSError: it cannot be read.
    """
    return read_owned(file, LARGEST_FILE).decode("utf-8")


def with_dataset(file: Path, config: Config, new: NewOffer, clock: Clock) -> Written:
    """The configuration with one more dataset at its end. Blocking: the rows are read if a dictionary is drafted.

    Raises:
        WishError, PersonUnknownError, FewPersonsError: as `medspace init`.
        DatasetTakenError: there is one with that name.
        TableUnreadableError, TableRefusedError: the file cannot be read.
        TomlEditError: nothing can be appended to the file as it is.
        OfferLoosenedError, OfferMovedError: the same table is offered already, on terms that protect its patients
            more, and `new.seen` does not stand for what differs.
    """
    wishes = new.wishes
    check(wishes)
    until, source = end(wishes, clock), _source(wishes)
    taken = {asset.id for asset in config.assets}
    name, title = new.name or identity(wishes.title, taken), new.title or wishes.title
    _check_texts(name, title, new.dictionary)
    check_id(name)
    if name in taken:
        raise DatasetTakenError(dataset=name)
    files: dict[Path, str] = {}
    dictionary, asked, usual = f"{identity(name)}.dictionary.toml", wishes.questions, None
    own = absolute(config.path(new.dictionary)) if new.dictionary else None
    if own is not None:
        there, told = own_dictionary(wishes, own), told_of(None)
        form = there.form
        if own.parent == absolute(config.path(".")):
            dictionary = own.name
        else:  # a copy beside the configuration: the folder of the connector holds all that it needs
            files[config.path(dictionary)] = there.text
    else:
        drafted, told = drafted_of(wishes, written=not new.dry)
        asked, usual = questions(wishes, drafted.persons), questions(replace(wishes, questions=None), drafted.persons)
        files[config.path(dictionary)] = drafted.toml
        form = form_of(drafted.table, drafted.dialect, wishes.draft.password)
    block = asset_block(
        wishes,
        name=name,
        title=title,
        source=source_of(source),
        dictionary=dictionary,
        until=until,
        asked=asked,
        form=form,
        publish=publishable(wishes.publish),
    )
    text = appended(read_text(file), block, str(file))
    if new.copied is not None:
        text = changed(text, _copied(len(config.assets), new.copied, until if wishes.until else ""), str(file))
    looser = _same_table(config, text, name)
    if not new.dry:
        check_seen(looser, new.seen)
    review = [] if new.dry or own is not None else [str(one) for one in files]
    told |= {"questions": asked, "usual_questions": usual, "to_review": review, "dry": new.dry}
    if new.dry:
        told |= {"changes": _told(looser), "seen": seen_of_all(looser)}
    return Written(text, name, files, told)


def _copied(at: int, copied: CopiedTerms, until: str) -> dict[Place, Json]:
    """The terms of a new dataset, and its label, which allows what they allow and nothing else."""
    label, terms = ("assets", at, "label"), ("assets", at, "offers", 0, "terms")
    ends = {"until": until} if until else {}
    values: dict[Place, Json] = {("assets", at, "offers", 0, "template"): copied.template}
    values |= {(*terms, name): value for name, value in {**copied.terms, **ends}.items()}
    values[*label, "kinds"] = list(TEMPLATES[copied.template].permits)
    for name in ("purposes", "regions"):
        if name in copied.terms:
            values[*label, name] = copied.terms[name]
    last = until or copied.terms.get("until")
    return values | ({(*label, "valid_until"): last} if last else {})


def _same_table(config: Config, text: str, name: str) -> dict[str, list[TermChange]]:
    """What a new dataset allows beyond each that offers the same table: its patients are the same."""
    written = msgspec.toml.decode(text, type=Config)
    _, new = found(written, name)
    where = _table(config, new)
    same = (one for one in config.assets if _table(config, one) == where)
    return {one.id: beside(one, new) for one in same}


def _table(config: Config, asset: Asset) -> tuple[str, str]:
    """Where the rows of a dataset are, however the source says of which form the file is (`csv:`)."""
    if "://" in asset.source:
        return asset.source, asset.table
    return str(absolute(config.path(asset.source.rpartition(":")[2]))), asset.table


def _told(looser: Mapping[str, Sequence[TermChange]]) -> list[JsonObject]:
    """Each change, and the dataset that it is compared with; the sentences are texts in the caller's language."""
    return [
        {"dataset": dataset, "term": one.term, "loosens": one.loosens, "sentence": one.sentence}
        for dataset, terms in looser.items()
        for one in terms
    ]


def shown_of(holding: Holding, speak: Callable[[Text], str]) -> JsonObject:
    """What everybody would see of a dataset that is new here, and what of its dictionary nobody would."""
    told = figures_of(holding.counts, holding.least) if holding.counts is not None else DatasetFigures()
    return {
        "published": holding.dataset.dictionary,
        "figures": figures.read(figures.shown(told, holding.publish)),
        "unpublished": [speak(one) for one in holding.unpublished],
    }


def _source(wishes: Wishes) -> Origin:
    if wishes.offer is None:
        raise WishError(option="--offer", reason=Text(msgid("no file is named")))
    return wishes.offer


def _check_texts(*texts: str) -> None:
    for text in texts:
        if not text.isprintable() or len(text) > LONGEST_TEXT * 4:
            reason = Text(msgid("it holds a character that cannot be shown, or is too long"))
            raise WishError(option="--id", reason=reason)


def with_changes(file: Path, config: Config, dataset: str, changes: OfferChanges, clock: Clock) -> str:
    """The configuration with other terms of one offer.

    Raises:
        UnknownDatasetError: it has no such dataset.
        OfferUnclearError: the dataset has several offers, and none was chosen.
        ChangeUnknownError: no change was given.
        WishError: a value is not possible.
        TomlEditError: the file cannot be changed there.
    """
    at, asset = found(config, dataset)
    number = which(asset, changes.offer)
    values: dict[Place, Json] = {}
    terms = ("assets", at, "offers", number, "terms")
    if changes.copied is not None:
        values |= {(*terms[:-1], "template"): changes.copied.template, terms: dict(changes.copied.terms)}
    if changes.until is not None:
        values[*terms, "until"] = end(Wishes("", 1, until=changes.until), clock)
    if changes.count is not None:
        values[*terms, "count"] = _within("--count", changes.count, 0, MOST) or None
    if changes.min_sites is not None:
        values[*terms, "min_sites"] = _within("--min-sites", changes.min_sites, 1, MOST_SITES)
    if changes.questions is not None:
        values["assets", at, "questions"] = _within("--questions", changes.questions, 0, MOST)
    if changes.publish is not None:
        values["assets", at, "publish"] = publishable(changes.publish) or None
    if not values:
        raise ChangeUnknownError
    return changed(read_text(file), values, str(file))


def publishable(said: Sequence[str]) -> list[str]:
    """What a catalogue may say of the content of a dataset, each once, in one order.

    Raises:
        WishError: something else was named.
    """
    if set(said) - set(PUBLISHABLE):
        reason = Text(msgid("what can be published is {known}"), {"known": ", ".join(PUBLISHABLE)})
        raise WishError(option="--publish", reason=reason)
    return [name for name in PUBLISHABLE if name in said]


def with_offered(file: Path, config: Config, dataset: str, *, offered: bool) -> str:
    """The configuration with a dataset offered, or withdrawn.

    Raises:
        UnknownDatasetError: there is no such dataset in it.
        TomlEditError: the file cannot be changed there.
    """
    at, _ = found(config, dataset)
    return changed(read_text(file), {("assets", at, "offered"): None if offered else False}, str(file))


def found(config: Config, dataset: str) -> tuple[int, Asset]:
    """Which of the datasets of the configuration it is.

    Raises:
        UnknownDatasetError: none of them.
    """
    for at, asset in enumerate(config.assets):
        if asset.id == dataset:
            return at, asset
    raise UnknownDatasetError(dataset=dataset)


def check_unedited(held: Iterable[Prepared], wanted: Iterable[Prepared], but: str = "") -> None:
    """Refuse a configuration that says anything else than what is held, except of the dataset that is changed.

    Raises:
        OfferFileEditedError: it does.
    """
    old, new = ({one.id: (one.configured, one.dictionary) for one in these} for these in (held, wanted))
    differ = sorted(one for one in (old.keys() | new.keys()) - {but} if old.get(one) != new.get(one))
    if differ:
        raise OfferFileEditedError(datasets=", ".join(differ))


def which(asset: Asset, said: int) -> int:
    """Which of the offers of a dataset is meant, from 0; `said` counts from 1, and is 0 where there is only one.

    Raises:
        OfferUnclearError: there are several, or not so many.
    """
    count = len(asset.offers)
    if (said == 0 and count != 1) or said > count:
        raise OfferUnclearError(dataset=asset.id, count=count)
    return max(said, 1) - 1


def _within(option: str, number: int, least: int, most: int) -> int:
    check_number(option, number, least, most)
    return number


@contextmanager
def replacing(
    file: Path, text: str, files: Mapping[Path, str] | None = None, *, dry: bool = False
) -> Iterator[Config]:
    """Another text of the configuration, read as at a start; it takes the file's place once all in here went well.

    `dry`: it never does, and nothing of it stays.

    Raises:
        MedspaceError: as `read_config`, on the text; the file stays as it was.
        ConfigError: a file cannot be written, or one of the new `files` exists already.
    """
    draft = file.with_name(f".{file.name}.{token_hex(8)}")
    made: list[Path] = []
    try:
        for path, content in (files or {}).items():
            _write(path, content)
            made.append(path)
        _write(draft, text)
        yield msgspec.structs.replace(read_config(draft), file=file.name)
        if not dry:
            replace_owned(file, draft)
            made.clear()
    except BaseException as error:
        if isinstance(error, OSError):
            raise ConfigError(file=str(file), reason=why(error)) from error
        raise
    finally:
        for path in (*made, draft):
            path.unlink(missing_ok=True)


def _write(path: Path, content: str) -> None:
    try:
        write_owned(path, content)
    except FileExistsError as error:
        reason = Text(msgid("it is there already; give the dataset another name, or name it with --dictionary"))
        raise ConfigError(file=str(path), reason=reason) from error
