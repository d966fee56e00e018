"""Canonical JSON: one byte string for one value (RFC 8785, on the subset that has no fractions).

Integers, text, booleans, null, lists and objects with text keys. Fractions are refused, not rounded: what is
hashed or signed writes them as text (`repr` of the float), so that no two programs can print them differently.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, TypeAlias

import msgspec

# A value of JSON as the standard decoder gives it. Recursive aliases need Python 3.12, so the leaves are open.
Json: TypeAlias = Any
JsonObject: TypeAlias = dict[str, Any]

LARGEST_INTEGER = 2**53 - 1  # RFC 8785 3.2.2.3: larger integers do not survive IEEE 754 doubles
DEEPEST = 64
SMALLEST_PLAIN, LARGEST_PLAIN = 1e-4, 1e16  # fractions that `repr` writes without a power of ten

_encoder = msgspec.json.Encoder()
_TEXT, _FRACTION, _PLAIN = {str}, {float}, {str, int, bool, type(None)}


def canonical(value: Json) -> bytes:
    """The canonical bytes of a JSON value.

    Raises:
        ValueError: the value holds a fraction, an integer beyond 2**53 - 1, a lone surrogate, a key that is
            not text, anything that is not JSON, or more than 64 levels.
    """
    return _encoder.encode(_ordered(value, DEEPEST))


def _ordered(value: Json, depth: int) -> Json:
    if depth == 0:
        raise ValueError(f"canonical JSON: deeper than {DEEPEST} levels")
    kind = type(value)  # the usual types first: every message and entry comes this way, several times
    if kind is str or value is None or kind is bool:
        return value
    if kind is dict:
        return {name: _ordered(value[name], depth - 1) for name in _names(value)}
    if kind is list:
        if depth > 1 and {*map(type, value)} == _TEXT:  # exact sums, by the hundred thousand
            return value
        return [_ordered(item, depth - 1) for item in value]
    return _ordered_rest(value, depth)


def _ordered_rest(value: Json, depth: int) -> Json:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        if not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
            raise ValueError("canonical JSON: integer beyond 2**53 - 1")
        return int(value)
    if isinstance(value, Mapping):
        return {name: _ordered(value[name], depth - 1) for name in _names(value)}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_ordered(item, depth - 1) for item in value]
    raise ValueError(f"canonical JSON: {type(value).__name__} has no canonical form here")


def _names(members: Mapping[str, Json]) -> list[str]:
    # RFC 8785 3.2.3: members are sorted by their UTF-16 code units, which for ASCII is the order of the text itself.
    try:
        plain = "".join(members).isascii()
    except TypeError:
        raise ValueError("canonical JSON: a member's name is text") from None
    return sorted(members) if plain else sorted(members, key=_units)


def _units(name: str) -> bytes:
    return name.encode("utf-16-be")


def exact(value: Json) -> Json:
    """The same value with each fraction written as the text of its shortest exact form, fit for `canonical`.

    Raises:
        ValueError: a fraction is not finite.
    """
    kind = type(value)  # the usual types first, as in `_ordered`
    if kind is str or kind is int or value is None or kind is bool:
        return value
    if kind is dict:
        return {key: exact(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return _exact_items(value)
    return _exact_rest(value)


def _exact_items(items: Sequence[Json]) -> list[Json]:
    kinds = {*map(type, items)}
    if kinds == _FRACTION and all(map(isfinite, items)):  # sums, by the hundred thousand
        return _texts(items)
    return list(items) if kinds <= _PLAIN else [exact(item) for item in items]


def _texts(fractions: Sequence[float]) -> list[Json]:
    """`repr` of each; the encoder finds the same shortest digits in a third of the time.

    It differs only in how it writes powers of ten, which `repr` uses below 10**-4 and from 10**16.
    """
    said = _encoder.encode(fractions)[1:-1].decode().split(",")
    return [
        text if SMALLEST_PLAIN <= abs(value) < LARGEST_PLAIN else repr(value)
        for text, value in zip(said, fractions, strict=True)
    ]


def _exact_rest(value: Json) -> Json:
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError("canonical JSON: a number is not finite")
        return repr(value)
    if isinstance(value, Mapping):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return [exact(item) for item in value]
    return value
