"""A dictionary as a person wrote it, held against the data before it is published.

The connector goes by what was written; the others are shown less: no code that few persons have, no bound that is few
persons' own value, no column that names persons or holds free text (`privacy.publication`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt

from medspace.adapters.duckdb.cells import EPOCH, opened
from medspace.adapters.duckdb.counting import Counted
from medspace.adapters.duckdb.source import DuckdbTable, TableSource
from medspace.core.dictionary import NUMBER, Column, ColumnType, Dictionary
from medspace.core.material import Published, Source
from medspace.core.text import Text, msgid
from medspace.privacy import disclosure
from medspace.privacy.disclosure import Labels
from medspace.privacy.publication import MISSING, MISSING_CODES, Profile, identifying, names_persons


@dataclass(frozen=True, slots=True)
class CheckedTable:
    """A loaded table as an asset (`core.material.Checked`)."""

    asset: str
    table: DuckdbTable
    warnings: tuple[Text, ...] = ()

    @property
    def source(self) -> Source:
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

    def small_cells(self, least: int) -> Mapping[tuple[str, str], int]:
        """See `small_cells`."""
        return small_cells(self.table, least)

    def missing(self) -> Mapping[str, int]:
        """See `missing`."""
        return missing(self.table)


def published(table: DuckdbTable, least: int) -> Published:
    """The dictionary of a loaded table without what fewer than `least` persons have."""
    dictionary = table.dictionary
    columns, said = list[Column](), list[Text]()
    free = _free(table, least)
    for column in dictionary.columns:
        shown, reasons = (column, ()) if column.name == dictionary.person else _shown(table, column, least, free)
        columns += [] if shown is None else [shown]
        said += reasons
    return Published(replace(dictionary, columns=tuple(columns), left_out=()), tuple(said))


def small_cells(table: DuckdbTable, least: int) -> Mapping[tuple[str, str], int]:
    """By pairs of columns, how many pairs of their codes some persons have together, but fewer than `least`.

    The first answer to a task tells the sum of every such pair; a holder should know before it offers the table.
    """
    dictionary, labels = table.dictionary, dict[str, Labels]()
    for column in dictionary.columns:
        if column.name != dictionary.person:
            found = table._cells.labels(column.name)  # noqa: SLF001 - counts leave, rows do not
            if column.type in (ColumnType.CODE, ColumnType.FLAG) or len(np.unique(found)) <= disclosure.FEW_VALUES:
                labels[column.name] = found  # numbers with few values are codes
    return disclosure.small_cells(labels, table._owners, least)  # noqa: SLF001 - as above


def missing(table: DuckdbTable) -> Mapping[str, int]:
    """By column, but for that of the persons, of how many persons no row has a value."""
    found: dict[str, int] = {}
    for column in table.dictionary.columns:
        if column.name != table.dictionary.person:
            having = np.zeros(table.persons, dtype=np.bool_)
            having[table._owners[table._cells.known(column.name)]] = True  # noqa: SLF001 - counts leave, rows do not
            found[column.name] = table.persons - int(having.sum())
    return found


def _free(table: DuckdbTable, least: int) -> Mapping[str, Text]:
    """The columns of codes that would tell who somebody is, and why: without a list or a system, or by their name."""
    columns = {
        f"c{index}": column.name
        for index, column in enumerate(table.dictionary.columns)
        if column.type is ColumnType.CODE
        if names_persons(column.name) or not (column.codes or column.system)
        if column.name != table.dictionary.person
    }
    if not columns:
        return {}
    names = [column.name for column in table.dictionary.columns]
    owner = "row" if table.dictionary.person is None else f"c{names.index(table.dictionary.person)}"
    with opened(table._cells) as connection:  # noqa: SLF001 - counts leave, rows do not
        counted = Counted(connection, "rows", owner, least)
        profiles = list[Profile]()
        for cell, name in columns.items():
            counted.gather(cell)
            profiles.append(counted.profile(name, ColumnType.CODE, cell, lambda text: f"{text} IS NOT NULL"))
    told = {profile.name: identifying(profile) for profile in profiles}
    return {name: reason for name, reason in told.items() if reason is not None}


def _shown(
    table: DuckdbTable, column: Column, least: int, free: Mapping[str, Text]
) -> tuple[Column | None, Iterable[Text]]:
    column = replace(column, missing=tuple(mark for mark in column.missing if _plain_mark(mark)))
    if column.name in free:
        facts: dict[str, str | Text] = {"column": column.name, "reason": free[column.name]}
        return None, (Text(msgid("column {column}: {reason}"), facts),)
    if column.codes:
        return _coded(table, column, least)
    if column.type in (ColumnType.CODE, ColumnType.FLAG):
        return column, ()
    return _bounded(table, column, least)


def _coded(table: DuckdbTable, column: Column, least: int) -> tuple[Column, Iterable[Text]]:
    holders = table._cells.holders(column.name, table._owners)  # noqa: SLF001 - counts leave, rows do not
    codes = {code: meaning for code, meaning in column.codes.items() if holders.get(code, 0) >= least}
    rare = len(column.codes) - len(codes)
    if not rare:
        return column, ()
    said = Text(msgid("column {column}: codes that few persons have, or none ({count})"), _facts(column, rare))
    return replace(column, codes=codes, others=bool(codes)), (said,)


def _bounded(table: DuckdbTable, column: Column, least: int) -> tuple[Column, Iterable[Text]]:
    """Without a bound that is the very value of few persons: it was taken from the data."""
    numbers = table._cells.numbers(column.name)  # noqa: SLF001 - counts leave, rows do not
    low = column.minimum is not None and _tight(table, numbers <= _number(column.minimum), column.minimum, least)
    high = column.maximum is not None and _tight(table, numbers >= _number(column.maximum), column.maximum, least)
    if not (low or high):
        return column, ()
    said = Text(
        msgid("column {column}: bounds that are few persons' own values ({count})"), _facts(column, low + high)
    )
    minimum, maximum = None if low else column.minimum, None if high else column.maximum
    return replace(column, minimum=minimum, maximum=maximum), (said,)


def _tight(table: DuckdbTable, reaching: npt.NDArray[np.bool_], bound: float | date, least: int) -> bool:
    """Whether a bound is few persons' own value; 0 and 1 are bounds by their nature."""
    return bound not in (0, 1) and 0 < len(np.unique(table._owners[reaching])) < least  # noqa: SLF001 - as above


def _number(bound: float | date) -> float:
    return float(bound.toordinal() - EPOCH.toordinal()) if isinstance(bound, date) else float(bound)


def _facts(column: Column, count: int) -> dict[str, str | int | Text]:
    return {"column": column.name, "count": count}


def _plain_mark(mark: str) -> bool:
    """Whether a mark of missing values is one that everybody uses; another one may be a remark."""
    return mark in MISSING or mark in MISSING_CODES or re.fullmatch(NUMBER, mark) is not None
