"""Files into one raw table of text cells, inside a DuckDB that can open nothing but that file.

Every reader leaves a table `raw(row, c0, c1, ...)`: one text column for each column of the dictionary, in its order.
`row` counts records from 1; in a CSV file it counts as a spreadsheet does, the header being row 1 (blank lines do
not count). Names from the file never reach SQL unquoted.
"""

import csv
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import numpy as np

from medspace.adapters.duckdb.errors import TableRefusedError, TableUnreadableError
from medspace.adapters.extras import require
from medspace.core.dictionary import Dictionary, TableFlaw
from medspace.core.text import Text, msgid

Connection: TypeAlias = Any  # duckdb.DuckDBPyConnection; duckdb is optional, so its types are not named here

MEMORY_LIMIT = "1GB"
LONGEST_LINE = 1_000_000  # bytes of one CSV record
LONGEST_HEADER = 64_000  # bytes
MOST_FINDINGS = 20  # named in the error
MOST_REJECTS = 10_000  # counted, of records that are not CSV
CHUNK = 50_000  # rows that pass from SQLite at a time

DELIMITERS = (",", ";", "\t", "|")

REJECTS = {
    "MISSING COLUMNS": msgid("the row has fewer cells than the header"),
    "TOO MANY COLUMNS": msgid("the row has more cells than the header"),
    "INVALID ENCODING": msgid("the row is not UTF-8 text"),
    "LINE SIZE OVER MAXIMUM": msgid("the row is longer than a million bytes"),
    "UNQUOTED VALUE": msgid("a quotation mark is opened and never closed, or stands inside a cell"),
}


def connect(path: Path | None) -> Connection:
    """A DuckDB in memory that may open the file `path` (and its write-ahead log), or no file, and nothing else.

    Raises:
        MissingExtraError: duckdb is not installed.
    """
    duckdb = require("duckdb", extra="data")
    connection = duckdb.connect(
        config={
            "threads": 1,
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": "",  # rows of patients are not spilled to disk
            "autoload_known_extensions": False,
            "autoinstall_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,
        }
    )
    if path is not None:
        allowed = ", ".join(literal(str(each)) for each in (path, Path(f"{path}.wal")))
        connection.execute(f"SET allowed_paths = [{allowed}]")
    connection.execute("SET enable_external_access = false")
    return connection


