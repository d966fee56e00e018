"""TOML files that people write: read into a form, or refused with the line and a sentence about what is wrong there.

(TOML 1.0.0.) The parser of the standard library says in English what it does not understand; those words are its own
and few, so each has a sentence here.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, TypeVar

from medspace.core.misfits import DEEP, Misfit, MisfitError, Path, fit
from medspace.core.text import Text, msgid

T = TypeVar("T")
MOST_LINES = 50_000  # read again to find a line; what stands further down is told without one

_SAID = re.compile(r"^(?P<said>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)$", re.DOTALL)
_TWICE = msgid("this name is already in use above")
_OPEN_TEXT = msgid("text is not closed: a quotation mark is missing at its end")
_BACKSLASH = msgid(r"a backslash within double quotation marks is written twice (\\); single ones take it as it is")
_CHARACTER = msgid("there is a line break or another character where none can be")
_FLAWS: tuple[tuple[str, str], ...] = (
    ("Invalid value", msgid("this value cannot be read: text needs quotation marks around it")),
    ("Invalid date or datetime", msgid("there is no such date or time")),
    ("Cannot overwrite a value", _TWICE),
    ("Cannot declare", _TWICE),
    ("Cannot redefine namespace", _TWICE),
    ("Cannot mutate immutable namespace", _TWICE),
    ("Duplicate inline table key", _TWICE),
    ("Expected '=' after a key", msgid("an equals sign is missing after the name")),
    ("Expected ']", msgid("the name of a section is not closed: ] is missing")),
    ("Expected newline", msgid("there is more on the line than one setting")),
    ("Unclosed array", msgid("a list is not closed: ] or a comma is missing")),
    ("Unclosed inline table", msgid("a group is not closed: a brace or a comma is missing")),
    ("Unterminated string", _OPEN_TEXT),
    ("Expected", _OPEN_TEXT),
    ("Unescaped", _BACKSLASH),
    ("Invalid hex value", _BACKSLASH),
    ("Escaped character", _BACKSLASH),
    ("Illegal character '\\n'", _OPEN_TEXT),
    ("Illegal character '\\r'", _OPEN_TEXT),
    ("Illegal character", _CHARACTER),
    ("Found invalid character", _CHARACTER),
    ("Invalid", msgid("this is neither a setting nor the name of a section")),
)


def read_toml(content: str | bytes, form: type[T]) -> T:
    """The value of that form which a TOML document describes; a byte order mark at its beginning is passed over.

    Raises:
        MisfitError: it is not UTF-8, not TOML, or does not fit; its reason begins with the line where that is known.
    """
    text = _text(content)
    document = _parsed(text)
    try:
        return fit(document, form)
    except MisfitError as error:
        raise MisfitError(_on_line(line_of(text, error.path), error.path, error.reason)) from error


def read_table(content: str | bytes) -> dict[str, Any]:
    """The same without a form: names and values as they are.

    Raises:
        MisfitError: it is not UTF-8 or not TOML.
    """
    return _parsed(_text(content))


def line_of(text: str, path: Path) -> int | None:
    """The line, from 1, where a setting stands in a document that can be read; of a missing one, that of its section.

    None where nothing of it is written: it is missing at the top.
    """
    best: tuple[int, int] | None = None
    for place, line in _statements(text):
        depth = len(place)
        if depth <= len(path) and path[:depth] == place and (best is None or depth > best[0]):
            best = (depth, line)
    return best[1] if best else None


def _on_line(line: int | None, path: Path, reason: Text) -> Misfit:
    if line is None:
        return Misfit(path, reason)
    return Misfit(path, Text(msgid("line {line}: {reason}"), {"line": line, "reason": reason}))


def _text(content: str | bytes) -> str:
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        reason = Text(msgid("this is not UTF-8 text; save the file in UTF-8"))
        raise MisfitError(_on_line(line, (), reason)) from error


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _SAID.match(str(error))
        said = found["said"] if found else str(error)
        line = int(found["line"]) if found and found["line"] else text.rstrip().count("\n") + 1
        reason = next((words for start, words in _FLAWS if said.startswith(start)), _FLAWS[-1][1])
        raise MisfitError(_on_line(line, (), Text(reason))) from error
    except RecursionError:
        raise MisfitError(Misfit((), Text(DEEP))) from None
    except ValueError as error:  # more digits than Python reads, https://docs.python.org/3/library/stdtypes.html
        raise MisfitError(Misfit((), Text(msgid("a number in it is too long")))) from error


# --- where what stands ----------------------------------------------------------------------------------------------
def _statements(text: str) -> Iterator[tuple[Path, int]]:
    """Each section and each setting, with the line on which it begins."""
    counts: dict[Path, int] = {}
    section: Path = ()
    lines = text.split("\n")
    for at, found in _single(lines):
        names = _keys(found)
        start = lines[at].lstrip()
        if start.startswith("["):
            section = _section(names, counts, listed=start.startswith("[["))
            yield section, at + 1
        else:  # names in front of dots are no sections, but what is missing below them is missing here
            yield from (((*section, *names[:depth]), at + 1) for depth in range(1, len(names) + 1))


def _single(lines: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """What each statement says by itself, with the place of its first line; a value may take several lines."""
    left, at = MOST_LINES, 0
    while at < len(lines):
        end, found = at, None
        while found is None and end < len(lines):
            end += 1
            left -= end - at
            if left < 0:
                return
            found = _alone("\n".join(lines[at:end]))
        if found:
            yield at, found
        at = end


def _alone(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except ValueError:
        return None


def _keys(found: dict[str, Any]) -> Path:
    """The names that lead to what a single statement sets; a group of one name belongs to them."""
    path: list[str] = []
    value: Any = found
    while isinstance(value, dict) and len(value) == 1:
        (name,) = value
        path.append(name)
        value = value[name]
    return tuple(path)


def _section(names: Path, counts: dict[Path, int], *, listed: bool) -> Path:
    """The place of a section: below a list of sections, that of its last one."""
    path: Path = ()
    for depth, name in enumerate(names, start=1):
        path = (*path, name)
        if depth == len(names) and listed:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
