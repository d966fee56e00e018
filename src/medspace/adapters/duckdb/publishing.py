"""A dictionary as a person wrote it, held against the data before it is published.

The connector goes by what was written; the others are shown less: no code that few persons have, no bound that is few
persons' own value, no column that names persons or holds free text (`privacy.publication`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from medspace.adapters.duckdb.counting import Counted
from medspace.adapters.duckdb.source import Table, TableSource
from medspace.core.dictionary import NUMBER, Column, ColumnType, Dictionary
from medspace.core.material import Published
from medspace.core.text import Text, msgid
from medspace.privacy import disclosure
from medspace.privacy.disclosure import Labels
from medspace.privacy.publication import MISSING, identifying


@dataclass(frozen=True, slots=True)
class CheckedTable:
    """A loaded table as an asset (`core.material.Checked`)."""

    asset: str
    table: Table
    warnings: tuple[Text, ...] = ()

    @property
    def source(self) -> TableSource:
        """Opens its rows."""
        return TableSource({self.asset: self.table})

    @property
    def dictionary(self) -> Dictionary:
        """As the holder wrote it."""
        return self.table.dictionary

    @property
    def count(self) -> int:
        """How many rows."""
        return self.table.count

    @property
    def persons(self) -> int:
        """Of how many persons."""
        return self.table.persons

    @property
    def digest(self) -> str:
        """Of its content."""
        return self.table.digest

    def published(self, least: int) -> Published:
        """Its dictionary without what fewer than `least` persons have."""
        return published(self.table, least)

    def small_cells(self, least: int) -> int:
        """See `small_cells`."""
        return small_cells(self.table, least)


def published(table: Table, least: int) -> Published:
    """The dictionary of a loaded table without what fewer than `least` persons have."""
    dictionary = table.dictionary
    names = [column.name for column in dictionary.columns]
    owner = "row" if dictionary.person is None else f"c{names.index(dictionary.person)}"
    counted = Counted(table._connection.cursor(), "rows", owner, least)  # noqa: SLF001 - counts leave, rows do not
    columns, said = list[Column](), list[Text]()
    for index, column in enumerate(dictionary.columns):
        shown, reasons = (column, ()) if column.name == dictionary.person else _shown(counted, column, f"c{index}")
        columns += [] if shown is None else [shown]
        said += reasons
    return Published(replace(dictionary, columns=tuple(columns), left_out=()), tuple(said))


def small_cells(table: Table, least: int) -> int:
    """How many pairs of codes of two columns some persons have together, but fewer than `least`.

    The first answer to a task tells the sum of every such pair; a holder should know before it offers the table.
    """
    dictionary, labels = table.dictionary, list[Labels]()
    for index, column in enumerate(dictionary.columns):
        if column.name != dictionary.person:
            query = (
                f"SELECT CASE WHEN c{index} IS NULL THEN -1 ELSE dense_rank() OVER (ORDER BY c{index}) END AS label"
            )
            cursor = table._connection.cursor()  # noqa: SLF001 - counts leave, rows do not
            found = cursor.execute(f"SELECT label FROM ({query}, row FROM rows) ORDER BY row").fetchnumpy()["label"]  # noqa: S608 - ours
            if column.type in (ColumnType.CODE, ColumnType.FLAG) or len(np.unique(found)) <= disclosure.FEW_VALUES:
                labels.append(np.ascontiguousarray(found, dtype=np.int64))  # numbers with few values are codes
    return disclosure.small_cells(labels, table._owners, least)  # noqa: SLF001 - as above


def _shown(counted: Counted, column: Column, cell: str) -> tuple[Column | None, Iterable[Text]]:
    column = replace(column, missing=tuple(mark for mark in column.missing if _plain_mark(mark)))
    if column.type is ColumnType.CODE:
        return _code(counted, column, cell)
    if column.type is ColumnType.FLAG:
        return column, ()
    return _bounded(counted, column, cell)


def _code(counted: Counted, column: Column, cell: str) -> tuple[Column | None, Iterable[Text]]:
    filled = f"{cell} IS NOT NULL"
    if not column.codes:
        reason = None if column.system else identifying(counted.profile(column.name, column.type, cell, filled))
        facts: dict[str, str | Text] = {"column": column.name, "reason": reason or ""}
        return (column, ()) if reason is None else (None, (Text(msgid("column {column}: {reason}"), facts),))
    common = counted.common(cell, filled)
    codes = {code: meaning for code, meaning in column.codes.items() if code in common}
    rare = len(column.codes) - len(codes)
    if not rare:
        return column, ()
    said = Text(msgid("column {column}: codes that few persons have, or none ({count})"), _facts(column, rare))
    return replace(column, codes=codes, others=bool(codes)), (said,)


def _bounded(counted: Counted, column: Column, cell: str) -> tuple[Column, Iterable[Text]]:
    """Without a bound that is the very value of few persons: it was taken from the data."""
    low, high = _tight(counted, cell, column.minimum, "<="), _tight(counted, cell, column.maximum, ">=")
    if not (low or high):
        return column, ()
    said = Text(
        msgid("column {column}: bounds that are few persons' own values ({count})"), _facts(column, low + high)
    )
    minimum, maximum = None if low else column.minimum, None if high else column.maximum
    return replace(column, minimum=minimum, maximum=maximum), (said,)


def _tight(counted: Counted, cell: str, bound: float | date | None, sign: str) -> bool:
    """Whether a bound is few persons' own value; 0 and 1 are bounds by their nature."""
    return bound not in (None, 0, 1) and 0 < counted.reaching(cell, f"{sign} {_literal(bound)}") < counted.least


def _facts(column: Column, count: int) -> dict[str, str | int | Text]:
    return {"column": column.name, "count": count}


def _literal(bound: float | date) -> str:
    return f"DATE '{bound.isoformat()}'" if isinstance(bound, date) else f"{float(bound)!r}::DOUBLE"


def _plain_mark(mark: str) -> bool:
    """Whether a mark of missing values is one that everybody uses; another one may be a remark."""
    return mark in MISSING or re.fullmatch(NUMBER, mark) is not None
