"""Backups that somebody asks the running connector for, to download them; and backups that somebody wants checked.

The file is what `medspace backup` writes, sealed under a passphrase that is kept nowhere. It waits in a private
folder for whoever asked, for some minutes; there is one at a time, and none outlives the connector. A backup that is
to be checked is read as it comes, and never written anywhere.
"""

import asyncio
import io
import shlex
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, cast

from medspace.adapters.keys import make_folder
from medspace.adapters.sealedfile import COST
from medspace.adapters.sql import snapshot
from medspace.app.features.upkeep import restoring
from medspace.app.features.upkeep.backing_up import back_up
from medspace.app.features.upkeep.passphrase import check_new
from medspace.app.node.node import Node
from medspace.connector.errors import MessageTooLargeError
from medspace.core.actors import Actor
from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.errors import RefusedError, WaitingError
from medspace.core.ids import new_id
from medspace.core.text import msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record

FOLDER = ".backup-downloads"
WAITS = timedelta(minutes=10)  # for its download
LOOK = 60.0  # seconds between two looks for what waited too long
LARGEST_CHECKED = 4 << 30  # bytes of a backup that is sent here


class BackupBusyError(WaitingError):
    """Another backup is being made or checked."""

    code = "backup.busy"
    sentence = msgid("Another backup is being made or checked here.")
    next_step = msgid("Try again when it is done.")


class BackupGoneError(RefusedError):
    """There is no such backup, it is somebody else's, or it waited too long."""

    code = "backup.gone"
    sentence = msgid("This backup is not here any more.")
    next_step = msgid("Make a new one: each waits ten minutes for its download.")


@dataclass(frozen=True, slots=True)
class ReadyBackup:
    """A backup that waits for whoever asked."""

    id: str
    file: Path
    name: str  # of the file, for whoever downloads it
    actor: str
    expires: datetime
    told: JsonObject

    @property
    def shown(self) -> JsonObject:
        """The backup, as it is shown."""
        return {**self.told, "id": self.id, "name": self.name, "expires": stamp(self.expires)}


@dataclass(slots=True)
class BackupRoom:
    """The backups of one running connector."""

    node: Node
    cost: int = COST
    _ready: ReadyBackup | None = None
    _busy: bool = field(default=False)

    @property
    def whole(self) -> bool:
        """Whether a backup has the database: a server's is copied by its own tools."""
        return snapshot.is_file(self.node.config.database_url)

    @property
    def config(self) -> str:
        """The file of the configuration, as a command line takes it."""
        return shlex.quote(str(self.node.config.path(self.node.config.file)))

    @property
    def folder(self) -> Path:
        """Where backups wait."""
        return self.node.config.path(FOLDER)

    async def make(self, passphrase: str, by: Actor, *, without_database: bool) -> JsonObject:
        """Make a backup for whoever asks; one that was there is gone.

        Raises:
            PassphraseError: the passphrase is too weak.
            BackupBusyError: another one is being made or checked.
            BackupFileError, DatabaseElsewhereError, StorageError: as `back_up`.
        """
        secret = check_new(passphrase)
        with self._alone():
            self.clear()
            ready = await asyncio.to_thread(self._made, secret, by, without=without_database)
            facts = {"by": by.id, "entries": ready.told["entries"], "bytes": ready.told["bytes"]}
            entry = Entry("backup.made", stamp(self.node.clock.now()), self.node.did, facts)
            await self.node.database.write(lambda tx: record(tx, entry))
            self._ready = ready
        return ready.shown

    def _made(self, passphrase: bytes, by: Actor, *, without: bool) -> ReadyBackup:
        node = self.node
        make_folder(self.folder)
        backup_id = new_id(node.randomness)
        file = self.folder / f"{backup_id.rpartition(':')[2]}.backup"
        source = node.config.path(node.config.file)
        how = {"clock": node.clock, "randomness": node.randomness, "cost": self.cost}
        told = back_up(source, file, passphrase, without_database=without, **how)  # type: ignore[arg-type]
        day = f"{node.clock.now():%Y-%m-%d-%H%M}"
        told = {name: value for name, value in told.items() if name != "file"}
        return ReadyBackup(backup_id, file, f"medspace-{day}.backup", by.id, node.clock.now() + WAITS, told)

    def ready(self, by: Actor) -> ReadyBackup | None:
        """The backup that waits for whoever asks."""
        found = self._ready
        if found is None or found.actor != by.id or self.node.clock.now() >= found.expires:
            return None
        return found

    def one(self, backup_id: str, by: Actor) -> ReadyBackup:
        """The backup of that identity, for whoever asked for it.

        Raises:
            BackupGoneError: there is none.
        """
        found = self.ready(by)
        if found is None or found.id != backup_id:
            raise BackupGoneError
        return found

    async def check(self, passphrase: str, name: str, pieces: AsyncIterator[bytes]) -> JsonObject:
        """What a backup holds that somebody sends; it is read to its end, and nothing of it is written.

        Raises:
            SealedFileError, BackupInvalidError: it was changed, or is not a backup; or the passphrase is wrong.
            MessageTooLargeError: it is too large to be checked here.
            BackupBusyError: another one is being made or checked.
        """
        with self._alone():
            reading = cast("BinaryIO", _Incoming(pieces, asyncio.get_running_loop()))
            return await asyncio.to_thread(restoring.look_into, reading, passphrase.encode(), name)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Both take memory for the passphrase, and one the disk: nobody makes many at once."""
        if self._busy:
            raise BackupBusyError
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def clear(self) -> None:
        """Delete what waits."""
        self._ready = None
        shutil.rmtree(self.folder, ignore_errors=True)

    async def work(self) -> None:
        """Delete what waited too long, and what an earlier start left."""
        self.clear()
        try:
            while True:
                await self.node.clock.sleep(LOOK)
                if self._ready is not None and self.node.clock.now() >= self._ready.expires:
                    self.clear()
        finally:
            self.clear()


class _Incoming(io.RawIOBase):
    """A file that is on its way, for a thread to read: each piece is asked for once it is needed."""

    def __init__(self, pieces: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._pieces, self._loop = pieces, loop
        self._left, self._size, self._over = bytearray(), 0, False

    def read(self, size: int = -1) -> bytes:
        """So many bytes, fewer at the end only."""
        while len(self._left) < size and not self._over:
            piece = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
            self._size += len(piece)
            if self._size > LARGEST_CHECKED:
                raise MessageTooLargeError(limit=LARGEST_CHECKED)
            self._left += piece
        taken = bytes(self._left[:size])
        del self._left[:size]
        return taken

    async def _next(self) -> bytes:
        async for piece in self._pieces:
            if piece:
                return piece
        self._over = True
        return b""
