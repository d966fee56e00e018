"""Which JSON-LD contexts a policy may carry: only those that cannot change its meaning.

Contexts are not processed here (dataspace.md 1.3), so a term means what its name says. A context could change that:
it may rename a prohibition `permission`, make `allow` an alias of `@type`, or redefine every plain name (`@vocab`,
`@import`). So a context by reference is accepted only if its content is known by its exact address, and an inline
context only if it holds nothing but prefixes and terms that the policy does not use (JSON-LD 1.1, 4.1 and 9.3). A
policy under any other context is not agreed to.
"""

import re
from collections.abc import Collection, Iterator, Mapping

from medspace.core.canonical import Json, JsonObject

DSPACE = "https://w3id.org/dspace/2025/1/context.jsonld"
# Contexts that give the terms of ODRL and of the Dataspace Protocol the meaning they have here.
KNOWN = frozenset(
    {
        DSPACE,
        "https://w3id.org/dspace/2025/1",
        "https://w3id.org/edc/dspace/v0.0.1",
        "https://w3id.org/edc/connector/management/v0.0.1",
        "https://w3id.org/edc/connector/management/v2",
        "http://www.w3.org/ns/odrl.jsonld",
        "https://www.w3.org/ns/odrl.jsonld",
    }
)
# Prefixes that policies use: an inline context may repeat them, but not change them.
PREFIXES: Mapping[str, str] = {
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "dspace": "https://w3id.org/dspace/2025/1/",
    "edc": "https://w3id.org/edc/v0.0.1/ns/",
    "dct": "http://purl.org/dc/terms/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
# A context with more members, or longer ones, could say anything, and it is read again for each policy under it.
MOST_CONTEXTS, MOST_TERMS, LONGEST_IRI = 64, 64, 2_048
_SCHEMES = frozenset({"http", "https", "urn", "did", "data", "tag", "file", "jsonld"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_IRI = re.compile(r"[a-z][a-z0-9+.-]*:[!-~]*")


def strange(contexts: Json, policy: Json) -> list[Json]:
    """The contexts that could give a name in the policy a meaning other than the one it has here.

    Too many contexts count as a single null context, which clears everything.
    """
    listed = contexts if isinstance(contexts, list) else [contexts]
    if len(listed) > MOST_CONTEXTS:
        return [None]
    return [context for context in listed if not _harmless(context, policy)]


def governed(policy: JsonObject, contexts: Json) -> JsonObject:
    """A policy, or an object that holds policies, together with the outer contexts that could change its meaning."""
    changing = [] if contexts is None else strange(contexts, policy)
    if not changing:
        return policy
    own = policy.get("@context", [])
    return policy | {"@context": [*changing, *(own if isinstance(own, list) else [own])]}


def _harmless(context: Json, policy: Json) -> bool:
    if isinstance(context, str):
        return context in KNOWN
    if not isinstance(context, dict) or len(context) > MOST_TERMS:
        return False  # null clears all earlier definitions
    used = set(_texts(policy))
    return all(_leaves(name, meaning, used) for name, meaning in context.items())


def _leaves(name: str, meaning: Json, used: Collection[str]) -> bool:
    """Whether a definition leaves the meaning of every name and text in the policy unchanged."""
    if not isinstance(meaning, str) or len(meaning) > LONGEST_IRI:
        return False  # a definition with members of its own
    if not _NAME.fullmatch(name) or not _IRI.fullmatch(meaning):
        return False  # a keyword, or a keyword's alias
    if name.lower() in _SCHEMES:
        return False
    if name in PREFIXES:
        return PREFIXES[name] == meaning
    return not any(text == name or text.startswith(f"{name}:") for text in used)


def _texts(value: Json) -> Iterator[str]:
    """Every name and every text in a value; a nested context is not counted as a use of a name."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, list):
            left += one
        elif isinstance(one, dict):
            left += [part for name, member in one.items() if name != "@context" for part in (name, member)]
