"""Requests and states of the world, from JSON-LD.

A request is an ODRL Request; what its permissions constrain by `eq` is what it states. A state of the world is any
number of nodes, read by their members: `currentTime`; `fact` (a left and a right operand); things with `partOf`,
`kindOf` or facts of their own; `performed` events; and reports on duties whose state is already known.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from medspace.core.canonical import Json, JsonObject
from medspace.core.text import Text, msgid
from medspace.policy import jsonld
from medspace.policy.errors import CollectionCycleError, PolicyTooLargeError, UnsupportedClauseError
from medspace.policy.evaluation import hierarchies, values
from medspace.policy.evaluation.documents import Document
from medspace.policy.evaluation.model import (
    Attempt,
    DutyState,
    Facts,
    Held,
    OdrlComparison,
    OdrlEvent,
    OdrlKind,
    OdrlPolicy,
    World,
)
from medspace.policy.evaluation.reading import policy
from medspace.policy.jsonld import malformed

MOST_ATTEMPTS = 64
MOST_EVENTS = 10_000
SOTW = "https://w3id.org/force/sotw#"
REPORT = "https://w3id.org/force/compliance-report#"
MEDSPACE = "urn:medspace:profile:1#"
_ISSUED = ("dct:issued", "http://purl.org/dc/terms/issued")
_SPACES = ("sotw:", SOTW, "report:", REPORT, "medspace:", MEDSPACE)
_NOTES = frozenset({"@id", "@type", "title", "description", "comment", "name", "label"})
_DUTY = frozenset({"rule", "deonticState", "attemptState", "performanceState", "activationState"})
# What only leads to further nodes: earlier reports, and what they are about.
_LINKS = frozenset({"existingReport", "includes", "ruleReport", "conditionReport", "premiseReport"})
_ABOUT = frozenset({"policy", "policyRequest", "ruleRequest", "satisfactionState"})
_WORLD = _NOTES | _DUTY | _LINKS | _ABOUT | {"currentTime", "fact", "partOf", "kindOf", "performed"}
_EVENT = _NOTES | {"action", "target", "assignee", "time", "fact"}
_REQUEST = ("requestedAction", "requestedTarget", "requestingParty")


def attempts(document: Document) -> tuple[Attempt, ...]:
    """What a request asks for: one attempt for each of its atomic permissions.

    Raises:
        InvalidPolicyError: it is not a request, or asks for nothing.
        PolicyTooLargeError: it asks for more than 64 things.
        UnsupportedClauseError: it states something in another way than by `eq`.
    """
    forced = [found for node in document.nodes if "requestedAction" in (found := _members(node))]
    if forced:
        return tuple(_forced(document, found) for found in forced[:MOST_ATTEMPTS])
    asked = policy(document)
    if asked.kind is not OdrlKind.REQUEST or not asked.permissions:
        raise malformed("/@type", Text(msgid("a request with a permission is expected")))
    if len(asked.permissions) > MOST_ATTEMPTS:
        raise PolicyTooLargeError(most=MOST_ATTEMPTS, what=Text(msgid("permissions")))
    return tuple(_attempts(asked))


def _attempts(asked: OdrlPolicy) -> Iterator[Attempt]:
    for rule in asked.permissions:
        stated: dict[str, Held] = {}
        for one in (*rule.constraints, *rule.refinements):
            if not isinstance(one, OdrlComparison) or one.operator != "eq":
                raise UnsupportedClauseError(
                    clause=one.clause, reason=Text(msgid("a request states what it is about by eq"))
                )
            stated[one.operand] = (*stated.get(one.operand, ()), *one.right)
        target, assignee = rule.target, rule.assignee
        yield Attempt(asked.id, rule.action, target.id if target else None, assignee.id if assignee else None, stated)


def _forced(document: Document, found: JsonObject) -> Attempt:
    """A request in the vocabulary of FORCE (`sotw:EvaluationRequest`)."""
    action, target, party = (
        document.iri(jsonld.text(found[name], f"/{name}")) if name in found else None for name in _REQUEST
    )
    return Attempt(
        document.iri(jsonld.text(found.get("@id", "_:request"), "/@id")), jsonld.term(action or ""), target, party
    )


def world(document: Document, declared: Mapping[str, frozenset[str]], now: datetime | None = None) -> World:
    """A state of the world; `declared` are collections that the policy names, `now` overrides its time.

    Raises:
        InvalidPolicyError, UntimedInstantError, NumberTooLargeError, UnsupportedClauseError: it cannot be read.
        CollectionCycleError: a collection, or a kind, would contain itself.
        PolicyTooLargeError: more than 10,000 events.
    """
    return _World(document, {name: set(found) for name, found in declared.items()}).read(now)


def _members(node: Json) -> JsonObject:
    """The members of a node under their plain names, without the prefixes of ODRL, FORCE and this data space."""
    return {_local(name): member for name, member in jsonld.members(node, "").items()}


def _local(name: str) -> str:
    for space in _SPACES:
        if name.startswith(space):
            return name[len(space) :]
    return name


@dataclass(slots=True)
class _World:
    document: Document
    parts: dict[str, set[str]]
    kinds: dict[str, set[str]] = field(default_factory=dict)
    now: datetime | None = None
    facts: dict[str, Held] = field(default_factory=dict)
    properties: dict[str, Facts] = field(default_factory=dict)
    events: list[OdrlEvent] = field(default_factory=list)
    duties: dict[str, DutyState] = field(default_factory=dict)

    def read(self, now: datetime | None) -> World:
        for node in self.document.nodes:
            self.node(_members(node))
        return World(
            now or self.now,
            self.facts,
            hierarchies.collections(self.parts),
            hierarchies.closed(self.kinds, CollectionCycleError),
            self.properties,
            tuple(sorted(self.events, key=lambda event: event.time)),
            self.duties,
        )

    def node(self, found: JsonObject) -> None:
        unknown = next((name for name in found if name not in _WORLD and ":" not in name), None)
        if unknown is not None:
            reason = Text(msgid("the member {name} has no meaning here"), {"name": unknown})
            raise UnsupportedClauseError(clause="/", reason=reason)
        linked = [one for name in sorted(_LINKS & found.keys()) for one in jsonld.items(found[name])]
        for one in linked:
            if isinstance(one, dict):
                self.node(_members(one))
        if "currentTime" in found:
            self.now = self.instant(found["currentTime"], "/currentTime")
        if "deonticState" in found:
            self.duty(found)
        self.happened(found)
        self.thing(found)

    def happened(self, found: JsonObject) -> None:
        for event in jsonld.items(found.get("performed", [])):
            if len(self.events) == MOST_EVENTS:
                raise PolicyTooLargeError(most=MOST_EVENTS, what=Text(msgid("events")))
            self.events.append(self.event(event))

    def thing(self, found: JsonObject) -> None:
        """What is stated of the world or, in a node with an identifier and without a time, of that thing."""
        about_world = "currentTime" in found or "performed" in found or "@id" not in found
        if "fact" in found and about_world:
            self.facts |= self.stated(found["fact"])
        elif "fact" in found:
            self.properties[self.name(found["@id"])] = self.stated(found["fact"])
        for kept, listed in ((self.parts, found.get("partOf")), (self.kinds, found.get("kindOf"))):
            if listed is not None:
                name = values.term(self.name(found.get("@id")))
                kept.setdefault(name, set()).update(values.term(self.name(one)) for one in jsonld.items(listed))

    def name(self, value: Json) -> str:
        (one,) = jsonld.items(value) if len(jsonld.items(value)) == 1 else [value]
        if isinstance(one, dict) and "@id" in (found := jsonld.members(one, "/@id")):
            one = found["@id"]
        return self.document.iri(jsonld.text(one, "/@id"))

    def instant(self, value: Json, clause: str) -> datetime:
        (one,) = jsonld.items(value) if len(jsonld.items(value)) == 1 else [value]
        if isinstance(one, dict):  # a node that stands for the instant, as states of FORCE have it
            stated = [member for name, member in one.items() if name in _ISSUED]
            one = jsonld.items(stated[0])[0] if len(stated) == 1 and jsonld.items(stated[0]) else one
        read = values.read(one, "dateTime", clause)
        if not isinstance(read, datetime):
            raise malformed(clause, Text(msgid("{value} is not an instant"), {"value": values.written(read)}))
        return read

    def stated(self, value: Json) -> dict[str, Held]:
        """Facts: a list of left and right operands, or an object with a member for each left operand."""
        found: dict[str, Held] = {}
        for one in jsonld.items(value):
            members = jsonld.members(one, "/fact")
            named = "leftOperand" in members
            pairs = [(members["leftOperand"], members.get("rightOperand"))] if named else members.items()
            for left, right in pairs:
                operand = jsonld.term(self.name(left))
                listed = jsonld.items(right)
                found[operand] = tuple(
                    values.read(self.document.value(each), operand, f"/fact/{operand}") for each in listed
                )
        return found

    def event(self, value: Json) -> OdrlEvent:
        found = _members(value)
        unknown = next((name for name in found if name not in _EVENT), None)
        if unknown is not None or "action" not in found or "time" not in found:
            raise malformed("/performed", Text(msgid("an event has an action, a time, and nothing unknown")))
        target, assignee = (self.name(found[name]) if name in found else None for name in ("target", "assignee"))
        return OdrlEvent(
            jsonld.term(self.name(found["action"])),
            self.instant(found["time"], "/performed/time"),
            target,
            assignee,
            self.stated(found.get("fact", [])),
        )

    def duty(self, found: JsonObject) -> None:
        name = _local(self.name(found["deonticState"]))
        if name not in set(DutyState) or "rule" not in found:
            raise malformed("/deonticState", Text(msgid("a report on a duty names the duty and its state")))
        self.duties[self.name(found["rule"])] = DutyState(name)
