"""Parts: what is too big for JSON travels separately, named by its content.

A part is immutable: its digest is its name, so anybody with the digest from a signed source (a release, a log) can
check every byte, wherever it comes from.
"""

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from medspace.core.errors import InvalidInputError, WaitingError
from medspace.core.limits import MEDIA_TYPE, PART
from medspace.core.text import Text, msgid

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*", re.ASCII)  # RFC 6838 4.2, small letters


class PartError(InvalidInputError):
    """A part is invalid, or does not have its digest."""

    code = "part.invalid"
    sentence = msgid("The part {digest} cannot be used: {reason}.")
    next_step = msgid("Send it again with the SHA-256 of its content, its size and its media type.")


class PartsFullError(WaitingError):
    """A member has used up its bytes for parts here."""

    code = "parts.full"
    sentence = msgid("Parts of yours take up the {limit} bytes that they may.")
    next_step = msgid("End uses that you do not need: their parts go with them. Then send it again.")


class PartBusyError(WaitingError):
    """The same part is being received right now."""

    code = "parts.busy"
    sentence = msgid("The part {digest} is already being sent.")
    next_step = msgid("Wait until it is here, or has broken off.")


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes beside a step or a release: `digest` is their SHA-256 in hexadecimal, `size` how many they are."""

    digest: str
    media_type: str
    size: int


def flaw_of_part(part: Part) -> Text | None:
    """What is wrong with the description of a part, regardless of its content."""
    if not _DIGEST.fullmatch(part.digest):
        return Text(msgid("its digest is not a SHA-256 in lower-case hexadecimal digits"))
    if len(part.media_type) > MEDIA_TYPE or not _TYPE.fullmatch(part.media_type):
        return Text(msgid("its media type is invalid"))
    if not 0 <= part.size <= PART:
        return Text(msgid("its size is not a number of bytes from 0 to {most}"), {"most": PART})
    return None


class Blobs(Protocol):
    """The parts that one use may read, and where it puts those that it makes. Blocking, for engines."""

    def open(self, part: Part) -> AbstractContextManager[BinaryIO]:
        """The bytes of a part, to be read piece by piece.

        Raises:
            KeyError: this use has no such part.
        """
        ...

    def create(self, media_type: str) -> "AbstractContextManager[NewPart]":
        """Begin a part; its bytes are kept once the context ends without an error.

        Raises:
            PartsFullError: on writing, where there is no room for it.
        """
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


@dataclass(frozen=True, slots=True)
class Keeping:
    """Whose parts these are: kept for one use of one member, until it ends."""

    member: str  # DID
    use: str


class Receiving(Protocol):
    """A part being received; it is valid once all of it is here and has the announced digest."""

    @property
    def offset(self) -> int:
        """How many of its bytes are here, from its beginning."""
        ...

    def write(self, data: bytes) -> None:
        """Add bytes to its end.

        Raises:
            PartError: they exceed the announced size; nothing of it is kept.
        """
        ...

    def finish(self) -> None:
        """Keep it; from now on it can be opened.

        Raises:
            PartError: bytes are missing (what arrived is kept), or the digest differs (nothing is kept).
        """
        ...

    def close(self) -> None:
        """Close it; what arrived stays, to be resumed. After `finish` this does nothing."""
        ...


class BlobStore(Protocol):
    """Where parts are kept, separately for each use. Blocking, thread-safe."""

    def of(self, keeping: Keeping) -> Blobs:
        """The parts of one use, for an engine."""
        ...

    def has(self, keeping: Keeping, digest: str) -> bool:
        """Whether all of a part is here."""
        ...

    def receive(self, keeping: Keeping, part: Part) -> Receiving:
        """Start or resume receiving a part; its bytes count against the member from now on.

        Raises:
            PartsFullError: the member has no room for it.
            PartBusyError: it is being received.
        """
        ...

    def share(self, digest: str, source: Keeping, target: Keeping) -> bool:
        """Let a use keep a part that another use has; False if that one does not have it."""
        ...

    def kept(self) -> list[Keeping]:
        """The uses that parts are kept for."""
        ...

    def drop(self, keeping: Keeping) -> None:
        """Forget the parts of a use."""
        ...

    def sweep(self, before: datetime) -> None:
        """Forget the parts of uses that received none since `before`, whatever became of them."""
        ...
