"""How a text file writes a table: its encoding, what stands between cells, where its names stand.

`sniff` finds it, for a person to look at; what was found is written into the configuration, so that the table is
read in the same way at each start. Nothing is guessed there: without it a file is UTF-8 (or says by its first bytes
that it is UTF-16), and its first lines tell what stands between its cells.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from medspace.adapters.duckdb.errors import TableFormError, TableUnreadableError
from medspace.adapters.oswords import why
from medspace.core.text import Text, msgid

DELIMITERS = (",", ";", "\t", "|")
# What a file may be encoded in: the name of the configuration, and Python's decoder.
ENCODINGS = {
    "utf-8": "utf-8-sig",
    "utf-16": "utf-16",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
    "gb18030": "gb18030",
    "big5": "big5hkscs",
    "shift-jis": "cp932",
    "euc-kr": "cp949",
    "windows-1252": "cp1252",
    "windows-1250": "cp1250",
    "windows-1251": "cp1251",
    "latin-1": "latin-1",
}
EMPTY, TOTAL = "empty", "total"
ROWS = (EMPTY, TOTAL)  # what rows may be left out
LONGEST_HEADER = 64_000  # bytes
BLOCK = 1 << 20  # bytes read at a time
SAMPLE_BYTES = 1 << 18
SAMPLE = 200  # rows
LOOKED_AT = 50  # rows that tell what stands between cells
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SEP = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_HIGH = re.compile(rb"[\x80-\xff]+")
_PAIRED = 0.8  # of the runs of bytes beyond ASCII have an even length: Chinese
_NUMERIC = re.compile(r"\s*[-+]?\d[\d.,]*\s*")
_HALF = 0.3  # of the bytes of the start are NUL: UTF-16 that does not say so


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file is read: `skipped` lines stand above its names, or above its rows where `names` are given.

    `left_out` says which rows do not count: `empty` ones, those of `total`s, and single ones by their numbers.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    skipped: int = 0
    names: tuple[str, ...] = ()
    left_out: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Scan:
    """What one look at the bytes of a whole file found."""

    encoding: str
    uniform: bool  # its lines end in one way
    marked: bool  # its first bytes say in which encoding it is


def scan(path: Path) -> Scan:
    """Look at the bytes of a file: in which encoding it is, and how its lines end.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(SAMPLE_BYTES)
    for mark, encoding in _BOMS:
        if start.startswith(mark):
            return Scan(encoding, encoding == "utf-8" and _uniform(path), marked=True)
    if start.count(0) > _HALF * len(start):
        return Scan("utf-16-le" if start[1:2] == b"\0" else "utf-16-be", uniform=False, marked=False)
    if _decodes(path, "utf-8"):
        return Scan("utf-8", _uniform(path), marked=False)
    return Scan(_other(path), uniform=False, marked=False)


def sniff(path: Path, encoding: str = "", delimiter: str = "", skipped: int | None = None) -> tuple[Dialect, Scan]:
    """How a text file is read, as far as nobody said it; and what its bytes are.

    `skipped` lines tell nothing of what stands between cells.

    Raises:
        OSError: it cannot be read.
    """
    found = scan(path)
    name = encoding or found.encoding
    lines = _first_lines(path, name)
    mark, above = delimiter, skipped or 0
    if lines and (declared := _SEP.fullmatch(lines[0].rstrip("\r\n"))):
        mark, above = mark or declared[1], 1 if skipped is None else skipped
    if not mark:
        mark = _delimiter("".join(lines[above:]))
    return Dialect(name, mark, above), found


def as_said(
    path: Path, encoding: str, delimiter: str, skipped: int, names: tuple[str, ...], left_out: tuple[str | int, ...]
) -> Dialect:
    """The dialect that the configuration states; the first lines tell what stands between cells, if it does not.

    Raises:
        TableUnreadableError: the file cannot be read.
    """
    if not delimiter:
        try:
            delimiter = _delimiter("".join(_first_lines(path, encoding)[skipped:]))
        except OSError as error:
            raise TableUnreadableError(path.name, why(error)) from error
    return Dialect(encoding, delimiter, skipped, names, left_out)


def assumed(path: Path) -> tuple[Dialect, Scan]:
    """The dialect of a file of which the configuration says nothing.

    Raises:
        TableFormError: it is not UTF-8, and does not say by its first bytes what it is.
        OSError: it cannot be read.
    """
    dialect, found = sniff(path)
    if found.encoding != "utf-8" and not found.marked:
        what = Text(msgid("this file is not UTF-8; it looks like {encoding}"), {"encoding": dialect.encoding})
        raise TableFormError(path.name, what, stated(dialect))
    return dialect, found


def stated(dialect: Dialect) -> Text:
    """What to write into the configuration."""
    step = msgid('write  csv = {{ encoding = "{encoding}" }}  below its `source`, if that is right')
    return Text(step, {"encoding": dialect.encoding})


