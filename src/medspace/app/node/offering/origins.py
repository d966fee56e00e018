"""Where a table is that is looked at or offered: a file, or the address of a PostgreSQL server."""

from pathlib import Path
from typing import TypeAlias

from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid

POSTGRESQL = "postgresql:"
Origin: TypeAlias = Path | str  # a file; or an address


class PasswordShownError(InvalidInputError):
    """A password where everybody on the machine reads it."""

    code = "setup.password"
    sentence = msgid("The address of the table holds a password, which others on this machine can read there.")
    next_step = msgid("Write it into a file that only you can read, and name that: --password-file FILE")


def origin(said: str | Path) -> Origin:
    """What somebody named: an address, unless there is a file of that name.

    Raises:
        PasswordShownError: the address holds a password.
    """
    if isinstance(said, Path) or not said.startswith(POSTGRESQL) or Path(said).exists():
        return Path(said)
    server, _, query = said.partition("?")
    user, at, _ = server.partition("//")[2].rpartition("@")
    if (at and ":" in user) or "password=" in query.lower():
        raise PasswordShownError
    return said


def name_of(found: Origin, table: str = "") -> str:
    """How errors and reports call it."""
    return found.name if isinstance(found, Path) else table or POSTGRESQL.rstrip(":")


def title_of(found: Origin, table: str = "") -> str:
    """What it is called where nobody says how."""
    return found.stem if isinstance(found, Path) else table.rpartition(".")[2] or POSTGRESQL.rstrip(":")


def source_of(found: Origin) -> str:
    """How the configuration names it; what no file can be called stays as it is, and is refused where it is read."""
    if not isinstance(found, Path) or "\0" in str(found):
        return str(found)
    return str(found.resolve())
