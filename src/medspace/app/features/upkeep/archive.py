"""A backup as one stream: a table of contents, then the files one after the other, uncompressed.

    length of the table (4 bytes), the table (JSON), the content of each file in order

Nothing is compressed, so that what is written is exactly as long as what is read. A name is a path below one new
folder, in a single spelling; any other name is refused before anything is written.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec

from medspace.app.features.upkeep.contents import Kind
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid

LARGEST_TABLE = 1 << 20
MOST_FILES = 10_000
LONGEST_NAME, LONGEST_PART = 1024, 255  # bytes
FORM = 1


class BackupInvalidError(InvalidInputError):
    """A file is not a backup, or not one that may be restored."""

    code = "backup.invalid"
    sentence = msgid("{file} cannot be restored: {reason}.")
    next_step = msgid("Nothing was written. Use another backup; do not trust whoever made this one.")


class Filed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a backup: its name in the folder, size, kind, and its original path if that was elsewhere."""

    name: str
    size: Annotated[int, msgspec.Meta(ge=0)]
    kind: Kind
    place: str = ""


class BackupContents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of a backup, its owner and time; `running`: the connector was running while it was made."""

    id: str
    did: str
    version: str
    made: str
    running: bool
    entries: int  # of the log
    files: Annotated[tuple[Filed, ...], msgspec.Meta(max_length=MOST_FILES)]
    form: int = FORM

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(filed.size for filed in self.files)

    def one(self, kind: Kind) -> Filed | None:
        """The first file of a kind."""
        return next((filed for filed in self.files if filed.kind == kind), None)


def packed(table: BackupContents) -> bytes:
    """A table encoded as the beginning of a backup.

    Raises:
        OverflowError: it is larger than any reader accepts.
    """
    said = msgspec.json.encode(table)
    if len(said) > LARGEST_TABLE:
        raise OverflowError("more files than a backup holds")
    return len(said).to_bytes(4, "big") + said


class Unpacked:
    """Reads a backup from chunks of any length."""

    def __init__(self, pieces: Iterable[bytes], file: str) -> None:
        self._pieces, self._left, self._file = iter(pieces), b"", file

    def table(self) -> BackupContents:
        """The table; to be read first.

        Raises:
            BackupInvalidError: it is not a table, or has a name that must not be written.
        """
        length = int.from_bytes(self._exactly(4), "big")
        if length > LARGEST_TABLE:
            raise self._invalid(msgid("its table of files is too large"))
        try:
            table = msgspec.json.decode(self._exactly(length), type=BackupContents)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise self._invalid(msgid("its table of files cannot be read")) from None
        if table.form != FORM:
            raise self._invalid(msgid("it is of another version of medspace"))
        for name in unfit(filed.name for filed in table.files):
            raise BackupInvalidError(
                file=self._file, reason=Text(msgid("the name {name} leads out of its folder"), {"name": ascii(name)})
            )
        return table

    def content(self, filed: Filed) -> Iterator[bytes]:
        """The content of the next file; to be read to its end.

        Raises:
            BackupInvalidError: the backup ends too early.
        """
        wanted = filed.size
        while wanted:
            piece = self._some(wanted)
            wanted -= len(piece)
            yield piece

    def end(self) -> None:
        """Read to the end, where nothing may be left.

        Raises:
            BackupInvalidError: something is left.
        """
        if self._left or any(self._pieces):
            raise self._invalid(msgid("there is something after its last file"))

    def _exactly(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            found += self._some(count - len(found))
        return bytes(found)

    def _some(self, most: int) -> bytes:
        while not self._left:
            self._left = next(self._pieces, None) or b""
            if not self._left:
                raise self._invalid(msgid("it ends before its last file"))
        piece, self._left = self._left[:most], self._left[most:]
        return piece

    def _invalid(self, reason: str) -> BackupInvalidError:
        return BackupInvalidError(file=self._file, reason=Text(reason))


def unfit(names: Iterable[str]) -> Iterator[str]:
    """The names that are not plain paths below one folder, or that conflict with another one (CWE-22)."""
    files, folders = set[str](), set[str]()
    for name in names:
        parts, folded = name.split("/"), name.casefold()
        above = {"/".join(parts[:count]).casefold() for count in range(1, len(parts))}
        if (
            not all(map(_plain, parts))
            or len(name.encode(errors="replace")) > LONGEST_NAME
            or folded in files | folders
            or above & files
        ):
            yield name
        files.add(folded)
        folders |= above


def _plain(part: str) -> bool:
    return (
        part not in ("", ".", "..")
        and part.isprintable()
        and not set(part) & set("\\:")
        and part == part.strip()
        and len(part.encode(errors="replace")) <= LONGEST_PART
    )
