"""FHIR resources in NDJSON files, as the rows of a view: in chunks of columns, whole or not at all.

A folder holds files of one type each, as the Bulk Data Access guide (2.0, section 4.4) has it. Every line of every
file is read, so a file that ends in the middle is found wherever it is; only what the view reads is kept.
"""

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypedDict

import msgspec

from medspace.adapters.fhir.choices import names_in_json
from medspace.adapters.fhir.errors import PathError, ResourcesRefusedError
from medspace.adapters.fhir.persons import PATIENT, patients_named
from medspace.adapters.fhir.views import CompiledView, Row
from medspace.adapters.oswords import why
from medspace.core.text import Fact, Text, counted, msgid

CHUNK = 20_000  # rows that are handed on at a time
LONGEST_LINE = 16_000_000  # bytes of one resource
ENDINGS = (".ndjson", ".ndjson.gz", ".jsonl", ".jsonl.gz")
LOG = "log.ndjson"  # what an export tells of itself
SWAPPING = ".replacing"  # a file in the folder while its others are replaced
MALFORMED = msgid("it is not one JSON object of a resource; was the file copied whole?")
NOBODY = msgid("they name no patient")
SEVERAL = msgid("they name more than one patient, or one without an id")


class _Head(msgspec.Struct):
    """What is read of resources of other types."""

    resourceType: str  # noqa: N815 - FHIR's name
    id: str = ""


@dataclass(slots=True)
class Reading:
    """What is known of the files read so far; `patients` are the ids of those that are there."""

    view: CompiledView
    person: str  # the column with the patient's id; "" before anybody said which
    names: Sequence[str]  # the columns of the table, in order
    patients: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    owners: dict[str, tuple[str, int]] = field(default_factory=dict)
    bases: set[str] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)
    person_at: int = field(init=False, default=-1)  # which column of the view that is

    def __post_init__(self) -> None:
        names = [column.name for column in self.view.columns]
        self.person_at = names.index(self.person) if self.person else -1


def files_of(path: Path) -> list[Path]:
    """The NDJSON files of a folder in the order of their names, or the one file.

    Raises:
        ResourcesRefusedError: there are none.
    """
    if path.is_file():
        return [path]
    check_still(path)
    try:
        found = sorted(
            one for one in path.iterdir() if one.name.endswith(ENDINGS) and one.name != LOG and one.is_file()
        )
    except OSError as error:
        raise _refused(path.name, 0, why(error)) from None
    if not found:
        endings = ", ".join(ENDINGS)
        raise _refused(path.name, 0, Text(msgid("there are no files called {endings}"), {"endings": endings}))
    return found


def check_still(path: Path) -> None:
    """Refuse a folder whose files are just being replaced by others.

    Raises:
        ResourcesRefusedError: they are.
    """
    if (path / SWAPPING).exists():
        reason = msgid("its files are being replaced; if that was interrupted, `medspace source fetch` finishes it")
        raise _refused(path.name, 0, Text(reason))


def types_in(path: Path) -> list[str]:
    """The types of the resources in the files of a folder, by the first of each file.

    Raises:
        ResourcesRefusedError: something in the files cannot be used.
    """
    found, decoder = dict[str, None](), msgspec.json.Decoder(_Head)
    for file in files_of(path):
        number, line = next(lines_of(file), (0, b""))
        try:
            if line:
                found[decoder.decode(line).resourceType] = None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _refused(file.name, number, Text(MALFORMED)) from None
    return list(found)


