"""The lines of what comes piece by piece, with no more memory than the longest one."""

from collections.abc import AsyncIterator

from medspace.adapters.fhir.errors import FhirServerError
from medspace.core.text import msgid


async def split(pieces: AsyncIterator[bytes], longest: int, what: str) -> AsyncIterator[bytes]:
    """The lines that are not empty.

    Raises:
        FhirServerError: one is longer than so many bytes.
    """
    waiting = list[bytes]()
    length = 0
    async for piece in pieces:
        *ended, rest = piece.split(b"\n")
        for line in ended:
            whole = b"".join((*waiting, line))
            waiting, length = [], 0
            if whole.strip():
                yield whole
        waiting.append(rest)
        length += len(rest)
        if length > longest:
            raise FhirServerError(what, msgid("a resource is longer than {most} bytes"), {"most": longest})
    last = b"".join(waiting)
    if last.strip():
        yield last
