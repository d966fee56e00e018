"""Values of FHIRPath over parsed JSON: what is equal, what comes first, what is computed.

Numbers are `int` and `Decimal`, which keep the digits that were written; an empty result is None.
"""

from decimal import Context, Decimal, InvalidOperation, Overflow
from typing import Any

from medspace.adapters.fhir.errors import PathError
from medspace.adapters.fhir.moments import Moment, boundary, compared, read_moment
from medspace.core.text import msgid

# 8 digits beyond the 28 of FHIRPath's decimals; a result out of range is empty, as section 6.6 has it.
NUMBERS = Context(prec=36, Emax=999, Emin=-999, traps=[InvalidOperation, Overflow])
MOST_DIGITS = 28
_KINDS = {
    **dict.fromkeys(("integer", "positiveInt", "unsignedInt", "integer64"), int),
    **dict.fromkeys(
        ("string", "code", "id", "uri", "url", "canonical", "oid", "uuid", "markdown", "base64Binary",
         "date", "dateTime", "instant", "time", "xhtml"), str),
    "boolean": bool,
}  # fmt: skip
PRIMITIVES = frozenset((*_KINDS, "decimal"))


class Bare(dict[str, Any]):
    """A primitive element that has no value, only an id or extensions, which JSON keeps under `_name`."""


def is_number(value: Any) -> bool:  # noqa: ANN401 - JSON
    """Whether a value is a number; true and false are none."""
    return isinstance(value, int | Decimal) and value is not True and value is not False


def is_of(value: Any, kind: str) -> bool:  # noqa: ANN401 - JSON
    """Whether a value is of a FHIR type, as far as JSON tells; a complex one tells it by its `resourceType` only."""
    if kind in ("decimal", "Decimal"):  # in JSON a FHIR decimal may look like an integer; FHIRPath's own never does
        return is_number(value) and (kind == "decimal" or isinstance(value, Decimal))
    if kind in _KINDS:
        return type(value) is _KINDS[kind]
    return isinstance(value, dict) and value.get("resourceType") == kind


def same(one: Any, other: Any) -> bool | None:  # noqa: ANN401 - JSON
    """Whether two values are equal; None where it cannot be known."""
    if isinstance(one, Moment) or isinstance(other, Moment):
        left, right = _moment(one), _moment(other)
        order = None if left is None or right is None else compared(left, right)
        return None if order is None else order == 0
    if isinstance(one, dict) and isinstance(other, dict):
        return (
            type(one) is not Bare and one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if is_number(one) and is_number(other):
        return bool(one == other)
    return type(one) is type(other) and bool(one == other)


def order(one: Any, other: Any) -> int | None:  # noqa: ANN401 - JSON
    """Less than 0, 0 or more than 0 as `one` is less than, equal to or greater than `other`; None where unknown.

    Raises:
        PathError: these are not values that have an order among them.
    """
    if isinstance(one, Moment) or isinstance(other, Moment):
        left, right = _moment(one), _moment(other)
        if left is None or right is None:
            raise PathError(msgid("it compares a date or time with something else"))
        return compared(left, right)
    if (is_number(one) and is_number(other)) or (isinstance(one, str) and isinstance(other, str)):
        return int(one > other) - int(one < other)
    raise PathError(msgid("it compares values that have no order, such as a number and a text"))


def _moment(value: Any) -> Moment | None:  # noqa: ANN401 - JSON
    return value if isinstance(value, Moment) else read_moment(value) if isinstance(value, str) else None


def computed(operator: str, one: Any, other: Any) -> Decimal | int | str | None:  # noqa: ANN401 - JSON
    """The result of `+`, `-`, `*` or `/`; None where there is none.

    Raises:
        PathError: the operator does not take these values.
    """
    if operator == "+" and isinstance(one, str) and isinstance(other, str):
        return one + other
    if not (is_number(one) and is_number(other)):
        raise PathError(msgid("it computes with what is not a number"))
    if operator == "/" and other == 0:
        return None
    return _calculated(operator, one, other)


def _calculated(operator: str, one: Decimal | int, other: Decimal | int) -> Decimal | int | None:
    try:
        left, right = NUMBERS.create_decimal(one), NUMBERS.create_decimal(other)
        made = {"+": NUMBERS.add, "-": NUMBERS.subtract, "*": NUMBERS.multiply, "/": NUMBERS.divide}[operator](
            left, right
        )
    except (InvalidOperation, Overflow):
        return None
    whole = isinstance(one, int) and isinstance(other, int) and operator != "/"
    return int(made) if whole else made


def edge(value: Any, kind: str, *, low: bool) -> Any:  # noqa: ANN401 - JSON
    """The least or the greatest value that one of limited precision may stand for; None where there is none.

    `kind` is its FHIR type, where it is known: the text of a date is also one of a date and time.
    """
    if is_number(value):
        return _number_edge(Decimal(value), low=low)
    found = _moment(value)
    return None if found is None else boundary(found, kind, low=low)


def _number_edge(value: Decimal, *, low: bool) -> Decimal | None:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or not -MOST_DIGITS <= exponent <= MOST_DIGITS or value.adjusted() > MOST_DIGITS:
        return None
    half = Decimal((0, (5,), exponent - 1))
    return NUMBERS.subtract(value, half) if low else NUMBERS.add(value, half)
