"""Why a database did not do it, in sentences: by SQLite's result codes and PostgreSQL's SQLSTATE, never by its words.

What a driver says may quote a record; its codes do not (https://sqlite.org/rescode.html, PostgreSQL 17 appendix A).
"""

from medspace.core.text import Text, msgid

_DAMAGED = msgid("the file is damaged, or is not an SQLite database; restore the last good backup")
_BUSY = msgid("another program is using the file")
_READONLY = msgid("it can only be read: check who may write to it and to its folder")
_DOOR = msgid("the server does not accept this role or its password")
_SILENT = msgid("the server does not answer: check that it runs, its address, the role and the password")
_LETTERS = msgid("its encoding lacks a character; make the database with the encoding UTF8")
# The longest beginning that fits decides.
_BEGINNINGS: tuple[tuple[str, str], ...] = (
    ("SQLITE_CORRUPT", _DAMAGED),
    ("SQLITE_NOTADB", _DAMAGED),
    ("SQLITE_BUSY", _BUSY),
    ("SQLITE_LOCKED", _BUSY),
    ("SQLITE_READONLY", _READONLY),
    ("SQLITE_PERM", _READONLY),
    ("SQLITE_CANTOPEN", msgid("the file or its folder cannot be opened")),
    ("SQLITE_IOERR", msgid("the disk reported an error")),
    ("08", _SILENT),
    ("22021", _LETTERS),
    ("22P05", _LETTERS),
    ("25006", msgid("the server can only be read, as a standby is")),
    ("28", _DOOR),
    ("3D000", msgid("the server has no database of that name")),
    ("3F000", msgid("the database has no schema of that name")),
    ("42501", msgid("the role has no right to do this there")),
    ("42P01", msgid("a table is missing there")),
    ("40", msgid("somebody else changed the same at the same time")),
    ("53300", msgid("the server has no connection left")),
    ("55P03", msgid("something else holds a lock for too long")),
    ("57", msgid("the server is being stopped, or broke off the statement")),
)
NO_STATE = _SILENT  # what psycopg raises of a connection that there is not has no SQLSTATE


def told(name: str) -> Text | None:
    """The sentence for a code, with the code for whoever runs the database; None where it has none."""
    words = next((words for start, words in _BEGINNINGS if name.startswith(start)), None)
    return Text(msgid("{words} ({code})"), {"words": Text(words), "code": name}) if words else None
