"""A catalogue request's filter (DSP 2025-1, Catalog 2.1 leaves its form open): the QuerySpec that connectors send.

    {"@type": "QuerySpec", "limit": 50, "offset": 0, "sortField": "title", "sortOrder": "ASC",
     "filterExpression": [{"operandLeft": "keyword", "operator": "=", "operandRight": "heart"}]}

It is applied to the properties that a dataset shows. Names may be plain, with a prefix (`edc:limit`, `dct:title`) or
whole IRIs. An expression that cannot be evaluated is refused, so that nobody takes an unfiltered catalogue for a
filtered one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from medspace.connector.errors import FilterError
from medspace.connector.model import Dataset
from medspace.connector.wire import decode, listed
from medspace.core.canonical import Json, JsonObject
from medspace.core.text import Fact, Text, msgid

MOST_CRITERIA = 16
MOST_VALUES = 100
LONGEST_TEXT = 256
LARGEST = 1_000_000_000  # limit and offset
_MEMBERS = frozenset({"limit", "offset", "sortOrder", "sortField", "filterExpression"})
_CRITERION = frozenset({"operandLeft", "operator", "operandRight"})
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?")
_LOCAL = re.compile(r"(?:.*[/#:])?([^/#:]+)")

Values = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Criterion:
    """One comparison: it holds if any value of the property matches the operand by the operator."""

    name: str
    operator: str
    operand: Values


@dataclass(frozen=True, slots=True)
class Query:
    """Which datasets are wanted, in which order, and how many; `limit` None means one page."""

    limit: int | None = None
    offset: int = 0
    order: str = "id"
    descending: bool = False
    criteria: tuple[Criterion, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether it asks for the first page in the catalogue's own order."""
        return not (self.offset or self.descending or self.criteria) and self.order == "id"

    def matches(self, dataset: Dataset) -> bool:
        """Whether every comparison holds."""
        shown = EntryProperties(dataset)
        return all(_holds(criterion, shown.values(criterion.name)) for criterion in self.criteria)

    def key(self, dataset: Dataset) -> tuple[str, str]:
        """The sort key of the dataset; datasets with equal keys come in the order of their identities."""
        values = (dataset.id,) if self.order == "id" else EntryProperties(dataset).values(self.order)
        return (values[0] if values else "", dataset.id)


