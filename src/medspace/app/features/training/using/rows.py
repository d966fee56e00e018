"""One's own rows from a CSV file, for a model to score. Only the columns that it uses are kept."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path

from medspace.adapters.oswords import why
from medspace.core.text import Fact, Text, msgid
from medspace.learning.glm.task import FeatureColumn
from medspace.learning.using.errors import OwnRowsError

MOST_ROWS = 5_000_000
DELIMITERS = ",;\t"
WORDS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, slots=True)
class OwnRows:
    """Some columns of a table of one's own (`core.material.Columns`); `names` are what its rows are called."""

    count: int
    figures: Mapping[str, Sequence[float]]
    texts: Mapping[str, Sequence[str | None]]
    names: tuple[str, ...]

    def numbers(self, column: str) -> Iterable[float]:
        """A numeric column."""
        return self.figures[column]

    def codes(self, column: str) -> Sequence[str | None]:
        """A coded column."""
        return self.texts[column]


def read_rows(file: Path, features: Sequence[FeatureColumn], missing: Sequence[str] = (), name: str = "") -> OwnRows:
    """The columns of these features in a CSV file; an empty cell, or one of `missing`, has no value.

    `name` is the column with what the rows are called, by default their numbers.

    Raises:
        OwnRowsError: it is no such file; with the line.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            return rows_of(opened, features, missing, name)
    except OSError as error:
        raise OwnRowsError(reason=why(error)) from error


def rows_of(
    lines: Iterator[str], features: Sequence[FeatureColumn], missing: Sequence[str] = (), name: str = ""
) -> OwnRows:
    """The same from the lines of such a file.

    Raises:
        OwnRowsError: it is no such file; with the line.
    """
    try:
        return _read(lines, features, {"", *missing}, name)
    except (UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(msgid("it is no text in UTF-8 with one row a line")) from error


def _read(lines: Iterator[str], features: Sequence[FeatureColumn], gaps: set[str], name: str) -> OwnRows:
    first = next(lines, "")
    delimiter = max(DELIMITERS, key=first.count)
    header = next(csv.reader([first], delimiter=delimiter), [])
    place = {column: at for at, column in enumerate(header)}
    wanted = [*(feature.name for feature in features), *([name] if name else [])]
    lacking = [column for column in wanted if column not in place]
    if lacking:
        raise _unreadable(msgid("it has no column {columns}"), columns=", ".join(lacking))
    if len(place) < len(header):
        raise _unreadable(msgid("two of its columns have one name"))
    figures: dict[str, list[float]] = {one.name: [] for one in features if not one.coded}
    texts: dict[str, list[str | None]] = {one.name: [] for one in features if one.coded}
    names: list[str] = []
    for line, row in enumerate(csv.reader(lines, delimiter=delimiter, strict=True), 2):
        if not row:
            continue
        if len(row) != len(header) or len(names) >= MOST_ROWS:
            raise _unreadable(msgid("line {line} has another number of cells, or is beyond the limit"), line=line)
        for column, cells in figures.items():
            cells.append(number_of(row[place[column]].strip(), gaps, column, line))
        for column, codes in texts.items():
            cell = row[place[column]].strip()
            codes.append(None if cell in gaps else cell)
        names.append(row[place[name]] if name else str(len(names) + 1))
    return OwnRows(len(names), figures, texts, tuple(names))


def number_of(cell: str, gaps: set[str], column: str, line: int) -> float:
    """The number in a cell, NaN where it has none.

    Raises:
        OwnRowsError: it holds something else.
    """
    if cell in gaps:
        return nan
    if cell.lower() in WORDS:
        return WORDS[cell.lower()]
    try:
        value = nan if "_" in cell else float(cell)
    except ValueError:
        value = nan
    if not isfinite(value):
        raise _unreadable(msgid("line {line} has no number in the column {column}"), line=line, column=column)
    return value


def _unreadable(sentence: str, **facts: Fact) -> OwnRowsError:
    return OwnRowsError(reason=Text(sentence, facts))
