"""What a file that is no table is, by its first bytes, and how it becomes one: said to whoever offers it."""

from dataclasses import dataclass
from pathlib import Path

from medspace.core.text import Text, msgid

START = 4096  # bytes that are looked at
_BINARY = 0.1  # of the bytes are control characters: no text

_SPREADSHEET = msgid(
    "save the sheet as CSV: in Excel File > Save As > CSV UTF-8, or: soffice --convert-to csv {file}"
)
_STATISTICS = msgid("export it as CSV in UTF-8 from the program that wrote it")
_TEXT = msgid("export the table itself as CSV in UTF-8, one row a line, under one line of column names")


@dataclass(frozen=True, slots=True)
class Nature:
    """What a file is, in one clause, and what to do with it."""

    what: str
    step: str


_STARTS: tuple[tuple[bytes, Nature], ...] = (
    (b"\x1f\x8b", Nature(msgid("this is a file compressed with gzip"), msgid("unpack it: gunzip --keep {file}"))),
    (b"BZh", Nature(msgid("this is a file compressed with bzip2"), msgid("unpack it: bunzip2 --keep {file}"))),
    (b"\xfd7zXZ\0", Nature(msgid("this is a file compressed with xz"), msgid("unpack it: unxz --keep {file}"))),
    (b"\x28\xb5\x2f\xfd", Nature(msgid("this is a file compressed with zstd"), msgid("unpack it: unzstd {file}"))),
    (b"\xd0\xcf\x11\xe0", Nature(msgid("this is an old Excel workbook (or another old Office file)"), _SPREADSHEET)),
    (b"%PDF", Nature(msgid("this is a PDF document"), _TEXT)),
    (b"{\\rtf", Nature(msgid("this is a text document (RTF)"), _TEXT)),
    (b"$FL2", Nature(msgid("this is an SPSS file"), _STATISTICS)),
    (b"$FL3", Nature(msgid("this is an SPSS file"), _STATISTICS)),
    (b"<stata_dta>", Nature(msgid("this is a Stata file"), _STATISTICS)),
    (b"\0\0\0\0\0\0\0\0\0\0\0\0\xc2\xea\x81\x60", Nature(msgid("this is a SAS file"), _STATISTICS)),
    (b"RDX2", Nature(msgid("this is a file of R"), _STATISTICS)),
    (b"RDX3", Nature(msgid("this is a file of R"), _STATISTICS)),
    (b"\x89PNG", Nature(msgid("this is a picture"), _TEXT)),
    (b"\xff\xd8\xff", Nature(msgid("this is a picture"), _TEXT)),
)
_WORKBOOK = Nature(msgid("this is an Excel workbook"), _SPREADSHEET)
_OPEN_SHEET = Nature(msgid("this is an OpenDocument spreadsheet"), _SPREADSHEET)
_ZIP = Nature(msgid("this is a ZIP archive"), msgid("unpack it: unzip {file}"))
_HTML = Nature(msgid("this is a web page (HTML), not a table"), _TEXT)
_XML = Nature(msgid("this is an XML document"), _TEXT)
_JSON = Nature(msgid("this is a JSON document"), _TEXT)
_UNKNOWN = Nature(msgid("this is not a text file"), _STATISTICS)
_EMPTY = Nature(msgid("it is empty"), _TEXT)


def nature_of(path: Path) -> Nature | None:
    """What a file is that is neither text nor a database; None where it may be a table.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(START)
    for magic, nature in _STARTS:
        if start.startswith(magic):
            return nature
    if start.startswith(b"PK\x03\x04"):
        return _archive(path, start)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not text and path.stat().st_size <= START:
        return _EMPTY
    return _marked(text) or (_UNKNOWN if _binary(start) else None)


def _marked(text: bytes) -> Nature | None:
    """What a text in a language of marks is."""
    if text.startswith((b"<!doctype html", b"<html")):
        return _HTML
    if text.startswith(b"<?xml"):
        return _XML
    if text.startswith((b'{"', b"[{", b"{\n", b"{\r\n", b"{ ")):
        return _JSON
    return None


def told(nature: Nature, file: str) -> tuple[Text, Text]:
    """What it is, and the next step, for a file of that name."""
    return Text(nature.what), Text(nature.step, {"file": file})


def _archive(path: Path, start: bytes) -> Nature:
    if b"opendocument.spreadsheet" in start:
        return _OPEN_SHEET
    size = path.stat().st_size
    with path.open("rb") as file:  # the directory of a ZIP stands at its end
        file.seek(max(0, size - (1 << 16)))
        end = file.read()
    return _WORKBOOK if b"xl/workbook" in end or b"xl/workbook" in start else _ZIP


def _binary(start: bytes) -> bool:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return False  # UTF-16
    odd = sum(byte < 32 and byte not in b"\t\r\n\f\x1a" for byte in start)  # noqa: PLR2004 - ASCII controls
    nuls = start.count(0)
    return odd > nuls and odd > _BINARY * len(start)