class EntryProperties:
    """The properties of a dataset as its catalogue entry shows them."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._body: JsonObject | None = None

    def values(self, name: str) -> Values:
        """The values of a property; empty where it is not shown."""
        known = _PROPERTIES.get(name)
        if known is not None:
            return known(self._dataset)
        if self._body is None:
            self._body = decode(self._dataset.body.encode()) if self._dataset.body else {}
        found = [value for key, value in self._body.items() if _local(key) == name]
        return tuple(text for value in found for item in listed(value) if (text := _text(item)) is not None)


_PROPERTIES: Mapping[str, Callable[[Dataset], Values]] = MappingProxyType(
    {
        "id": lambda dataset: (dataset.id,),
        "title": lambda dataset: (dataset.title,),
        "name": lambda dataset: (dataset.title,),
        "description": lambda dataset: (dataset.description,),
        "keyword": lambda dataset: dataset.keywords,
        "format": lambda dataset: dataset.formats,
    }
)


def read(told: Json) -> Query:
    """Read the query of a message's `filter`; no filter selects everything.

    Raises:
        FilterError: it cannot be evaluated.
    """
    given = listed(told)
    if not given:
        return Query()
    if len(given) > 1 or not isinstance(given[0], dict):
        raise FilterError(reason=msgid("it is not one QuerySpec"))
    kinds = [_local(kind) if isinstance(kind, str) else "" for kind in listed(given[0].get("@type", "QuerySpec"))]
    if kinds != ["QuerySpec"]:
        raise FilterError(reason=msgid("it is not one QuerySpec"))
    spec = _members(given[0], _MEMBERS)
    limit, offset = _count(spec, "limit"), _count(spec, "offset")
    return Query(limit, offset or 0, _order(spec), _descending(spec), _criteria(spec.get("filterExpression")))


def _members(body: JsonObject, known: frozenset[str]) -> JsonObject:
    found: JsonObject = {}
    for name, value in body.items():
        local = _local(name)
        if name.startswith("@") or value is None:
            continue
        if local not in known:
            raise _flawed(msgid("nothing here evaluates {name}"), name)
        found[local] = value["@value"] if isinstance(value, dict) and "@value" in value else value
    return found


def _count(spec: JsonObject, name: str) -> int | None:
    value = spec.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST:
        raise _flawed(msgid("{name} is not a number of datasets"), name)
    return value


def _order(spec: JsonObject) -> str:
    return _name(spec["sortField"]) if spec.get("sortField") else "id"


def _descending(spec: JsonObject) -> bool:
    order = spec.get("sortOrder", "ASC")
    if order not in ("ASC", "DESC"):
        raise _flawed(msgid("{name} is not an order"), str(order))
    return bool(order == "DESC")


def _criteria(told: Json) -> tuple[Criterion, ...]:
    given = listed(told)
    if len(given) > MOST_CRITERIA:
        raise FilterError(reason=Text(msgid("it has more than {most} comparisons"), {"most": MOST_CRITERIA}))
    return tuple(_criterion(item) for item in given)


def _criterion(told: Json) -> Criterion:
    if not isinstance(told, dict):
        raise FilterError(reason=msgid("a comparison is not an object"))
    members = _members(told, _CRITERION)
    operator = str(members.get("operator", "")).strip().lower()
    if operator not in _OPERATORS:
        raise _flawed(msgid("there is no operator {name}"), operator)
    operand = tuple(_operand(item) for item in listed(members.get("operandRight")))
    if not operand or len(operand) > (MOST_VALUES if operator == "in" else 1):
        raise _flawed(msgid("{name} has no operand, or too many"), operator)
    return Criterion(_name(members.get("operandLeft")), operator, operand)


def _operand(told: Json) -> str:
    text = _text(told)
    if text is None or len(text) > LONGEST_TEXT:
        raise FilterError(reason=msgid("an operand is not a text or a number, or is too long"))
    return text


def _name(told: Json) -> str:
    if not isinstance(told, str) or not 0 < len(told) <= LONGEST_TEXT:
        raise FilterError(reason=msgid("a comparison names no property"))
    name = _local(told.strip("'"))
    return {"@id": "id", "keywords": "keyword", "formats": "format"}.get(name, name)


def _local(name: str) -> str:
    """The last part of an IRI or of a name with a prefix."""
    found = _LOCAL.fullmatch(name)
    return found[1] if found else name


def _text(value: Json) -> str | None:
    if isinstance(value, dict):
        value = value.get("@value", value.get("@id"))
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def _flawed(sentence: str, name: str) -> FilterError:
    facts: dict[str, Fact | Text] = {"name": name[:LONGEST_TEXT]}
    return FilterError(reason=Text(sentence, facts))


# --- comparisons ----------------------------------------------------------------------------------------------


def _holds(criterion: Criterion, values: Values) -> bool:
    if criterion.operator == "!=":
        return criterion.operand[0] not in values
    compare = _OPERATORS[criterion.operator]
    return any(compare(value, operand) for value in values for operand in criterion.operand)


def _ordered(value: str, operand: str) -> int:
    """-1, 0 or 1; numbers compare as numbers, anything else as text."""
    if _NUMBER.fullmatch(value) and _NUMBER.fullmatch(operand):
        return (float(value) > float(operand)) - (float(value) < float(operand))
    return (value > operand) - (value < operand)


def like(text: str, pattern: str) -> bool:
    """SQL's LIKE: `%` stands for any text, `_` for any character. Runs without backtracking."""
    head, *others = pattern.split("%")
    if not others:
        return len(text) == len(pattern) and _stands(head, text, 0)
    *middle, tail = others
    end = len(text) - len(tail)
    if len(head) > end or not (_stands(head, text, 0) and _stands(tail, text, end)):
        return False
    at = len(head)
    for part in middle:
        found = _search(part, text, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _stands(part: str, text: str, at: int) -> bool:
    return all(sign in ("_", found) for sign, found in zip(part, text[at : at + len(part)], strict=True))


def _search(part: str, text: str, start: int, end: int) -> int:
    if "_" not in part:
        return text.find(part, start, end)
    signs = "".join("." if sign == "_" else re.escape(sign) for sign in part)
    found = re.compile(signs, re.DOTALL).search(text, start, end)
    return found.start() if found else -1


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = MappingProxyType(
    {
        "=": lambda value, operand: value == operand,
        "!=": lambda value, operand: value != operand,
        "<": lambda value, operand: _ordered(value, operand) < 0,
        ">": lambda value, operand: _ordered(value, operand) > 0,
        "<=": lambda value, operand: _ordered(value, operand) <= 0,
        ">=": lambda value, operand: _ordered(value, operand) >= 0,
        "in": lambda value, operand: value == operand,
        "like": like,
        "ilike": lambda value, operand: like(value.lower(), operand.lower()),
        "contains": lambda value, operand: operand in value,
    }
)
