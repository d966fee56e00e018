"""Reading policy JSON as different connectors write it: lenient about form, strict about meaning.

Terms may carry ODRL's prefix or IRI; a value may stand alone, in a list, or in an object with `@id`, `@value` or
`@list`. Contexts are not processed (dataspace.md 1.3): a term means what its name says.
"""

from typing import TypeGuard

from medspace.core.canonical import Json, JsonObject
from medspace.core.text import Text, msgid
from medspace.policy.errors import InvalidPolicyError

DEEPEST = 24  # levels of nesting
MOST = 4_096  # values in one policy
LONGEST = 4_096  # characters of one text
LARGEST = 2**53 - 1  # a larger integer does not survive every JSON parser (RFC 8259 6)

_BREAKS = dict.fromkeys(map(ord, "\n\r\t"))  # characters that free-text notes may hold besides printable ones
_ODRL = ("odrl:", "http://www.w3.org/ns/odrl/2/")
_SAME = {"uid": "@id", "id": "@id", "type": "@type", "dspace:timestamp": "timestamp"}
_CONTAINERS = ("@list", "@set")
_WRAPPED = ({"@id"}, {"@value"}, {"@value", "@type"}, {"@id", "@type"})


def malformed(clause: str, reason: Text) -> InvalidPolicyError:
    """The error for a policy that cannot be read at `clause` (a JSON pointer)."""
    return InvalidPolicyError(clause=clause or "/", reason=reason)


def check_size(document: Json) -> None:
    """Refuse a value that is too deep or too big, before any other code walks through it.

    Raises:
        InvalidPolicyError: more than 24 levels, 4,096 values, or 4,096 characters in one text; an integer beyond
            2**53 - 1; a character that cannot be displayed, such as one that reverses the direction of the line.
    """
    level: list[Json] = [document]
    seen = 0
    for _ in range(DEEPEST):
        seen += len(level)
        if seen > MOST:
            break
        if not all(_fits(value) for value in level):
            raise malformed("", Text(msgid("a text or number is too long or cannot be shown")))
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise malformed("", Text(msgid("it is too big or too deep")))


def _fits(value: Json) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST and value.translate(_BREAKS).isprintable()
    return not _is_whole(value) or abs(value) <= LARGEST


def _children(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else []


def term(name: str) -> str:
    """An ODRL term without its prefix or namespace; any other name unchanged."""
    for prefix in _ODRL:
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name


def name(key: str) -> str:
    """The plain name of a member: an ODRL term, or the JSON-LD keyword behind an alias."""
    plain = term(key)
    return _SAME.get(plain, plain)


def members(value: Json, clause: str) -> JsonObject:
    """The members of an object by their plain names.

    Raises:
        InvalidPolicyError: it is not an object, or two of its names mean the same member.
    """
    if not isinstance(value, dict):
        raise malformed(clause, Text(msgid("an object is expected here")))
    found: JsonObject = {}
    for key, member in value.items():
        plain = name(key)
        if plain in found:
            raise malformed(clause, Text(msgid("{name} is there twice"), {"name": plain}))
        found[plain] = member
    return found


def items(value: Json) -> list[Json]:
    """A list unchanged, the list inside `@list` or `@set`, or a single value as a list of one.

    Expanded JSON-LD wraps the object around a list in another list of one (JSON-LD 1.1, 9.7).
    """
    if isinstance(value, list) and len(value) == 1 and is_container(value[0]):
        value = value[0]
    if is_container(value):
        (value,) = value.values()
    return value if isinstance(value, list) else [value]


def is_container(value: Json) -> TypeGuard[JsonObject]:
    """Whether the value is an object that only wraps a list."""
    return isinstance(value, dict) and len(value) == 1 and not value.keys().isdisjoint(_CONTAINERS)


def text(value: Json, clause: str) -> str:
    """One text: plain, the only item of a list, or the `@id` or `@value` of an object.

    Raises:
        InvalidPolicyError: it is anything else.
    """
    listed = items(value)
    found = scalar(listed[0]) if len(listed) == 1 else None
    if not found:
        raise malformed(clause, Text(msgid("one line of text is expected here")))
    return found


def scalar(value: Json) -> str | None:
    """A line of text, or a whole number as text, bare or in its JSON-LD object; None for anything else."""
    if isinstance(value, dict) and set(value) in _WRAPPED:
        value = value.get("@id", value.get("@value"))
    if isinstance(value, str):
        return value if value.isprintable() else None
    return str(value) if _is_whole(value) else None


def _is_whole(value: Json) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
