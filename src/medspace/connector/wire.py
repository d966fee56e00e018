"""Dataspace Protocol 2025-1 messages as JSON: lenient in what is read, strict in what is written.

Reading: unknown members are ignored, a single object counts as a list of one, `{"@id": x}` counts as x, and @context
may be a text. Writing: everything is valid under the official JSON schemas. JSON-LD processing is not needed, since
the protocol fixes the compacted form (DSP 2025-1, Common 3).
"""

import re
from dataclasses import dataclass, field

import msgspec

from medspace.connector.codes import UNSPECIFIED
from medspace.connector.errors import MessageError
from medspace.connector.model import ProcessFailure
from medspace.core.canonical import Json, JsonObject, canonical
from medspace.core.decoding import read_json
from medspace.core.text import Text, msgid
from medspace.policy.contexts import DSPACE, governed
from medspace.policy.errors import InvalidPolicyError
from medspace.policy.spelling import respelled

CONTEXT = DSPACE
VERSION = "2025-1"

# An identifier on the wire: printable ASCII without spaces, so that it can be used in URLs and in the log.
_IDENTIFIER = re.compile(r"[!-~]{1,256}")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/#-]{0,63}")
_LONGEST_REASON = 500
_MOST_REASONS = 10
_DEEPEST = 16
_POLICY_TEXTS = ("assigner", "assignee", "timestamp")
_RULES = ("permission", "prohibition", "obligation")
# Endpoint properties of an EDC: it puts the address only there.
_PLACES = ("endpoint", "endpointType")
_ELSEWHERE = {f"https://w3id.org/edc/v0.0.1/ns/{name}": name for name in (*_PLACES, "authorization", "authType")}
_LOGIC = ("and", "or", "xone", "andSequence")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A received message: its type, its own identity, its pids, and everything else."""

    type: str
    id: str | None
    provider_pid: str | None
    consumer_pid: str | None
    body: JsonObject = field(repr=False)


def read(content: bytes, *types: str) -> Incoming:
    """Read a message of one of these types.

    Raises:
        MessageError: it is not JSON, not of this protocol version, or not of these types.
    """
    body = decode(content)
    if CONTEXT not in listed(body.get("@context")):
        raise MessageError(reason=Text(msgid("its @context does not name {context}"), {"context": CONTEXT}))
    if body.get("@type") not in types:
        raise MessageError(reason=Text(msgid("its @type is not {types}"), {"types": " / ".join(types)}))
    own = body.get("@id")
    return Incoming(
        type=body["@type"],
        id=own if isinstance(own, str) and _IDENTIFIER.fullmatch(own) else None,
        provider_pid=_optional(body, "providerPid"),
        consumer_pid=_optional(body, "consumerPid"),
        body=body,
    )


def decode(content: bytes) -> JsonObject:
    """Decode one JSON object.

    Raises:
        MessageError: it is not a JSON object.
    """
    try:
        body = read_json(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise MessageError(reason=msgid("it is not JSON")) from None
    if not isinstance(body, dict):
        raise MessageError(reason=msgid("it is not a JSON object"))
    return body


def encode(body: Json) -> bytes:
    """Encode as JSON bytes."""
    return msgspec.json.encode(body)


def listed(value: Json) -> list[Json]:
    """A list unchanged, None as an empty list, anything else as a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def is_identifier(text: str) -> bool:
    """Whether a text can identify something on the wire."""
    return _IDENTIFIER.fullmatch(text) is not None


def identifier(body: JsonObject, name: str) -> str:
    """The member `name` as an identifier: a text, or an object with @id.

    Raises:
        MessageError: it is missing or cannot be an identifier.
    """
    value = _plain(body.get(name))
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise MessageError(reason=Text(msgid("{name} is missing or is not an identifier"), {"name": name}))
    return value


def address(body: JsonObject) -> str:
    """The callbackAddress, without trailing slashes.

    Raises:
        MessageError: it is missing.
    """
    return identifier(body, "callbackAddress").rstrip("/")


def stated_reason(body: Json) -> ProcessFailure:
    """The code and reason that a counterparty gives with a termination, a suspension or an error."""
    members = body if isinstance(body, dict) else {}
    code = members.get("code")
    reasons = [_reason(item) for item in listed(members.get("reason"))[:_MOST_REASONS]]
    fits = isinstance(code, str) and _CODE.fullmatch(code) is not None
    clause = members.get("clause")
    return ProcessFailure(
        code=str(code) if fits else UNSPECIFIED,
        reason=tuple(filter(None, reasons)),
        source="peer",
        clause=clause if isinstance(clause, str) and _IDENTIFIER.fullmatch(clause) else None,
    )


def reason_members(code: str | None, reason: tuple[str, ...], clause: str | None) -> JsonObject:
    """The members that state the reason, as far as it is known; `clause` is our extension, which others ignore."""
    given = {"code": code, "reason": list(reason), "clause": clause}
    return {name: value for name, value in given.items() if value}


def offer(body: JsonObject) -> JsonObject:
    """The offer of a message in strict form: identity, target, and at least one rule.

    Raises:
        MessageError: it is not an offer.
    """
    return _policy(body.get("offer"), "Offer", body.get("@context"))