def literal(text: str) -> str:
    """An SQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def read(connection: Connection, path: Path, dictionary: Dictionary, table: str) -> None:
    """Fill `raw` from the file; what it is shows in its first bytes, not in its name.

    Raises:
        TableUnreadableError: the file is no table of a known form.
        TableRefusedError: records are no CSV, or the columns are not those of the dictionary.
        OSError: and the errors of DuckDB and SQLite, which `guarded` puts into our words.
    """
    form = _form(path)
    if form == "parquet":
        _copy(connection, path, dictionary, f"read_parquet({literal(str(path))})")
    elif form == "sqlite":
        _read_sqlite(connection, path, dictionary, table)
    elif form == "duckdb":
        _read_duckdb(connection, path, dictionary, table)
    else:
        _read_csv(connection, path, dictionary)


def columns_of(connection: Connection, path: Path, table: str) -> list[str]:
    """The names of the columns of a file."""
    form = _form(path)
    if form == "csv":
        return header_of(path)[0]
    if form == "sqlite":
        with _sqlite(path) as source:
            return [column[0] for column in _sqlite_rows(source, table).description]
    if form == "parquet":
        return _names(connection, f"read_parquet({literal(str(path))})")
    with _attached(connection, path):
        return _names(connection, f"source.{identifier(table)}")


@contextmanager
def guarded(name: str) -> Iterator[None]:
    """Say what a library could not do with a file, or another table, of that name in our own words.

    Raises:
        TableUnreadableError: for the file system's, DuckDB's and SQLite's errors.
    """
    duckdb = require("duckdb", extra="data")
    try:
        yield
    except OSError as error:
        raise TableUnreadableError(name, error.strerror or type(error).__name__) from error
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        reason = Text(msgid("it does not fit into {limit} of memory"), {"limit": MEMORY_LIMIT})
        raise TableUnreadableError(name, reason) from error
    except (duckdb.Error, sqlite3.Error) as error:
        # The message of the database may quote a cell, so only its kind is passed on.
        raise TableUnreadableError(name, type(error).__name__) from None


def check_form(path: Path, form: str) -> None:
    """Refuse a file that shows by its first bytes to be of another form: csv, parquet, sqlite or duckdb.

    Raises:
        TableUnreadableError: it is.
        OSError: it cannot be read.
    """
    found = _form(path)
    if found != form:
        facts = {"form": form, "found": found}
        raise TableUnreadableError(path.name, Text(msgid("it looks like {found}, not like {form}"), facts))


def is_csv(path: Path) -> bool:
    """Whether a file shows by its first bytes to be of no other form."""
    return _form(path) == "csv"


def _form(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"SQLite format 3\0"):
        return "sqlite"
    return "duckdb" if start[8:12] == b"DUCK" else "csv"


def _read_csv(connection: Connection, path: Path, dictionary: Dictionary) -> None:
    header, delimiter = header_of(path)
    order = match(path.name, header, dictionary)
    columns = ", ".join(f"'h{index}': 'VARCHAR'" for index in range(len(header)))
    connection.execute(
        f"CREATE TABLE raw AS SELECT row_number() OVER () + 1 AS row, {_select([f'h{index}' for index in order])} "  # noqa: S608 - numbers only
        f"FROM read_csv({literal(str(path))}, auto_detect = false, header = true, all_varchar = true, "
        f"columns = {{{columns}}}, delim = {literal(delimiter)}, quote = '\"', escape = '\"', strict_mode = true, "
        f"null_padding = false, max_line_size = {LONGEST_LINE}, store_rejects = true, rejects_limit = {MOST_REJECTS})"
    )
    _refuse_rejects(connection, path.name, header)


def header_of(path: Path) -> tuple[list[str], str]:
    """The names in the first line of a CSV file, and what stands between them: a comma, semicolon, tab or bar.

    Raises:
        TableUnreadableError: there is no such line.
    """
    with path.open("rb") as file:
        start = file.readline(LONGEST_HEADER)
    try:
        line = re.split(r"[\r\n]", start.decode("utf-8-sig"), maxsplit=1)[0]
        headers = {mark: next(csv.reader([line], strict=True, delimiter=mark), []) for mark in DELIMITERS}
    except (UnicodeDecodeError, csv.Error):
        raise TableUnreadableError(path.name, Text(msgid("its header is not a CSV header in UTF-8"))) from None
    delimiter = max(DELIMITERS, key=lambda mark: len(headers[mark]))  # of equals the first
    if not any(headers[delimiter]):
        raise TableUnreadableError(path.name, Text(msgid("it is empty")))
    return headers[delimiter], delimiter


def _refuse_rejects(connection: Connection, file: str, header: Sequence[str]) -> None:
    rejects = connection.execute(
        "SELECT line, column_idx, error_type::VARCHAR FROM reject_errors ORDER BY line, column_idx"
    ).fetchall()
    if not rejects:
        return
    findings = [
        TableFlaw(line, _name(header, index), Text(REJECTS.get(kind, msgid("the row is not CSV (RFC 4180)"))))
        for line, index, kind in rejects[:MOST_FINDINGS]
    ]
    raise TableRefusedError(file, findings, len(rejects))


def _name(header: Sequence[str], index: int | None) -> str:
    return header[index - 1] if index and index <= len(header) else ""


def _read_duckdb(connection: Connection, path: Path, dictionary: Dictionary, table: str) -> None:
    with _attached(connection, path):
        _copy(connection, path, dictionary, f"source.{identifier(table)}")


@contextmanager
def _attached(connection: Connection, path: Path) -> Iterator[None]:
    connection.execute(f"ATTACH {literal(str(path))} AS source (READ_ONLY)")
    yield
    connection.execute("DETACH source")


def _names(connection: Connection, relation: str) -> list[str]:
    # LIMIT 0 gives the names without the rows.
    return [column[0] for column in connection.execute(f"SELECT * FROM {relation} LIMIT 0").description]  # noqa: S608 - quoted


def _copy(connection: Connection, path: Path, dictionary: Dictionary, relation: str) -> None:
    names = _names(connection, relation)
    order = match(path.name, names, dictionary)
    cells = _select([identifier(names[index]) for index in order])
    connection.execute(f"CREATE TABLE raw AS SELECT row_number() OVER () AS row, {cells} FROM {relation}")  # noqa: S608 - quoted


def _select(columns: Sequence[str]) -> str:
    return ", ".join(f"CAST({column} AS VARCHAR) AS c{index}" for index, column in enumerate(columns))


@contextmanager
def _sqlite(path: Path) -> Iterator[sqlite3.Connection]:
    # DuckDB's own reader of SQLite files is an extension that would have to be downloaded.
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as source:
        source.execute("PRAGMA trusted_schema = OFF")
        yield source


def _sqlite_rows(source: sqlite3.Connection, table: str) -> sqlite3.Cursor:
    return source.execute(f"SELECT * FROM {identifier(table)}")  # noqa: S608 - quoted


def _read_sqlite(connection: Connection, path: Path, dictionary: Dictionary, table: str) -> None:
    with _sqlite(path) as source:
        rows = _sqlite_rows(source, table)
        order = match(path.name, [column[0] for column in rows.description], dictionary)
        chunks = iter(lambda: rows.fetchmany(CHUNK), [])
        fill_raw(
            connection, len(order), ([[_text(row[index]) for row in chunk] for index in order] for chunk in chunks)
        )


def fill_raw(connection: Connection, columns: int, chunks: Iterable[Sequence[Sequence[str | None]]]) -> None:
    """Make `raw` of chunks of texts, each chunk by columns: column k is that of the dictionary."""
    cells = ", ".join(f"c{index} VARCHAR" for index in range(columns))
    connection.execute(f"CREATE TABLE raw (row BIGINT, {cells})")
    done = 0
    for chunk in chunks:
        _insert(connection, chunk, done)
        done += len(chunk[0])


def _text(value: float | str | bytes | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return (
        "\0" if isinstance(value, bytes) else repr(value)
    )  # bytes are no cell: the check finds the control character


def _insert(connection: Connection, columns: Sequence[Sequence[str | None]], done: int) -> None:
    chunk = {f"c{index}": np.array(cells, dtype=object) for index, cells in enumerate(columns)}
    connection.register("chunk", chunk)
    connection.execute(f"INSERT INTO raw SELECT {done} + row_number() OVER (), * FROM chunk")  # noqa: S608 - a number
    connection.unregister("chunk")


def match(file: str, names: Sequence[str], dictionary: Dictionary) -> list[int]:
    """Where in the file each column of the dictionary stands; `names` are the file's.

    Raises:
        TableUnreadableError, TableRefusedError: they are not the columns of the dictionary.
    """
    wanted = [column.name for column in dictionary.columns]
    known = {*wanted, *dictionary.left_out}
    if not known & set(names):
        # The names may be the first patient's cells, so they are not told.
        reason = Text(msgid("its first row names none of the columns of the data dictionary"))
        raise TableUnreadableError(file, reason)
    findings = [
        *(
            (name, msgid("the name stands twice in the header"))
            for name, count in Counter(names).items()
            if count > 1
        ),
        *((name, msgid("the column is missing in the file")) for name in wanted if name not in names),
        *((name, msgid("the data dictionary does not describe this column")) for name in names if name not in known),
    ]
    if findings:
        named = [TableFlaw(1, name, Text(reason)) for name, reason in findings[:MOST_FINDINGS]]
        raise TableRefusedError(file, named, len(findings))
    return [list(names).index(name) for name in wanted]
