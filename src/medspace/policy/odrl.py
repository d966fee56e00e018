"""ODRL policies in the subset and JSON form of the Dataspace Protocol 2025-1 (contract-schema.json).

Reading is lenient about form and strict about meaning: unreadable input raises; a part that can be read but not
enforced becomes a `Flaw`, and a policy with a flaw is never offered, agreed or used. Writing produces exactly what
the schema allows.
"""

import json
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache

import msgspec

from medspace.core.canonical import Json, JsonObject
from medspace.core.decoding import read_json
from medspace.core.text import Text, msgid
from medspace.policy import contexts, duties, jsonld
from medspace.policy.actions import ACTIONS, DUTIES, PROFILE, UNKEPT
from medspace.policy.errors import UnenforceablePolicyError
from medspace.policy.jsonld import malformed
from medspace.policy.logic import LOGIC
from medspace.policy.model import Atomic, Constraint, Flaw, Logical, Policy, PolicyKind, Rule
from medspace.policy.operand import LISTED
from medspace.policy.operands import UnreadableConstraintError, atomic

NESTED = 8  # levels of nested logical constraints
KEPT = 256  # how many parsed policies are cached
LONGEST_KEPT = 8_192  # bytes; longer policies are not cached
UNKNOWN = 64  # how many unknown members of a policy are checked for resemblance to known ones

REPLACES = "dct:replaces"  # the agreement whose place this policy takes (ODRL Information Model 2.8)
_PARTIES = ("target", "assigner", "assignee", "timestamp")
_RULES = ("permission", "prohibition", "obligation")
_POLICY = frozenset({"@id", "@type", "@context", "profile", "conflict", REPLACES, *_PARTIES, *_RULES})
# Names under which a policy must not hide a statement, and names that would change its meaning if we ignored them.
_MEANINGFUL = (*_PARTIES, *_RULES, "profile", "conflict", "duty", "constraint", "action", "rule", "inheritfrom")
_NOTES = frozenset({"@id", "@type", "title", "description", "comment", "name", "dct:title", "dct:description"})
_RULE = _NOTES | {"action", "constraint", "target", "assignee"}
_RULE_ONLY = frozenset({"action", "constraint", "leftOperand", "rightOperand", "operator"})
# Keywords that add or move statements (JSON-LD 1.1 1.7), so that the members below them mean more than their names
# say.
_MOVING = frozenset({"@context", "@graph", "@included", "@reverse", "@nest", "@import", "@index"})
_CLASSES = {"permission": {"Permission", "Rule"}, "prohibition": {"Prohibition", "Rule"}}
_DUTY = {"Duty", "Rule"}
_CONSTRAINT = {"Constraint", "LogicalConstraint"}
_ATOMIC = _NOTES | {"leftOperand", "operator", "rightOperand"}

_KINDS = {"Offer": PolicyKind.OFFER, "Agreement": PolicyKind.AGREEMENT}


def read(document: bytes | str) -> Policy:
    """Read the policy in a JSON text; see `parse`.

    Raises:
        InvalidPolicyError: it is not JSON, names a member twice, or is not a policy.
    """
    try:
        value = read_json(document)
    except (ValueError, RecursionError) as error:  # msgspec's exceptions are ValueErrors
        raise malformed("", Text(msgid("it is not JSON that can be read one way only"))) from error
    return _parse(value)


def parse(document: Json) -> Policy:
    """Parse a policy from decoded JSON.

    Raises:
        InvalidPolicyError: it is malformed, too big, or an agreement without its parties and target.
    """
    # Every message of a negotiation carries the same few policies, and the meaning of a policy depends only on its
    # text, so parsed policies are cached.
    with suppress(msgspec.MsgspecError, TypeError, ValueError, RecursionError):  # what is not JSON is reported below
        text = msgspec.json.encode(document)
        if len(text) <= LONGEST_KEPT:
            return _policy_of_bytes(text)
    return _parse(document)


@lru_cache(maxsize=KEPT)
def _policy_of_bytes(text: bytes) -> Policy:
    # Parsed from the text rather than from the given object, so that the cached value depends on the text alone.
    return _parse(msgspec.json.decode(text))


def _parse(document: Json) -> Policy:
    jsonld.check_size(document)
    return _Reader().policy(document)


