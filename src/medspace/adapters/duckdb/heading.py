"""Whether the first line of a CSV file names its columns, or is the first patient's."""

import re
from collections.abc import Sequence
from pathlib import Path

from medspace.adapters.duckdb.dialect import Dialect, heading_of, sample, title_lines
from medspace.adapters.duckdb.errors import TableFormError, TableUnreadableError
from medspace.core.dictionary import DATE, NUMBER
from medspace.core.text import Fact, Text, msgid
from medspace.core.writing import LIMIT, NUMBERS, number_pattern

MOST_COLUMNS = 1000  # of a table that a dictionary is drafted of
_NUMBER = re.compile("|".join([NUMBER, *(f"({LIMIT})?{number_pattern(form)}( *%)?" for form in NUMBERS)]))
_DATE = re.compile(rf"{DATE}|\d{{1,4}}[./-]\d{{1,2}}[./-]\d{{1,4}}")
_CAPITALS = re.compile(r"[A-Z][a-z]* [A-Z][a-z]*( [A-Z][a-z]*)*")


def check_heading(path: Path, dialect: Dialect) -> None:
    """Refuse a text file whose first line is no header: its cells would be published as names of columns.

    Raises:
        TableFormError: the first line looks like a row, or like a title, or is too wide. No cell is quoted.
        TableUnreadableError: there is no first line, or a name in it cannot be shown.
    """
    header = heading_of(path, dialect)
    check_width(path.name, len(header))
    for place, name in enumerate(header, start=1):
        if not name.isprintable():
            facts = {"place": place, "count": len(header)}
            raise TableUnreadableError(path.name, Text(msgid("column {place} of {count} has no usable name"), facts))
    if dialect.names:
        return
    below = sample(path, dialect)
    if 2 * sum(map(bool, header)) <= len(header) or _is_title(header, below):
        what = Text(msgid("its first line looks like a title above the table, not like names of columns"))
        lines = dialect.skipped + title_lines(path, dialect)
        step = Text(msgid("say how many lines there are above the names: --skip-lines {lines}"), {"lines": lines})
        raise TableFormError(path.name, what, step)
    if is_row(header, below):
        what = Text(
            msgid("its first row looks like data; add a header row whose column names are not values of the columns")
        )
        counts: dict[str, Fact | Text] = {
            "count": len(header),
            "skipped": dialect.skipped,
            "names": ",".join(f"column_{place}" for place in range(1, len(header) + 1)),
        }
        sentence = msgid("name its {count} columns, in their order, in place of these: --names {names}")
        if dialect.skipped:
            sentence = msgid(
                "skip fewer lines than {skipped} (--skip-lines), or name its {count} columns, in their order, in "
                "place of these: --names {names}"
            )
        raise TableFormError(path.name, what, Text(sentence, counts))


def check_width(name: str, columns: int) -> None:
    """Refuse a table of so many columns that looking at each of them would take very long.

    Raises:
        TableFormError: it has more than `MOST_COLUMNS`.
    """
    if columns > MOST_COLUMNS:
        what = Text(msgid("it has {count} columns, more than {most}"), {"count": columns, "most": MOST_COLUMNS})
        raise TableFormError(name, what, Text(msgid("split the table into several, or take columns out of it first")))


def _is_title(header: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether one cell stands above rows of several."""
    return len(header) == 1 and bool(below) and sum(len(row) > 1 for row in below) > len(below) / 2


def is_row(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first line is a row like the ones below it.

    A number or a date is no name, nor is a value of the column; a cell that has the shape of most below it is one
    only where most cells are not so.
    """
    if any(_NUMBER.fullmatch(cell.strip()) or _DATE.fullmatch(cell.strip()) for cell in header):
        return True
    columns = [(cell, [row[place] for row in rows if place < len(row)]) for place, cell in enumerate(header) if cell]
    if any(cell in below for cell, below in columns):
        return True
    alike = sum(_alike(cell, below) for cell, below in columns)
    return 2 * alike >= len(columns) and alike > 0


def _alike(cell: str, below: Sequence[str]) -> bool:
    """Whether most cells below have the shape of this one, and it is that of numbered or of capital words."""
    shape = _shape(cell)
    telling = "9" in shape or _CAPITALS.fullmatch(cell) is not None or "@" in shape
    return telling and 2 * sum(_shape(other) == shape for other in below) > len(below)


def _shape(cell: str) -> str:
    """A cell with a letter for each run of letters and 9 for each run of digits."""
    return re.sub(r"\d+", "9", re.sub(r"[^\W\d_]+", "a", cell))
