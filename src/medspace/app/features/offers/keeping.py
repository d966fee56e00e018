"""Offers that are being drafted: a folder each, beside the configuration, that nobody else on the machine can read.

In it are what was said so far and, where a file was uploaded, the file. What its sender called the file is only ever
shown: names on the disk are ours. A draft that is not published within a day is removed, with its file.
"""

import asyncio
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from stat import S_IRUSR, S_ISREG, S_IWUSR
from typing import BinaryIO

import msgspec

from medspace.adapters.filenames import absolute
from medspace.adapters.keys import make_folder
from medspace.adapters.logs import logger
from medspace.adapters.oswords import why
from medspace.adapters.ownership import write_private
from medspace.app.node.config import read_config
from medspace.app.node.node import Node
from medspace.app.node.offering.wishes import identity
from medspace.core.canonical import JsonObject
from medspace.core.clock import Randomness, instant, stamp
from medspace.core.errors import InvalidInputError, MedspaceError
from medspace.core.text import Text, msgid

DRAFTS, TABLES = "uploads", "tables"  # folders beside the configuration
LARGEST_UPLOAD = 200 << 20  # bytes
MOST_DRAFTS, MOST_DRAFTS_EACH = 12, 4  # of all, and of one actor
LIFE = timedelta(days=1)
SWEEP_SECONDS = 3600.0
LONGEST_NAME = 120
SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")
_PLACED = re.compile(rf".+-[0-9a-f]{{8}}({'|'.join(map(re.escape, SUFFIXES))})?", re.ASCII)
_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_ABOUT = "about.json"
_LARGEST_ABOUT = 1 << 20


class OfferDraftUnknownError(InvalidInputError):
    """There is no such draft, or it is somebody else's."""

    code = "offer.draft_unknown"
    sentence = msgid("There is no such draft of an offer; drafts are removed a day after they were begun.")
    next_step = msgid("Begin again with the file.")


class OfferDraftLargeError(InvalidInputError):
    """More was said of a table than is kept."""

    code = "offer.draft_large"
    sentence = msgid("More was said of the table than is kept: the limit is {most} kB in all.")
    next_step = msgid("Shorten descriptions and meanings of codes, or leave out columns; what was said before stays.")


class UploadRefusedError(InvalidInputError):
    """A file is not taken."""

    code = "offer.upload"
    sentence = msgid("The file was not taken: {reason}.")
    next_step = msgid("Nothing was kept of it. Correct it and choose it again.")

    def __init__(self, reason: Text) -> None:
        super().__init__(reason=reason)


@dataclass(frozen=True, slots=True)
class SaidOfTable:
    """What a person has said of a table: `columns` are settings by column and key, `codes` what codes mean."""

    person: str = ""
    rows_are_persons: bool = False
    leave_out: tuple[str, ...] = ()
    leave_out_rows: tuple[str, ...] = ()
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChosenTerms:
    """The answers to who may, for what, until when, how often, what may leave, and what the catalogue says.

    What is not said is safe. `more` are terms of a template of one's own that no question asks for.
    """

    dataset: str = ""
    title: str = ""
    template: str = "train-only"
    purposes: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    until: str = ""
    count: int | None = None
    questions: int | None = None
    min_sites: int | None = None
    publish: tuple[str, ...] = ()
    more: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OfferDraft:
    """An offer that is being drafted: `name` is the file's own, `file` its place; `uploaded`: it is ours."""

    id: str
    name: str
    by: str
    made: str
    file: str
    uploaded: bool
    said: SaidOfTable = SaidOfTable()
    terms: ChosenTerms = ChosenTerms()


