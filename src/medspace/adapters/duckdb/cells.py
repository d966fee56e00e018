"""The cells of a checked table as plain arrays: DuckDB reads and checks a file, and is closed once it is read.

A DuckDB that stays open for a table takes some megabytes and threads of its own, however few rows there are. What SQL
does better than arrays (`opened`) is done in a DuckDB that holds a copy of the cells for as long as that takes.
"""

from array import array
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from medspace.adapters.duckdb.checks import TYPES
from medspace.adapters.duckdb.reading import connect
from medspace.adapters.duckdb.sql import Connection
from medspace.core.dictionary import Column, ColumnType, Dictionary

EPOCH = date(1970, 1, 1)
BATCH = 10_000  # texts that pass at a time
# How a column of numbers is kept: every day until the year 9999 is exact in 32 bits, and so are 0 and 1 in 16.
WIDTHS = {
    ColumnType.NUMBER: np.float64,
    ColumnType.INTEGER: np.float64,
    ColumnType.DATE: np.float32,
    ColumnType.FLAG: np.float16,
}
_LEVEL = np.dtypes.StringDType()
_NEVER = -1  # the place of a missing text


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column of codes: for each row the place of its text among the `levels`, -1 where it is missing."""

    places: npt.NDArray[np.int32]
    levels: npt.NDArray[np.object_]  # of StringDType, which has no type of its own for checkers

    def all(self, missing: str | None) -> list[str | None]:
        """The texts, in the order of the rows."""
        levels = [*self.levels.tolist(), missing]
        return [levels[place] for place in self.places.tolist()]


@dataclass(frozen=True, slots=True)
class Cells:
    """All cells of a loaded table, in the order of its rows; the arrays cannot be written to."""

    dictionary: Dictionary
    count: int
    kept: Mapping[str, npt.NDArray[np.floating] | TextColumn]

    def numbers(self, column: str) -> npt.NDArray[np.float64]:
        """A column as numbers, NaN where missing: flags as 0 and 1, dates as days since 1970-01-01."""
        return self._numbers(column).astype(np.float64)

    def texts(self, column: str) -> list[str | None]:
        """A column of codes, flags or dates as texts, None where missing."""
        kept = self.kept[column]
        if isinstance(kept, TextColumn):
            return kept.all(None)
        known = {number: self._text(column, number) for number in np.unique(kept[~np.isnan(kept)]).tolist()}
        return [known.get(number) for number in kept.tolist()]

    def labels(self, column: str) -> npt.NDArray[np.int64]:
        """For each row which of the values of a column it has, by a number from 0; -1 where it has none."""
        kept = self.kept[column]
        if isinstance(kept, TextColumn):
            return kept.places.astype(np.int64)
        labels: npt.NDArray[np.int64] = np.unique(kept, return_inverse=True)[1].astype(np.int64)
        labels[np.isnan(kept)] = _NEVER
        return labels

    def known(self, column: str) -> npt.NDArray[np.bool_]:
        """For each row whether it has a value of a column."""
        kept = self.kept[column]
        known: npt.NDArray[np.bool_] = kept.places != _NEVER if isinstance(kept, TextColumn) else ~np.isnan(kept)
        return known

    def holders(self, column: str, owners: npt.NDArray[np.int64]) -> dict[str, int]:
        """How many different owners have each text of a column of codes; `owners` names that of each row."""
        kept = self.kept[column]
        if not isinstance(kept, TextColumn):
            raise TypeError(column)
        known = kept.places != _NEVER
        places = np.unique(np.stack([kept.places[known].astype(np.int64), owners[known]]), axis=1)[0]
        counts = np.bincount(places, minlength=len(kept.levels)).tolist()
        return dict(zip(kept.levels.tolist(), counts, strict=True))

    def among(self, column: str, values: Collection[str | float]) -> npt.NDArray[np.bool_]:
        """For each row whether its value, a code as text and anything else as number, is one of these."""
        kept = self.kept[column]
        if isinstance(kept, TextColumn):
            wanted = [level in values for level in kept.levels.tolist()]
            return np.array([*wanted, False])[kept.places]
        return np.isin(kept, np.array(sorted(values), dtype=np.float64))

    def content_digest(self, column: str) -> str:
        """SHA-256 of the column's values: big-endian doubles, or texts in UTF-8, each ended by a control character.

        0x1E ends a text, 0x1F stands for a missing one; a cell holds neither. Minus zero counts as zero and there is
        one NaN, so that equal values have equal bytes.
        """
        kept = self.kept[column]
        if isinstance(kept, TextColumn):
            ended = ("\x1f" if text is None else text + "\x1e" for text in kept.all(None))
            return sha256("".join(ended).encode()).hexdigest()
        numbers = self.numbers(column) + 0.0
        return sha256(np.where(np.isnan(numbers), np.nan, numbers).astype(">f8").tobytes()).hexdigest()

    def _numbers(self, column: str) -> npt.NDArray[np.floating]:
        kept = self.kept[column]
        if isinstance(kept, TextColumn):
            raise TypeError(column)
        return kept

    def _text(self, column: str, number: float) -> str:
        if self.dictionary.column(column).type is ColumnType.FLAG:
            return "true" if number else "false"
        return date.fromordinal(EPOCH.toordinal() + int(number)).isoformat()


def taken(connection: Connection, dictionary: Dictionary) -> Cells:
    """The cells of the typed table `rows` (see `checks.convert`), out of DuckDB."""
    count = connection.execute("SELECT count(*) FROM rows").fetchone()[0]
    kept = {
        column.name: _texts(connection, index)
        if column.type is ColumnType.CODE
        else _numbers(connection, index, column)
        for index, column in enumerate(dictionary.columns)
    }
    return Cells(dictionary, count, kept)


def _numbers(connection: Connection, index: int, column: Column) -> npt.NDArray[np.floating]:
    day = f"datediff('day', DATE '{EPOCH.isoformat()}', c{index})"
    cell = day if column.type is ColumnType.DATE else f"c{index}"
    query = f"SELECT coalesce(CAST({cell} AS DOUBLE), 'nan'::DOUBLE) AS value FROM rows ORDER BY row"  # noqa: S608 - a number
    kept = np.ascontiguousarray(connection.execute(query).fetchnumpy()["value"], dtype=WIDTHS[column.type])
    kept.flags.writeable = False
    return kept


def _texts(connection: Connection, index: int) -> TextColumn:
    found = connection.execute(f"SELECT c{index} FROM rows ORDER BY row")  # noqa: S608 - a number
    known: dict[str | None, int] = {None: _NEVER}
    places = array("i")
    while some := found.fetchmany(BATCH):
        places.extend(known.setdefault(text, len(known) - 1) for (text,) in some)
    levels = np.array([text for text in known if text is not None], dtype=_LEVEL)
    kept = np.array(places, dtype=np.int32)
    kept.flags.writeable = levels.flags.writeable = False
    return TextColumn(kept, levels)


@contextmanager
def opened(cells: Cells) -> Iterator[Connection]:
    """A DuckDB that holds the cells as the typed table `rows(row, c0, c1, ...)` and can open no file; a copy."""
    with closing(connect(None)) as connection:
        raw: dict[str, npt.NDArray[np.generic]] = {"row": np.arange(1, cells.count + 1, dtype=np.int64)}
        typed = ["row"]
        for index, column in enumerate(cells.dictionary.columns):
            kept = cells.kept[column.name]
            # A cell is never an empty text, and a column without a None is one of texts whatever stands in it.
            raw[f"c{index}"] = (
                np.array(kept.all(""), dtype=object) if isinstance(kept, TextColumn) else cells.numbers(column.name)
            )
            typed.append(f"{_typed(f'c{index}', column)} AS c{index}")
        connection.register("raw", raw)
        connection.execute(f"CREATE TABLE rows AS SELECT {', '.join(typed)} FROM raw")  # noqa: S608 - numbers and types
        connection.unregister("raw")
        connection.execute("SET lock_configuration = true")
        yield connection


def _typed(cell: str, column: Column) -> str:
    if column.type is ColumnType.CODE:
        return f"nullif(CAST({cell} AS VARCHAR), '')"
    known = f"CASE WHEN isnan({cell}) THEN NULL ELSE {cell} END"
    if column.type is ColumnType.DATE:
        return f"DATE '{EPOCH.isoformat()}' + CAST({known} AS INTEGER)"
    return f"CAST({known} AS {TYPES[column.type]})"
