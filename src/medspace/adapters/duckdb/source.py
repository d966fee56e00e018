"""Checked tables, and the source that opens their rows for an admission.

Which rows an admission's scope lets in is decided in `_selected`, once for each opening; every accessor of the opened
rows goes by that selection, so none of them can tell of a row outside of it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from medspace.adapters.duckdb.cells import Cells, opened, taken
from medspace.adapters.duckdb.checks import check, convert
from medspace.adapters.duckdb.dialect import Dialect
from medspace.adapters.duckdb.errors import RowsRefusedError
from medspace.adapters.duckdb.reading import check_form, connect, guarded, read
from medspace.adapters.duckdb.scopes import admitted
from medspace.adapters.duckdb.sql import Connection
from medspace.adapters.duckdb.writing import rewrite
from medspace.adapters.filenames import absolute
from medspace.core.columns import ColumnUnknownError
from medspace.core.dictionary import Column, ColumnType, Dictionary
from medspace.core.hashing import digest
from medspace.core.material import Form, Rows
from medspace.core.text import Text, msgid
from medspace.core.usage import Admission, RowScope

BATCH = 1000  # rows that are marked at a time
MOST_KEYS = 4  # whose marks of a table are kept: a run asks with those of the audit and of its splits in turn
Marks = npt.NDArray[np.uint64]
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class DuckdbTable:
    """A table whose every cell keeps to its dictionary. It tells what it is; its rows open only through a source.

    `count` rows of `persons` persons (rows, where the dictionary names no person column); `digest` is the same for
    the same content, whatever the form of the file.
    """

    dictionary: Dictionary
    count: int
    persons: int
    digest: str
    _cells: Cells = field(repr=False, compare=False)
    _owners: npt.NDArray[np.int64] = field(repr=False, compare=False)
    _beside: Sequence[str] = field(
        default=(), repr=False, compare=False
    )  # for each row: what belongs to it, digested
    _marks: MutableMapping[bytes, tuple[Marks, Marks]] = field(default_factory=dict, repr=False, compare=False)


def load(
    path: Path, dictionary: Dictionary, table: str = "", form: str = "", dialect: Dialect | None = None
) -> DuckdbTable:
    """Read and check a CSV, Parquet, DuckDB or SQLite file (of the last two: the table or view named `table`).

    The file is read once, into memory, and not opened again: what was checked is what is used. It must have the
    `form` (csv, parquet, duckdb, sqlite) where one is named. `dialect` is how a text file is written.

    Raises:
        MissingExtraError: duckdb is not installed.
        TableUnreadableError: the file cannot be read.
        TableRefusedError: it does not keep to the dictionary. Nothing of it stays loaded.
    """
    path = absolute(path)

    def fill(connection: Connection) -> Sequence[str]:
        if form:
            check_form(path, form)
        read(connection, path, dictionary, table, dialect)
        return ()

    return load_from(fill, path.name, dictionary, path)


def load_from(
    fill: Callable[[Connection], Sequence[str]], name: str, dictionary: Dictionary, path: Path | None = None
) -> DuckdbTable:
    """Check whatever `fill` puts into the table `raw` (see `reading`); it may open the file `path` and nothing else.

    `fill` returns a digest of what belongs to each row beside its cells, such as an image; nothing where there is
    nothing. `name` is how errors call the table.

    Raises:
        MissingExtraError, TableUnreadableError, TableRefusedError: as `load`.
    """
    with closing(connect(path)) as connection, guarded(name):
        beside = fill(connection)
        rewrite(connection, dictionary)
        check(connection, name, dictionary)
        convert(connection, dictionary)
        cells = taken(connection, dictionary)
        return _described(cells, _owners(connection, dictionary, cells.count), beside)


def _described(cells: Cells, owners: npt.NDArray[np.int64], beside: Sequence[str]) -> DuckdbTable:
    content = {
        "rows": cells.count,
        "columns": [
            {"name": column.name, "type": column.type.value, "content": cells.content_digest(column.name)}
            for column in cells.dictionary.columns
        ],
        **({"beside": sha256("".join(beside).encode()).hexdigest()} if beside else {}),
    }
    persons = len(np.unique(owners))
    return DuckdbTable(cells.dictionary, cells.count, persons, digest(content), cells, owners, beside)


def _owners(connection: Connection, dictionary: Dictionary, count: int) -> npt.NDArray[np.int64]:
    """Whose row each one is, shape (count,): persons are numbered from 0 in the order of their first rows."""
    if dictionary.person is None:
        return np.arange(count, dtype=np.int64)
    first = f"SELECT row, min(row) OVER (PARTITION BY {_cell(dictionary, dictionary.person)}) AS first FROM rows"  # noqa: S608 - a number
    query = f"SELECT dense_rank() OVER (ORDER BY first) - 1 AS person FROM ({first}) ORDER BY row"  # noqa: S608 - ours
    return np.ascontiguousarray(connection.execute(query).fetchnumpy()["person"], dtype=np.int64)


def _cell(dictionary: Dictionary, column: str) -> str:
    return f"c{[described.name for described in dictionary.columns].index(column)}"


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows of a table that an admission's scope lets in (`core.material.Rows`).

    `selected` are their places in the table, rising; None where there is no scope.
    """

    table: DuckdbTable
    scope: tuple[RowScope, ...] = ()
    selected: npt.NDArray[np.int64] | None = None

    @property
    def form(self) -> Form:
        """A table."""
        return Form.TABLE

    @property
    def count(self) -> int:
        """How many rows."""
        return self.table.count if self.selected is None else len(self.selected)

    @property
    def dictionary(self) -> Dictionary:
        """What the columns mean."""
        return self.table.dictionary

    def persons(self) -> npt.NDArray[np.int64]:
        """Whose row each one is, shape (count,): equal numbers for the same person, from 0; no pseudonyms.

        Persons are numbered in the order of their first rows here: no gap tells of those outside of the scope.
        """
        if self.selected is None:
            return self.table._owners.copy()  # noqa: SLF001 - one module
        _, first, found = np.unique(self._here(self.table._owners), return_index=True, return_inverse=True)  # noqa: SLF001
        return np.argsort(np.argsort(first))[found].astype(np.int64)

    def marks(self, key: bytes) -> tuple[Marks, Marks]:
        """For each row two digests of 64 bits keyed by `key`: of the person, and of everything that the row says."""
        known = self.table._marks  # noqa: SLF001 - one module
        found = known.get(key)
        if found is None:
            found = _marked(self.table, key)
            for old in list(known)[: max(len(known) - MOST_KEYS + 1, 0)]:
                known.pop(old, None)
            known[key] = found
        who, content = found
        return self._here(who), self._here(content)

    def numbers(self, column: str) -> npt.NDArray[np.float64]:
        """A column as numbers, shape (count,), NaN where missing: flags as 0 and 1, dates as days since 1970-01-01.

        Raises:
            ColumnUnknownError: there is no such column.
            RowsRefusedError: it holds codes, or it is the column of the pseudonyms.
        """
        described = self._open(column, coded=False)
        if described.type is ColumnType.CODE:
            raise RowsRefusedError(Text(msgid("the column {column} holds codes, not numbers"), {"column": column}))
        return self._here(self.table._cells.numbers(column))  # noqa: SLF001 - one module

    def codes(self, column: str) -> list[str | None]:
        """A column as texts, None where missing: codes, `true` and `false`, ISO dates.

        Raises:
            ColumnUnknownError: there is no such column.
            RowsRefusedError: it holds numbers, or it is the column of the pseudonyms.
        """
        described = self._open(column, coded=True)
        if described.numeric:
            raise RowsRefusedError(Text(msgid("the column {column} holds numbers, not codes"), {"column": column}))
        texts = self.table._cells.texts(column)  # noqa: SLF001 - one module
        return texts if self.selected is None else [texts[place] for place in self.selected.tolist()]

    def _here(self, values: npt.NDArray[T]) -> npt.NDArray[T]:
        return values if self.selected is None else values[self.selected]

    def _open(self, column: str, *, coded: bool) -> Column:
        if column == self.dictionary.person:
            raise RowsRefusedError(Text(msgid("the column {column} names persons"), {"column": column}))
        try:
            return self.dictionary.column(column)
        except KeyError:
            raise ColumnUnknownError(column, coded=coded) from None


