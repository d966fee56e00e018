"""The passphrase of a backup: from a file that only you can read, a variable, or typed in; never an argument."""

import os
import sys
from getpass import getpass
from pathlib import Path

from medspace.adapters.keys import read_secret
from medspace.app.doors.cli.screen import Screen
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid

VARIABLE = "MEDSPACE_BACKUP_PASSPHRASE"
SHORTEST = 12  # characters


class PassphraseError(InvalidInputError):
    """There is no passphrase for a backup, or it is too weak."""

    code = "backup.passphrase"
    sentence = msgid("The passphrase of the backup cannot be used: {reason}.")
    next_step = msgid(
        "Write it into a file that only you can read and name it with --passphrase-file, or set {variable}."
    )


def given(file: Path | None, screen: Screen, *, new: bool) -> bytes:
    """The passphrase; if it is `new` and typed in, it must be typed twice, and it must be long enough.

    Raises:
        PassphraseError: there is none, it is too short, or was typed differently the second time.
        SecretFileError, SecretExposedError: the file cannot be read, or others can read it.
    """
    if file is not None:
        said = read_secret(file).decode("utf-8", "replace").rstrip("\r\n")
    else:
        said = os.environ.get(VARIABLE, "") or _typed(screen, new=new)
    return check_new(said) if new else _some(said).encode()


def check_new(said: str) -> bytes:
    """The passphrase of a new backup, which must be long enough.

    Raises:
        PassphraseError: there is none, or it is too short.
    """
    if len(_some(said)) < SHORTEST:
        raise PassphraseError(
            reason=Text(msgid("it has fewer than {least} characters"), {"least": SHORTEST}), variable=VARIABLE
        )
    return said.encode()


def _some(said: str) -> str:
    if not said:
        raise _refused(msgid("there is none"))
    return said


def _typed(screen: Screen, *, new: bool) -> str:
    if screen.as_json or not sys.stdin.isatty():
        return ""
    said = getpass(screen.say(Text(msgid("Passphrase of the backup: "))))
    if new and said != getpass(screen.say(Text(msgid("The same again: ")))):
        raise _refused(msgid("the two are not the same"))
    return said


def _refused(reason: str) -> PassphraseError:
    return PassphraseError(reason=Text(reason), variable=VARIABLE)
