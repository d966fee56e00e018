"""Which persons' rows changed between two contents of a table, told by keyed digests alone."""

import struct
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from medspace.core.usage import Rows

_ROUND = 1 << 64
_PAIR = struct.Struct(">QQ")
Marks = Mapping[int, int]


def marks_of(rows: Rows, key: bytes) -> Marks:
    """For each person, by their mark, one mark of everything that all their rows say, in whatever order."""
    said: dict[int, int] = {}
    persons, contents = rows.marks(key)
    for person, content in zip(map(int, persons), map(int, contents), strict=True):
        said[person] = (said.get(person, 0) + content) % _ROUND
    return said


def packed(marks: Marks) -> str:
    """The marks as base64, the same for the same content; `unpacked` gives them back."""
    return b64encode(b"".join(_PAIR.pack(*pair) for pair in sorted(marks.items()))).decode()


def unpacked(text: str) -> Marks:
    """The marks that were packed."""
    return dict(_PAIR.iter_unpack(b64decode(text)))


def changed(before: Marks, after: Marks) -> int:
    """How many persons came, went, or say something else."""
    return sum(before.get(person) != after.get(person) for person in before.keys() | after.keys())


@dataclass(frozen=True, slots=True)
class Content:
    """The rows as they are now: their version, and how many persons differ in each version that was asked."""

    version: str
    distances: Mapping[str, int]

    def alike(self, least: int) -> frozenset[str]:
        """The versions that differ from this one, but by fewer than `least` persons."""
        return frozenset(version for version, persons in self.distances.items() if 0 < persons < least)


def version_of(marks: str) -> str:
    """The name of a content: digest of its packed marks."""
    return sha256(marks.encode()).hexdigest()[:32]


def compared(marks: Marks, version: str, others: Iterable[tuple[str, str]]) -> Content:
    """The content with these marks beside others, given as versions and packed marks."""
    return Content(version, {name: changed(unpacked(text), marks) for name, text in others})