def shown_name(name: str) -> str:
    """What a sender called a file, as it may be shown: the last part of its path, on one line."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(one for one in last if one.isprintable()).strip()[:LONGEST_NAME] or "table"


def _slug(name: str) -> str:
    """What its file is called here: letters, digits and marks that mean nothing to anybody."""
    path = Path(shown_name(name))
    suffix = path.suffix.lower()
    return identity(path.stem) + (suffix if suffix in SUFFIXES else "")


@dataclass(frozen=True, slots=True)
class DraftFolder:
    """All drafts of one connector. Blocking."""

    folder: Path  # the configuration's
    randomness: Randomness
    named: Callable[[], Collection[Path]] = frozenset  # the files that are offered

    def begun(self, name: str, by: str, now: datetime) -> OfferDraft:
        """A new draft, with its folder; its file is to be written.

        Raises:
            UploadRefusedError: there are too many.
            OSError: the folder cannot be made.
        """
        self.sweep(now)
        each = sum(one.by == by for one in self.all())
        if len(self._names()) >= MOST_DRAFTS or each >= MOST_DRAFTS_EACH:  # what cannot be read takes room as well
            raise UploadRefusedError(Text(msgid("too many offers are being drafted; publish or discard one first")))
        pid = self.randomness.token_bytes(16).hex()
        make_folder(self._home)
        (self._home / pid).mkdir(mode=0o700)
        made = OfferDraft(pid, shown_name(name), by, stamp(now), str(self._home / pid / _slug(name)), uploaded=True)
        self.keep(made)
        return made

    @property
    def _home(self) -> Path:
        return self.folder / DRAFTS

    def create(self, draft: OfferDraft) -> BinaryIO:
        """Its file, new and only ours, to write the upload to."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.fdopen(os.open(draft.file, flags, 0o600), "wb")

    def keep(self, draft: OfferDraft) -> None:
        """Write down what was said so far.

        Raises:
            OfferDraftLargeError: it is more than is read again; what was said before stays.
        """
        text = msgspec.json.encode(draft)
        if len(text) > _LARGEST_ABOUT:
            raise OfferDraftLargeError(most=_LARGEST_ABOUT >> 10)
        write_private(self._home / draft.id / _ABOUT, text.decode())

    def find(self, pid: str) -> OfferDraft:
        """One draft.

        Raises:
            OfferDraftUnknownError: there is none.
        """
        found = self._read(pid) if _ID.fullmatch(pid) else None
        if found is None:
            raise OfferDraftUnknownError
        return found

    def all(self) -> list[OfferDraft]:
        """All drafts, the oldest first."""
        found = map(self._read, self._names())
        return sorted(filter(None, found), key=lambda one: (one.made, one.id))

    def _names(self) -> list[str]:
        if not self._home.is_dir():
            return []
        return [one.name for one in self._home.iterdir() if _ID.fullmatch(one.name)]

    def _read(self, pid: str) -> OfferDraft | None:
        try:
            with (self._home / pid / _ABOUT).open("rb") as file:
                return msgspec.json.decode(file.read(_LARGEST_ABOUT), type=OfferDraft)
        except (OSError, msgspec.DecodeError):
            return None

    def remove(self, pid: str) -> None:
        """Remove a draft, with the file that was uploaded for it and what a broken-off publication has left of it."""
        found = self._read(pid)
        if found is not None and found.uploaded:
            with suppress(OSError):
                self._drop(one for one in (self.folder / TABLES).iterdir() if one.samefile(found.file))
        shutil.rmtree(self._home / pid, ignore_errors=True)

    def sweep(self, now: datetime) -> None:
        """Remove what was begun more than a day ago, and what nobody can read any more; then what is left of them."""
        for home, sweep in ((self._home, self._sweep), (self.folder / TABLES, self._sweep_table)):
            for one in home.iterdir() if home.is_dir() else ():
                with suppress(OSError):  # it is gone since it was listed, or cannot be looked at: the others can
                    sweep(one, now - LIFE)

    def _sweep_table(self, file: Path, since: datetime) -> None:
        """Remove the file of a draft that is gone: one that `place` has put here, and that was never offered."""
        found = file.lstat()
        ours = _PLACED.fullmatch(file.name) is not None and S_ISREG(found.st_mode) and found.st_mode & S_IWUSR
        if ours and found.st_nlink == 1 and found.st_ctime < since.timestamp():
            self._drop([file])

    def _sweep(self, folder: Path, since: datetime) -> None:
        found = self._read(folder.name)
        if found is None and not folder.is_symlink() and folder.stat().st_mtime > since.timestamp():
            return  # it is being made
        if found is None or instant(found.made) < since:
            self.remove(folder.name)

    def place(self, draft: OfferDraft, dataset: str) -> Path:
        """Put an uploaded file where it stays; a file that was pointed to stays where it is.

        Raises:
            UploadRefusedError: it cannot be put there.
        """
        if not draft.uploaded:
            return Path(draft.file)
        again = self.randomness.token_bytes(4).hex()  # what an attempt that was broken off has left is nobody's
        target = self.folder / TABLES / f"{identity(dataset)}-{again}{Path(draft.file).suffix}"
        try:
            make_folder(target.parent)
            os.link(draft.file, target, follow_symlinks=False)  # unlike a rename it takes nobody's place
        except OSError as error:
            raise UploadRefusedError(why(error)) from error
        return target

    def settle(self, target: Path) -> None:
        """A file that was placed is offered from now on: it is only read, and no sweep takes it."""
        with suppress(OSError):  # it is offered in any case
            if target.parent == self.folder / TABLES:
                target.chmod(S_IRUSR)

    def take_back(self, draft: OfferDraft, target: Path) -> None:
        """What `place` has done is undone, unless the file is offered after all: then what failed came later."""
        if draft.uploaded:
            with suppress(OSError):
                self._drop([target])

    def _drop(self, files: Iterable[Path]) -> None:
        for file in files:
            try:
                kept = absolute(file) in self.named()
            except MedspaceError:  # the configuration cannot be read: it may name it
                continue
            if not kept:
                file.unlink()


def folder_of(node: Node) -> DraftFolder:
    """Where the drafts of a connector are: beside its configuration."""
    return DraftFolder(node.config.path(node.config.file).parent, node.randomness, lambda: offered_files(node))


def offered_files(node: Node) -> frozenset[Path]:
    """What the configuration names, in its file and as it is in force. Blocking.

    Raises:
        MedspaceError: its file cannot be used as it is.
    """
    config = read_config(node.config.path(node.config.file))
    held = [state.prepared.configured for state in node.assets.states]
    return frozenset(absolute(config.path(one.source)) for one in (*config.assets, *filter(None, held)))


async def sweeping(node: Node) -> None:
    """Remove drafts that were left behind, as long as the connector runs."""
    while True:
        try:
            await asyncio.to_thread(folder_of(node).sweep, node.clock.now())
        except OSError as error:  # the next time it may be possible; the connector goes on without
            logger(participant=node.did).warning("offers.not_swept", reason=str(why(error)))
        await asyncio.sleep(SWEEP_SECONDS)
