"""What is wrong with the form of a request, in sentences: pydantic finds it, but says it in English only."""

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

from medspace.core.text import Text, msgid

MOST = 5  # flaws that are reported per request
_KINDS: Mapping[str, str] = {
    "string": msgid("text in quotation marks"),
    "bool": msgid("true or false"),
    "int": msgid("a whole number"),
    "float": msgid("a number"),
    "finite": msgid("a number"),
    "list": msgid("a list in square brackets"),
    "dict": msgid("a group of named settings"),
    "model": msgid("a group of named settings"),
}
_BOUNDS = msgid("{key} is too long, too short, or beyond its bounds")
_SIMPLE: Mapping[str, str] = {
    "missing": msgid("{key} is missing"),
    "extra_forbidden": msgid("{key} is not a known setting"),
    "too_long": _BOUNDS,
    "too_short": _BOUNDS,
    "greater_than": _BOUNDS,
    "less_than": _BOUNDS,
}


def told(errors: Iterable[Mapping[str, Any]]) -> Text:
    """The first errors of a `RequestValidationError`, one after the other, each with its place."""
    texts = [_flaw(one) for one in list(errors)[:MOST]] or [Text(msgid("this is not JSON"))]
    return reduce(lambda one, other: Text(msgid("{one}; {other}"), {"one": one, "other": other}), texts)


def _flaw(one: Mapping[str, Any]) -> Text:
    kind, key = str(one["type"]), ".".join(str(step) for step in one["loc"][1:]) or str(one["loc"][0])
    if kind == "json_invalid":
        twice = "member twice" in str(one["ctx"]["error"])
        return Text(msgid("an object in it names a member twice") if twice else msgid("this is not JSON"))
    simple = next((words for part, words in _SIMPLE.items() if part in kind), None)
    if simple is not None:
        return Text(simple, {"key": key})
    if kind == "literal_error":
        return Text(msgid("{key} must be one of these: {known}"), {"key": key, "known": str(one["ctx"]["expected"])})
    wanted = next((words for start, words in _KINDS.items() if kind.startswith(start)), None)
    if wanted is None:
        return Text(msgid("{key} does not have the form that is needed here"), {"key": key})
    return Text(msgid("{key} must be {wanted}"), {"key": key, "wanted": Text(wanted)})