def agreement(body: JsonObject) -> JsonObject:
    """The agreement of a message in strict form: an offer's members and the parties.

    Raises:
        MessageError: it is not an agreement.
    """
    made = _policy(body.get("agreement"), "Agreement", body.get("@context"))
    for name in ("assigner", "assignee"):
        identifier(made, name)
    return made


def data_address(value: Json) -> JsonObject | None:
    """A data address in strict form, None where there is none.

    Values that others put only into endpoint properties under their own names (`_ELSEWHERE`) are copied to their
    proper place.

    Raises:
        MessageError: it has no endpointType, or an endpoint property has no name and value.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise MessageError(reason=msgid("the dataAddress is not an object"))
    properties = [_property(item) for item in listed(value.get("endpointProperties"))]
    elsewhere = {_ELSEWHERE[item["name"]]: item["value"] for item in properties if item["name"] in _ELSEWHERE}
    told = {name: text for name, text in elsewhere.items() if name in _PLACES} | _without_nothing(value)
    made: JsonObject = {"@type": "DataAddress", "endpointType": _text(told, "endpointType")}
    if told.get("endpoint") is not None:
        made["endpoint"] = _text(told, "endpoint")
    named = {item["name"] for item in properties} | set(_PLACES)
    properties += [_property({"name": name, "value": text}) for name, text in elsewhere.items() if name not in named]
    return made | ({"endpointProperties": properties} if properties else {})


def _without_nothing(body: JsonObject) -> JsonObject:
    return {name: value for name, value in body.items() if value is not None}


def _property(item: Json) -> JsonObject:
    if not isinstance(item, dict):
        raise MessageError(reason=msgid("an endpoint property is not an object"))
    return {"@type": "EndpointProperty", "name": _text(item, "name"), "value": _text(item, "value")}


def _optional(body: JsonObject, name: str) -> str | None:
    return None if body.get(name) is None else identifier(body, name)


def _plain(value: Json) -> Json:
    return value["@id"] if isinstance(value, dict) and "@id" in value else value


def _text(body: JsonObject, name: str) -> str:
    value = _plain(body.get(name))
    if not isinstance(value, str) or not value:
        raise MessageError(reason=Text(msgid("{name} is missing or is not a text"), {"name": name}))
    return value


def _reason(item: Json) -> str:
    # DSP 2025-1 leaves the form of a reason open; language-tagged values have @value
    value = item.get("@value", item.get("message")) if isinstance(item, dict) else item
    return value[:_LONGEST_REASON].replace("\0", "") if isinstance(value, str) else ""


def _policy(value: Json, kind: str, contexts: Json) -> JsonObject:
    if not isinstance(value, dict):
        raise MessageError(reason=Text(msgid("the {kind} is missing"), {"kind": kind}))
    # Under the contexts of the message it is judged as received: respelled, it would use other names.
    try:
        value = respelled(governed(value, contexts))
    except InvalidPolicyError as error:
        raise MessageError(reason=error.text) from error
    if value.get("@type", kind) != kind:
        raise MessageError(reason=Text(msgid("the policy is not of the @type {kind}"), {"kind": kind}))
    # Unknown members stay: they may change the meaning of the policy, so the evaluator must see them.
    made = value | {"@id": _identity(value, "@id"), "@type": kind, "target": _identity(value, "target")}
    made |= {name: _bare(value, name) for name in _POLICY_TEXTS if value.get(name) is not None}
    lists = {"profile": listed(value.get("profile"))}
    lists |= {name: [_rule(rule) for rule in listed(value.get(name))] for name in _RULES}
    for name, items in lists.items():
        made.pop(name, None)
        made |= {name: items} if items else {}
    if "permission" not in made and "prohibition" not in made:
        raise MessageError(reason=Text(msgid("the {kind} has neither permission nor prohibition"), {"kind": kind}))
    return _hashable(made)


def _bare(body: JsonObject, name: str) -> str:
    """A text of a policy, already unwrapped: an object around it says more, such as a refinement of an action."""
    if not isinstance(body.get(name), str):
        raise MessageError(reason=Text(msgid("{name} is missing or is not a text"), {"name": name}))
    return _text(body, name)


def _identity(policy: JsonObject, name: str) -> str:
    return identifier({name: _bare(policy, name)}, name)


def _hashable(policy: JsonObject) -> JsonObject:
    # Both parties log the digest of the agreement, so a policy without a canonical form cannot be agreed to.
    try:
        canonical(policy)
    except (ValueError, RecursionError):
        raise MessageError(reason=msgid("the policy holds a fraction or is nested too deeply")) from None
    return policy


def _rule(rule: Json) -> JsonObject:
    if not isinstance(rule, dict):
        raise MessageError(reason=msgid("a rule is not an object"))
    made = rule | {"action": _bare(rule, "action")}
    if "constraint" in rule:
        made["constraint"] = [_constraint(item, _DEEPEST) for item in listed(rule["constraint"])]
    if "duty" in rule:
        made["duty"] = [_rule(item) for item in listed(rule["duty"])]
    return made


def _constraint(value: Json, depth: int) -> JsonObject:
    if not isinstance(value, dict) or depth == 0:
        raise MessageError(reason=msgid("a constraint is not an object or is nested too deeply"))
    joined = {name: value[name] for name in _LOGIC if name in value}
    if joined:
        return value | {
            name: [_constraint(part, depth - 1) for part in listed(parts)] for name, parts in joined.items()
        }
    return value | {name: _bare(value, name) for name in ("leftOperand", "operator")}
