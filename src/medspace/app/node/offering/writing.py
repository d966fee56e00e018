"""Drafting the dictionary of an offered file, and writing its dataset into a configuration."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medspace.adapters.duckdb.dialect import Dialect
from medspace.adapters.duckdb.drafting import how_written
from medspace.adapters.duckdb.errors import TableUnreadableError
from medspace.adapters.duckdb.findings import Draft
from medspace.adapters.filenames import absolute
from medspace.adapters.oswords import why
from medspace.app.node.config import LARGEST_FILE
from medspace.app.node.offering.drafting import check_rows, look
from medspace.app.node.offering.origins import Origin, name_of, table_named
from medspace.app.node.offering.wishes import FewPersonsError, WishError, Wishes
from medspace.core.canonical import JsonObject
from medspace.core.dictionary import Dictionary, parse
from medspace.core.text import Text, msgid

PURPOSE = "ehds:HealthcareScientificResearch"
# Findings that are said where a table is offered, too; columns that are left out are listed apart.
TOLD = (
    "format", "decimal", "rows", "limits", "nobody", "persons", "unsure", "cells", "identifying", "zeros",
    "quasi-identifier", "unit", "bounds", "range",
)  # fmt: skip


def drafted_of(wishes: Wishes, *, written: bool = False) -> tuple[Draft, JsonObject]:
    """The drafted dictionary of an offered file, and what it leaves to a person. Blocking.

    Raises:
        PersonUnknownError, FewPersonsError, TableUnreadableError, TableRefusedError: as `set_up`.
    """
    drafted = draft_of(wishes, wishes.offer or Path())
    return drafted, told_of(drafted, written=written)


@dataclass(frozen=True, slots=True)
class OwnDictionary:
    """A dictionary that is there already: its text, and how the table is read."""

    text: str
    form: str


def own_dictionary(wishes: Wishes, file: Path) -> OwnDictionary:
    """The dictionary in a file, for the table that is offered. Blocking.

    Raises:
        WishError: it cannot be read, or what was said of the table is not what it says.
        DictionaryError: it is none.
        TableUnreadableError: the table cannot be read.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise WishError(option="--dictionary", reason=why(error)) from error
    if len(content) > LARGEST_FILE:
        reason = Text(msgid("it has more than {most} bytes"), {"most": LARGEST_FILE})
        raise WishError(option="--dictionary", reason=reason)
    text = content.decode("utf-8", "replace")
    _check_agrees(wishes, parse(text))
    said, source = wishes.draft, wishes.offer or Path()
    if isinstance(source, str):
        return OwnDictionary(text, form_of(table_named(source, said.table), None, said.password))
    return OwnDictionary(text, form_of(*how_written(source, said)))


def _check_agrees(wishes: Wishes, dictionary: Dictionary) -> None:
    """Refuse what was said of a table where its dictionary says something else; the same may be said again."""
    said = wishes.draft
    for option, differs in (
        ("--set", bool(said.settings)),
        ("--leave-out", not set(said.leave_out) <= set(dictionary.left_out)),
        ("--person", bool(wishes.person) and wishes.person != dictionary.person),
        ("--rows-are-persons", wishes.rows_are_persons and dictionary.person is not None),
    ):
        if differs:
            raise WishError(option=option, reason=Text(msgid("the data dictionary says otherwise: write it there")))


def draft_of(wishes: Wishes, offer: Origin) -> Draft:
    """What is drafted of a file, refused where few stand behind it or nobody knows who its rows are."""
    drafted = look(offer, wishes.of_file)
    check_offerable(wishes, drafted)
    return drafted


def check_offerable(wishes: Wishes, drafted: Draft) -> None:
    """Refuse to offer a table as it was looked at.

    Raises:
        RowsUnclearError: nobody knows who some of its rows are.
        TableUnreadableError: of every column something must be said first.
        FewPersonsError: few stand behind it.
    """
    offer = wishes.offer or Path()
    check_rows(offer, drafted)
    if all(one.left_out is not None or one.column.name == drafted.person for one in drafted.columns):
        reason = Text(msgid("of every column something must be said first; `medspace draft` tells what"))
        raise TableUnreadableError(name_of(offer, drafted.table), reason)
    check_persons(wishes, drafted.persons)


