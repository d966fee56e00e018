"""A first data dictionary drafted from a file, for a person to review: types, bounds and codes as they were found.

Types are tried with the rules by which the file is loaded later, so a file keeps to its draft (but for cells that no
dictionary allows). Bounds are widened to round numbers, because a dictionary is published, and the greatest age of a
hospital's patients is somebody's age.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path

from medspace.adapters.duckdb.checks import verdict
from medspace.adapters.duckdb.errors import TableUnreadableError
from medspace.adapters.duckdb.reading import Connection, columns_of, connect, guarded, read
from medspace.core.dictionary import Column, ColumnType, Dictionary
from medspace.core.text import Text, msgid

MOST_CODES = 32  # a text column with more different values has its codes left open
# Cells that stand for "not measured" where everything else in a column is a number.
MISSING = ("NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?", "-", ".")
PADDED = "regexp_full_match(CELL, '0[0-9]+')"  # 007 is a code: as a number it would lose its zeros
LARGEST_PLAIN = 1e15  # beyond it an integer is written as a double
TRIED = (ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.DATE, ColumnType.FLAG)


def draft(path: Path, person: str = "", table: str = "") -> str:
    """The TOML text of a dictionary that the rows of a file keep to (of a database file: of the table named `table`).

    Raises:
        MissingExtraError: duckdb is not installed.
        TableUnreadableError: the file cannot be read, or has no column `person`.
        TableRefusedError: its records are no CSV, or two columns have one name.
    """
    path = path.resolve()
    connection = connect(path)
    try:
        with guarded(path):
            names = columns_of(connection, path, table)
            if person and person not in names:
                raise TableUnreadableError(path.name, Text(msgid("there is no column {column}"), {"column": person}))
            plain = Dictionary(path.stem, tuple(Column(name, ColumnType.CODE) for name in dict.fromkeys(names)))
            read(connection, path, plain, table)
            columns = [_column(connection, f"c{index}", name, person) for index, name in enumerate(names)]
    finally:
        connection.close()
    head = [f"title = {_quoted(path.stem)}", *([f"person = {_quoted(person)}"] if person else [])]
    return "\n".join([*head, *columns]) + "\n"


def _column(connection: Connection, cell: str, name: str, person: str) -> str:
    kind, missing = (ColumnType.CODE, list[str]()) if name == person else _type(connection, cell)
    lines = ["", f"[columns.{_quoted(name)}]", f'type = "{kind.value}"']
    if missing:
        lines.append(f"missing = {_list(missing)}")
    if kind in (ColumnType.NUMBER, ColumnType.INTEGER):
        lines += _bounds(connection, cell)
    if kind is ColumnType.CODE and name != person:
        lines += _codes(connection, cell)
    return "\n".join(lines)


def _type(connection: Connection, cell: str) -> tuple[ColumnType, list[str]]:
    """The first type that the cells keep to; of numbers, with the marks of missing values."""
    filled = f"SELECT count(DISTINCT {cell}), count(*) FILTER ({PADDED}) FROM raw WHERE {cell} <> ''"  # noqa: S608 - a column number
    count, padded = connection.execute(filled.replace("CELL", cell)).fetchone()
    for kind in TRIED[2:] if padded else TRIED:
        column = Column("tried", kind)
        refused = (
            f"SELECT DISTINCT {cell} FROM raw WHERE {verdict(cell, column)} IS NOT NULL LIMIT {len(MISSING) + 1}"  # noqa: S608 - a column number
        )
        odd = sorted(row[0] for row in connection.execute(refused).fetchall())
        if count > len(odd) and (not odd or (column.numeric and set(odd) <= set(MISSING))):
            return kind, odd
    return ColumnType.CODE, []


def _bounds(connection: Connection, cell: str) -> list[str]:
    numbers = f"SELECT TRY_CAST({cell} AS DOUBLE) AS value FROM raw"  # noqa: S608 - a column number
    query = f"SELECT min(value), max(value) FROM ({numbers}) WHERE isfinite(value)"  # noqa: S608 - a column number
    low, high = connection.execute(query).fetchone()
    # One digit of the range, so that no bound is anybody's value but by chance.
    step = 10.0 ** math.floor(math.log10((high - low) or abs(high) or 1.0))
    return [f"minimum = {_round(low, step, math.floor)}", f"maximum = {_round(high, step, math.ceil)}"]


def _round(value: float, step: float, way: Callable[[float], int]) -> str:
    rounded = float(f"{way(value / step) * step:.12g}")
    return repr(int(rounded)) if rounded == int(rounded) and abs(rounded) < LARGEST_PLAIN else repr(rounded)


def _codes(connection: Connection, cell: str) -> list[str]:
    query = f"SELECT DISTINCT {cell} FROM raw WHERE {cell} <> '' ORDER BY 1 LIMIT {MOST_CODES + 1}"  # noqa: S608 - a column number
    codes = [row[0] for row in connection.execute(query).fetchall()]
    return [f"codes = {_list(codes)}"] if 0 < len(codes) <= MOST_CODES else []


def _list(texts: list[str]) -> str:
    return f"[{', '.join(_quoted(text) for text in texts)}]"


def _quoted(text: str) -> str:
    # A JSON string is a TOML basic string but for DEL, which TOML wants escaped (TOML 1.0, String).
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
