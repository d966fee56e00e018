"""Database errors, as medspace reports them."""

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from medspace.adapters.sql.faults import NO_STATE, told
from medspace.core.errors import InvalidInputError, StorageError, StorageFullError
from medspace.core.text import Text, msgid

_FULL = ("database or disk is full", "No space left on device", "could not extend file")
_POSTGRES_FULL = ("53100", "53200")  # disk_full, out_of_memory: PostgreSQL appendix A, class 53


class DatabaseUrlError(InvalidInputError):
    """The database URL is not one that medspace supports."""

    code = "storage.url"
    sentence = msgid("The database {database} cannot be used: {reason}.")
    next_step = msgid("Write sqlite:///path/to/file.db or postgresql+psycopg://user@host/name.")


class DatabaseEncodingError(InvalidInputError):
    """The database cannot keep every character: names and sentences come in every script."""

    code = "storage.encoding"
    sentence = msgid("The database {database} has the encoding {encoding}, which cannot keep every character.")
    next_step = msgid(
        "Make a new database with the encoding UTF8, such as "
        "`createdb --encoding=UTF8 --template=template0 NAME`, and name it in the configuration."
    )


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
    next_step = msgid("Check whether the change is there before you repeat it.")


class LogDamagedError(StorageError):
    """The stored log is not the one that was written."""

    code = "storage.log_damaged"
    sentence = msgid("The log of {database} has a gap or a broken row near entry {index}.")
    next_step = msgid("Stop, keep a copy of the database, and restore the last good backup.")


def translated(error: SQLAlchemyError) -> StorageError:
    """The error of SQLAlchemy as a storage error."""
    return refused(error.orig or error) if isinstance(error, DBAPIError) else refused(error)


def refused(error: BaseException) -> StorageError:
    """The error of a driver as a storage error: its name only, as its text may contain values of a record."""
    state = getattr(error, "sqlstate", None)
    if state in _POSTGRES_FULL or any(sign in str(error) for sign in _FULL):
        return StorageFullError()
    name = getattr(error, "sqlite_errorname", None) or state or type(error).__name__
    if state is None and name == "OperationalError":  # psycopg's, of a connection that there is not
        return StorageError(reason=Text(NO_STATE))
    return StorageError(reason=told(name) or Text(msgid("it answered {name}"), {"name": name}))
