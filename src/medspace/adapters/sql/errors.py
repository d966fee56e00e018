"""What a database can answer, in our words."""

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from medspace.core.errors import InvalidInputError, StorageError, StorageFullError
from medspace.core.text import Text, msgid

_FULL = ("database or disk is full", "No space left on device", "could not extend file")
_POSTGRES_FULL = ("53100", "53200")  # disk_full, out_of_memory: PostgreSQL appendix A, class 53


class DatabaseUrlError(InvalidInputError):
    """The database URL names nothing that medspace can use."""

    code = "storage.url"
    sentence = msgid("The database {database} cannot be used: {reason}.")
    next_step = msgid("Write sqlite:///path/to/file.db or postgresql+psycopg://user@host/name.")


class SchemaBehindError(StorageError):
    """The tables are older than the program."""

    code = "storage.schema_behind"
    sentence = msgid("The tables of {database} are {count} migrations behind this version of medspace.")
    next_step = msgid("Run `medspace up` with this configuration: it brings them up to date.")


class SchemaAheadError(StorageError):
    """The tables are newer than the program."""

    code = "storage.schema_ahead"
    sentence = msgid("The tables of {database} were written by a newer medspace ({revision}).")
    next_step = msgid("Install that version of medspace again, or restore the copy from before the update.")


class OutcomeUnknownError(StorageError):
    """The connection was lost during the commit: all of the change was kept, or nothing."""

    code = "storage.unknown"
    sentence = msgid("The database went away while it was keeping the change; whether it was kept is not known.")
    next_step = msgid("Look whether the change is there before you repeat it.")


class LogDamagedError(StorageError):
    """The stored log is not the one that was written."""

    code = "storage.log_damaged"
    sentence = msgid("The log of {database} has a gap or a broken row near entry {index}.")
    next_step = msgid("Stop, keep a copy of the database, and restore the last good backup.")


def translated(error: SQLAlchemyError) -> StorageError:
    """The error of SQLAlchemy as a storage error."""
    return refused(error.orig or error) if isinstance(error, DBAPIError) else refused(error)


def refused(error: BaseException) -> StorageError:
    """The error of a driver as a storage error: its name only, for its words may hold values of a record."""
    state = getattr(error, "sqlstate", None)
    if state in _POSTGRES_FULL or any(sign in str(error) for sign in _FULL):
        return StorageFullError()
    name = getattr(error, "sqlite_errorname", None) or state or type(error).__name__
    return StorageError(reason=Text(msgid("it answered {name}"), {"name": name}))
