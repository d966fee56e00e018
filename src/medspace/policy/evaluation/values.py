"""Values of constraints: read once, bounded, and never guessed."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite

from medspace.core.canonical import Json
from medspace.core.clock import instant, stamp
from medspace.core.text import Text, msgid
from medspace.policy import durations, jsonld, purposes
from medspace.policy.errors import NumberTooLargeError, UntimedInstantError
from medspace.policy.evaluation.model import Value
from medspace.policy.jsonld import malformed

DIGITS = 18  # of a number, on either side of its point
_XSD = ("xsd:", "http://www.w3.org/2001/XMLSchema#")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_ZONELESS = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
_NUMERIC = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?INF|NaN", re.ASCII)
# The left operands of the ODRL Common Vocabulary (4.9) whose values are not terms: an untyped text is read as this.
KINDS = {
    "dateTime": "dateTime",
    **dict.fromkeys(("delayPeriod", "elapsedTime", "meteredTime", "timeInterval"), "duration"),
    **dict.fromkeys(("count", "percentage", "payAmount", "resolution", "absoluteSize", "relativeSize"), "number"),
}
_NUMBERS = frozenset(
    {
        *("integer", "decimal", "double", "float", "int", "long", "short", "byte"),
        *("nonNegativeInteger", "positiveInteger", "nonPositiveInteger", "negativeInteger"),
        *("unsignedInt", "unsignedLong", "unsignedShort", "unsignedByte"),
    }
)
_TERMS = frozenset({"string", "anyURI", "normalizedString", "token", "boolean", "language", "NMTOKEN"})


def read(value: Json, operand: str, clause: str) -> Value:
    """One value of a left operand, bare or in its JSON-LD object.

    Raises:
        UntimedInstantError: a day or a time without its zone.
        NumberTooLargeError: a number of more than 18 digits on either side of its point, or one that is not finite.
        InvalidPolicyError: anything else without a meaning.
    """
    kind = KINDS.get(operand, "")
    if isinstance(value, dict):
        if not set(value) <= {"@id", "@value", "@type", "@language"} or ("@id" in value) == ("@value" in value):
            raise malformed(clause, Text(msgid("one value is expected here")))
        if "@id" in value:
            return term(jsonld.text(value["@id"], clause))
        stated = value.get("@type")
        kind = _kind(stated, clause) if stated else kind
        value = value["@value"]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value, clause)
    if not isinstance(value, str) or not value or not value.isprintable():
        raise malformed(clause, Text(msgid("one value is expected here")))
    return _READERS[kind](value, clause) if kind else term(value)


def _kind(stated: Json, clause: str) -> str:
    name = jsonld.text(stated, clause)
    local = next((name[len(prefix) :] for prefix in _XSD if name.startswith(prefix)), "")
    if local in ("dateTime", "dateTimeStamp", "date"):
        return "dateTime"
    if local in ("duration", "dayTimeDuration"):
        return "duration"
    if local in _NUMBERS:
        return "number"
    if local in _TERMS or name == "@id":
        return ""
    raise malformed(clause, Text(msgid("values of the type {name} cannot be compared"), {"name": name}))


def term(text: str) -> str:
    """A term in the one spelling that is compared: known purposes by their short name, ODRL's without prefix."""
    return purposes.canonical(text) or jsonld.term(text)


def _number(value: float, clause: str) -> Decimal:
    if type(value) is float and not isfinite(value):
        raise NumberTooLargeError(clause=clause, most=DIGITS)
    return _decimal(str(value) if isinstance(value, int) else format(Decimal(repr(value)), "f"), clause)


def _decimal(text: str, clause: str) -> Decimal:
    if _NUMBER.fullmatch(text):
        return Decimal(text)
    if _NUMERIC.fullmatch(text):
        raise NumberTooLargeError(clause=clause, most=DIGITS)
    raise malformed(clause, Text(msgid("{value} is not a number"), {"value": text[:64]}))


def _instant(text: str, clause: str) -> datetime:
    if _INSTANT.fullmatch(text):
        try:
            return instant(text)
        except ValueError:
            pass  # such as the 30th of February
    elif _ZONELESS.fullmatch(text):
        raise UntimedInstantError(clause=clause, value=text[:64])
    raise malformed(clause, Text(msgid("{value} is not an instant"), {"value": text[:64]}))


def _duration(text: str, clause: str) -> timedelta:
    try:
        return durations.read(text)
    except ValueError as error:
        reason = Text(msgid("{value} is not a duration of days to seconds"), {"value": text[:64]})
        raise malformed(clause, reason) from error


_READERS: Mapping[str, Callable[[str, str], Value]] = {
    "dateTime": _instant,
    "duration": _duration,
    "number": _decimal,
}


def written(value: Value) -> str:
    """A value as text, in the lexical form of its type."""
    if isinstance(value, datetime):
        return stamp(value) if value.tzinfo else value.replace(tzinfo=UTC).isoformat()
    if isinstance(value, timedelta):
        return f"P{value.days}DT{value.seconds}S"
    return format(value, "f") if isinstance(value, Decimal) else value


def datatype(value: Value) -> str | None:
    """The XML Schema type of a value; None for a term."""
    if isinstance(value, datetime):
        return "dateTime"
    if isinstance(value, timedelta):
        return "dayTimeDuration"
    return "decimal" if isinstance(value, Decimal) else None
