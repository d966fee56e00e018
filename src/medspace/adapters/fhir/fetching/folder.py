"""The folder that fetched resources are kept in: only what the views need, replaced as a whole or not at all.

New files are complete before the first is moved into its place; a marker stands in the folder while they are moved,
for which readers refuse it, and an end in between is gone on from. Everything is readable by its owner alone.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from medspace.adapters.fhir.choices import names_in_json
from medspace.adapters.fhir.errors import FhirAwayError, FhirServerError, ResourcesRefusedError
from medspace.adapters.fhir.fetching.settings import FhirServer
from medspace.adapters.fhir.ndjson import LONGEST_LINE, SWAPPING, lines_of
from medspace.adapters.fhir.persons import PATIENT, patients_named
from medspace.adapters.keys import make_folder
from medspace.adapters.oswords import why
from medspace.adapters.ownership import write_private_bytes
from medspace.core.canonical import JsonObject
from medspace.core.hashing import digest_bytes
from medspace.core.text import Text, msgid

INSIDE = ".fetch"
MOST_RESOURCES = 50_000_000  # of one fetch
ALWAYS = ("resourceType", "id")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)


class ExportJob(msgspec.Struct):
    """A job of a server that was started: where it is asked for, when it was, what it gave, what of that is here."""

    status: str
    started: str
    manifest: JsonObject | None = None
    done: dict[str, str] = msgspec.field(default_factory=dict)  # a file's address, and its name here


class FetchState(msgspec.Struct):
    """What is known from one fetch to the next: what was wanted, up to which time it is here, a job that goes on."""

    wanted: str = ""
    time: str = ""
    job: ExportJob | None = None


class _Swap(msgspec.Struct):
    """What the folder holds once it is replaced."""

    files: list[str]
    state: FetchState


@dataclass(frozen=True, slots=True)
class Keeper:
    """What is kept of resources: the elements that views read, and whose each is."""

    names: Mapping[str, frozenset[str]]  # of elements as JSON has them, by type of resource

    @classmethod
    def of(cls, server: FhirServer) -> "Keeper":
        """What the views of a server need."""
        read = {kind: set(ALWAYS) for kind in server.types}
        for view in server.views:
            for element in (*view.elements, "extension"):
                read[view.resource] |= set(names_in_json(element))
        return cls({kind: frozenset(names) for kind, names in read.items()})

    @property
    def digest(self) -> str:
        """What is kept, as one word: other views need other elements."""
        return digest_bytes(msgspec.json.encode({kind: sorted(names) for kind, names in sorted(self.names.items())}))

    def line(self, what: str, kind: str, line: bytes) -> tuple[str, bytes]:
        """A resource of a type as it is kept: its id, and its JSON in one line.

        The elements that no view reads are left out, unless one of them names a patient whom the rest does not: then
        it is kept as it is, so that the loading of the table sees that it is not one patient's.

        Raises:
            FhirServerError: it is no such resource.
        """
        try:
            parts = _RAW.decode(line)
            said, identifier = (_TEXT.decode(parts[name]) for name in ALWAYS)
            kept = {name: raw for name, raw in parts.items() if name in self.names[kind]}
            short = (
                b"{" + b",".join(msgspec.json.encode(name) + b":" + bytes(raw) for name, raw in kept.items()) + b"}"
            )
            whole = patients_named(short, kind) != patients_named(line, kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
            raise FhirServerError(what, msgid("a resource is not JSON, or has no type or no id")) from None
        if said != kind or not _ID.fullmatch(identifier):
            raise FhirServerError(what, msgid("a resource is of another type, or its id is none"))
        made = (line.strip() if whole else short).replace(b"\n", b" ").replace(b"\r", b" ")
        if len(made) > LONGEST_LINE:
            raise FhirServerError(what, msgid("a resource is longer than {most} bytes"), {"most": LONGEST_LINE})
        return identifier, made


@dataclass(slots=True)
class Fetched:
    """What one fetch brought: files by type, what is erased, up to which time; `whole`: nothing else stays."""

    time: str
    whole: bool
    parts: dict[str, list[Path]] = field(default_factory=dict)
    deleted: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class FhirFolder:
    """A folder of fetched resources; `path` is made where it is not there."""

    path: Path

    @property
    def inside(self) -> Path:
        """Where what is not yet whole is kept."""
        return self.path / INSIDE

    @contextmanager
    def opened(self) -> Iterator[FetchState]:
        """The folder for one fetch alone, with what was known; a replacement that was interrupted is finished first.

        Raises:
            FhirAwayError: another fetch is at work.
            SecretExposedError: others can write into it.
            ResourcesRefusedError: it cannot be used.
        """
        try:
            make_folder(self.path)
            make_folder(self.inside)
            handle = os.open(self.inside / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ResourcesRefusedError(self.path.name, 0, why(error)) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._finish()
            yield self._known()
        except BlockingIOError:
            raise FhirAwayError(self.path.name, Text(msgid("another fetch into the folder is at work"))) from None
        finally:
            os.close(handle)

    def note(self, state: FetchState) -> None:
        """Keep what is known."""
        write_private_bytes(self.inside / "state.json", msgspec.json.encode(state))

    def forget(self) -> None:
        """Delete what was fetched and is not whole."""
        for name in ("parts", "new"):
            shutil.rmtree(self.inside / name, ignore_errors=True)

    def part(self, name: str) -> Path:
        """The place of a file that is being fetched."""
        (self.inside / "parts").mkdir(mode=0o700, exist_ok=True)
        return self.inside / "parts" / name

    def replace(self, fetched: Fetched, types: Sequence[str], state: FetchState) -> dict[str, int]:
        """Put what was fetched in place of what is there, or among it; how many resources of each type are there.

        Raises:
            FhirServerError: one id was given to two resources.
        """
        new = self.inside / "new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        gone = {identifier for kind, identifier in fetched.deleted if kind == PATIENT}
        counts = {kind: self._merged(new, kind, fetched, gone) for kind in types}
        swap = _Swap([_name(kind) for kind in types], state)
        write_private_bytes(self.path / SWAPPING, msgspec.json.encode(swap))
        self._finish()
        return counts

    def _merged(self, new: Path, kind: str, fetched: Fetched, gone: set[str]) -> int:
        """Write the file of a type: what stays of the old one, then what is new."""
        fresh, count = _ids_of(kind, fetched.parts.get(kind, [])), 0
        erased = {identifier for of, identifier in fetched.deleted if of == kind} - fresh
        with _created(new / _name(kind)) as file:
            if not fetched.whole and (self.path / _name(kind)).is_file():
                for _, line in lines_of(self.path / _name(kind)):
                    if id_of(line) not in fresh and not _is_gone(line, kind, erased, gone):
                        file.write(line.rstrip(b"\n") + b"\n")
                        count += 1
            for part in fetched.parts.get(kind, []):
                for _, line in lines_of(part):
                    if not _is_gone(line, kind, erased, gone):
                        file.write(line)
                        count += 1
            file.flush()
            os.fsync(file.fileno())
        return count

    def _finish(self) -> None:
        """Move new files into their places, however often it is begun."""
        marker, new = self.path / SWAPPING, self.inside / "new"
        if not marker.is_file():
            return
        swap = msgspec.json.decode(marker.read_bytes(), type=_Swap)
        for name in swap.files:
            if (new / name).is_file():
                (new / name).replace(self.path / name)
        for other in self.path.glob("*.ndjson*"):
            if other.name not in swap.files:
                other.unlink()
        self.note(swap.state)
        self.forget()
        marker.unlink()

    def _known(self) -> FetchState:
        file = self.inside / "state.json"
        try:
            return msgspec.json.decode(file.read_bytes(), type=FetchState)
        except (OSError, msgspec.DecodeError):
            return FetchState()


def _name(kind: str) -> str:
    return f"{kind}.ndjson"


@contextmanager
def _created(path: Path) -> Iterator[BinaryIO]:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as file:  # noqa: PTH123 - by descriptor, with its mode
        yield file


def id_of(line: bytes) -> str:
    """The id of a resource that was kept."""
    return _TEXT.decode(_RAW.decode(line)["id"])


def _ids_of(kind: str, parts: Iterable[Path]) -> set[str]:
    found = set[str]()
    for part in parts:
        for _, line in lines_of(part):
            identifier = id_of(line)
            if identifier in found:
                raise FhirServerError(kind, msgid("two resources have the same id"))
            found.add(identifier)
            if len(found) > MOST_RESOURCES:
                raise FhirServerError(kind, msgid("there are more than {most} resources"), {"most": MOST_RESOURCES})
    return found


def _is_gone(line: bytes, kind: str, erased: set[str], gone: set[str]) -> bool:
    """Whether a resource was deleted, or its patient was."""
    if erased and id_of(line) in erased:
        return True
    return bool(gone) and bool(patients_named(line, kind).ids & gone)
