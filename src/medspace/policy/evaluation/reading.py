"""Whole ODRL policies from JSON-LD: every form that the Information Model allows, nothing that would be left out.

Shared members of a policy (its action, target, parties) count for each rule without its own, and a rule with several
actions, targets or parties stands for one atomic rule for each (ODRL Information Model 2.7).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product

from medspace.core.canonical import Json, JsonObject
from medspace.core.text import Text, msgid
from medspace.policy import jsonld
from medspace.policy.actions import PROFILE
from medspace.policy.errors import (
    InheritanceCycleError,
    PolicyTooLargeError,
    UnknownParentError,
    UnknownProfileError,
    UnsupportedClauseError,
)
from medspace.policy.evaluation import comparing, hierarchies, values
from medspace.policy.evaluation.documents import Document
from medspace.policy.evaluation.model import (
    Condition,
    Held,
    OdrlComparison,
    OdrlJoined,
    OdrlKind,
    OdrlPolicy,
    OdrlRule,
    OdrlScope,
    RuleKind,
    Strategy,
)
from medspace.policy.jsonld import malformed
from medspace.policy.logic import LOGIC
from medspace.policy.odrl import resembles

MOST_RULES = 1_000  # atomic rules of a policy, duties included
MOST_CONDITIONS = 2_000  # comparisons of a policy
DEEPEST = 16  # levels of logical constraints, and of inheritance
PROFILES = frozenset(
    {PROFILE, "http://www.w3.org/ns/odrl/2/core", "http://www.w3.org/ns/odrl/2/", "http://www.w3.org/ns/odrl/2"}
)
KINDS = {"Policy": OdrlKind.SET, **{kind.value: kind for kind in OdrlKind}}

_PARTIES = (
    *("attributedParty", "attributingParty", "compensatedParty", "compensatingParty", "consentedParty"),
    *("consentingParty", "contractedParty", "contractingParty", "informedParty", "informingParty", "trackedParty"),
    "trackingParty",
)
_SHARED = ("action", "target", "assigner", "assignee")
_RULES = ("permission", "prohibition", "obligation")
# What is said to people only.
_NOTES = frozenset({"@id", "@type", "title", "description", "comment", "name", "label"})
_POLICY = _NOTES | {"profile", "conflict", "inheritFrom", "timestamp", *_SHARED, *_RULES, *_PARTIES}
# What hangs on a rule of each kind (ODRL Information Model 2.6); a consequence or remedy has none of its own.
DEPENDS: Mapping[RuleKind, RuleKind | None] = {
    RuleKind.PERMISSION: RuleKind.DUTY,
    RuleKind.PROHIBITION: RuleKind.REMEDY,
    RuleKind.OBLIGATION: RuleKind.CONSEQUENCE,
    RuleKind.DUTY: RuleKind.CONSEQUENCE,
    RuleKind.REMEDY: None,
    RuleKind.CONSEQUENCE: None,
}
_RULE = _NOTES | {"constraint", "output", *_SHARED, *_PARTIES}
_SCOPE = _NOTES | {"refinement", "source", "partOf", "hasPolicy"}
_ACTION = _NOTES | {"refinement", "value", "includedIn", "implies"}
_COMPARISON = _NOTES | {"leftOperand", "operator", "rightOperand"}


def policy(document: Document) -> OdrlPolicy:
    """The policy of a document, with the rules of those in it that it inherits from (ODRL Information Model 2.9).

    Raises:
        InvalidPolicyError: it holds no policy, or several of which none inherits from all others.
        PolicyCycleError: of inheritance, of collections or of actions.
        UnknownProfileError, UnknownParentError, UnsupportedClauseError, PolicyTooLargeError, NumberTooLargeError,
            UntimedInstantError: see there.
    """
    read = _Family(document)
    inherited = {parent for name in read.members for parent in read.parents(name)}
    heirs = [name for name in read.members if name not in inherited]
    if not heirs and read.members:  # all inherit from one another
        list(read.rules_of(next(iter(read.members)), (), set()))
    if len(heirs) != 1:
        raise malformed("", Text(msgid("one policy is expected, with those that it inherits from")))
    return read.whole(heirs[0])


@dataclass(slots=True)
class _Family:
    """The policies of one document, by identifier."""

    document: Document
    members: dict[str, JsonObject] = field(default_factory=dict)
    reader: "_OdrlReader" = field(init=False)

    def __post_init__(self) -> None:
        self.reader = _OdrlReader(self.document)
        for node in self.document.nodes:
            found = jsonld.members(node, "")
            if found.keys() & set(_RULES) or "inheritFrom" in found:
                name = self.reader.name(found.get("@id"), "/@id")
                if name in self.members:
                    raise malformed("/@id", Text(msgid("{name} is there twice"), {"name": name}))
                self.members[name] = found
            elif "partOf" in found:
                self.reader.scope(node, "")
            elif found.keys() & {"includedIn", "implies"}:
                self.reader.action(node, "")

    def parents(self, name: str) -> list[str]:
        listed = jsonld.items(self.members[name].get("inheritFrom", []))
        return [self.reader.name(one, "/inheritFrom") for one in listed]

    def rules_of(self, name: str, path: tuple[str, ...], seen: set[str]) -> Iterator[tuple[OdrlRule, Strategy]]:
        if name in path:
            raise InheritanceCycleError(name=name)
        if name not in self.members:
            raise UnknownParentError(name=name)
        if len(path) > DEEPEST:
            raise PolicyTooLargeError(most=DEEPEST, what=Text(msgid("levels")))
        if name in seen:  # inherited in two ways, and once is enough
            return
        seen.add(name)
        strategy = self.strategy(self.members[name])
        for rule in self.reader.rules(self.members[name], name):
            yield rule, strategy
        for parent in self.parents(name):
            yield from self.rules_of(parent, (*path, name), seen)

    def whole(self, name: str) -> OdrlPolicy:
        found = self.members[name]
        kind = self.reader.kind(found)
        rules = list(self.rules_of(name, (), set()))
        strategies = {self.strategy(found), *(strategy for _, strategy in rules)}
        by_kind = {one: tuple(rule for rule, _ in rules if rule.kind is one) for one in RuleKind}
        if not rules:
            raise malformed("", Text(msgid("it has no rule")))
        return OdrlPolicy(
            id=name,
            kind=kind,
            actions=hierarchies.actions(self.reader.included, self.reader.implied),
            permissions=by_kind[RuleKind.PERMISSION],
            prohibitions=by_kind[RuleKind.PROHIBITION],
            obligations=by_kind[RuleKind.OBLIGATION],
            # Policies that disagree on who wins leave nobody to win (ODRL Information Model 2.10).
            strategy=strategies.pop() if len(strategies) == 1 else Strategy.INVALID,
            parts=hierarchies.collections(self.reader.parts),
        )

    def strategy(self, found: JsonObject) -> Strategy:
        if "conflict" not in found:
            return Strategy.INVALID
        name = self.reader.term(found["conflict"], "/conflict")
        if name not in set(Strategy):
            raise UnsupportedClauseError(
                clause="/conflict", reason=Text(msgid("{name} is not a conflict strategy"), {"name": name})
            )
        return Strategy(name)


@dataclass(slots=True)
class _OdrlReader:
    document: Document
    included: dict[str, tuple[str, ...]] = field(default_factory=dict)
    implied: dict[str, tuple[str, ...]] = field(default_factory=dict)
    parts: dict[str, set[str]] = field(default_factory=dict)
    seen_rules: int = 0
    seen_conditions: int = 0

    # --- names -------------------------------------------------------------------------------------------------
    def name(self, value: Json, clause: str) -> str:
        """An identifier: an IRI, or any other name."""
        if isinstance(value, dict) and "@id" in jsonld.members(value, clause):
            value = jsonld.members(value, clause)["@id"]
        return self.document.iri(jsonld.text(value, clause))

    def term(self, value: Json, clause: str) -> str:
        """The name of an ODRL term, without its prefix."""
        return jsonld.term(self.name(value, clause))

    def check(self, found: Iterable[str], known: frozenset[str], clause: str) -> None:
        """Refuse members that could mean something and are not read; notes in other vocabularies are left alone."""
        for name in found:
            if name not in known and (":" not in name or resembles(name)):
                reason = Text(msgid("the member {name} has no meaning here"), {"name": name})
                raise UnsupportedClauseError(clause=clause or "/", reason=reason)

    # --- policies and rules ------------------------------------------------------------------------------------
    def kind(self, found: JsonObject) -> OdrlKind:
        names = [self.term(one, "/@type") for one in jsonld.items(found.get("@type", "Set"))]
        kinds = {KINDS[name] for name in names if name in KINDS}
        if len(kinds) > 1:  # such as Policy and Offer
            kinds.discard(OdrlKind.SET)
        if len(kinds) != 1:
            raise malformed(
                "/@type", Text(msgid("{name} is not a kind of policy that sets rules"), {"name": ", ".join(names)})
            )
        return kinds.pop()

    def rules(self, found: JsonObject, name: str) -> list[OdrlRule]:
        """The atomic rules of one policy, without inherited ones."""
        self.check(found, _POLICY, "")
        for one in jsonld.items(found.get("profile", [])):
            profile = self.name(one, "/profile")
            if profile not in PROFILES:
                raise UnknownProfileError(name=profile)
        kind = self.kind(found)
        shared = {member: found[member] for member in _SHARED if member in found}
        read = [
            rule
            for member in _RULES
            for at, value in enumerate(jsonld.items(found.get(member, [])))
            for rule in self.rule(value, RuleKind(member), f"/{member}/{at}", shared, name)
        ]
        if kind is OdrlKind.AGREEMENT and not all(rule.assigner and rule.assignee for rule in read):
            raise malformed("", Text(msgid("an agreement names its target, assigner and assignee")))
        return read

    def rule(self, value: Json, kind: RuleKind, clause: str, shared: JsonObject, policy_id: str) -> list[OdrlRule]:
        own = jsonld.members(value, clause)
        hanging = DEPENDS[kind]
        self.check(own, _RULE | ({hanging.value} if hanging else set()), clause)
        found = {**shared, **own}
        if "action" not in found:
            raise malformed(clause, Text(msgid("a rule names its action")))
        identity = self.name(own["@id"], clause) if "@id" in own else f"{policy_id}#{clause}"
        # What hangs on a rule has its own action; it is about the same asset and the same parties unless it says so.
        inherited = {name: one for name, one in found.items() if name in ("target", "assigner", "assignee")}
        depends: list[OdrlRule] = []
        if hanging is not None:
            for at, one in enumerate(jsonld.items(own.get(hanging.value, []))):
                place = f"{clause}/{hanging.value}/{at}"
                depends += self.rule(one, hanging, place, inherited, policy_id)
        bare = OdrlRule(
            id=identity,
            kind=kind,
            clause=clause,
            action="",
            constraints=self.conditions(own.get("constraint", []), f"{clause}/constraint"),
            depends=tuple(depends),
        )
        return self.atomic(bare, found)

    def atomic(self, bare: OdrlRule, found: JsonObject) -> list[OdrlRule]:
        """One rule for each combination of an action, a target and parties."""
        clause = bare.clause
        actions = [self.action(one, f"{clause}/action") for one in jsonld.items(found["action"])]
        targets, assigners, assignees = (
            self.scopes(found.get(name), f"{clause}/{name}") for name in ("target", "assigner", "assignee")
        )
        self.seen_rules += len(actions) * len(targets) * len(assigners) * len(assignees)
        if self.seen_rules > MOST_RULES:
            raise PolicyTooLargeError(most=MOST_RULES, what=Text(msgid("rules")))
        return [
            replace(bare, action=name, refinements=refined, target=target, assigner=assigner, assignee=assignee)
            for (name, refined), target, assigner, assignee in product(actions, targets, assigners, assignees)
        ]

    # --- actions, assets and parties -----------------------------------------------------------------------------
    def action(self, value: Json, clause: str) -> tuple[str, tuple[Condition, ...]]:
        if isinstance(value, str):
            return self.term(value, clause), ()
        found = _plain(jsonld.members(value, clause))
        self.check(found, _ACTION, clause)
        name = self.term(found.get("value", found.get("@id")), clause)
        for member, kept in (("includedIn", self.included), ("implies", self.implied)):
            for one in jsonld.items(found.get(member, [])):
                broad, _ = self.action(one, clause)
                kept[name] = (*kept.get(name, ()), broad)
        return name, self.conditions(found.get("refinement", []), f"{clause}/refinement")

    def scopes(self, value: Json, clause: str) -> list[OdrlScope | None]:
        if value is None:
            return [None]
        listed = [self.scope(one, clause) for one in jsonld.items(value)]
        if not listed:
            raise malformed(clause, Text(msgid("one asset or party is expected here")))
        return list(listed)

    def scope(self, value: Json, clause: str) -> OdrlScope:
        if isinstance(value, str):
            return OdrlScope(self.name(value, clause))
        found = jsonld.members(value, clause)
        self.check(found, _SCOPE, clause)
        source = found.get("source", found.get("@id"))
        name = None if source is None else self.name(source, clause)
        for one in jsonld.items(found.get("partOf", [])):
            whole = self.scope(one, clause).id
            if name is None or whole is None:
                raise malformed(f"{clause}/partOf", Text(msgid("one asset or party is expected here")))
            self.parts.setdefault(name, set()).add(whole)
        refined = self.conditions(found.get("refinement", []), f"{clause}/refinement")
        if name is None and not refined:
            raise malformed(clause, Text(msgid("one asset or party is expected here")))
        return OdrlScope(name, refined)

    # --- conditions ----------------------------------------------------------------------------------------------
    def conditions(self, value: Json, clause: str, depth: int = DEEPEST) -> tuple[Condition, ...]:
        listed = enumerate(jsonld.items(value))
        return tuple(self.condition(one, f"{clause}/{at}", depth) for at, one in listed)

    def condition(self, value: Json, clause: str, depth: int) -> Condition:
        found = jsonld.members(value, clause)
        joined = [name for name in LOGIC if name in found]
        if not joined:
            return self.comparison(found, clause)
        if len(joined) > 1 or not depth:
            raise malformed(clause, Text(msgid("a constraint says one thing, and not too deeply nested")))
        self.check(found, _NOTES | {joined[0]}, clause)
        parts = self.conditions(found[joined[0]], f"{clause}/{joined[0]}", depth - 1)
        if not parts:
            raise malformed(clause, Text(msgid("a list of constraints is empty")))
        return OdrlJoined(joined[0], parts, clause)

    def comparison(self, found: JsonObject, clause: str) -> OdrlComparison:
        self.seen_conditions += 1
        if self.seen_conditions > MOST_CONDITIONS:
            raise PolicyTooLargeError(most=MOST_CONDITIONS, what=Text(msgid("constraints")))
        self.check(found, _COMPARISON, clause)
        operand = self.term(found.get("leftOperand"), f"{clause}/leftOperand")
        said = self.term(found.get("operator"), f"{clause}/operator")
        name = comparing.SPELLINGS.get(said, said)
        if name not in comparing.OPERATORS:
            facts = {"name": operand, "operator": said}
            raise UnsupportedClauseError(
                clause=clause, reason=Text(msgid("{name} cannot be compared by {operator}"), facts)
            )
        right = self.held(found.get("rightOperand", []), operand, f"{clause}/rightOperand")
        if not right or (len(right) > 1 and name not in comparing.SETS):
            raise malformed(clause, Text(msgid("{operator} has the wrong number of values"), {"operator": name}))
        return OdrlComparison(operand, name, right, clause)

    def held(self, value: Json, operand: str, clause: str) -> Held:
        """The values of a left operand, with prefixes of identifiers expanded."""
        listed = jsonld.items(value)
        return tuple(values.read(self.document.value(one), operand, clause) for one in listed)


def _plain(found: JsonObject) -> JsonObject:
    """`rdf:value` holds the action that a refinement is about (ODRL Information Model 2.5.3)."""
    names: Mapping[str, str] = {"rdf:value": "value", "http://www.w3.org/1999/02/22-rdf-syntax-ns#value": "value"}
    return {names.get(name, name): member for name, member in found.items()}
