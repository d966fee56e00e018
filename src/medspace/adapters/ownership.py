"""Files that decide what may leave: the configuration and what it names. Only their owner, or root, may change them.

Unlike a secret, others may read them. The opened file and its parent folders are
checked: whoever may write to one of them could replace the file.
"""

import os
import stat
from pathlib import Path
from secrets import token_hex

from medspace.adapters.filenames import absolute, is_file, is_there
from medspace.core.errors import RefusedError
from medspace.core.text import msgid

_WRITE = stat.S_IWGRP | stat.S_IWOTH


class FileExposedError(RefusedError):
    """Others can change a file that decides what may leave."""

    code = "file.exposed"
    sentence = msgid("Others on this machine can change {path} (mode {mode}), which decides what may leave.")
    next_step = msgid("Check that its content is still what you wrote, then remove their rights: chmod go-w {path}")


class FileForeignError(RefusedError):
    """A file that decides what may leave belongs to another user."""

    code = "file.foreign"
    sentence = msgid("{path} decides what may leave, and belongs to another user (number {owner}).")
    next_step = msgid("Check that its content is what you want, then take ownership: chown {user} {path}")


class FileReadableError(RefusedError):
    """Others can read a file that holds a secret besides what it decides."""

    code = "file.readable"
    sentence = msgid("{path} holds a password, and others on this machine can read it (mode {mode}).")
    next_step = msgid("Remove their rights with `chmod go= {path}`; change the password if they may have read it.")


def read_owned(path: Path, largest: int) -> bytes:
    """The content of a file that only its owner and root can change, at most `largest` bytes and one more.

    Raises:
        FileExposedError, FileForeignError: others can change the file or a folder that it is found in.
        OSError: it cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe must not block the start
    with open(handle, "rb") as file:  # noqa: PTH123 - by descriptor
        _check(path, os.fstat(handle))  # of the opened file, since that is what is read
        _check_folders(path)
        return file.read(largest + 1)


def check_owned(path: Path) -> None:
    """Whether a file, where there is one, can be changed by its owner and root only.

    Raises:
        FileExposedError, FileForeignError: as `read_owned`.
    """
    try:
        status = path.stat()
    except OSError:  # reading it reports that
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


def write_private_bytes(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, in place of one of that name, all of it or nothing.

    Raises:
        OSError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - by descriptor, with its mode
            file.write(content)
            file.flush()
            os.fsync(handle)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file in UTF-8 that only its owner can read, in place of one of that name, whatever its rights were.

    Raises:
        OSError: it cannot be written.
    """
    if is_there(path) and not is_file(path):  # such as /dev/stdout
        path.write_text(text, encoding="utf-8")
        return
    draft = path.with_name(f".{path.name}.{token_hex(8)}")
    try:
        write_owned(draft, text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def replace_owned(path: Path, draft: Path) -> None:
    """Put a draft beside a file in its place, at once, with the owner and the rights that the file had.

    Raises:
        OSError: it cannot be replaced; it stays as it was.
    """
    status = path.stat()
    if status.st_uid != os.geteuid() or status.st_gid != os.getegid():
        os.chown(draft, status.st_uid, status.st_gid)
    draft.chmod(stat.S_IMODE(status.st_mode))
    handle = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)  # else a crash could leave an empty file in place of the old one
    finally:
        os.close(handle)
    draft.replace(absolute(path))


def _check_folders(path: Path) -> None:
    for folder in {path.absolute().parent, absolute(path).parent}:
        status = folder.stat()
        if not status.st_mode & stat.S_ISVTX:  # in a sticky folder nobody can replace another user's file
            _check(folder, status)


def _check(path: Path, status: os.stat_result) -> None:
    user = os.geteuid()
    if status.st_uid not in (user, 0):
        raise FileForeignError(path=str(path), owner=status.st_uid, user=user)
    if status.st_mode & _WRITE:
        raise FileExposedError(path=str(path), mode=f"{stat.S_IMODE(status.st_mode):04o}")
