"""What is asked at a terminal about a table; without one, or with --json, an error says what must be said.

Each answer is checked as it is given, and asked for again where it cannot be.
"""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from medspace.adapters.duckdb.drafting import ROW_WORDS
from medspace.adapters.duckdb.errors import TableColumnError
from medspace.adapters.duckdb.findings import Drafted, rows_shown
from medspace.adapters.duckdb.settings import applied
from medspace.app.doors.cli.asking import answer, yes
from medspace.app.doors.cli.errors import AnswerError
from medspace.app.doors.cli.screen import Screen
from medspace.app.node.offering.drafting import Draft, DraftOptions, enumerated, look, person_columns
from medspace.app.node.offering.errors import PersonDoubtfulError
from medspace.app.node.offering.origins import Origin
from medspace.core import units
from medspace.core.dictionary import Column
from medspace.core.errors import MedspaceError
from medspace.core.text import Fact, Text, msgid

T = TypeVar("T")
FIRST_CENTURY = "1930"  # with which two-digit years are tried
_NONE = "-"
_IN_BRACKETS = re.compile(r"[(\[（]\s*([^()（）]+?)\s*[)\]）]\s*$")


def asks(screen: Screen, *, yes: bool = False) -> bool:
    """Whether somebody sits at a terminal and can be asked; `yes`: nobody wants to be."""
    return not yes and not screen.as_json and sys.stdin.isatty() and sys.stdout.isatty()


def answered(screen: Screen, source: Origin, options: DraftOptions) -> tuple[Draft, DraftOptions]:
    """The draft of a table, with what a person answers to what is not clear; and what was said in the end.

    The table is read before anything is asked.

    Raises:
        MedspaceError: those of `service.look`.
    """
    if not asks(screen):
        return look(source, options), options
    drafted, options = _persons(screen, source, options)
    clear = _clear(screen, drafted, options)
    return (drafted, options) if clear == options else (look(source, clear), clear)


def insisted(screen: Screen, question: Text, read: Callable[[str], T], default: str = "") -> T:
    """What a person answers, as `read` reads it; what it refuses is said, and asked again.

    `read` raises a MedspaceError for an answer that cannot be; what other questions were answered is kept.
    """
    while True:
        said = _said(screen, question, default)
        try:
            return read(said)
        except MedspaceError as error:
            screen.line(error.text)


def _persons(screen: Screen, source: Origin, options: DraftOptions) -> tuple[Draft, DraftOptions]:
    """The draft once it is known who the persons are: asked until the answer is a column, and a likely one."""
    if not options.person and not options.rows_are_persons:
        found = person_columns(source, options)
        screen.line(Text(msgid("Its columns: {columns}"), {"columns": enumerated(found.names)}))
        options = _who(screen, options, found.likely[0] if found.likely else "")
    while True:
        try:
            return look(source, options), options
        except PersonDoubtfulError as error:
            screen.line(error.text)
            question = Text(msgid("Is it {column} all the same?"), {"column": options.person})
            if _yes(screen, question, default=False):
                options = replace(options, leave_out=(*options.leave_out, *error.likelier))
            else:
                options = _who(screen, options, error.likelier[0])
        except TableColumnError as error:
            if error.option != "--person":
                raise
            screen.line(error.text)
            options = _who(screen, options, "")


def _who(screen: Screen, options: DraftOptions, likely: str) -> DraftOptions:
    question = Text(msgid("Which column names the patients? It is counted and never leaves (- : each row is one)"))
    said = _said(screen, question, likely or None)
    alone = said == _NONE
    return replace(options, rows_are_persons=alone, person="" if alone else said)


def _clear(screen: Screen, drafted: Draft, options: DraftOptions) -> DraftOptions:
    """The options with what a person says of rows, marks of missing values and columns that are not clear."""
    rows = list(options.leave_out_rows)
    for odd in drafted.odd_rows:
        facts: dict[str, Fact | Text] = {
            "kind": Text(ROW_WORDS[odd.kind]),
            "rows": ", ".join(map(str, odd.rows)),
            "count": odd.count,
        }
        if _yes(screen, Text(msgid("Leave out these rows ({kind}, {count}): {rows}?"), facts)):
            rows.append(odd.kind)
    options = replace(options, leave_out_rows=tuple(rows))
    for one in drafted.columns:
        options = _column(screen, drafted, one, options)
    return options