@dataclass(slots=True)
class _Reader:
    flaws: list[Flaw] = field(default_factory=list)

    def policy(self, document: Json) -> Policy:
        found = jsonld.members(document, "")
        kind = self.kind(found)
        rules = {name: self.rules(found.get(name, []), f"/{name}", permits=name == "permission") for name in _RULES}
        if not rules["permission"] and not rules["prohibition"]:
            raise malformed("", Text(msgid("it has neither a permission nor a prohibition")))
        self.contexts(document, found)
        self.unread_in_policy(found)
        party = {name: self.optional(found, name) for name in _PARTIES}
        if kind is PolicyKind.AGREEMENT and not all(party[name] for name in ("target", "assigner", "assignee")):
            raise malformed("", Text(msgid("an agreement names its target, assigner and assignee")))
        return Policy(
            id=jsonld.text(found.get("@id"), "/@id"),
            kind=kind,
            permissions=rules["permission"],
            prohibitions=rules["prohibition"],
            obligations=rules["obligation"],
            profiles=self.profiles(found),
            flaws=tuple(self.flaws),
            replaces=self.optional(found, REPLACES),
            **party,
        )

    def kind(self, found: JsonObject) -> PolicyKind:
        name = jsonld.text(found.get("@type", "Offer"), "/@type")
        kind = _KINDS.get(jsonld.term(name))
        if kind is None:
            raise malformed("/@type", Text(msgid("{name} is neither an offer nor an agreement"), {"name": name}))
        return kind

    def optional(self, found: JsonObject, name: str) -> str | None:
        return jsonld.text(found[name], f"/{name}") if name in found else None

    def profiles(self, found: JsonObject) -> tuple[str, ...]:
        named = tuple(jsonld.text(name, "/profile") for name in jsonld.items(found.get("profile", [])))
        for name in named:
            if name != PROFILE:  # ODRL Information Model 3.2: a processor stops at an unknown profile
                self.flaw("/profile", Text(msgid("the profile {name} is not known"), {"name": name}), name)
        return named

    def contexts(self, document: Json, found: JsonObject) -> None:
        # Checked under the names of the document itself: a name that we read one way may mean another in its context.
        for context in contexts.strange(found.get("@context", []), document):
            reason = Text(msgid("its @context could give the terms of the policy another meaning"))
            self.flaw("/@context", reason, {"@context": context})

    def unread_in_policy(self, found: JsonObject) -> None:
        if jsonld.term(str(found.get("conflict", "prohibit"))) != "prohibit":
            self.flaw("/conflict", Text(msgid("only prohibitions win a conflict here")), found["conflict"])
        unknown = sorted(found.keys() - _POLICY)
        if len(unknown) > UNKNOWN:
            raise malformed("", Text(msgid("it has too many members that have no meaning here")))
        for name in unknown:
            if name.startswith("@") or resembles(name) or _says_rules(found[name]):
                self.unread(name, found[name], "")

    def rules(self, value: Json, clause: str, *, permits: bool) -> tuple[Rule, ...]:
        listed = jsonld.items(value)
        return tuple(self.rule(item, f"{clause}/{at}", permits=permits) for at, item in enumerate(listed))

    def rule(self, value: Json, clause: str, *, permits: bool = False) -> Rule:
        found = jsonld.members(value, clause)
        action = self.action(found, clause)
        for name in sorted(found.keys() - _RULE - ({"duty"} if permits else set())):
            self.unread(name, found[name], clause)
        place = clause.rpartition("/")[0].rpartition("/")[2]
        self.classes(found, clause, _CLASSES.get(place, _DUTY))
        constraints = jsonld.items(found.get("constraint", []))
        owed = place in ("duty", "obligation")
        owing = self.rules(found.get("duty", []), f"{clause}/duty", permits=False) if permits else ()
        return Rule(
            action=action,
            clause=clause,
            constraints=self.deadlines(action, constraints, f"{clause}/constraint")
            if owed
            else self.constraints(constraints, f"{clause}/constraint", NESTED),
            target=self.optional(found, "target"),
            assignee=self.optional(found, "assignee"),
            duties=owing,
        )

    def classes(self, found: JsonObject, clause: str, allowed: Collection[str]) -> None:
        """Flag any class other than those that a rule or constraint may state here.

        Its position already implies those.
        """
        for name in jsonld.items(found.get("@type", [])):
            if not isinstance(name, str) or jsonld.term(name) not in allowed:
                self.unread("@type", name, clause)

    def action(self, found: JsonObject, clause: str) -> str:
        value = found.get("action")
        name = jsonld.term(jsonld.text(value, f"{clause}/action"))
        known = ACTIONS if clause.startswith(("/permission", "/prohibition")) and "/duty" not in clause else DUTIES
        if name not in known:
            self.flaw(f"{clause}/action", _unknown(name, known), value)
        return name

    def deadlines(self, action: str, values: list[Json], clause: str) -> tuple[Constraint, ...]:
        """The deadline of a duty; any other condition would change what is owed, and nobody here decides it."""
        found: list[Constraint] = []
        for at, value in enumerate(values):
            try:
                found.append(duties.deadline(action, *self.compared(value, f"{clause}/{at}"), f"{clause}/{at}"))
            except duties.DeadlineError as error:
                self.flaw(f"{clause}/{at}", error.reason, value)
        return tuple(found)

    def compared(self, value: Json, clause: str) -> tuple[str, str, tuple[str, ...]]:
        """Operand, operator and right operands of a condition of a duty; empty where it is no single comparison."""
        found = jsonld.members(value, clause)
        self.classes(found, clause, _CONSTRAINT)
        if found.keys() - _ATOMIC or not {"leftOperand", "operator", "rightOperand"} <= found.keys():
            return "", "", ()
        left = jsonld.term(jsonld.text(found["leftOperand"], f"{clause}/leftOperand"))
        comparison = jsonld.term(jsonld.text(found["operator"], f"{clause}/operator"))
        right = tuple(jsonld.scalar(item) or "" for item in jsonld.items(found["rightOperand"]))
        return left, comparison, right

    def constraints(self, values: list[Json], clause: str, depth: int) -> tuple[Constraint, ...]:
        read = (self.constraint(value, f"{clause}/{at}", depth) for at, value in enumerate(values))
        return tuple(constraint for constraint in read if constraint is not None)

    def constraint(self, value: Json, clause: str, depth: int) -> Constraint | None:
        found = jsonld.members(value, clause)
        self.classes(found, clause, _CONSTRAINT)
        joined = [name for name in LOGIC if name in found]
        if not joined:
            return self.atomic(found, clause, value)
        if len(joined) > 1 or found.keys() & {"leftOperand", "operator", "rightOperand"} or not depth:
            raise malformed(clause, Text(msgid("a constraint says one thing, and not too deeply nested")))
        for name in sorted(found.keys() - _NOTES - {joined[0]}):
            self.unread(name, found[name], clause)
        parts = jsonld.items(found[joined[0]])
        if not parts:
            raise malformed(clause, Text(msgid("a list of constraints is empty")))
        return Logical(joined[0], self.constraints(parts, f"{clause}/{joined[0]}", depth - 1), clause)

    def atomic(self, found: JsonObject, clause: str, value: Json) -> Constraint | None:
        left = jsonld.term(jsonld.text(found.get("leftOperand"), f"{clause}/leftOperand"))
        comparison = jsonld.term(jsonld.text(found.get("operator"), f"{clause}/operator"))
        if "rightOperand" not in found:
            raise malformed(clause, Text(msgid("the right operand is missing")))
        for name in sorted(found.keys() - _ATOMIC):
            self.unread(name, found[name], clause)
        right = [jsonld.scalar(item) for item in jsonld.items(found["rightOperand"])]
        texts = tuple(text for text in right if text is not None)
        try:
            return atomic(left, comparison, texts if len(texts) == len(right) else (), clause)
        except UnreadableConstraintError as error:
            self.flaw(clause, error.reason, value)
            return None

    def unread(self, name: str, value: Json, clause: str) -> None:
        reason = Text(msgid("the member {name} has no meaning here"), {"name": name})
        self.flaw(f"{clause}/{name}", reason, {name: value})

    def flaw(self, clause: str, reason: Text, value: Json) -> None:
        self.flaws.append(Flaw(clause, reason, json.dumps(value, ensure_ascii=False, sort_keys=True)))


