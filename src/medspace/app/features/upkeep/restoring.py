"""`medspace restore`: a new folder from a backup, or nothing.

The whole backup is read once before the first byte is written, so that a backup that was modified, truncated or
sealed with another passphrase leaves nothing behind. Then it is written next to the wanted folder, checked as a
connector would check it, and put in place by one rename.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from medspace.adapters.oswords import why
from medspace.adapters.sealedfile import opened
from medspace.adapters.sql import pending, snapshot
from medspace.app.features.upkeep.archive import BackupContents, BackupInvalidError, Unpacked
from medspace.app.features.upkeep.contents import DATABASE
from medspace.app.node.backups import Backup, mark_restored
from medspace.app.node.config import read_config
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError, MedspaceError, RefusedError
from medspace.core.text import Text, msgid

SPARE = 64 << 20  # bytes that must remain free on the disk


class RestoreFolderError(InvalidInputError):
    """A backup cannot be restored to this folder."""

    code = "restore.folder"
    sentence = msgid("Nothing was restored into {folder}: {reason}.")
    next_step = msgid("Name a folder that is not there yet, on a disk with room; nothing is ever written over.")


class MovedRunningError(RefusedError):
    """A connector that was running while its backup was made cannot have been moved."""

    code = "restore.running"
    sentence = msgid("This backup was made while the connector ran, so something may have happened since.")
    next_step = msgid("Restore without --moved; or stop the connector, make a backup, and restore that one.")


def look(file: Path, passphrase: bytes) -> JsonObject:
    """Read a whole backup and report its contents; nothing is written.

    Raises:
        SealedFileError, BackupInvalidError: it was modified, or is not a backup; or the passphrase is wrong.
    """
    return _told(_checked(file, passphrase))


def look_into(sealed: BinaryIO, passphrase: bytes, name: str) -> JsonObject:
    """The same of a backup that is read as it comes; people know it by that name.

    Raises:
        SealedFileError, BackupInvalidError: as `look`.
    """
    return _told(_read(sealed, passphrase, name))


def restore(file: Path, folder: Path, passphrase: bytes, *, moved: bool = False) -> JsonObject:
    """Create a folder from a backup; it must not exist, and does not exist if this fails.

    `moved` is a person's statement that the connector has done nothing since, and will never run at its old place
    again.

    Raises:
        RestoreFolderError: the folder exists, or cannot be written.
        SealedFileError, BackupInvalidError: as `look`.
        MovedRunningError: `moved`, and the connector was running while the backup was made.
        ConfigError, StorageError: this program could not run what is in the backup.
    """
    if os.path.lexists(folder):
        raise RestoreFolderError(folder=str(folder), reason=Text(msgid("it is there already")))
    table = _checked(file, passphrase)
    if moved and table.running:
        raise MovedRunningError
    with _staged(folder, table.size) as stage:
        _unpack(file, passphrase, table, stage)
        config = _looked_through(file, table, stage)
        if not moved:
            mark_restored(stage, Backup(table.made, table.entries, table.id))
    return _told(table) | {"folder": str(folder), "config": str(folder / config), "frozen": not moved}


def _told(table: BackupContents) -> JsonObject:
    return {
        "did": table.did,
        "version": table.version,
        "made": table.made,
        "running": table.running,
        "entries": table.entries,
        "bytes": table.size,
        "files": [filed.name for filed in table.files],
        "to_place": [{"file": filed.name, "place": filed.place} for filed in table.files if filed.place],
        "database": table.one(DATABASE) is not None,
    }


def _checked(file: Path, passphrase: bytes) -> BackupContents:
    """The table of a backup that was read to its end, with every chunk authenticated."""
    try:
        with file.open("rb") as sealed:
            return _read(sealed, passphrase, str(file))
    except OSError as error:
        raise BackupInvalidError(file=str(file), reason=why(error)) from error


def _read(sealed: BinaryIO, passphrase: bytes, name: str) -> BackupContents:
    unpacked = Unpacked(opened(sealed, passphrase, name), name)
    table = unpacked.table()
    for filed in table.files:
        for _ in unpacked.content(filed):
            pass
    unpacked.end()
    if table.one("configuration") is None:
        raise BackupInvalidError(file=name, reason=Text(msgid("it holds no configuration")))
    return table


def _unpack(file: Path, passphrase: bytes, table: BackupContents, stage: Path) -> None:
    with file.open("rb") as sealed:
        unpacked = Unpacked(opened(sealed, passphrase, str(file)), str(file))
        if unpacked.table() != table:
            raise BackupInvalidError(file=str(file), reason=Text(msgid("it was changed meanwhile")))
        for filed in table.files:
            _write(stage / filed.name, unpacked.content(filed))
        unpacked.end()


def _write(target: Path, pieces: Iterator[bytes]) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as writing:  # noqa: PTH123 - by descriptor, with its mode from the start
        writing.writelines(pieces)
        writing.flush()
        os.fsync(handle)


def _looked_through(file: Path, table: BackupContents, stage: Path) -> str:
    """The name of the configuration, once everything is found fit for a connector to start with."""
    settings, database = table.one("configuration"), table.one("database")
    assert settings is not None  # noqa: S101 - for the type checker: checked before
    try:
        config = read_config(stage / settings.name)
    except MedspaceError as error:
        raise BackupInvalidError(file=str(file), reason=error.text) from error
    if config.did != table.did:
        raise BackupInvalidError(file=str(file), reason=Text(msgid("its configuration is that of somebody else")))
    if database is not None:
        copied = stage / database.name
        pending(f"sqlite:///{copied}")
        if snapshot.check(copied) != table.entries:
            raise BackupInvalidError(file=str(file), reason=Text(msgid("its log is not the one that was backed up")))
    return settings.name


@contextmanager
def _staged(folder: Path, size: int) -> Iterator[Path]:
    """A private folder next to the wanted one, which it becomes; deleted on failure."""
    stage = folder.with_name(f".{folder.name}.{token_hex(8)}")
    try:
        free = shutil.disk_usage(folder.absolute().parent).free
        if size + SPARE > free:
            facts = {"needed": (size + SPARE) >> 20, "free": free >> 20}
            raise RestoreFolderError(
                folder=str(folder), reason=Text(msgid("it needs {needed} MiB, and {free} MiB are free"), facts)
            )
        stage.mkdir(mode=0o700)
        yield stage
        if os.path.lexists(folder):
            raise RestoreFolderError(folder=str(folder), reason=Text(msgid("it is there already")))
        stage.rename(folder)
    except OSError as error:
        raise RestoreFolderError(folder=str(folder), reason=why(error)) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
