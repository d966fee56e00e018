"""Reading tasks: a step of a run looks at its own several times, so the last ones stay read."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

import msgspec

from medspace.core.canonical import Json

KEPT, MOST_KEPT = 64, 1 << 16  # cached tasks of each kind, bytes of each

Task = TypeVar("Task")


def remembering(read: Callable[[Json], Task]) -> Callable[[Json], Task]:
    """The same reader of documents, which keeps the last tasks; what it raises is not kept."""

    @lru_cache(maxsize=KEPT)
    def of_bytes(said: bytes) -> Task:
        return read(msgspec.msgpack.decode(said))

    @wraps(read)
    def remembered(document: Json) -> Task:
        try:
            said = msgspec.msgpack.encode(document)  # which, unlike JSON, tells all values apart
        except (TypeError, ValueError, OverflowError, RecursionError):
            return read(document)
        return of_bytes(said) if len(said) <= MOST_KEPT else read(document)

    return remembered
