"""A first data dictionary drafted from a file, for a person to review: types, bounds and codes, and nobody's values.

Types are tried with the rules by which the file is loaded later, so a file keeps to its draft (but for cells that no
dictionary allows). A dictionary is published, so the draft names only codes that enough persons have, bounds columns
by round numbers well beyond what enough persons have, and leaves out what names, identifies or describes one person
(`privacy.publication`). Where the values of few persons lie beyond a bound, there is none: a person writes it.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medspace.adapters.duckdb.checks import verdict
from medspace.adapters.duckdb.counting import Counted
from medspace.adapters.duckdb.errors import TableUnreadableError
from medspace.adapters.duckdb.heading import check_heading
from medspace.adapters.duckdb.reading import columns_of, connect, guarded, is_csv, read
from medspace.core.dictionary import NUMBER, Column, ColumnType, Dictionary
from medspace.core.text import Text, msgid
from medspace.privacy.publication import (
    LEAST,
    MISSING,
    MISSING_CODES,
    codes,
    identifying,
    lower_bound,
    names_persons,
    upper_bound,
)

PADDED = "regexp_full_match(CELL, '0[0-9]+')"  # 007 is a code: as a number it would lose its zeros
LARGEST_PLAIN = 1e15  # beyond it an integer is written as a double
TRIED = (ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.DATE, ColumnType.FLAG)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A column that is not described, and why."""

    name: str
    reason: Text


@dataclass(frozen=True, slots=True)
class Draft:
    """A drafted dictionary as TOML, of how many persons; which columns it leaves out, and which without a bound."""

    toml: str
    persons: int
    left_out: tuple[LeftOut, ...] = ()
    unbounded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Drafted:
    """One column: its lines, or why it is left out."""

    name: str
    lines: Sequence[str] = ()
    reason: Text | None = None
    unbounded: bool = False


def draft(path: Path, person: str = "", table: str = "", *, least: int = LEAST) -> Draft:
    """The dictionary that the rows of a file keep to (of a database file: of the table named `table`).

    `person` is the column that names the persons; without it, each row counts as a person of its own. Nothing that
    fewer than `least` persons have is in the draft.

    Raises:
        MissingExtraError: duckdb is not installed.
        TableUnreadableError: the file cannot be read, has no header, no column `person`, or no column to describe.
        TableRefusedError: its records are no CSV, or two columns have one name.
    """
    path = path.resolve()
    connection = connect(path)
    try:
        with guarded(path.name):
            if is_csv(path):
                check_heading(path)
            names = columns_of(connection, path, table)
            if person and person not in names:
                raise TableUnreadableError(path.name, Text(msgid("there is no column {column}"), {"column": person}))
            plain = Dictionary(path.stem, tuple(Column(name, ColumnType.CODE) for name in dict.fromkeys(names)))
            read(connection, path, plain, table)
            counted = Counted(connection, "raw", f"c{names.index(person)}" if person else "row", least)
            columns = [_column(counted, f"c{index}", name, person) for index, name in enumerate(names)]
            persons = counted.persons()
    finally:
        connection.close()
    return _draft(path, person, persons, columns)


def candidates(path: Path, table: str = "") -> list[str]:
    """The columns of a file that seem to name persons, for a question to a person; the others are not told.

    Raises:
        MissingExtraError, TableUnreadableError: as `draft`.
    """
    path = path.resolve()
    connection = connect(path)
    try:
        with guarded(path.name):
            if is_csv(path):
                check_heading(path)
            names = columns_of(connection, path, table)
    finally:
        connection.close()
    likely = ("patient", "person", "subject", "case", "pid", "mrn", "患者", "病人", "编号", "病历号", "id")
    return [name for name in names if any(word in name.lower() for word in likely) or names_persons(name)]


