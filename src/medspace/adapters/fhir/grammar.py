"""FHIRPath expressions as trees: the part of the language that the ViewDefinition specification names.

Binary operators bind as section 6.8 of FHIRPath 2.0.0 says. Everything else of the language is refused by name.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from medspace.adapters.fhir.errors import PathError
from medspace.adapters.fhir.lexing import Word, words
from medspace.adapters.fhir.moments import Moment, moment
from medspace.core.text import msgid

DEEPEST = 50  # brackets within brackets
# The operators, the one that binds the least first; a row of equals is read from the left.
LEVELS = (("or",), ("and",), ("=", "!="), (">", "<", ">=", "<="), ("+", "-"), ("*", "/"))
SIGNS = ("+", "-")
# Words of the language that no element is called; what of it is not supported is refused, not taken for an element.
OPERATORS = frozenset(("and", "or", "div", "mod", "xor", "implies", "is", "as", "in", "contains"))
UNEXPECTED = msgid("{word} at character {place} is not expected there, or not supported")
Scalar: TypeAlias = str | bool | int | Decimal | Moment


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the expression."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class This:
    """`$this`: what the expression is evaluated on."""


@dataclass(frozen=True, slots=True)
class Constant:
    """`%name`."""

    name: str


@dataclass(frozen=True, slots=True)
class ChildElement:
    """The elements of that name; `of` is None where they start the expression."""

    of: "Tree | None"
    name: str


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function of a collection; `of` is None where it starts the expression."""

    of: "Tree | None"
    name: str
    arguments: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class Index:
    """One item of a collection, from 0."""

    of: "Tree"
    at: "Tree"


@dataclass(frozen=True, slots=True)
class Sign:
    """A number with its sign."""

    minus: bool
    of: "Tree"


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two expressions."""

    operator: str
    left: "Tree"
    right: "Tree"


Tree: TypeAlias = Literal | This | Constant | ChildElement | FunctionCall | Index | Sign | Binary


def parsed(expression: str) -> Tree:
    """The tree of an expression.

    Raises:
        PathError: it is not one, or uses what is not supported.
    """
    reader = _PathReader(words(expression))
    tree = reader.binary(0)
    if reader.word.kind != "end":
        raise reader.unexpected()
    return tree


def elements(tree: Tree) -> Iterator[str]:
    """The names of all elements that an expression goes through; a type's name may be among them."""
    match tree:
        case ChildElement(of, name):
            yield name
            yield from () if of is None else elements(of)
        case FunctionCall(of, _, arguments):
            yield from () if of is None else elements(of)
            for argument in arguments:
                yield from elements(argument)
        case Binary(_, left, right) | Index(left, right):
            yield from elements(left)
            yield from elements(right)
        case Sign(_, of):
            yield from elements(of)


class _PathReader:
    """Reads words from the left; `word` is the next one."""

    def __init__(self, found: list[Word]) -> None:
        self._words = found
        self._at = 0
        self._depth = 0

    @property
    def word(self) -> Word:
        return self._words[self._at]

    def unexpected(self) -> PathError:
        return PathError(UNEXPECTED, {"word": self.word.said or "-", "place": self.word.place})

    def _next(self) -> Word:
        word = self.word
        self._at += 1
        return word

    def _take(self, mark: str) -> None:
        if self.word.kind != "mark" or self.word.said != mark:
            raise self.unexpected()
        self._at += 1

    def binary(self, level: int) -> Tree:
        if level == len(LEVELS):
            return self._signed()
        tree = self.binary(level + 1)
        while self.word.kind in ("mark", "name") and self.word.said in LEVELS[level]:
            operator = self._next().said
            tree = Binary(operator, tree, self.binary(level + 1))
        return tree

    def _signed(self) -> Tree:
        if self.word.kind == "mark" and self.word.said in SIGNS:
            minus = self._next().said == "-"
            return Sign(minus, self._within(self._signed))
        return self._invoked()

    def _within(self, read: Callable[[], Tree]) -> Tree:
        self._depth += 1
        if self._depth > DEEPEST:
            raise PathError(msgid("it is nested more than {most} deep"), {"most": DEEPEST})
        tree = read()
        self._depth -= 1
        return tree

    def _invoked(self) -> Tree:
        tree = self._term()
        while self.word.kind == "mark" and self.word.said in (".", "["):
            if self._next().said == ".":
                tree = self._named(tree)
            else:
                tree = Index(tree, self._within(self._whole))
                self._take("]")
        return tree

    def _whole(self) -> Tree:
        return self.binary(0)

    def _term(self) -> Tree:
        word = self.word
        if word.kind == "mark" and word.said == "(":
            self._at += 1
            tree = self._within(self._whole)
            self._take(")")
            return tree
        if word.kind == "special":
            if word.said != "$this":
                raise self.unexpected()
            self._at += 1
            return This()
        if word.kind in ("text", "number", "moment", "constant"):
            return self._value(self._next())
        return self._named(None)

    def _value(self, word: Word) -> Tree:
        if word.kind == "constant":
            return Constant(word.said)
        if word.kind == "moment":
            return Literal(moment(word.said[1:]))
        if word.kind == "text":
            return Literal(word.said)
        return Literal(Decimal(word.said) if "." in word.said else int(word.said))

    def _named(self, of: Tree | None) -> Tree:
        word = self.word
        if word.kind not in ("name", "quoted") or (word.kind == "name" and word.said in OPERATORS):
            raise self.unexpected()
        self._at += 1
        if self.word.kind == "mark" and self.word.said == "(" and word.kind == "name":
            self._at += 1
            return FunctionCall(of, word.said, self._arguments())
        if of is None and word.kind == "name" and word.said in ("true", "false"):
            return Literal(word.said == "true")
        return ChildElement(of, word.said)

    def _arguments(self) -> tuple[Tree, ...]:
        found = list[Tree]()
        while not (self.word.kind == "mark" and self.word.said == ")"):
            if found:
                self._take(",")
            found.append(self._within(self._whole))
        self._at += 1
        return tuple(found)
