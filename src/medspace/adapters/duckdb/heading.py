"""Whether the first line of a CSV file names its columns, or is the first patient's."""

import csv
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from medspace.adapters.duckdb.errors import TableUnreadableError
from medspace.adapters.duckdb.reading import header_of
from medspace.core.dictionary import DATE, NUMBER
from medspace.core.text import Text, msgid

SAMPLE = 200  # rows that the first line is compared with
LARGEST_SAMPLE = 1 << 20  # bytes
_DATE = re.compile(rf"{DATE}|\d{{1,4}}[./-]\d{{1,2}}[./-]\d{{1,4}}")
_CAPITALS = re.compile(r"[A-Z][a-z]* [A-Z][a-z]*( [A-Z][a-z]*)*")


def check_heading(path: Path) -> None:
    """Refuse a CSV file whose first line is no header: its cells would be published as names of columns.

    Raises:
        TableUnreadableError: a name is missing, or the first line looks like a row. No cell is quoted.
    """
    header, delimiter = header_of(path)
    for place, name in enumerate(header, start=1):
        if not name.strip() or not name.isprintable():
            facts = {"place": place, "count": len(header)}
            raise TableUnreadableError(path.name, Text(msgid("column {place} of {count} has no usable name"), facts))
    if is_row(header, _sample(path, delimiter)):
        reason = Text(
            msgid("its first row looks like data; write names of columns above it that are no values of theirs")
        )
        raise TableUnreadableError(path.name, reason)


def is_row(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first line is a row like the ones below it.

    A number or a date is no name, nor is a value of the column; a cell that has the shape of most below it is one
    only where most cells are not so.
    """
    if any(re.fullmatch(NUMBER, cell.strip()) or _DATE.fullmatch(cell.strip()) for cell in header):
        return True
    columns = [(cell, [row[place] for row in rows if place < len(row)]) for place, cell in enumerate(header)]
    if any(cell in below for cell, below in columns):
        return True
    alike = sum(_alike(cell, below) for cell, below in columns)
    return 2 * alike >= len(header) and alike > 0


def _alike(cell: str, below: Sequence[str]) -> bool:
    """Whether most cells below have the shape of this one, and it is that of numbered or of capital words."""
    shape = _shape(cell)
    telling = "9" in shape or _CAPITALS.fullmatch(cell) is not None or "@" in shape
    return telling and 2 * sum(_shape(other) == shape for other in below) > len(below)


def _shape(cell: str) -> str:
    """A cell with a letter for each run of letters and 9 for each run of digits."""
    return re.sub(r"\d+", "9", re.sub(r"[^\W\d_]+", "a", cell))


def _sample(path: Path, delimiter: str) -> list[list[str]]:
    with path.open("rb") as file:
        text = file.read(LARGEST_SAMPLE).decode("utf-8-sig", errors="replace")
    reader = csv.reader(text.splitlines(keepends=True)[1:], delimiter=delimiter)
    try:
        return [row for row in islice(reader, SAMPLE) if row]
    except csv.Error:
        return []  # the rows are looked at one by one when they are read