def _unknown(name: str, known: object) -> Text:
    """Why an action cannot be enforced; of a duty that others ask for, why nothing here keeps it."""
    if known is DUTIES and name in UNKEPT:
        return Text(msgid("the duty {name} is not enforced: {why}"), {"name": name, "why": UNKEPT[name]})
    return Text(msgid("the action {name} is not known"), {"name": name})


def resembles(name: str) -> bool:
    """Whether a member that we do not read resembles one that we do read, or one that changes the meaning."""
    plain = re.split("[:/#]", name)[-1].lower()
    return bool(get_close_matches(plain, _MEANINGFUL, n=1, cutoff=0.75))


def _says_rules(value: Json) -> bool:
    """Whether an unread value holds, at any depth, members of a rule or constraint, or keywords that move one."""
    if isinstance(value, dict):
        names = {jsonld.term(name) for name in value}
        return bool(names & (_RULE_ONLY | _MOVING)) or _says_rules(list(value.values()))
    return isinstance(value, list) and any(_says_rules(item) for item in value)


# --- writing --------------------------------------------------------------------------------------------------


def write(policy: Policy) -> JsonObject:
    """The policy as the Dataspace Protocol has it; an offer without target is a catalogue offer.

    Raises:
        UnenforceablePolicyError: it has a flaw; such a policy is never sent.
    """
    for flaw in policy.flaws:
        raise UnenforceablePolicyError(clause=flaw.clause, reason=flaw.reason)
    written: JsonObject = {"@id": policy.id, "@type": policy.kind.value}
    written |= _given(profile=list(policy.profiles) or None, target=policy.target, assigner=policy.assigner)
    written |= _given(assignee=policy.assignee, timestamp=policy.timestamp, **{REPLACES: policy.replaces})
    return written | _given(
        permission=[_rule(rule) for rule in policy.permissions] or None,
        prohibition=[_rule(rule) for rule in policy.prohibitions] or None,
        obligation=[_rule(rule) for rule in policy.obligations] or None,
    )