def open_rows(table: DuckdbTable, admission: Admission) -> TableRows:
    """The rows of a table that the admission's scope lets in.

    Raises:
        ScopeRefusedError: the scope names a column that is not there, or values that the column cannot have.
    """
    if not admission.scope:
        return TableRows(table)
    selected = admitted(table._cells, admission.scope)  # noqa: SLF001 - one module
    return TableRows(table, admission.scope, selected)


def _marked(table: DuckdbTable, key: bytes) -> tuple[Marks, Marks]:
    dictionary = table.dictionary
    cells = ", ".join(f"CAST({_cell(dictionary, column.name)} AS VARCHAR)" for column in dictionary.columns)
    person = dictionary.person
    place = None if person is None else [column.name for column in dictionary.columns].index(person)
    before: Counter[int] = Counter()
    who, content = np.empty(table.count, np.uint64), np.empty(table.count, np.uint64)
    # Marks are kept and compared for years: numbers are told as DuckDB tells them, as they always were.
    with opened(table._cells) as connection:  # noqa: SLF001 - one module
        rows = connection.execute(f"SELECT {cells} FROM rows ORDER BY row")  # noqa: S608 - ours
        for at, row in enumerate(_each(rows)):
            everything = (*row, *table._beside[at : at + 1])  # noqa: SLF001 - one module
            said = _mark(key, "row", everything)
            who[at] = _mark(key, "person", (*everything, str(before[said])) if place is None else (row[place],))
            content[at] = said
            before[said] += place is None
    who.flags.writeable = content.flags.writeable = False
    return who, content


def _each(rows: Connection) -> Iterator[tuple[str | None, ...]]:
    while some := rows.fetchmany(BATCH):  # all texts of a table at once would be many times the table
        yield from some


def _mark(key: bytes, use: str, texts: Sequence[str | None]) -> int:
    """A keyed digest of texts; a cell holds neither control character, so that the ends are where they seem to be."""
    said = "".join("\x1f" if text is None else text + "\x1e" for text in texts)
    return int.from_bytes(blake2b(said.encode(), digest_size=8, key=key[:64], person=use.encode()).digest())


class TableSource:
    """Opens the rows of its assets (`core.material.Source`)."""

    def __init__(self, tables: Mapping[str, DuckdbTable]) -> None:
        self._tables = dict(tables)

    @property
    def form(self) -> Form:
        """Tables."""
        return Form.TABLE

    @property
    def assets(self) -> Sequence[str]:
        """The assets whose rows it can open."""
        return tuple(self._tables)

    def open(self, admission: Admission) -> Rows:
        """The rows of the admitted asset.

        Raises:
            RowsRefusedError: the asset has no table here.
            ScopeRefusedError: the admission's scope does not fit it.
        """
        table = self._tables.get(admission.asset)
        if table is None:
            reason = Text(msgid("there is no table for the asset {asset} here"), {"asset": admission.asset})
            raise RowsRefusedError(reason)
        return open_rows(table, admission)
