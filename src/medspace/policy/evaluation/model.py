"""Whole ODRL 2.2 policies, and what they are evaluated against: an attempt, and the state of the world.

The policies that this connector signs are a strict subset (`policy.model`), all of whose terms it enforces. These
here may say anything that ODRL can say, and are evaluated, not signed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

# An instant, a duration, a number, or a term: an IRI, the short name of a known term, or a text.
Value = datetime | timedelta | Decimal | str
Held = tuple[Value, ...]  # all values that something has; empty where it is known to have none
Facts = Mapping[str, Held]  # by left operand; a missing one is unknown

NOTHING: Facts = {}


class OdrlKind(StrEnum):
    """The policy types (ODRL Information Model 2.1); a Request asks, the others rule."""

    SET = "Set"
    OFFER = "Offer"
    AGREEMENT = "Agreement"
    REQUEST = "Request"


class RuleKind(StrEnum):
    """What a rule is, by the member that holds it (ODRL Information Model 2.6)."""

    PERMISSION = "permission"
    PROHIBITION = "prohibition"
    OBLIGATION = "obligation"
    DUTY = "duty"  # of a permission
    REMEDY = "remedy"  # of a prohibition
    CONSEQUENCE = "consequence"  # of a duty or an obligation


class Strategy(StrEnum):
    """Who wins where a permission and a prohibition apply to the same attempt (ODRL Information Model 2.10)."""

    PERM = "perm"
    PROHIBIT = "prohibit"
    INVALID = "invalid"  # nobody: the policy is void. This is the default.


@dataclass(frozen=True, slots=True)
class OdrlComparison:
    """One comparison; `right` has several values only for the operators on sets."""

    operand: str
    operator: str
    right: Held
    clause: str


@dataclass(frozen=True, slots=True)
class OdrlJoined:
    """Conditions joined by `and`, `or`, `xone` or `andSequence`; never empty."""

    operator: str
    parts: tuple["Condition", ...]
    clause: str


Condition = OdrlComparison | OdrlJoined


@dataclass(frozen=True, slots=True)
class OdrlScope:
    """An asset or a party, or a collection of them; only those that meet the refinements belong to it.

    Without an `id` it is everything that meets the refinements.
    """

    id: str | None
    refinements: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class OdrlRule:
    """One atomic rule: one action, at most one target, assigner and assignee; what is absent matches all.

    `depends` are the duties of a permission, the remedies of a prohibition, or the consequences of a duty. `id` is
    its own identifier, or made of that of the policy and its `clause`, a JSON pointer.
    """

    id: str
    kind: RuleKind
    clause: str
    action: str
    refinements: tuple[Condition, ...] = ()
    target: OdrlScope | None = None
    assignee: OdrlScope | None = None
    assigner: OdrlScope | None = None
    constraints: tuple[Condition, ...] = ()
    depends: tuple["OdrlRule", ...] = ()


@dataclass(frozen=True, slots=True)
class ActionTree:
    """Which actions include and imply which: both maps are transitively closed and leave the action itself out."""

    broader: Mapping[str, frozenset[str]]
    implied: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class OdrlPolicy:
    """A policy with the rules that it inherits; `parts` are the collections that it says its assets belong to."""

    id: str
    kind: OdrlKind
    actions: ActionTree
    permissions: tuple[OdrlRule, ...] = ()
    prohibitions: tuple[OdrlRule, ...] = ()
    obligations: tuple[OdrlRule, ...] = ()
    strategy: Strategy = Strategy.INVALID
    parts: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody asks to do; `facts` are what the request itself states."""

    id: str
    action: str
    target: str | None = None
    assignee: str | None = None
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OdrlEvent:
    """Something that was done."""

    action: str
    time: datetime
    target: str | None = None
    assignee: str | None = None
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class World:
    """The state of the world.

    `parts` and `kinds` map each thing to all that it is part of, and all that it is a kind of, transitively. Who is
    not said to be in a collection is not in it. `duties` are duties whose state is already known, by their id.
    """

    now: datetime | None = None
    facts: Facts = field(default_factory=dict)
    parts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    kinds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    properties: Mapping[str, Facts] = field(default_factory=dict)
    events: tuple[OdrlEvent, ...] = ()
    duties: Mapping[str, "DutyState"] = field(default_factory=dict)


class DutyState(StrEnum):
    """The deontic state of a duty, and of a prohibition (infringed or not), with the names of the FORCE report."""

    NOT_SET = "NonSet"
    FULFILLED = "Fulfilled"
    VIOLATED = "Violated"
