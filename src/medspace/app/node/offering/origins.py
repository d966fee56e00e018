"""Where a table is that is looked at or offered: a file, FHIR resources, or the address of a PostgreSQL server."""

from pathlib import Path
from typing import TypeAlias

from medspace.adapters.filenames import absolute, is_there
from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid

POSTGRESQL = "postgresql:"
FHIR = "fhir:"  # and the path of a folder of resources, or of one file
Origin: TypeAlias = Path | str  # a file; or an address


class PasswordShownError(InvalidInputError):
    """A password where everybody on the machine reads it."""

    code = "setup.password"
    sentence = msgid("The address of the table holds a password, which others on this machine can read there.")
    next_step = msgid("Write it into a file that only you can read, and name that: --password-file FILE")


class OriginInvalidError(InvalidInputError):
    """A name that no file and no server can have."""

    code = "setup.origin"
    sentence = msgid("The name of the table contains a NUL character, which no file name can.")
    next_step = msgid("Give the actual name of the file, or the address of a PostgreSQL server.")


def origin(said: str | Path) -> Origin:
    """What somebody named: an address, unless there is a file of that name.

    Raises:
        OriginInvalidError: no file and no address can be called that.
        PasswordShownError: the address holds a password.
    """
    if "\0" in str(said):
        raise OriginInvalidError
    if isinstance(said, Path) or not said.startswith((POSTGRESQL, FHIR)) or is_there(said):
        return Path(said)
    if said.startswith(FHIR):
        return said
    server, _, query = said.partition("?")
    user, at, _ = server.partition("//")[2].rpartition("@")
    if (at and ":" in user) or "password=" in query.lower():
        raise PasswordShownError
    return said


def name_of(found: Origin, table: str = "") -> str:
    """How errors and reports call it."""
    return found.name if isinstance(found, Path) else table or found.partition(":")[0]


def title_of(found: Origin, table: str = "") -> str:
    """What it is called where nobody says how."""
    if isinstance(found, Path):
        return found.stem
    if found.startswith(FHIR):
        return Path(table).stem or resources_of(found).stem
    return table.rpartition(".")[2] or POSTGRESQL.rstrip(":")


def resources_of(found: str) -> Path:
    """The folder of FHIR resources that an address names."""
    return absolute(found.removeprefix(FHIR))


def table_named(found: Origin, table: str) -> str:
    """How the configuration names the table: a file with a view by its whole path, as the folder is another one."""
    is_view = isinstance(found, str) and found.startswith(FHIR) and bool(table) and is_there(table)
    return str(absolute(table)) if is_view else table


def source_of(found: Origin) -> str:
    """How the configuration names it."""
    if isinstance(found, Path):
        return str(absolute(found))
    return f"{FHIR}{resources_of(found)}" if found.startswith(FHIR) else found