def records(path: Path, dialect: Dialect) -> Iterator[list[str]]:
    """The records of a file, the names first (unless the dialect has them); blank lines are none.

    Raises:
        UnicodeDecodeError, csv.Error: it is not written so.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        text = io.TextIOWrapper(file, encoding=ENCODINGS[dialect.encoding], newline="")
        for _ in range(dialect.skipped):
            text.readline(LONGEST_HEADER)
        reader = csv.reader(text, delimiter=dialect.delimiter, strict=True)
        for row in reader:
            if row:
                yield row


def heading_of(path: Path, dialect: Dialect) -> list[str]:
    """The names of the columns, without the blanks around them and with a blank for a line that breaks in them.

    Raises:
        TableUnreadableError: there is no such line.
    """
    try:
        names = list(dialect.names) or next(_limited(path, dialect), [])
    except (UnicodeError, csv.Error):
        reason = Text(msgid("its header is not a CSV header in {encoding}"), {"encoding": dialect.encoding.upper()})
        raise TableUnreadableError(path.name, reason) from None
    if not any(names):
        raise TableUnreadableError(path.name, Text(msgid("it is empty")))
    return [named(name) for name in names]


def named(name: str) -> str:
    """A name of a column as it is compared and shown: without blanks around it, in one line."""
    return re.sub(r"[ \t]*[\r\n]+[ \t]*", " ", name).strip()


def title_lines(path: Path, dialect: Dialect) -> int:
    """How many lines stand above the first that fills as many cells as most below it; at least 1."""
    with suppress(UnicodeError, csv.Error):
        lines = _first_lines(path, dialect.encoding)[dialect.skipped :]
        reader = csv.reader(lines, delimiter=dialect.delimiter, strict=True)
        found, above = list[tuple[int, list[str]]](), 0
        for row in islice(reader, SAMPLE):
            found.append((above, row))
            above = reader.line_num
        usual = Counter(len(row) for _, row in found if row).most_common(1)[0][0]
        full = (above for above, row in found if len(row) == usual and 2 * sum(map(bool, row)) > usual)
        return max(next(full, 1), 1)
    return 1


def sample(path: Path, dialect: Dialect, count: int = SAMPLE) -> list[list[str]]:
    """The first records below the names; as many as can be read."""
    rows: list[list[str]] = []
    with suppress(UnicodeError, csv.Error):  # the rows are looked at one by one when they are read
        for row in islice(_limited(path, dialect, SAMPLE_BYTES), 0 if dialect.names else 1, count + 1):
            rows.append(row)  # noqa: PERF402 - what was read before an error stays
    return rows


def _limited(path: Path, dialect: Dialect, most: int = LONGEST_HEADER) -> Iterator[list[str]]:
    """The records of the first bytes of a file."""
    lines = _first_lines(path, dialect.encoding, most)[dialect.skipped :]
    reader = csv.reader(lines, delimiter=dialect.delimiter, strict=True)
    return (row for row in reader if row)


def _first_lines(path: Path, encoding: str, most: int = SAMPLE_BYTES) -> list[str]:
    with path.open("rb") as file:
        start = file.read(most)
    decoder = codecs.getincrementaldecoder(ENCODINGS[encoding])("replace")
    try:
        text = decoder.decode(start)
    except UnicodeError:  # UTF-16 that does not begin as such
        what = Text(msgid("it is not {encoding} text"), {"encoding": encoding})
        step = Text(msgid("say no encoding, and `medspace draft` finds it; or another one: --encoding NAME"))
        raise TableFormError(path.name, what, step) from None
    return list(io.StringIO(text, newline=""))


def _delimiter(text: str) -> str:
    """What stands between cells: what divides the first lines into the same number of cells, and into most.

    A comma is the last of those that do: it may stand before fractions.
    """
    return max(DELIMITERS, key=lambda mark: _merit(text, mark))  # of equals the first


def _merit(text: str, mark: str) -> tuple[int, bool, int]:
    """How well a mark divides lines: all of them; those below a title; those below an odd row; none."""
    try:
        rows = [row for row in islice(csv.reader(io.StringIO(text, newline=""), delimiter=mark), LOOKED_AT) if row]
    except csv.Error:
        return 0, False, 0
    usual, often = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
    if usual < 2 or 10 * often < 8 * len(rows):  # noqa: PLR2004 - cells
        return 0, False, len(rows[0]) if rows else 0
    if len(rows[0]) == usual:
        return 3 if len(rows) == 1 or len(rows[1]) == usual else 1, mark != ",", usual
    names = next(row for row in rows if len(row) == usual)
    return 0 if any(map(_NUMERIC.fullmatch, names)) else 2, mark != ",", usual


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for block in _blocks(path):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _uniform(path: Path) -> bool:
    both = feeds = returns = 0
    last = b""
    for block in _blocks(path):
        feeds, returns = feeds + block.count(b"\n"), returns + block.count(b"\r")
        both += block.count(b"\r\n") + (last == b"\r" and block[:1] == b"\n")
        last = block[-1:]
    return sum(count > 0 for count in (both, feeds - both, returns - both)) <= 1 and returns == both


def _other(path: Path) -> str:
    """In which encoding a file is that is not UTF-8: that of China, or of Western Europe."""
    runs = odd = 0
    for block in _blocks(path):
        found = [len(run) for run in _HIGH.findall(block)]
        runs, odd = runs + len(found), odd + sum(length % 2 for length in found)
    if odd <= (1 - _PAIRED) * runs and _decodes(path, "gb18030"):
        return "gb18030"
    return "windows-1252" if _decodes(path, "cp1252") else "latin-1"


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def with_rows_left_out(dialect: Dialect, rows: Sequence[str]) -> Dialect:
    """The dialect that leaves out these rows too: kinds of rows, or their numbers."""
    said = (row if row in ROWS else int(row) for row in rows)
    return replace(dialect, left_out=tuple(dict.fromkeys((*dialect.left_out, *said))))
