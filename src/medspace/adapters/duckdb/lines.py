"""Text files as a relation of text cells: by DuckDB where a file is plain CSV in UTF-8, else record by record.

DuckDB reads UTF-8 whose lines all end in one way, below one line of names. Everything else (other encodings, names
that break their line, mixed ends of lines, lines above the names) is decoded here and put into the same relation, by
the same rules: RFC 4180, as many cells in each row as there are names.
"""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from medspace.adapters.duckdb.dialect import EMPTY, TOTAL, Dialect, Scan, records
from medspace.adapters.duckdb.errors import MOST_LISTED, TableRefusedError, TableUnreadableError
from medspace.adapters.duckdb.sql import Connection, literal, names_file
from medspace.core.dictionary import TableFlaw
from medspace.core.text import Fact, Text, msgid

LONGEST_LINE = 1_000_000  # bytes of one CSV record
MOST_REJECTS = 10_000  # counted, of records that are not CSV
CHUNK = 20_000  # rows that pass at a time
# What the first filled cell of a row of totals says, in the languages of hospitals that we know of.
TOTALS = (
    "(grand |sub-?)?totals?( general)?|sum|sums|summe|gesamt|gesamtsumme|insgesamt|somme|mean|average|mittelwert"
    "|合计|总计|小计|共计|总和|平均|平均值|合計|總計"
)
REJECTS = {
    "MISSING COLUMNS": msgid("the row has fewer cells than the header"),
    "TOO MANY COLUMNS": msgid("the row has more cells than the header"),
    "INVALID ENCODING": msgid("the row is not UTF-8 text"),
    "LINE SIZE OVER MAXIMUM": msgid("the row is longer than a million bytes"),
    "UNQUOTED VALUE": msgid("a quotation mark is never closed, or appears inside an unquoted cell"),
}
_NOT_CSV = msgid("the row is not CSV (RFC 4180)")


_GLOB = frozenset("*?[")


def create_raw(
    connection: Connection, path: Path, dialect: Dialect, found: Scan, names: Sequence[str], order: Sequence[int]
) -> None:
    """Make `raw(row, c0, c1, ...)` of the columns `order` of a text file, without the rows that are left out.

    Raises:
        TableUnreadableError, TableRefusedError: it is not written as the dialect says.
        OSError, duckdb.Error: it cannot be read.
    """
    plain = dialect.encoding == found.encoding == "utf-8" and found.uniform and not dialect.skipped
    plain &= names_file(path) and not _GLOB.intersection(str(path))  # DuckDB would look for several files
    if plain and (dialect.names or _one_line(path)):
        _select(connection, _scanned(path, dialect, len(names)), dialect, names, order)
        _refuse_rejects(connection, path.name, names)
        return
    _fill(connection, path, dialect, names)
    _select(connection, "lines", dialect, names, order)
    connection.execute("DROP TABLE lines")


def kind_of_row(cells: Sequence[str]) -> str:
    """The SQL expression of what a row is, `empty` or of a `total`, else NULL; `cells` are all of its cells."""
    filled = ", ".join(f"nullif(trim({cell}), '')" for cell in cells)
    first = f"coalesce({filled}, NULL)"
    total = f"length({first}) < 30 AND regexp_full_match(lower({first}), {literal(f'({TOTALS}) *[:：]?')})"
    return f"CASE WHEN {first} IS NULL THEN {literal(EMPTY)} WHEN {total} THEN {literal(TOTAL)} END"


def _select(
    connection: Connection, relation: str, dialect: Dialect, names: Sequence[str], order: Sequence[int]
) -> None:
    cells = ", ".join(f"CAST(h{place} AS VARCHAR) AS c{index}" for index, place in enumerate(order))
    kinds = [row for row in dialect.left_out if isinstance(row, str)]
    single = [row for row in dialect.left_out if isinstance(row, int)]
    kept = ["true"]
    if kinds:
        kind = kind_of_row([f"h{index}" for index in range(len(names))])
        kept.append(f"coalesce({kind}, '') NOT IN ({', '.join(map(literal, kinds))})")
    if single:
        kept.append(f"row NOT IN ({', '.join(map(str, single))})")
    where = " AND ".join(kept)
    connection.execute(f"CREATE TABLE raw AS SELECT row, {cells} FROM {relation} WHERE {where}")  # noqa: S608 - numbers only


