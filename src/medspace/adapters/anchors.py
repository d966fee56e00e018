"""Anchors that need no service: an append-only file, for example on write-once storage.

Each line is JSON with the checkpoint, the time, and the SHA-256 of the line before, so that a line that was changed
or taken out breaks the lines behind it. The file is the proof: keep it where the owner of the log
cannot overwrite it.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from medspace.adapters.oswords import why
from medspace.core.canonical import canonical
from medspace.core.clock import Clock, stamp
from medspace.core.hashing import digest_bytes
from medspace.ledger.errors import AnchorUnavailableError
from medspace.ledger.model import Receipt, SignedCheckpoint

LARGEST_FILE = 256 << 20  # bytes; an hourly checkpoint fills it in fifty years
_MODE = 0o600


class _Line(msgspec.Struct, frozen=True):
    note: str
    time: str
    before: str


class FileAnchor:
    """The anchor in one file (port `ledger.ports.Anchor`); one process writes it."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._lock = asyncio.Lock()

    @property
    def name(self) -> str:
        """Its name in receipts."""
        return f"file:{self._path.name}"

    async def anchor(self, checkpoint: SignedCheckpoint) -> Receipt:
        """Add a line, durably, unless the checkpoint has one.

        Raises:
            AnchorUnavailableError: the file cannot be read or written.
        """
        async with self._lock:
            return await asyncio.to_thread(self._anchored, checkpoint)

    async def newest(self) -> str | None:
        """The note of the last complete line.

        Raises:
            AnchorUnavailableError: the file cannot be read.
        """
        async with self._lock:
            lines = await asyncio.to_thread(self._lines)
        return next((read.note for _, read in _parsed(lines[::-1])), None)

    async def verify(self, checkpoint: SignedCheckpoint, receipt: Receipt) -> bool:
        """Whether the line of the receipt exists, holds this checkpoint, and is unchanged.

        Raises:
            AnchorUnavailableError: the file cannot be read.
        """
        async with self._lock:
            return await asyncio.to_thread(self._verified, checkpoint, receipt)

    def _anchored(self, checkpoint: SignedCheckpoint) -> Receipt:
        lines = self._lines()
        for line, read in _parsed(lines):
            if read.note == checkpoint.note:
                return self._receipt(line, read)
        before = digest_bytes(lines[-1]) if lines else ""
        made = _Line(checkpoint.note, stamp(self._clock.now()), before)
        line = canonical(msgspec.to_builtins(made))
        self._append(line, torn=bool(lines) and not self._whole())
        return self._receipt(line, made)

    def _verified(self, checkpoint: SignedCheckpoint, receipt: Receipt) -> bool:
        before = ""
        for line in self._lines():
            read = _read(line)
            if read is not None and read.before != before:
                return False  # a line before this one was changed or taken out
            before = digest_bytes(line)
            if before == receipt.proof:
                return read is not None and read.note == checkpoint.note and self._receipt(line, read) == receipt
        return False

    def _receipt(self, line: bytes, read: _Line) -> Receipt:
        return Receipt(self.name, read.time, digest_bytes(line))

    def _lines(self) -> list[bytes]:
        try:
            if not self._path.exists():
                return []
            with self._path.open("rb") as file:
                content = file.read(LARGEST_FILE + 1)
        except OSError as error:
            raise self._unavailable(error) from error
        if len(content) > LARGEST_FILE:
            raise AnchorUnavailableError(anchor=self.name, reason="EFBIG")
        return [line for line in content.split(b"\n") if line]

    def _whole(self) -> bool:
        """Whether the last line was written completely."""
        with self._path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def _append(self, line: bytes, *, torn: bool) -> None:
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
            with open(handle, "ab") as file:  # noqa: PTH123 - by descriptor, with its mode from the start
                file.write((b"\n" if torn else b"") + line + b"\n")
                file.flush()
                os.fsync(handle)
        except OSError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> AnchorUnavailableError:
        return AnchorUnavailableError(anchor=self.name, reason=why(error))


def _parsed(lines: list[bytes]) -> Iterator[tuple[bytes, _Line]]:
    for line in lines:
        read = _read(line)
        if read is not None:
            yield line, read


def _read(line: bytes) -> _Line | None:
    """The content of a line; None for one that a crash truncated."""
    try:
        return msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
