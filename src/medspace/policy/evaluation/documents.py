"""Documents in JSON-LD as they are read here: bounded, with prefixes expanded, and nothing that moves a meaning.

Contexts are not processed (as in `policy.contexts`): known ones by reference, and inline ones that hold nothing but
prefixes. A document under any other context is refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from medspace.core.canonical import Json, JsonObject
from medspace.core.decoding import MemberTwiceError, read_json
from medspace.core.text import Text, msgid
from medspace.policy import jsonld
from medspace.policy.contexts import KNOWN, LONGEST_IRI, MOST_CONTEXTS, MOST_TERMS, PREFIXES
from medspace.policy.errors import MovedMeaningError, PolicyTooLargeError, TwiceSaidError
from medspace.policy.jsonld import malformed

DEEPEST = 64  # levels
MOST = 200_000  # values in one document: enough to count what is too much of
LONGEST = 4_096  # characters of one text
LARGEST = 4_000_000  # bytes of one document
# Keywords that add, move or rename statements (JSON-LD 1.1 1.7); `@graph` is allowed only around whole documents.
MOVING = frozenset({"@graph", "@included", "@reverse", "@nest", "@import", "@index", "@vocab", "@base", "@container"})
# What an inline context may not redefine, however it is written.
_FIXED = frozenset({"http", "https", "urn", "did", "data", "tag", "file"})


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its nodes, and the prefixes of its context."""

    nodes: tuple[JsonObject, ...]
    prefixes: Mapping[str, str]

    def iri(self, text: str) -> str:
        """An identifier with its prefix expanded; one without a declared prefix is unchanged."""
        prefix, colon, local = text.partition(":")
        known = self.prefixes.get(prefix) if colon and not local.startswith("//") else None
        return text if known is None else known + local

    def value(self, value: Json) -> Json:
        """A value, in which the prefix of an identifier is expanded; a text is left as it is."""
        if isinstance(value, dict) and isinstance(value.get("@id"), str):
            return value | {"@id": self.iri(value["@id"])}
        return value


def decode(content: bytes | str) -> Json:
    """The value of a JSON text.

    Raises:
        TwiceSaidError: an object names a member twice.
        PolicyTooLargeError: more than 4,000,000 bytes.
        InvalidPolicyError: it is not JSON.
    """
    if len(content) > LARGEST:
        raise PolicyTooLargeError(most=LARGEST, what=Text(msgid("bytes")))
    try:
        return read_json(content)
    except MemberTwiceError:
        raise TwiceSaidError from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise malformed("", Text(msgid("it is not JSON"))) from error


def document(value: Json) -> Document:
    """A document of decoded JSON: one node, a list of nodes, or a `@graph` of them.

    Raises:
        PolicyTooLargeError: more than 64 levels, 200,000 values, or 4,096 characters in one text.
        MovedMeaningError: a context or keyword that could give names another meaning.
        InvalidPolicyError: it has no nodes.
    """
    _check(value)
    prefixes: dict[str, str] = {}
    nodes = [node for one in jsonld.items(value) for node in _nodes(one)]
    if not nodes:
        raise malformed("", Text(msgid("an object is expected here")))
    for one in (*jsonld.items(value), *nodes):
        prefixes |= _prefixes(one.get("@context"))
    bare = tuple({name: member for name, member in node.items() if name != "@context"} for node in nodes)
    for node in bare:
        _check_keywords(node)
    return Document(bare, prefixes)


def _nodes(one: Json) -> list[JsonObject]:
    """The nodes of a `@graph`, or the one node that this is."""
    if isinstance(one, dict) and "@graph" in one:
        if not one.keys() <= {"@context", "@graph", "@id"}:
            raise MovedMeaningError(name="@graph", clause="/")
        inner = jsonld.items(one["@graph"])
    else:
        inner = [one]
    for node in inner:
        if not isinstance(node, dict):
            raise malformed("", Text(msgid("an object is expected here")))
    return inner


def _check(value: Json) -> None:
    """Refuse what is too deep or too large, before anything else walks through it."""
    level: list[Json] = [value]
    seen = 0
    for _ in range(DEEPEST):
        seen += len(level)
        if seen > MOST:
            raise PolicyTooLargeError(most=MOST, what=Text(msgid("values")))
        for one in level:
            if isinstance(one, str) and (len(one) > LONGEST or not one.translate(_BREAKS).isprintable()):
                raise malformed("", Text(msgid("a text or number is too long or cannot be shown")))
        level = [child for one in level for child in _children(one)]
        if not level:
            return
    raise PolicyTooLargeError(most=DEEPEST, what=Text(msgid("levels")))


_BREAKS = dict.fromkeys(map(ord, "\n\r\t"))


def _children(value: Json) -> Iterator[Json]:
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _check_keywords(node: JsonObject) -> None:
    left: list[Json] = [node]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            moving = next((name for name in one if name in MOVING or name == "@context"), None)
            if moving is not None:
                raise MovedMeaningError(name=moving, clause="/")
            left += one.values()
        elif isinstance(one, list):
            left += one


def _prefixes(context: Json) -> dict[str, str]:
    """The prefixes that a context declares.

    Raises:
        MovedMeaningError: it declares anything else, or refers to a context that is not known.
    """
    found: dict[str, str] = {}
    listed = [] if context is None else context if isinstance(context, list) else [context]
    if len(listed) > MOST_CONTEXTS:
        raise MovedMeaningError(name="@context", clause="/@context")
    for one in listed:
        if isinstance(one, str):
            if one not in KNOWN:
                raise MovedMeaningError(name=one[:64], clause="/@context")
        elif isinstance(one, dict) and len(one) <= MOST_TERMS:
            found |= {name: _prefix(name, meaning) for name, meaning in one.items()}
        else:
            raise MovedMeaningError(name="@context", clause="/@context")
    return {name: iri for name, iri in found.items() if name not in PREFIXES}


def _prefix(name: str, meaning: Json) -> str:
    # Only an IRI that ends as one does can be a prefix (JSON-LD 1.1, 4.1.5), so that no term is redefined by it.
    plain = name.isascii() and name.replace("-", "").replace("_", "").isalnum() and name not in _FIXED
    whole = isinstance(meaning, str) and len(meaning) <= LONGEST_IRI and ":" in meaning and meaning[-1:] in "/#:_"
    if not plain or not whole or meaning.startswith("@") or PREFIXES.get(name, meaning) != meaning:
        raise MovedMeaningError(name=name[:64], clause="/@context")
    return str(meaning)
