"""The words of a FHIRPath expression (FHIRPath 2.0.0, section 4 and the grammar in its appendix)."""

import re
from dataclasses import dataclass

from medspace.adapters.fhir.errors import PathError
from medspace.core.text import msgid

LONGEST = 4000  # characters of an expression
MOST_WORDS = 300  # so that no tree is too deep to walk
UNREADABLE = msgid("character {place} starts nothing that is supported")
_WORDS = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<moment>@(?:T[0-9:.]+|[0-9]{4}[0-9-]*(?:T[0-9:.]*(?:Z|[+-][0-9]{2}:[0-9]{2})?)?))
  | (?P<number>[0-9]+(?:\.[0-9]+)?)(?![0-9A-Za-z_])
  | (?P<text>'(?:[^'\\]|\\.)*')
  | (?P<constant>%(?:[A-Za-z_][A-Za-z0-9_]*|`(?:[^`\\]|\\.)*`|'(?:[^'\\]|\\.)*'))
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*|`(?:[^`\\]|\\.)*`)
  | (?P<special>\$[a-z]+)
  | (?P<mark><=|>=|!=|[()\[\].,+\-*/=<>|])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Word:
    """A word of an expression: its kind, what it says (texts without quotes and escapes), its place from 1."""

    kind: str
    said: str
    place: int


def words(expression: str) -> list[Word]:
    """The words of an expression, with one of the kind `end` after the last.

    Raises:
        PathError: it is too long, or holds something that no word starts with.
    """
    if len(expression) > LONGEST:
        raise PathError(msgid("it has more than {most} characters"), {"most": LONGEST})
    found, place = list[Word](), 0
    while place < len(expression):
        match = _WORDS.match(expression, place)
        if match is None or match.lastgroup is None:
            raise PathError(UNREADABLE, {"place": place + 1})
        if match.lastgroup != "space":
            found.append(_word(match.lastgroup, match[0], place + 1))
        place = match.end()
    if len(found) > MOST_WORDS:
        raise PathError(msgid("it has more than {most} words"), {"most": MOST_WORDS})
    return [*found, Word("end", "", place + 1)]


def _word(kind: str, text: str, place: int) -> Word:
    if kind == "text":
        return Word(kind, unescaped(text[1:-1]), place)
    if kind == "constant":
        return Word(kind, unescaped(text[2:-1]) if text[1] in "`'" else text[1:], place)
    if kind == "name" and text[0] == "`":
        return Word("quoted", unescaped(text[1:-1]), place)
    return Word(kind, text, place)


def unescaped(text: str) -> str:
    """A text without its escapes; two of halves of a character (UTF-16 surrogates) make one."""
    if "\\" not in text:
        return text
    plain = _ESCAPE.sub(_escaped, text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _escaped(match: re.Match[str]) -> str:
    said = match[1]
    return chr(int(said[1:], 16)) if len(said) > 1 else _ESCAPES.get(said, said)