def _column(screen: Screen, drafted: Draft, one: Drafted, options: DraftOptions) -> DraftOptions:
    name, kinds = one.column.name, {finding.kind: finding for finding in one.findings}
    settings = list(options.settings)
    if one.wrong:
        return _wrong(screen, drafted, one, options)
    if "unsure" in kinds:
        return replace(options, settings=(*settings, *_written(screen, one, kinds["unsure"].said)))
    marks = one.found
    if marks and not any(said.startswith(f"{name}.missing=") for said in settings):
        facts = {"column": name, "marks": " ".join(marks)}
        if not _yes(screen, Text(msgid("Do these stand for a missing value in {column}: {marks}?"), facts)):
            settings.append(f"{name}.missing=")
            marks = ()
    if "zeros" in kinds:
        question = Text(
            msgid("Every value of {column} is 0. Does 0 mean that it was not measured?"), {"column": name}
        )
        zero = _yes(screen, question, default=False)  # 0 is a value unless somebody says otherwise
        settings.append(f"{name}.missing={','.join(('0', *marks) if zero else marks)}")
    if "unit" in kinds:
        settings.append(f"{name}.unit={_unit(screen, name)}")
    return replace(options, settings=tuple(settings))


def _unit(screen: Screen, column: str) -> str:
    """The unit of a column that looks measured; what stands in brackets in its name is proposed."""
    bracketed = _IN_BRACKETS.search(column)
    facts = {"column": column}
    if bracketed and units.oddity(bracketed[1]) is None:
        question = Text(msgid("In which unit is {column} measured? (- : not given)"), facts)
        return insisted(screen, question, _as_unit, units.written(bracketed[1]))
    question = Text(msgid("In which unit is {column} measured, such as mg/dL or a? (Enter: not given)"), facts)
    return insisted(screen, question, _as_unit)


def _as_unit(said: str) -> str:
    """A unit as UCUM writes it.

    Raises:
        AnswerError: it is none.
    """
    odd = None if said == _NONE else units.oddity(said)
    if odd is not None:
        raise AnswerError(answer=said, reason=odd)
    return "" if said == _NONE else units.written(said)


def _wrong(screen: Screen, drafted: Draft, one: Drafted, options: DraftOptions) -> DraftOptions:
    """What shall become of cells that cannot stand in their column: a missing value, rows or a column left out."""
    name = one.column.name
    facts: dict[str, Fact | Text] = {"column": name, "why": one.why, "rows": rows_shown(one.wrong, len(one.wrong))}
    screen.line(Text(msgid("{column}: {why}."), facts))
    if drafted.dialect is not None:
        question = Text(
            msgid(
                "Leave out the column (column) or these rows (rows), or does what stands there mean missing "
                "(missing)?"
            )
        )
        known: tuple[str, ...] = ("column", "rows", "missing")
    else:
        question = Text(msgid("Leave out the column (column), or does this value mean missing (missing)?"))
        known = ("column", "missing")
    said = insisted(screen, question, partial(_one_of, known), "column")
    if said == "rows":
        rows = (row for row in map(str, one.wrong) if row not in options.leave_out_rows)
        return replace(options, leave_out_rows=(*options.leave_out_rows, *rows))
    if said == "missing":
        marks = _said(screen, Text(msgid("What is in these cells (separate several with commas; Enter: go back)?")))
        if not marks.strip(", "):
            return _wrong(screen, drafted, one, options)  # nobody said yet what becomes of it
        setting = f"{name}.missing={','.join((*one.column.missing, marks))}"
        return replace(options, settings=(*options.settings, setting))
    screen.line(Text(msgid("The column {column} is left out."), {"column": name}))
    return replace(options, leave_out=(*options.leave_out, name))


def _one_of(known: Sequence[str], said: str) -> str:
    if said not in known:
        reason = Text(msgid("it is none of {known}"), {"known": ", ".join(known)})
        raise AnswerError(answer=said, reason=reason)
    return said


def _written(screen: Screen, one: Drafted, why: Text) -> list[str]:
    """The settings that say how days or numbers are written; none, where they are left out."""
    name = one.column.name
    facts: dict[str, Fact | Text] = {"column": name, "said": why}
    question = Text(msgid("{column}: {said}. How is it written? (Enter: leave it out)"), facts)

    def read(said: str) -> str:
        if said:
            applied(one.column, {"written": said} | ({"century": FIRST_CENTURY} if _short(said) else {}))
        return said

    written = insisted(screen, question, read)
    if not written:
        return []
    settings = [f"{name}.written={written}"]
    if _short(written):
        question = Text(msgid("In which year does the century of its two-digit years begin (such as 1930 or 2000)?"))
        settings.append(f"{name}.century={insisted(screen, question, partial(_century, one.column, written))}")
    return settings


def _short(written: str) -> bool:
    return "YY" in written and "YYYY" not in written


def _century(column: Column, written: str, said: str) -> str:
    applied(column, {"written": written, "century": said})
    return said


def _yes(screen: Screen, question: Text, *, default: bool = True) -> bool:
    return yes(screen, question, default=default)


def _said(screen: Screen, question: Text, default: str | None = "") -> str:
    return answer(screen, question, default)
