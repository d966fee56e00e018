"""A form with a large file, read as it comes: its fields first, then the file piece by piece, never whole in memory.

Whoever takes it must know its sender before the first byte of the file is taken, so a field behind the file is none:
the form's token stands before it. What the parser of `multipart/form-data` (RFC 7578) does not understand is refused.
"""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect, Request

from medspace.app.doors.bodies import LARGEST_BODY
from medspace.app.node.listening.http1 import STREAMED
from medspace.connector.errors import MessageError
from medspace.core.text import Text, msgid

LARGEST_FIELD = 4096  # bytes of a field beside the file
MOST_FIELDS = 20
LONGEST_BOUNDARY = 70  # RFC 2046 5.1.1
_MALFORMED = Text(msgid("it is no form with a file"))
_AWAY = Text(msgid("the client went away"))


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """A file that is on its way: what its sender calls it, and its bytes as they come."""

    name: str
    pieces: AsyncIterator[bytes] = field(repr=False)


@dataclass(slots=True)
class _Part:
    """A part of the form, as far as it was read."""

    head: dict[str, bytes] = field(default_factory=dict)
    name: str = ""
    file: str | None = None
    value: bytes = b""
    over: bool = False


class IncomingForm:
    """One form on its way. `fields` reads up to the file; `file` is what is left to read then."""

    def __init__(self, request: Request) -> None:
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not 0 < len(boundary) <= LONGEST_BOUNDARY:
            raise MessageError(reason=_MALFORMED)
        length = request.headers.get("content-length", "0")
        if STREAMED in request.scope and length.isdigit() and int(length) > LARGEST_BODY:
            request.scope[STREAMED](int(length))
        self.file: IncomingFile | None = None
        self._stream = request.stream()
        self._part, self._label = _Part(), b""
        self._pieces: deque[bytes] = deque()
        self._found: list[tuple[str, str | UploadFile]] = []
        self._parser = MultipartParser(
            boundary,
            callbacks={
                "on_part_begin": self._begin,
                "on_header_begin": self._header,
                "on_header_field": self._field,
                "on_header_value": self._value,
                "on_headers_finished": self._headed,
                "on_part_data": self._data,
                "on_part_end": self._end,
            },
            max_header_count=8,
            max_header_size=LARGEST_FIELD,
        )

    async def fields(self) -> FormData:
        """The fields before the file.

        Raises:
            MessageError: it is no such form, or the client went away.
        """
        while self._part.file is None and await self._more():
            if len(self._found) > MOST_FIELDS:
                raise MessageError(reason=_MALFORMED)
        if self._part.file:
            self.file = IncomingFile(self._part.file, self._bytes())
        return FormData(self._found)

    async def drain(self) -> None:
        """Take what is still on its way, so that the answer to a refused form arrives."""
        try:
            async for _ in self._stream:
                pass
        except ClientDisconnect:
            return

    async def _bytes(self) -> AsyncIterator[bytes]:
        part = self._part
        while self._pieces or not part.over:
            while self._pieces:
                yield self._pieces.popleft()
            if not part.over and not await self._more():
                raise MessageError(reason=_AWAY)

    async def _more(self) -> bool:
        """Read on; whether there was more."""
        try:
            piece = await anext(self._stream, None)
            if piece:
                self._parser.write(piece)
        except ClientDisconnect:
            raise MessageError(reason=_AWAY) from None
        except FormParserError:
            raise MessageError(reason=_MALFORMED) from None
        return bool(piece)

    # --- the parser -------------------------------------------------------------------------------------------
    def _begin(self) -> None:
        if self._part.file is None:  # what stands behind the file is not read
            self._part = _Part()

    def _header(self) -> None:
        self._label = b""

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._label += data[start:end]  # pieces may end anywhere

    def _value(self, data: bytes, start: int, end: int) -> None:
        if not self._part.over:
            name = self._label.decode("latin-1").lower()
            self._part.head[name] = self._part.head.get(name, b"") + data[start:end]

    def _headed(self) -> None:
        if self._part.over:
            return
        _, options = parse_options_header(self._part.head.get("content-disposition", b""))
        self._part.name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            self._part.file = options[b"filename"].decode("utf-8", "replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part.over:
            return
        if part.file is not None:
            self._pieces.append(data[start:end])
        elif len(part.value) + end - start <= LARGEST_FIELD:
            part.value += data[start:end]
        else:
            raise MessageError(reason=_MALFORMED)

    def _end(self) -> None:
        part = self._part
        if not part.over and part.file is None:
            self._found.append((part.name, part.value.decode("utf-8", "replace")))
        if part.file is not None:
            part.over = True