def _scanned(path: Path, dialect: Dialect, count: int) -> str:
    """DuckDB's own reader of a plain file."""
    columns = ", ".join(f"'h{index}': 'VARCHAR'" for index in range(count))
    above = not dialect.names
    options = (
        f"auto_detect = false, header = {str(above).lower()}, all_varchar = true, columns = {{{columns}}}",
        f"delim = {literal(dialect.delimiter)}, quote = '\"', escape = '\"', strict_mode = true",
        f"null_padding = false, max_line_size = {LONGEST_LINE}, store_rejects = true, rejects_limit = {MOST_REJECTS}",
    )
    scanned = f"read_csv({literal(str(path))}, {', '.join(options)})"
    return f"(SELECT row_number() OVER () + {int(above)} AS row, * FROM {scanned})"  # noqa: S608 - numbers only


def _one_line(path: Path) -> bool:
    """Whether the names stand in one line: no quoted cell breaks it."""
    with path.open("rb") as file:
        line = file.readline(LONGEST_LINE)
    return line.count(b'"') % 2 == 0


def _refuse_rejects(connection: Connection, file: str, header: Sequence[str]) -> None:
    rejects = connection.execute(
        "SELECT line, column_idx, error_type::VARCHAR FROM reject_errors ORDER BY line, column_idx"
    ).fetchall()
    if not rejects:
        return
    findings = [
        TableFlaw(line, _name(header, index), Text(REJECTS.get(kind, _NOT_CSV))) for line, index, kind in rejects
    ]
    raise TableRefusedError(file, findings, len(rejects))


def _name(header: Sequence[str], index: int | None) -> str:
    return header[index - 1] if index and index <= len(header) else ""


# --- record by record ---------------------------------------------------------------------------------------------
def _fill(connection: Connection, path: Path, dialect: Dialect, names: Sequence[str]) -> None:
    cells = ", ".join(f"h{index} VARCHAR" for index in range(len(names)))
    connection.execute(f"CREATE TABLE lines (row BIGINT, {cells})")
    flaws: list[TableFlaw] = []
    kept = _whole(path, dialect, names, flaws)
    while some := list(islice(kept, CHUNK)):
        _insert(connection, some)
    if flaws:
        raise TableRefusedError(path.name, flaws[:MOST_LISTED], len(flaws))


def _insert(connection: Connection, rows: Sequence[tuple[int, list[str]]]) -> None:
    import numpy as np  # noqa: PLC0415 - a connector without tables does not need it

    chunk = {"row": np.array([row for row, _ in rows], dtype=np.int64)}
    columns = zip(*(cells for _, cells in rows), strict=True)
    chunk |= {f"h{index}": np.array(cells, dtype=object) for index, cells in enumerate(columns)}
    connection.register("chunk", chunk)
    connection.execute("INSERT INTO lines SELECT * FROM chunk")
    connection.unregister("chunk")


def _whole(
    path: Path, dialect: Dialect, names: Sequence[str], flaws: list[TableFlaw]
) -> Iterator[tuple[int, list[str]]]:
    """The rows with as many cells as there are names, by their numbers; what is wrong with others goes to `flaws`."""
    row = dialect.skipped
    try:
        for cells in records(path, dialect):
            row += 1
            if row == dialect.skipped + 1 and not dialect.names:
                continue
            if len(cells) == len(names):
                yield row, cells
            else:
                kind = "MISSING COLUMNS" if len(cells) < len(names) else "TOO MANY COLUMNS"
                flaws.append(TableFlaw(row, "", Text(REJECTS[kind])))
    except UnicodeError:
        facts: dict[str, Fact | Text] = {"row": row + 1, "encoding": dialect.encoding}
        raise TableUnreadableError(
            path.name, Text(msgid("row {row} or one soon after it is not {encoding} text"), facts)
        ) from None
    except csv.Error:  # whose message would quote nothing, but is in English only
        flaws.append(TableFlaw(row + 1, "", Text(REJECTS["UNQUOTED VALUE"])))
