"""A first data dictionary drafted from a file, for a person to review: types and codes as they were found."""

import json
from pathlib import Path

from medspace.adapters.duckdb.errors import TableUnreadableError
from medspace.adapters.duckdb.reading import Connection, connect, identifier, literal
from medspace.adapters.extras import require

MOST_CODES = 32  # a text column with more different values has its codes left open
_TYPES = (
    ("BOOLEAN", "flag"),
    ("DATE", "date"),
    ("FLOAT", "number"),
    ("DOUBLE", "number"),
    ("DECIMAL", "number"),
    ("INT", "integer"),
)


def draft(path: Path, person: str = "") -> str:
    """The TOML text of a dictionary that the rows of a CSV or Parquet file keep to.

    Raises:
        MissingExtraError: duckdb is not installed.
        TableUnreadableError: the file cannot be read as CSV or Parquet.
    """
    duckdb = require("duckdb", extra="data")
    path = path.resolve()
    connection = connect(path)
    try:
        reader = "read_parquet" if path.suffix == ".parquet" else "read_csv"
        options = "" if path.suffix == ".parquet" else ", sample_size = -1"
        connection.execute(f"CREATE TABLE drafted AS SELECT * FROM {reader}({literal(str(path))}{options})")  # noqa: S608 - quoted
        columns = [_column(connection, name, kind, person) for name, kind in _described(connection)]
    except duckdb.Error as error:
        # The message of the database may quote a cell, so only its kind is passed on.
        raise TableUnreadableError(path.name, type(error).__name__) from None
    finally:
        connection.close()
    head = [f"title = {json.dumps(path.stem)}", *([f"person = {json.dumps(person)}"] if person else [])]
    return "\n".join([*head, *columns]) + "\n"


def _described(connection: Connection) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in connection.execute("DESCRIBE drafted").fetchall()]


def _column(connection: Connection, name: str, kind: str, person: str) -> str:
    found = next((ours for theirs, ours in _TYPES if theirs in kind), "code")
    kept = "code" if name == person else found
    lines = ["", f"[columns.{json.dumps(name)}]", f'type = "{kept}"']
    if kept in ("number", "integer"):
        low, high = _range(connection, name)
        lines += [f"minimum = {low!r}", f"maximum = {high!r}"] if low is not None and high is not None else []
    if kept == "code" and name != person:
        lines += _codes(connection, name)
    return "\n".join(lines)


def _range(connection: Connection, name: str) -> tuple[float | None, float | None]:
    column = identifier(name)
    row = connection.execute(f"SELECT min({column})::DOUBLE, max({column})::DOUBLE FROM drafted").fetchone()  # noqa: S608 - quoted
    return (row[0], row[1])


def _codes(connection: Connection, name: str) -> list[str]:
    column = identifier(name)
    query = (
        f"SELECT DISTINCT {column}::VARCHAR FROM drafted WHERE {column} IS NOT NULL ORDER BY 1 LIMIT {MOST_CODES + 1}"  # noqa: S608 - quoted
    )
    codes = [row[0] for row in connection.execute(query).fetchall()]
    return [f"codes = {json.dumps(codes, ensure_ascii=False)}"] if len(codes) <= MOST_CODES else []
