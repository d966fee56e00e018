"""Parts as files: `FOLDER/<member>/<use>/<digest>`, each written to a temporary file, synced, then renamed.

A file under its digest is complete and has that digest. Incomplete ones are `<digest>.<size>.partial` or, made by an
engine, `<random>.new`; a killed connector leaves such files behind, to be resumed or removed. Names of
members and uses are hashed, so that no name of theirs becomes a path.
"""

import json
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from errno import EDQUOT, ENOSPC
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NoReturn, Self

from medspace.adapters.oswords import why
from medspace.core.errors import StorageError, StorageFullError
from medspace.core.limits import KEPT_PARTS
from medspace.core.parts import Keeping, Part, PartBusyError, PartError, PartsFullError
from medspace.core.text import Text, msgid

REREAD = 1 << 20  # bytes at once
FOLDERS = 256  # uses whose folders are remembered by name
_USED = "used"  # says for whom the folder is; its time is that of the last part
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY


@dataclass(frozen=True, slots=True)
class FileBlobStore:
    """Parts under one folder, at most `most` bytes in `count` parts of a member; `now` gives seconds since 1970."""

    folder: Path
    most: int
    now: Callable[[], float]
    count: int = KEPT_PARTS
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _busy: set[Path] = field(default_factory=set, repr=False)

    def of(self, keeping: Keeping) -> "FileBlobs":
        """The parts of one use, for an engine; can be sent to another process."""
        folder, now = self._of_use(keeping), self.now()
        with suppress(FileNotFoundError):
            os.utime(folder / _USED, (now, now))
        return FileBlobs(keeping, str(folder), self.most, self.count, now)

    def has(self, keeping: Keeping, digest: str) -> bool:
        """Whether all of a part is here."""
        return (self._of_use(keeping) / digest).is_file()

    def receive(self, keeping: Keeping, part: Part) -> "_ReceivedFile":
        """Start or resume receiving a part.

        Raises:
            PartsFullError, PartBusyError: as the port says.
        """
        folder = self._of_use(keeping)
        _make(folder, keeping, self.now())
        path = folder / f"{part.digest}.{part.size}.partial"
        with self._lock:
            if path in self._busy:
                raise PartBusyError(digest=part.digest)
            if not path.exists():
                _check_room(folder.parent, part.size, self.most, self.count)
                with _room():
                    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            self._busy.add(path)
        try:
            return _ReceivedFile(path, part, lambda: self._busy.discard(path))
        except BaseException:
            self._busy.discard(path)
            raise

    def share(self, digest: str, source: Keeping, target: Keeping) -> bool:
        """Have a use keep what another one has; the bytes lie on the disk once."""
        _make(self._of_use(target), target, self.now())
        with _room(), suppress(FileExistsError):
            try:
                os.link(self._of_use(source) / digest, self._of_use(target) / digest)
            except FileNotFoundError:
                return False
        return True

    def kept(self) -> list[Keeping]:
        """The uses that parts are kept for."""
        found = []
        for used in self.folder.glob(f"*/*/{_USED}"):
            with suppress(OSError, ValueError, TypeError):
                found.append(Keeping(*json.loads(used.read_text())))
        return found

    def drop(self, keeping: Keeping) -> None:
        """Forget the parts of a use."""
        _remove(self._of_use(keeping))

    def sweep(self, before: datetime) -> None:
        """Forget the parts of uses that have got none since `before`."""
        for use in self.folder.glob("*/*"):
            used = use / _USED
            if not used.exists() or used.stat().st_mtime < before.timestamp():
                _remove(use)

    def _of_use(self, keeping: Keeping) -> Path:
        return _folder(self.folder, keeping)


@dataclass(frozen=True, slots=True)
class FileBlobs:
    """The parts of one use in its folder, which is made for the first of them; `now` is when it was asked for."""

    keeping: Keeping
    place: str
    most: int
    count: int
    now: float

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return Path(self.place)

    def open(self, part: Part) -> BinaryIO:
        """The bytes of a part.

        Raises:
            KeyError: this use has no such part.
        """
        try:
            opened = (self.folder / part.digest).open("rb")
        except FileNotFoundError:
            raise KeyError(part.digest) from None
        if os.fstat(opened.fileno()).st_size == part.size:
            return opened
        opened.close()
        raise KeyError(part.digest)

    def create(self, media_type: str) -> AbstractContextManager["_NewFile"]:
        """Begin a part."""
        _make(self.folder, self.keeping, self.now)
        _check_room(self.folder.parent, 0, self.most, self.count)
        return _NewFile(self.folder, media_type, self.most)