def _given(**members: Json) -> JsonObject:
    return {name: member for name, member in members.items() if member is not None}


def _rule(rule: Rule) -> JsonObject:
    return {"action": rule.action} | _given(
        target=rule.target,
        assignee=rule.assignee,
        constraint=[_constraint(constraint) for constraint in rule.constraints] or None,
        duty=[_rule(duty) for duty in rule.duties] or None,
    )


def _constraint(constraint: Constraint) -> JsonObject:
    if isinstance(constraint, Logical):
        return {constraint.operator: [_constraint(part) for part in constraint.parts]}
    right = list(constraint.right) if constraint.operator in LISTED else constraint.right[0]
    return {"leftOperand": constraint.operand, "operator": constraint.operator, "rightOperand": right}


# --- building and comparing -----------------------------------------------------------------------------------


def offer_for(
    terms: Policy,
    *,
    offer_id: str,
    target: str | None = None,
    assigner: str | None = None,
    assignee: str | None = None,
) -> Policy:
    """The same rules as an offer: without `target` for the catalogue, with it for a message."""
    kind = PolicyKind.OFFER
    offered = replace(terms, id=offer_id, kind=kind, timestamp=None, replaces=None)
    return replace(offered, target=target, assigner=assigner, assignee=assignee)


def agreement_from(
    offer: Policy, *, agreement_id: str, assigner: str, assignee: str, timestamp: str, target: str
) -> Policy:
    """An agreement with the rules of this offer. `timestamp` is an RFC 3339 instant with its zone."""
    return replace(
        offer,
        id=agreement_id,
        kind=PolicyKind.AGREEMENT,
        assigner=assigner,
        assignee=assignee,
        timestamp=timestamp,
        target=target,
    )


def same_terms(one: Policy, other: Policy) -> bool:
    """Whether two policies have the same terms: the same rules in any order and spelling, on the same target.

    Identity, parties and timestamp are not terms, and a target that only one of them names is not a difference.
    """
    if one.target and other.target and one.target != other.target:
        return False
    target = one.target or other.target
    return _terms(one, target) == _terms(other, target)


def _terms(policy: Policy, target: str | None) -> Mapping[str, list[str]]:
    return {
        "permission": sorted(_rule_key(rule, target) for rule in policy.permissions),
        "prohibition": sorted(_rule_key(rule, target) for rule in policy.prohibitions),
        "obligation": sorted(_rule_key(rule, target) for rule in policy.obligations),
        "flaws": sorted(flaw.json for flaw in policy.flaws),
    }


def _rule_key(rule: Rule, target: str | None) -> str:
    own = rule.target if rule.target != target else None
    conditions = sorted({meaning_of(constraint) for constraint in rule.constraints})
    duties = sorted({_rule_key(duty, target) for duty in rule.duties})
    return json.dumps([rule.action, own, rule.assignee, conditions, duties])


def meaning_of(constraint: Constraint) -> str:
    """What a constraint says, alike for all spellings of it."""
    if isinstance(constraint, Atomic):
        value = constraint.value
        meaning = sorted({str(item) for item in value}) if isinstance(value, tuple) else [str(value)]
        return json.dumps([constraint.operand, constraint.operator, meaning])
    parts = [meaning_of(part) for part in constraint.parts]
    if constraint.operator != "andSequence":
        parts.sort()
    return json.dumps([constraint.operator, parts])
