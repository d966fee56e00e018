"""Files that decide what may leave: the configuration and what it names. Only their owner, or root, may change them.

Unlike a secret, others may read them. What is checked is the file that was opened and the folders that it is found
in: whoever may write to one of them could put another file in its place.
"""

import os
import stat
from pathlib import Path
from secrets import token_hex

from medspace.core.errors import RefusedError
from medspace.core.text import msgid

_WRITE = stat.S_IWGRP | stat.S_IWOTH


class FileExposedError(RefusedError):
    """Others can change a file that decides what may leave."""

    code = "file.exposed"
    sentence = msgid("Others on this machine can change {path} (mode {mode}), which decides what may leave.")
    next_step = msgid("Look whether it still says what you wrote, then take their rights away: chmod go-w {path}")


class FileForeignError(RefusedError):
    """A file that decides what may leave belongs to another user."""

    code = "file.foreign"
    sentence = msgid("{path} decides what may leave, and belongs to another user (number {owner}).")
    next_step = msgid("Look whether it says what you want, then make it yours: chown {user} {path}")


class FileReadableError(RefusedError):
    """Others can read a file that holds a secret besides what it decides."""

    code = "file.readable"
    sentence = msgid("{path} holds a password, and others on this machine can read it (mode {mode}).")
    next_step = msgid("Take their rights away with `chmod go= {path}`; change the password if they may have read it.")


def read_owned(path: Path, largest: int) -> bytes:
    """The content of a file that only its owner and root can change, at most `largest` bytes and one more.

    Raises:
        FileExposedError, FileForeignError: others can change the file or a folder that it is found in.
        OSError: it cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe must not hold the start
    with open(handle, "rb") as file:  # noqa: PTH123 - by descriptor
        _check(path, os.fstat(handle))  # of what was opened: it is what is read
        _check_folders(path)
        return file.read(largest + 1)


def check_owned(path: Path) -> None:
    """Whether a file, where there is one, can be changed by its owner and root only.

    Raises:
        FileExposedError, FileForeignError: as `read_owned`.
    """
    try:
        status = path.stat()
    except OSError:  # whoever reads it says so
        return
    _check(path, status)
    _check_folders(path)


def check_unread(path: Path) -> None:
    """Whether a file that holds a password can be read by its owner and root only.

    Raises:
        FileReadableError: others can read it.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        raise FileReadableError(path=str(path), mode=f"{mode:04o}")


def write_owned(path: Path, text: str) -> None:
    """Write a new file in UTF-8 that only its owner can read and change.

    Raises:
        FileExistsError: there is a file of that name.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - by descriptor, with its mode
        file.write(text)


def write_private(path: Path, text: str) -> None:
    """Write a file in UTF-8 that only its owner can read, in place of one of that name, whatever its rights were.

    Raises:
        OSError: it cannot be written.
    """
    if path.exists() and not path.is_file():  # such as /dev/stdout
        path.write_text(text, encoding="utf-8")
        return
    draft = path.with_name(f".{path.name}.{token_hex(8)}")
    try:
        write_owned(draft, text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _check_folders(path: Path) -> None:
    for folder in {path.absolute().parent, path.resolve().parent}:
        status = folder.stat()
        if not status.st_mode & stat.S_ISVTX:  # in a sticky folder nobody replaces the file of another
            _check(folder, status)


def _check(path: Path, status: os.stat_result) -> None:
    user = os.geteuid()
    if status.st_uid not in (user, 0):
        raise FileForeignError(path=str(path), owner=status.st_uid, user=user)
    if status.st_mode & _WRITE:
        raise FileExposedError(path=str(path), mode=f"{stat.S_IMODE(status.st_mode):04o}")
