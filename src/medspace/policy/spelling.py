"""A policy in the spelling of the Dataspace Protocol, however its author's connector compacts JSON-LD.

Connectors write `permission`, `odrl:permission` or the whole IRI; one rule alone, in a list or in `@list`; an action
as text or as `{"@id": ...}` (JSON-LD 1.1, 5.1 and 9.7). All of these are the same policy, and it is kept, shown,
agreed and hashed here in a single form (DSP 2025-1, contract-schema.json). Only the form changes: a member without
meaning here stays as received, for the reader to find (`policy.odrl`), and a policy that says one thing twice is
refused.
"""

from collections.abc import Callable, Collection, Mapping

from medspace.core.canonical import Json, JsonObject
from medspace.core.text import Text, msgid
from medspace.policy import contexts, jsonld
from medspace.policy.errors import InvalidPolicyError
from medspace.policy.jsonld import malformed
from medspace.policy.logic import LOGIC

Respell = Callable[[Json, str], Json]


def respelled(policy: JsonObject) -> JsonObject:
    """The same policy with the names and lists of the Dataspace Protocol; the operation is idempotent.

    A policy under a context that could change the meaning of its names stays unchanged: it is never agreed to.

    Raises:
        InvalidPolicyError: it is too big or too deep, or says one thing by two names.
    """
    jsonld.check_size(policy)
    if contexts.strange(policy.get("@context", []), policy):
        return policy
    return _object(policy, "", _POLICY)


def _object(value: JsonObject, clause: str, known: Mapping[str, Respell]) -> JsonObject:
    made: JsonObject = {}
    for key, member in value.items():
        name = _plain(key, known)
        if name in made:
            raise malformed(clause, Text(msgid("{name} is there twice"), {"name": name}))
        made[name] = known[name](member, f"{clause}/{name}") if name in known else member
    return made


def _plain(key: str, known: Collection[str]) -> str:
    name = jsonld.name(key)
    return name if name in known else key


def _list_of(known: Callable[[], Mapping[str, Respell]]) -> Respell:
    """A list of objects of one kind; missing values and values that are not objects are left to the reader."""

    def listed(value: Json, clause: str) -> Json:
        if value is None:
            return None
        items = enumerate(jsonld.items(value))
        return [_object(one, f"{clause}/{at}", known()) if isinstance(one, dict) else one for at, one in items]

    return listed


def _text(value: Json, clause: str) -> Json:
    """The one text inside lists and objects; anything else is left to the reader."""
    if not isinstance(value, list | dict):
        return value
    try:
        return jsonld.text(value, clause)
    except InvalidPolicyError:
        return value


def _term(value: Json, clause: str) -> Json:
    """An ODRL name without its prefix; a name with two prefixes is not an ODRL name."""
    text = _text(value, clause)
    if not isinstance(text, str):
        return text
    name = jsonld.term(text)
    return name if jsonld.term(name) == name else text


def _texts(value: Json, clause: str) -> Json:
    return None if value is None else [_text(one, clause) for one in jsonld.items(value)]


def _values(value: Json, _clause: str) -> Json:
    """The right operand without the object around its list; its values are unchanged."""
    return jsonld.items(value) if jsonld.is_container(value) else value


_CONSTRAINT: Mapping[str, Respell] = {
    "leftOperand": _term,
    "operator": _term,
    "rightOperand": _values,
    **dict.fromkeys(LOGIC, _list_of(lambda: _CONSTRAINT)),
}
_RULE: Mapping[str, Respell] = {
    "action": _term,
    "target": _text,
    "assignee": _text,
    "constraint": _list_of(lambda: _CONSTRAINT),
    "duty": _list_of(lambda: _RULE),
}
_POLICY: Mapping[str, Respell] = {
    "@id": _text,
    "@type": _term,
    "profile": _texts,
    "conflict": _term,
    **dict.fromkeys(("target", "assigner", "assignee", "timestamp"), _text),
    **dict.fromkeys(("permission", "prohibition", "obligation"), _list_of(lambda: _RULE)),
}
