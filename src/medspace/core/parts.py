"""Parts: what is too big for JSON travels beside it, named by its content.

A part is immutable: its digest is its name, so whoever has the digest from a signed place (a release, a log) can
check every byte that it is given, from wherever.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes beside a step or a release: `digest` is their SHA-256 in hexadecimal, `size` how many they are."""

    digest: str
    media_type: str
    size: int


class Blobs(Protocol):
    """The parts that one use may read, and where it puts those that it makes. Blocking, for engines."""

    def open(self, part: Part) -> AbstractContextManager[BinaryIO]:
        """The bytes of a part, to be read piece by piece.

        Raises:
            KeyError: this use has no such part.
        """
        ...

    def create(self, media_type: str) -> "AbstractContextManager[NewPart]":
        """Begin a part; its bytes are kept once the context ends without an error."""
        ...


class NewPart(Protocol):
    """A part that is being written."""

    def write(self, data: bytes) -> None:
        """Add bytes to its end."""
        ...

    @property
    def part(self) -> Part:
        """What was written; known once the context has ended."""
        ...
