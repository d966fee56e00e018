"""`medspace backup`: one sealed file with a whole connector, which may be running meanwhile."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from tempfile import mkdtemp
from typing import BinaryIO

from medspace import __version__
from medspace.adapters.filenames import is_there
from medspace.adapters.oswords import why
from medspace.adapters.sealedfile import CHUNK, COST, SealedWriter
from medspace.adapters.sql import snapshot
from medspace.adapters.system import SystemClock, SystemRandomness
from medspace.app.features.upkeep.archive import BackupContents, Filed, packed, unfit
from medspace.app.features.upkeep.contents import DATABASE, Item, items
from medspace.app.node.backups import note
from medspace.app.node.config import read_config
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock, Randomness, stamp
from medspace.core.errors import InvalidInputError, RefusedError
from medspace.core.ids import new_id
from medspace.core.text import Text, msgid

LARGEST_SMALL = 16 << 20  # bytes of a file besides database and checkpoints
_SYSTEM_CLOCK, _SYSTEM_RANDOMNESS = SystemClock(), SystemRandomness()


class BackupFileError(InvalidInputError):
    """The file of a backup cannot be written, or one of its sources cannot be read."""

    code = "backup.file"
    sentence = msgid("The backup was not made: {file} {reason}.")
    next_step = msgid("Name a new file in a folder that is there and has room; nothing is ever written over.")


class DatabaseElsewhereError(RefusedError):
    """The database is on a PostgreSQL server, whose own tools must copy it."""

    code = "backup.postgresql"
    sentence = msgid("The records are in PostgreSQL, which copies them by its own tools; no backup was made.")
    next_step = msgid(
        'Run first: pg_dump --format=custom --file=medspace.dump "{address}" - and then this with '
        "--without-database; keep both together. To restore: pg_restore into an empty database, before `medspace up`."
    )


def back_up(
    config_file: Path,
    target: Path,
    passphrase: bytes,
    *,
    without_database: bool = False,
    clock: Clock = _SYSTEM_CLOCK,
    randomness: Randomness = _SYSTEM_RANDOMNESS,
    cost: int = COST,
) -> JsonObject:
    """Write a backup to a new file that only its owner can read; the connector may be running.

    Returns `{file, did, made, running, bytes, entries, files, database}`.

    Raises:
        ConfigError, ...: the configuration cannot be used.
        BackupFileError: such a file exists already, or something cannot be read or written.
        DatabaseElsewhereError: this cannot copy the database, and `without_database` was not given.
        StorageError: the database cannot be read, or is damaged.
    """
    config = read_config(config_file)
    if not snapshot.is_file(config.database_url) and not without_database:
        raise DatabaseElsewhereError(address=snapshot.libpq_address(config.database_url))
    if is_there(target):
        raise _failed(target, Text(msgid("exists already")))
    made = stamp(clock.now())
    # The checkpoints before the database: anything signed in between would be missing from the copy of the log.
    with _room(config.path(".")) as room:
        found, copied = _gathered(items(config, config_file), room, config.database_url, without=without_database)
        table = BackupContents(
            id=new_id(randomness),
            did=config.did,
            version=__version__,
            made=made,
            running=copied.running,
            entries=copied.entries,
            files=tuple(Filed(one.name, one.path.stat().st_size, one.kind, one.place) for one in found),
        )
        for name in unfit(filed.name for filed in table.files):
            raise _failed(Path(name), Text(msgid("has a name that no backup can hold")))
        with _new(target) as file:
            writer = SealedWriter(file, passphrase, randomness, cost)
            writer.write(packed(table))
            for one, filed in zip(found, table.files, strict=True):
                _pour(one.path, filed.size, writer)
            writer.finish()
    with suppress(OSError):  # the backup is valid even if it cannot be recorded
        note(config, made, table.entries)
    return _told(table, target)


def _told(table: BackupContents, target: Path) -> JsonObject:
    return {
        "file": str(target),
        "did": table.did,
        "made": table.made,
        "running": table.running,
        "bytes": target.stat().st_size,
        "entries": table.entries,
        "files": [filed.name for filed in table.files],
        "database": table.one(DATABASE) is not None,
    }


def _gathered(found: Sequence[Item], room: Path, url: str, *, without: bool) -> tuple[list[Item], snapshot.Copied]:
    """Copies of all files, together in a private folder; the database last."""
    copies: list[Item] = []
    copied = snapshot.Copied(entries=0, running=True)
    for number, one in enumerate(found):
        target = room / str(number)
        if one.kind == DATABASE and without:
            continue
        if one.kind == DATABASE:
            copied = snapshot.copy(url, target)
        else:
            _copy(one, target)
        copies.append(replace(one, path=target))
    return copies, copied


def _copy(one: Item, target: Path) -> None:
    try:
        size = one.path.stat().st_size
        if one.kind != "checkpoints" and size > LARGEST_SMALL:
            raise _failed(one.path, Text(msgid("is larger than {mib} MiB"), {"mib": LARGEST_SMALL >> 20}))
        shutil.copyfile(one.path, target)
    except OSError as error:
        raise _failed(one.path, why(error)) from error


def _pour(file: Path, size: int, writer: SealedWriter) -> None:
    with file.open("rb") as reading:
        while size:
            piece = reading.read(min(size, CHUNK))
            if not piece:
                raise _failed(file, Text(msgid("became shorter meanwhile")))
            writer.write(piece)
            size -= len(piece)


@contextmanager
def _room(folder: Path) -> Iterator[Path]:
    """A private folder for the copies, next to the originals: on a disk that is allowed to hold them."""
    try:
        room = Path(mkdtemp(prefix=".backup-", dir=folder))
    except OSError as error:
        raise _failed(folder, why(error)) from error
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)


@contextmanager
def _new(target: Path) -> Iterator[BinaryIO]:
    """A new file, complete and durable, or none."""
    draft = target.with_name(f".{target.name}.{token_hex(8)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(handle, "wb") as file:  # noqa: PTH123 - by descriptor, with its mode from the start
            yield file
            file.flush()
            os.fsync(handle)
        _name(draft, target)
    except OSError as error:
        raise _failed(target, why(error)) from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _name(draft: Path, target: Path) -> None:
    """Give a file its name, unless another file has it; a disk without hard links needs a rename."""
    try:
        os.link(draft, target)  # unlike a rename, a link never replaces what is there
    except FileExistsError:
        raise
    except OSError:
        if is_there(target):
            raise
        draft.rename(target)


def _failed(file: Path, reason: Text | str) -> BackupFileError:
    return BackupFileError(file=str(file), reason=reason)