class _NewFile:
    """A part that an engine writes."""

    def __init__(self, folder: Path, media_type: str, most: int) -> None:
        self._folder, self._media_type = folder, media_type
        self._path = folder / f"{secrets.token_hex(16)}.new"
        self._room = most - taken(folder.parent)[1]
        self._limit = most
        self._size, self._hash = 0, sha256()
        self._part: Part | None = None

    def __enter__(self) -> Self:
        with _room():
            self._file = open(os.open(self._path, _NEW, 0o600), "wb")  # noqa: PTH123
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)
            return
        digest = self._hash.hexdigest()
        _settle(self._file, self._path, self._folder / digest)
        self._part = Part(digest, self._media_type, self._size)

    def write(self, data: bytes) -> None:
        """Add bytes to its end.

        Raises:
            PartsFullError: there is no room for them.
        """
        self._size += len(data)
        if self._size > self._room:
            raise PartsFullError(limit=self._limit)
        self._hash.update(data)
        with _room():
            self._file.write(data)

    @property
    def part(self) -> Part:
        """What was written; known once the context has ended."""
        if self._part is None:
            raise ValueError("the part is not whole yet")
        return self._part


class _ReceivedFile:
    """A part being received.

    A hash state cannot be stored: earlier bytes are read again, but only once all are here. Otherwise asking how much
    is here, or sending a part byte by byte, would make the connector read gigabytes each time.
    """

    def __init__(self, path: Path, part: Part, free: Callable[[], None]) -> None:
        self._path, self._part, self._free = path, part, free
        self._hash, self._hashed = sha256(), 0
        self._file = path.open("r+b")
        self.offset = self._file.seek(0, os.SEEK_END)

    def write(self, data: bytes) -> None:
        """Add bytes to its end."""
        self._check_place()
        if self.offset + len(data) > self._part.size:
            self._discard(msgid("it has more bytes than announced"))
        if self._hashed == self.offset:
            self._hash.update(data)
            self._hashed += len(data)
        with _room():
            self._file.write(data)
        self.offset += len(data)

    def finish(self) -> None:
        """Keep it."""
        if self.offset < self._part.size:
            self.close()
            raise PartError(digest=self._part.digest, reason=Text(msgid("it is incomplete")))
        self._check_place()
        if self._digest() != self._part.digest:
            self._discard(msgid("its content has a different digest"))
        try:
            _settle(self._file, self._path, self._path.parent / self._part.digest)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of it."""
        try:
            with _room():
                self._file.close()
        finally:
            self._free()

    def _digest(self) -> str:
        if self._hashed < self.offset:
            with _room():
                self._file.flush()
                self._file.seek(self._hashed)
                while piece := self._file.read(REREAD):
                    self._hash.update(piece)
            self._hashed = self.offset
        return self._hash.hexdigest()

    def _check_place(self) -> None:
        """A file removed with its use may still be on disk, and counts against nobody."""
        if not self._path.exists():
            self._discard(msgid("its use has ended"))

    def _discard(self, reason: str) -> NoReturn:
        self.close()
        self._path.unlink(missing_ok=True)
        raise PartError(digest=self._part.digest, reason=Text(reason))


def taken(member: Path) -> tuple[int, int]:
    """How many parts a member has, and the bytes that they take up, with those that are still to come."""
    count = total = 0
    for path in member.glob("*/*"):
        if path.name == _USED:
            continue
        count += 1
        if path.suffix == ".partial":
            total += int(path.name.split(".")[1])
        else:
            with suppress(FileNotFoundError):
                total += path.stat().st_size
    return count, total


def _check_room(member: Path, more: int, most: int, most_parts: int) -> None:
    count, total = taken(member)
    if count >= most_parts or total + more > most:
        raise PartsFullError(limit=most)


def _settle(file: BinaryIO, path: Path, place: Path) -> None:
    """Rename a complete file to its name, so that neither a kill nor a power cut leaves half of it."""
    with _room():
        file.flush()
        os.fsync(file.fileno())
        file.close()
        path.replace(place)
        folder = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _make(folder: Path, keeping: Keeping, now: float) -> None:
    """The folder of a use, which is used now."""
    with _room():
        for each in (folder.parent.parent, folder.parent, folder):
            each.mkdir(mode=0o700, exist_ok=True)
        used = folder / _USED
        if not used.exists():
            said = json.dumps([keeping.member, keeping.use]).encode()
            with suppress(FileExistsError), open(os.open(used, _NEW, 0o600), "wb") as written:  # noqa: PTH123
                written.write(said)
        os.utime(used, (now, now))


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()  # of the member, once it is empty


@lru_cache(maxsize=FOLDERS)
def _folder(root: Path, keeping: Keeping) -> Path:
    return root / _hashed(keeping.member) / _hashed(keeping.use)


def _hashed(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:32]


@contextmanager
def _room() -> Iterator[None]:
    """Disk errors as errors of the connector."""
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT):
            raise StorageFullError from error
        raise StorageError(reason=why(error)) from error
