"""Checked tables, and the source that opens their rows for an admission."""

from collections import Counter
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import blake2b, sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from medspace.adapters.duckdb.checks import check, convert
from medspace.adapters.duckdb.errors import RowsRefusedError
from medspace.adapters.duckdb.reading import Connection, connect, guarded, read
from medspace.core.columns import ColumnUnknownError
from medspace.core.dictionary import Column, ColumnType, Dictionary
from medspace.core.hashing import digest
from medspace.core.material import Form, Rows
from medspace.core.text import Text, msgid
from medspace.core.usage import Admission

EPOCH = date(1970, 1, 1)
BATCH = 1000  # rows that are marked at a time
Marks = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose every cell keeps to its dictionary. It tells what it is; its rows open only through a source.

    `count` rows of `persons` persons (rows, where the dictionary names no person column); `digest` is the same for
    the same content, whatever the form of the file.
    """

    dictionary: Dictionary
    count: int
    persons: int
    digest: str
    _connection: Connection = field(repr=False, compare=False)
    _owners: npt.NDArray[np.int64] = field(repr=False, compare=False)
    _marks: MutableMapping[bytes, tuple[Marks, Marks]] = field(default_factory=dict, repr=False, compare=False)


def load(path: Path, dictionary: Dictionary, table: str = "") -> Table:
    """Read and check a CSV, Parquet, DuckDB or SQLite file (of the last two: the table or view named `table`).

    The file is read once, into memory, and not opened again: what was checked is what is used.

    Raises:
        MissingExtraError: duckdb is not installed.
        TableUnreadableError: the file cannot be read.
        TableRefusedError: it does not keep to the dictionary. Nothing of it stays loaded.
    """
    path = path.resolve()
    connection = connect(path)
    try:
        with guarded(path):
            read(connection, path, dictionary, table)
            check(connection, path.name, dictionary)
            convert(connection, dictionary)
            connection.execute("SET lock_configuration = true")
            return _describe(connection, dictionary)
    except BaseException:
        connection.close()
        raise


def _describe(connection: Connection, dictionary: Dictionary) -> Table:
    count = connection.execute("SELECT count(*) FROM rows").fetchone()[0]
    owners = _owners(connection, dictionary, count)
    rows = _TableRows(connection, dictionary, owners, {})
    content = {
        "rows": count,
        "columns": [
            {"name": column.name, "type": column.type.value, "content": rows.content_digest(column.name)}
            for column in dictionary.columns
        ],
    }
    return Table(dictionary, count, len(np.unique(owners)), digest(content), connection, owners)


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
class _TableRows:
    """The rows of a table (`core.material.Rows`)."""

    _connection: Connection
    _dictionary: Dictionary
    _owners: npt.NDArray[np.int64]
    _marks: MutableMapping[bytes, tuple[Marks, Marks]]

    @property
    def form(self) -> Form:
        """A table."""
        return Form.TABLE

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self._owners)

    def persons(self) -> npt.NDArray[np.int64]:
        """Whose row each one is, shape (count,): equal numbers for the same person, from 0; no pseudonyms."""
        return self._owners.copy()

    @property
    def dictionary(self) -> Dictionary:
        """What the columns mean."""
        return self._dictionary

    def marks(self, key: bytes) -> tuple[Marks, Marks]:
        """For each row two digests of 64 bits keyed by `key`: of the person, and of everything that the row says."""
        known = self._marks.get(key)
        if known is None:
            self._marks.clear()  # a holder has one key for a table: another one is a new one
            known = self._marks[key] = self._marked(key)
        return known

    def _marked(self, key: bytes) -> tuple[Marks, Marks]:
        columns = self._dictionary.columns
        cells = ", ".join(f"CAST({_cell(self._dictionary, column.name)} AS VARCHAR)" for column in columns)
        cursor = self._connection.cursor().execute(f"SELECT {cells} FROM rows ORDER BY row")  # noqa: S608 - ours
        person = self._dictionary.person
        place = None if person is None else [column.name for column in columns].index(person)
        before: Counter[int] = Counter()
        who, content = np.empty(self.count, np.uint64), np.empty(self.count, np.uint64)
        at = 0
        while some := cursor.fetchmany(BATCH):  # all texts of a table at once would be many times the table
            for row in some:
                said = _mark(key, "row", row)
                who[at] = _mark(key, "person", (*row, str(before[said])) if place is None else (row[place],))
                content[at] = said
                before[said] += place is None
                at += 1
        who.flags.writeable = content.flags.writeable = False
        return who, content

    def numbers(self, column: str) -> npt.NDArray[np.float64]:
        """A column as numbers, shape (count,), NaN where missing: flags as 0 and 1, dates as days since 1970-01-01.

        Raises:
            ColumnUnknownError: there is no such column.
            RowsRefusedError: it holds codes, or it is the column of the pseudonyms.
        """
        described = self._open(column, coded=False)
        if described.type is ColumnType.CODE:
            raise RowsRefusedError(Text(msgid("the column {column} holds codes, not numbers"), {"column": column}))
        return self._numbers(column)

    def codes(self, column: str) -> list[str | None]:
        """A column as texts, None where missing: codes, `true` and `false`, ISO dates.

        Raises:
            ColumnUnknownError: there is no such column.
            RowsRefusedError: it holds numbers, or it is the column of the pseudonyms.
        """
        described = self._open(column, coded=True)
        if described.numeric:
            raise RowsRefusedError(Text(msgid("the column {column} holds numbers, not codes"), {"column": column}))
        return self._texts(column)

    def content_digest(self, column: str) -> str:
        """SHA-256 of the column's values: big-endian doubles, or texts in UTF-8, each ended by a control character.

        0x1E ends a text, 0x1F stands for a missing one; a cell holds neither. Minus zero counts as zero and there is
        one NaN, so that equal values have equal bytes.
        """
        if self._dictionary.column(column).type is ColumnType.CODE:
            texts = ("\x1f" if text is None else text + "\x1e" for text in self._texts(column))
            return sha256("".join(texts).encode()).hexdigest()
        numbers = self._numbers(column) + 0.0
        return sha256(np.where(np.isnan(numbers), np.nan, numbers).astype(">f8").tobytes()).hexdigest()

    def _open(self, column: str, *, coded: bool) -> Column:
        if column == self._dictionary.person:
            raise RowsRefusedError(Text(msgid("the column {column} names persons"), {"column": column}))
        try:
            return self._dictionary.column(column)
        except KeyError:
            raise ColumnUnknownError(column, coded=coded) from None

    def _numbers(self, column: str) -> npt.NDArray[np.float64]:
        cell = _cell(self._dictionary, column)
        if self._dictionary.column(column).type is ColumnType.DATE:
            cell = f"datediff('day', DATE '{EPOCH.isoformat()}', {cell})"
        query = f"SELECT coalesce(CAST({cell} AS DOUBLE), 'nan'::DOUBLE) AS value FROM rows ORDER BY row"  # noqa: S608 - a number
        values = self._connection.cursor().execute(query).fetchnumpy()["value"]
        return np.ascontiguousarray(values, dtype=np.float64)

    def _texts(self, column: str) -> list[str | None]:
        query = f"SELECT CAST({_cell(self._dictionary, column)} AS VARCHAR) FROM rows ORDER BY row"  # noqa: S608 - a number
        return [row[0] for row in self._connection.cursor().execute(query).fetchall()]


def _mark(key: bytes, use: str, texts: Sequence[str | None]) -> int:
    """A keyed digest of texts; a cell holds neither control character, so that the ends are where they seem to be."""
    said = "".join("\x1f" if text is None else text + "\x1e" for text in texts)
    return int.from_bytes(blake2b(said.encode(), digest_size=8, key=key[:64], person=use.encode()).digest())


class TableSource:
    """Opens the rows of its assets (`core.material.Source`)."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
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
        """
        table = self._tables.get(admission.asset)
        if table is None:
            reason = Text(msgid("the asset {asset} has no table here"), {"asset": admission.asset})
            raise RowsRefusedError(reason)
        return _TableRows(table._connection, table.dictionary, table._owners, table._marks)  # noqa: SLF001 - the one door
