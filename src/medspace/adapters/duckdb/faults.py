"""Why a file is no table: by the kind of an error, not by its words, which may quote cells."""

import sqlite3
from typing import Any

from medspace.core.text import Text, msgid

_DAMAGED = msgid("it is damaged or incomplete; copy it again from where it came from")
_NO_TABLE = msgid("it has no table of the name that `table` gives")
_LINES = msgid("its lines cannot be told apart; save it again as CSV in UTF-8 with one kind of line end")
_NEWER = msgid("it was written in a form that this version of DuckDB does not read")
_ELSEWHERE = msgid("it refers to other files, which are not read; name a file with the rows themselves")
_SQLITE: tuple[tuple[str, str], ...] = (
    ("SQLITE_BUSY", msgid("another program is writing to it")),
    ("SQLITE_LOCKED", msgid("another program is writing to it")),
    ("SQLITE_CORRUPT", _DAMAGED),
    ("SQLITE_NOTADB", _DAMAGED),
    ("SQLITE_IOERR", _DAMAGED),
    ("SQLITE_CANTOPEN", msgid("it or its folder cannot be opened")),
    ("SQLITE_ERROR", _NO_TABLE),  # of the one statement that is made there: a table by its name
)


def why(duckdb: Any, error: Exception) -> Text:  # noqa: ANN401 - the module, which is optional
    """What kept DuckDB or SQLite from reading a file."""
    if isinstance(error, sqlite3.Error):
        name = getattr(error, "sqlite_errorname", None) or ""
        words = next((words for start, words in _SQLITE if name.startswith(start)), _DAMAGED)
        return Text(words)
    if (
        isinstance(error, duckdb.InvalidInputException) and "CSV" in str(error)[:80]
    ):  # the words are DuckDB's own there
        return Text(_LINES)
    kinds = (
        ((duckdb.CatalogException, duckdb.ParserException, duckdb.BinderException), _NO_TABLE),
        ((duckdb.NotImplementedException, duckdb.SerializationException), _NEWER),
        ((duckdb.ConversionException,), msgid("a value in it cannot be written as text")),
        ((duckdb.PermissionException,), _ELSEWHERE),
    )
    return Text(next((words for kind, words in kinds if isinstance(error, kind)), _DAMAGED))