def _draft(path: Path, person: str, persons: int, columns: Sequence[_Drafted]) -> Draft:
    kept = [column for column in columns if column.reason is None]
    if not [column for column in kept if column.name != person]:
        reason = Text(msgid("every column looks like names, identifiers or free text (is it a table at all?)"))
        raise TableUnreadableError(path.name, reason)
    left_out = tuple(LeftOut(column.name, column.reason) for column in columns if column.reason is not None)
    head = [
        "# Drafted: read it before you offer. It is published, so it must say nothing of single persons.",
        f"title = {_quoted(path.stem)}",
        *([f"person = {_quoted(person)}"] if person else []),
        *([f"left_out = {_list([column.name for column in left_out])}"] if left_out else []),
    ]
    text = "\n".join([*head, *(line for column in kept for line in column.lines)]) + "\n"
    return Draft(text, persons, left_out, tuple(column.name for column in kept if column.unbounded))


def _column(counted: Counted, cell: str, name: str, person: str) -> _Drafted:
    head = ["", f"[columns.{_quoted(name)}]"]
    if name == person:
        return _Drafted(name, [*head, f'type = "{ColumnType.CODE.value}"'])
    kind, missing = _type(counted, cell)
    lines = [*head, f'type = "{kind.value}"', *([f"missing = {_list(missing)}"] if missing else [])]
    filled = f"{cell} <> ''" + "".join(f" AND {cell} <> '{mark}'" for mark in missing)
    profile = counted.profile(name, kind, cell, filled)
    reason = identifying(profile)
    if reason is not None:
        return _Drafted(name, reason=reason)
    if kind in (ColumnType.NUMBER, ColumnType.INTEGER):
        bounds = _bounds(counted, cell, filled)
        return _Drafted(name, [*lines, *bounds], unbounded=len(bounds) < 2)  # noqa: PLR2004 - below and above
    if kind is ColumnType.CODE and codes(profile):
        # Always said, so that it says nothing: whether anybody has another code is nobody's business.
        lines += [f"codes = {_list(codes(profile))}", "others = true  # rarer codes are not named"]
    return _Drafted(name, lines)


def _type(counted: Counted, cell: str) -> tuple[ColumnType, Sequence[str]]:
    """The first type that the cells keep to, with the marks of missing values: all of them where one occurs."""
    connection = counted.connection
    filled = f"SELECT count(DISTINCT {cell}), count(*) FILTER ({PADDED}) FROM raw WHERE {cell} <> ''"  # noqa: S608 - a column number
    count, padded = connection.execute(filled.replace("CELL", cell)).fetchone()
    for kind in TRIED[2:] if padded else TRIED:
        column = Column("tried", kind)
        refused = (
            f"SELECT DISTINCT {cell} FROM raw WHERE {verdict(cell, column)} IS NOT NULL LIMIT {len(MISSING) + 1}"  # noqa: S608 - a column number
        )
        odd = {row[0] for row in connection.execute(refused).fetchall()}
        if count > len(odd) and (not odd or (column.numeric and odd <= set(MISSING))):
            return kind, MISSING if odd else ()
    marked = connection.execute(f"SELECT count(*) FROM raw WHERE {cell} IN {MISSING_CODES}").fetchone()[0]  # noqa: S608 - our own marks
    return ColumnType.CODE, MISSING_CODES if marked else ()


def _bounds(counted: Counted, cell: str, filled: str) -> list[str]:
    number = f"TRY_CAST({cell} AS DOUBLE)"
    known = f"{filled} AND regexp_full_match({cell}, '{NUMBER}') AND isfinite({number})"
    low, high = counted.extremes(number, known)
    if low is None or high is None:
        return []
    # A yes or no has its bounds by nature, so the draft does not tell how many have either.
    yes_or_no = {low, high} <= {0.0, 1.0}
    least, greatest = (0.0, 1.0) if yes_or_no else (lower_bound(low), upper_bound(high))
    bounds = (("minimum", least, "<"), ("maximum", greatest, ">"))
    return [
        f"{name} = {_plain(bound)}"
        for name, bound, beyond in bounds
        if math.isfinite(bound) and not counted.outside(number, known, f"{beyond} {bound!r}::DOUBLE")
    ]


def _plain(value: float) -> str:
    return repr(int(value)) if value == int(value) and abs(value) < LARGEST_PLAIN else repr(value)


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(_quoted(text) for text in texts)}]"


def _quoted(text: str) -> str:
    # A JSON string is a TOML basic string but for DEL, which TOML wants escaped (TOML 1.0, String).
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
