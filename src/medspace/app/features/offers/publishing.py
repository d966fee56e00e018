"""A drafted offer written into the configuration: its reviewed dictionary beside it, its terms as chosen."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from medspace.adapters.duckdb.drafting import Draft
from medspace.adapters.toml_editing import Place, appended, changed
from medspace.app.features.offers.choosing import label_of, terms_of, wishes_of
from medspace.app.features.offers.editing import DatasetTakenError, Written, publishable, read_text
from medspace.app.features.offers.keeping import OfferDraft
from medspace.app.features.offers.looking import options_of
from medspace.app.node.config import Config
from medspace.app.node.offering.wishes import LONGEST_TEXT, WishError, Wishes, end, identity, questions
from medspace.app.node.offering.writing import asset_block, draft_of, form_of, told_of
from medspace.connector.catalogue.rules import check_id
from medspace.core.canonical import Json
from medspace.core.clock import Clock
from medspace.core.errors import InvalidInputError
from medspace.core.hashing import digest, same_secret
from medspace.core.text import Text, msgid


class OfferDraftMovedError(InvalidInputError):
    """What would be published is not what the publisher has seen."""

    code = "offer.draft_moved"
    sentence = msgid("The table, or what was said of it, has changed since this page was opened.")
    next_step = msgid("Look at it again, then publish.")


def named(made: OfferDraft) -> tuple[str, str]:
    """What the dataset is called, and its title: as it was said, or as its file.

    Raises:
        DatasetIdError: it cannot be called so.
        WishError: the title holds what cannot be shown.
    """
    title = made.terms.title or Path(made.name).stem or made.name
    name = made.terms.dataset or identity(Path(made.file).stem)
    check_id(name)
    if not title.isprintable() or len(title) > LONGEST_TEXT:
        reason = Text(msgid("it holds a character that cannot be shown, or is too long"))
        raise WishError(option=Text(msgid("Title")), reason=reason)
    return name, title


def check_free(config: Config, name: str) -> None:
    """Refuse a name that another dataset has.

    Raises:
        DatasetTakenError: one has.
    """
    if any(asset.id == name for asset in config.assets):
        raise DatasetTakenError(dataset=name)


def reviewed(drafted: Draft, title: str, codes: Mapping[str, Mapping[str, str]]) -> str:
    """The dictionary with its title, and with what codes mean where somebody said so."""
    values: dict[Place, Json] = {("title",): title}
    for one in drafted.columns:
        column, said = one.column, codes.get(one.column.name, {})
        if one.left_out is None and any(said.get(code) for code in column.codes):
            values["columns", column.name, "codes"] = {code: said.get(code, "") for code in column.codes}
    return changed(drafted.toml, values)


def drafted_of(made: OfferDraft, placed: Path) -> Draft:
    """The dictionary of a table where it was put. Blocking: the rows are read.

    Raises:
        MedspaceError: as `editing.with_dataset`.
    """
    return draft_of(_with_table(wishes_of(made.terms, placed), made), placed)


def seen_of(made: OfferDraft, drafted: Draft, clock: Clock) -> str:
    """The digest of what would be published: who publishes says which one they have seen."""
    name, title = named(made)
    return digest(
        {
            "name": name,
            "title": title,
            "dictionary": reviewed(drafted, title, made.said.codes),
            "form": form_of(drafted.table, drafted.dialect),
            "questions": questions(wishes_of(made.terms), drafted.persons),
            "template": made.terms.template,
            "terms": terms_of(made.terms, clock),
            "label": label_of(made.terms, clock),
            "publish": list(made.terms.publish),
        }
    )


def check_seen(made: OfferDraft, drafted: Draft, seen: str, clock: Clock) -> None:
    """Refuse to publish what nobody has seen.

    Raises:
        OfferDraftMovedError: it is not what was seen.
    """
    if not same_secret(seen, seen_of(made, drafted, clock)):
        raise OfferDraftMovedError


def written(file: Path, config: Config, made: OfferDraft, placed: Path, drafted: Draft, clock: Clock) -> Written:
    """The configuration with one more dataset at its end. Blocking.

    Raises:
        MedspaceError: as `editing.with_dataset`.
    """
    name, title = named(made)
    check_free(config, name)
    wishes = _with_table(wishes_of(made.terms, placed), made)
    dictionary = f"{identity(name)}.dictionary.toml"
    block = asset_block(
        wishes,
        name=name,
        title=title,
        source=str(placed.resolve()),
        dictionary=dictionary,
        until=end(wishes, clock),
        asked=questions(wishes, drafted.persons),
        form=form_of(drafted.table, drafted.dialect),
        publish=publishable(made.terms.publish),
    )
    text = appended(read_text(file), block, str(file))
    at = len(config.assets)
    values: dict[Place, Json] = {("assets", at, "offers", 0, "template"): made.terms.template}
    values |= {("assets", at, "offers", 0, "terms", key): value for key, value in terms_of(made.terms, clock).items()}
    values |= {("assets", at, "label", key): value for key, value in label_of(made.terms, clock).items()}
    files = {config.path(dictionary): reviewed(drafted, title, made.said.codes)}
    told = told_of(drafted) | {"questions": questions(wishes, drafted.persons), "to_review": []}
    return Written(changed(text, values, str(file)), name, files, told)


def _with_table(wishes: Wishes, made: OfferDraft) -> Wishes:
    options = options_of(made.said)
    return replace(wishes, draft=options, person=options.person, rows_are_persons=options.rows_are_persons)