def resources_of(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    """The resources of one type, each whole.

    Raises:
        ResourcesRefusedError: something in the files cannot be used.
    """
    decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
    for file in files_of(path):
        if types_in(file) != [kind]:
            continue
        for number, line in lines_of(file):
            try:
                yield decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise _refused(file.name, number, Text(MALFORMED)) from None


def chunks(path: Path, reading: Reading) -> Iterator[list[list[str | None]]]:
    """The rows of all files as columns of texts; what the reading knows is complete once it is exhausted.

    Raises:
        ResourcesRefusedError: something in the files cannot be used.
    """
    rows = list[Row]()
    for file in files_of(path):
        for more in _rows(file, reading):
            rows += more
            if len(rows) >= CHUNK:
                yield _columns(rows, reading, file.name)
                rows = []
    check_still(path)
    check_whole(path.name, reading)
    if rows:
        yield _columns(rows, reading, path.name)


def check_whole(name: str, reading: Reading) -> None:
    """Refuse files of which a reference leads nowhere, or in which one id may be two patients.

    Raises:
        ResourcesRefusedError: they are such.
    """
    if len(reading.bases) > 1:
        reason = Text(
            msgid("its references name {count} servers: the same id may be two patients"),
            {"count": len(reading.bases)},
        )
        raise _refused(name, 0, reason)
    if not reading.patients:
        return
    for owner, (file, line) in reading.owners.items():
        if owner not in reading.patients:
            raise _refused(file, line, Text(msgid("it refers to a patient who is in none of the files")))


def _rows(file: Path, reading: Reading) -> Iterator[list[Row]]:
    kind, decoder = "", msgspec.json.Decoder(_Head)
    wanted = _decoder(reading.view)
    for number, line in lines_of(file):
        try:
            if not kind:
                kind = decoder.decode(line).resourceType
            if kind == reading.view.resource:
                resource = wanted.decode(line)
                said, identifier = resource.get("resourceType"), resource.get("id")
            else:
                head = decoder.decode(line)
                said, identifier, resource = head.resourceType, head.id, None
            _check_head(reading, kind, said, identifier)
            if resource is not None:
                yield _of_one(reading, resource, line, (file.name, number))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _refused(file.name, number, Text(MALFORMED)) from None
        except PathError as error:
            raise _refused(file.name, number, error.reason) from None


def _decoder(view: CompiledView) -> "msgspec.json.Decoder[Any]":
    """Reads what a view needs of a resource and skips the rest, so that nothing else is ever kept."""
    names = {name for element in (*view.elements, "extension") for name in names_in_json(element)}
    made: Any = TypedDict
    shape = made("shape", dict.fromkeys(sorted({*names, "resourceType", "id"}), Any), total=False)
    return msgspec.json.Decoder(shape, float_hook=Decimal)


def _check_head(reading: Reading, kind: str, said: object, identifier: object) -> None:
    """Note a resource by its id, once.

    Raises:
        PathError: it has no id, one that another has, or is of another type than the first of its file.
    """
    if said != kind:
        raise PathError(msgid("it is of another type than the first resource of the file"))
    known = reading.patients if kind == PATIENT else reading.ids if kind == reading.view.resource else None
    if known is None:
        return
    if not isinstance(identifier, str) or not identifier:
        raise PathError(msgid("it has no id"))
    if identifier in known:
        raise PathError(msgid("another resource has the same id"))
    known.add(identifier)


def _of_one(reading: Reading, resource: dict[str, Any], line: bytes, place: tuple[str, int]) -> list[Row]:
    """The rows of a resource that is exactly one patient's; none of another."""
    rows = reading.view.rows(resource)
    if not rows:
        return rows
    named = patients_named(line, reading.view.resource)
    own = {resource["id"]} if reading.view.resource == PATIENT else set()
    owners = named.ids | own
    reading.bases |= named.bases
    if len(owners) != 1 or named.unnamed:
        reading.left_out[SEVERAL if owners or named.unnamed else NOBODY] += 1
        return []
    owner = next(iter(owners))
    reading.owners.setdefault(owner, place)
    at = reading.person_at
    if at >= 0 and any(row[at] != owner for row in rows):
        raise PathError(msgid("the column {name} is not the patient whose resource it is"), {"name": reading.person})
    return rows


def _columns(rows: Sequence[Row], reading: Reading, name: str) -> list[list[str | None]]:
    """The cells of the wanted columns as texts."""
    columns = list(zip(*rows, strict=True))
    places = {column.name: place for place, column in enumerate(reading.view.columns)}
    try:
        return [_texts(columns[places[one]], reading.view.columns[places[one]].type) for one in reading.names]
    except PathError as error:
        raise _refused(name, 0, error.reason) from None


def _texts(cells: Sequence[Any], kind: str) -> list[str | None]:
    """Cells as a table file writes them; of a date with a time, where the view says `date`, the day."""
    if kind == "date":
        return [cell[:10] if isinstance(cell, str) else _text(cell) for cell in cells]
    return [cell if cell is None or type(cell) is str else _text(cell) for cell in cells]


def _text(cell: Any) -> str | None:  # noqa: ANN401 - JSON
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | Decimal):
        return str(cell)
    raise PathError(msgid("a column holds an element with parts, or several values; a table has single values"))


def lines_of(file: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not empty, from 1.

    Raises:
        ResourcesRefusedError: it cannot be read, or a line is too long.
    """
    try:
        with gzip.open(file) if file.name.endswith(".gz") else file.open("rb") as opened:
            number = 0
            while line := opened.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    raise _refused(
                        file.name, number, Text(msgid("it is longer than {most} bytes"), {"most": LONGEST_LINE})
                    )
                line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if line.strip():
                    yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise _refused(file.name, 0, Text(msgid("the compressed file is damaged or not whole"))) from None
    except OSError as error:
        raise _refused(file.name, 0, why(error)) from None


def _refused(file: str, line: int, reason: Text) -> ResourcesRefusedError:
    return ResourcesRefusedError(file, line, reason)


def told(left_out: Counter[str]) -> tuple[Text, ...]:
    """What the holder should know of resources that gave no rows."""
    sentence = msgid("{resources} left out: {reason}")
    found = list[Text]()
    for reason, count in sorted(left_out.items()):
        resources = counted(count, msgid("{count} resource is"), msgid("{count} resources are"))
        facts: dict[str, Fact | Text] = {"resources": resources, "reason": Text(reason)}
        found.append(Text(sentence, facts))
    return tuple(found)