def check_persons(wishes: Wishes, persons: int) -> None:
    """Refuse a table of fewer persons than a result needs.

    Raises:
        FewPersonsError: it is one.
    """
    if persons < wishes.min_cohort:
        file = name_of(wishes.offer or Path(), wishes.draft.table)
        raise FewPersonsError(file=file, persons=persons, least=wishes.min_cohort)


def told_of(drafted: Draft | None, *, written: bool = False) -> JsonObject:
    """What the draft leaves to a person, by column names; the reasons are texts in the caller's language.

    Once the dictionary is `written`, the steps say what to change in it; before that, what to say with options.
    """
    if drafted is None:
        return {"left_out": [], "unbounded": [], "findings": []}
    left_out = [{"column": each.name, "reason": each.reason} for each in drafted.left_out]
    findings = [
        {
            "column": one.column,
            "row": one.row or None,
            "kind": one.kind,
            "sentence": one.said,
            "next_step": one.edit if written and one.edit is not None else one.step,
        }
        for one in drafted.findings
        if one.kind in TOLD
    ]
    return {"left_out": left_out, "unbounded": list(drafted.unbounded), "findings": findings}


def form_of(table: str, dialect: Dialect | None, password: str = "") -> str:
    """How a table is read, where that must be said: its name, a text file's way of writing, a server's password."""
    lines = [f"table = {quoted(table)}\n"] if table else []
    lines += [f"password = {quoted(str(absolute(password)))}\n"] if password else []
    if dialect is not None:
        said = [f"encoding = {quoted(dialect.encoding)}", f"delimiter = {quoted(dialect.delimiter)}"]
        said += [f"skip_lines = {dialect.skipped}"] if dialect.skipped else []
        said += [f"names = {json.dumps(dialect.names, ensure_ascii=False)}"] if dialect.names else []
        said += [f"leave_out_rows = {json.dumps(dialect.left_out)}"] if dialect.left_out else []
        lines.append(f"csv = {{ {', '.join(said)} }}\n")
    return "".join(lines)


def asset_block(
    wishes: Wishes,
    *,
    name: str,
    title: str,
    source: str,
    dictionary: str,
    until: str,
    asked: int | None,
    form: str = "",
    publish: Sequence[str] = (),
) -> str:
    """One dataset of the configuration, offered for training, with safe defaults for terms that are not given.

    `asked` is the number of questions it answers a year; None leaves it to the connector. `form` is how the file is
    read. `publish` is what the catalogue says of its content.
    """
    told = f"publish = {json.dumps(publish)}\n" if publish else ""
    count = "" if wishes.count is None else f"count = {wishes.count}\n"
    holders = f"holders = {json.dumps(wishes.holders)}\n" if wishes.holders else ""
    limit = (
        ""
        if asked is None
        else (
            "# Questions a year, over all users: a tenth of the persons where nobody says otherwise. More questions "
            f"tell more.\nquestions = {asked}\n"
        )
    )
    return f"""\
[[assets]]
id = {quoted(name)}
title = {quoted(title)}
source = {quoted(source)}
dictionary = {quoted(dictionary)}
{form}{told}{limit}
[assets.label]
purposes = ["{PURPOSE}"]
kinds = ["medspace:train"]
regions = ["World"]
valid_until = "{until}"

[[assets.offers]]
template = "train-only"

[assets.offers.terms]
purposes = ["{PURPOSE}"]
until = "{until}"
{count}min_cohort = {wishes.min_cohort}
# Hospitals in each sum, besides one that may tell what it sees (`colluders`): a training takes one more than these.
min_sites = {wishes.min_sites}
{holders}"""


def quoted(text: str) -> str:
    """A text in TOML syntax."""
    # A JSON string is a TOML basic string except for DEL, which TOML requires to be escaped (TOML 1.0, String).
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
