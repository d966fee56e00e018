"""Files into one raw table of text cells, inside a DuckDB that can open nothing but that file.

Every reader leaves a table `raw(row, c0, c1, ...)`: one text column for each column of the dictionary, in its order.
`row` counts records from 1; in a CSV file it counts as a spreadsheet does, the header being row 1 (blank lines do
not count). Names from the file never reach SQL unquoted.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from medspace.adapters.duckdb import faults
from medspace.adapters.duckdb.deadline import deadline, within_deadline
from medspace.adapters.duckdb.dialect import Dialect, Scan, assumed, heading_of, named, scan
from medspace.adapters.duckdb.errors import TableFormError, TableRefusedError, TableUnnamedError, TableUnreadableError
from medspace.adapters.duckdb.lines import create_raw
from medspace.adapters.duckdb.nature import nature_of, told
from medspace.adapters.duckdb.sql import Connection, as_pattern, identifier, literal, names_file
from medspace.adapters.extras import require
from medspace.adapters.oswords import why
from medspace.core.dictionary import Dictionary, TableFlaw
from medspace.core.text import Text, msgid

MEMORY_LIMIT = "1GB"
CHUNK = 50_000  # rows that pass from SQLite at a time
_LONG = msgid("to look at all of it took longer than {seconds} seconds")
_LONG_STEP = msgid(
    "take fewer rows or columns; or draft a dictionary from some of its rows, and offer the whole with --dictionary"
)
_SQLITE_TABLES = (
    "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY 1"
)
_DUCKDB_TABLES = (
    "SELECT table_name FROM duckdb_tables() WHERE database_name = 'source' AND schema_name = 'main' UNION ALL "
    "SELECT view_name FROM duckdb_views() WHERE database_name = 'source' AND schema_name = 'main' AND NOT internal "
    "ORDER BY 1"
)


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
    if path is not None and names_file(path):
        allowed = ", ".join(map(literal, {str(path), f"{path}.wal", as_pattern(path)}))
        connection.execute(f"SET allowed_paths = [{allowed}]")
    connection.execute("SET enable_external_access = false")
    return connection


def read(
    connection: Connection,
    path: Path,
    dictionary: Dictionary,
    table: str,
    dialect: Dialect | None = None,
    found: Scan | None = None,
) -> None:
    """Fill `raw` from the file; what it is shows in its first bytes, not in its name.

    `dialect` is how a text file is written, where somebody said it; `found` what its bytes are, where it is known.

    Raises:
        TableUnreadableError: the file is no table of a known form.
        TableRefusedError: records are no CSV, or the columns are not those of the dictionary.
        OSError: and the errors of DuckDB and SQLite, which `guarded` puts into our words.
    """
    form = form_of(path)
    check_path(path, form)
    if form == "parquet":
        _copy(connection, path, dictionary, f"read_parquet({literal(as_pattern(path))})")
    elif form == "sqlite":
        _read_sqlite(connection, path, dictionary, table)
    elif form == "duckdb":
        _read_duckdb(connection, path, dictionary, table)
    else:
        _read_csv(connection, path, dictionary, dialect, found)


def columns_of(connection: Connection, path: Path, table: str) -> list[str]:
    """The names of the columns of a file that is no text file.

    Raises:
        TableUnnamedError: it has several tables, and `table` is none of them.
    """
    form = form_of(path)
    if form == "sqlite":
        with _sqlite(path) as source:
            return [column[0] for column in _sqlite_rows(source, table).description]
    if form == "parquet":
        return _names(connection, f"read_parquet({literal(as_pattern(path))})")
    with _attached(connection, path):
        return _names(connection, f"source.{identifier(table)}")


def check_path(path: Path, form: str) -> None:
    """Refuse a file of DuckDB's whose name DuckDB cannot be told in this locale.

    Raises:
        TableUnreadableError: it is one.
    """
    if form in ("parquet", "duckdb") and not names_file(path):
        raise TableUnreadableError(path.name, Text(msgid("give it a name of plain letters, or set LC_ALL=C.UTF-8")))


def table_of(connection: Connection, path: Path, table: str) -> str:
    """The table of a database file that is meant: the one that is named, or the only one.

    Raises:
        TableUnnamedError: it has several, or others.
        TableUnreadableError: it has none.
    """
    form = form_of(path)
    check_path(path, form)
    if form not in ("sqlite", "duckdb"):
        return ""
    if form == "sqlite":
        with _sqlite(path) as source:
            tables = [str(row[0]) for row in source.execute(_SQLITE_TABLES)]
    else:
        with _attached(connection, path):
            tables = [str(row[0]) for row in connection.execute(_DUCKDB_TABLES).fetchall()]
    if not tables:
        raise TableUnreadableError(path.name, Text(msgid("it holds no table")))
    if table in tables:
        return table
    if not table and len(tables) == 1:
        return tables[0]
    raise TableUnnamedError(path.name, tables)


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
        raise TableUnreadableError(name, why(error)) from error
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        reason = Text(msgid("it does not fit into {limit} of memory"), {"limit": MEMORY_LIMIT})
        raise TableUnreadableError(name, reason) from error
    except (duckdb.Error, sqlite3.Error) as error:
        raise TableUnreadableError(name, faults.why(duckdb, error)) from None


@contextmanager
def looking(connection: Connection, name: str, seconds: float) -> Iterator[None]:
    """A look at a table of that name, which takes so many seconds at most.

    Raises:
        TableFormError: it took longer.
        TableUnreadableError: as `guarded`.
    """
    with deadline(connection, seconds) as ends:
        try:
            with guarded(name):
                yield
        except TableUnreadableError as error:
            if not ends.passed:
                raise
            raise TableFormError(name, Text(_LONG, {"seconds": f"{seconds:g}"}), Text(_LONG_STEP)) from error


def check_form(path: Path, form: str) -> None:
    """Refuse a file that shows by its first bytes to be of another form: csv, parquet, sqlite or duckdb.

    Raises:
        TableUnreadableError: it is.
        OSError: it cannot be read.
    """
    found = form_of(path)
    if found != form:
        facts = {"form": form, "found": found}
        raise TableUnreadableError(path.name, Text(msgid("it looks like {found}, not like {form}"), facts))


def form_of(path: Path) -> str:
    """What a file shows to be by its first bytes: parquet, sqlite, duckdb, or else csv."""
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"SQLite format 3\0"):
        return "sqlite"
    return "duckdb" if start[8:12] == b"DUCK" else "csv"


def _read_csv(
    connection: Connection, path: Path, dictionary: Dictionary, dialect: Dialect | None, found: Scan | None
) -> None:
    refuse_others(path)
    if dialect is None:
        dialect, found = assumed(path)
    found = found or scan(path)
    names = heading_of(path, dialect)
    create_raw(connection, path, dialect, found, names, match(path.name, names, dictionary))


def refuse_others(path: Path) -> None:
    """Refuse a file that is neither text nor a database, with what it is and what makes a table of it.

    Raises:
        TableFormError: it is.
        OSError: it cannot be read.
    """
    nature = nature_of(path)
    if nature is not None:
        raise TableFormError(path.name, *told(nature, path.name))


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
        with within_deadline(source):
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
    import numpy as np  # noqa: PLC0415 - a connector without tables does not need it

    chunk = {f"c{index}": np.array(cells, dtype=object) for index, cells in enumerate(columns)}
    connection.register("chunk", chunk)
    connection.execute(f"INSERT INTO raw SELECT {done} + row_number() OVER (), * FROM chunk")  # noqa: S608 - a number
    connection.unregister("chunk")


def match(file: str, names: Sequence[str], dictionary: Dictionary) -> list[int]:
    """Where in the file each column of the dictionary stands; `names` are the file's.

    Raises:
        TableUnreadableError, TableRefusedError: they are not the columns of the dictionary.
    """
    names = [named(name) for name in names]
    wanted = [named(column.name) for column in dictionary.columns]
    known = {*wanted, *map(named, dictionary.left_out), ""}  # a column without a name is nobody's: it is not read
    if not (known - {""}) & set(names):
        # The names may be the first patient's cells, so they are not told.
        reason = Text(msgid("its first row names none of the columns of the data dictionary"))
        raise TableUnreadableError(file, reason)
    findings = [
        *(
            (name, msgid("the name appears twice in the header"))
            for name, count in Counter(names).items()
            if count > 1 and name
        ),
        *((name, msgid("the column is missing in the file")) for name in wanted if name not in names),
        *((name, msgid("the data dictionary does not describe this column")) for name in names if name not in known),
    ]
    if findings:
        flaws = [TableFlaw(1, name, Text(reason)) for name, reason in findings]
        raise TableRefusedError(file, flaws, len(findings))
    return [names.index(name) for name in wanted]
