"""SQL texts, and what a connection is called here."""

import os
import re
from pathlib import Path
from typing import Any, TypeAlias

Connection: TypeAlias = Any  # duckdb.DuckDBPyConnection; duckdb is optional, so its types are not named here


def literal(text: str) -> str:
    """An SQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def as_pattern(path: Path) -> str:
    """The pattern that matches the file of that path and no other, for readers of DuckDB's that look for several."""
    return re.sub(r"[*?\[]", r"[\g<0>]", str(path))


def names_file(path: Path) -> bool:
    """Whether DuckDB, to which paths are UTF-8, finds the file of that path; it does not in every locale."""
    try:
        return os.fsencode(path) == str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
