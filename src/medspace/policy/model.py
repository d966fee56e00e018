"""The types of the policy room: policies as in ODRL, labels, and requests."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from medspace.core.text import Text
from medspace.core.usage import Measure

# The meaning of a right operand: an instant, a number, one term, or several terms.
Value = datetime | int | str | tuple[str, ...] | Measure


class PolicyKind(StrEnum):
    """The ODRL policy types that the Dataspace Protocol exchanges."""

    OFFER = "Offer"
    AGREEMENT = "Agreement"


@dataclass(frozen=True, slots=True)
class Flaw:
    """A part of a policy that no enforcement point can enforce; it makes the whole policy unenforceable.

    `clause` is a JSON pointer, `json` the clause as received.
    """

    clause: str
    reason: Text
    json: str


@dataclass(frozen=True, slots=True)
class Atomic:
    """One comparison.

    `right` is the right operand as written, `value` its meaning; `asked` is the constraint in words.
    """

    operand: str
    operator: str
    right: tuple[str, ...]
    clause: str
    value: Value = field(compare=False)
    asked: Text = field(compare=False)


@dataclass(frozen=True, slots=True)
class Logical:
    """Constraints joined by `and`, `or`, `xone` or `andSequence`; never empty."""

    operator: str
    parts: tuple["Constraint", ...]
    clause: str


Constraint = Atomic | Logical


def leaves(constraints: tuple[Constraint, ...]) -> Iterator[Atomic]:
    """Every comparison in these constraints, at any depth."""
    for constraint in constraints:
        if isinstance(constraint, Atomic):
            yield constraint
        else:
            yield from leaves(constraint.parts)


@dataclass(frozen=True, slots=True)
class Rule:
    """A permission, a prohibition or a duty; all its constraints must hold (AND).

    An absent `target` or `assignee` matches all. `clause` is the JSON pointer of the rule in the written policy.
    """

    action: str
    clause: str
    constraints: tuple[Constraint, ...] = ()
    target: str | None = None
    assignee: str | None = None
    duties: tuple["Rule", ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """An ODRL offer or agreement. A policy with a flaw is shown, but never permits anything."""

    id: str
    kind: PolicyKind
    permissions: tuple[Rule, ...] = ()
    prohibitions: tuple[Rule, ...] = ()
    obligations: tuple[Rule, ...] = ()
    target: str | None = None
    assigner: str | None = None
    assignee: str | None = None
    timestamp: str | None = None
    profiles: tuple[str, ...] = ()
    flaws: tuple[Flaw, ...] = ()


class Sensitivity(StrEnum):
    """The access rights classes of HealthDCAT-AP."""

    PUBLIC = "public"
    RESTRICTED = "restricted"
    NON_PUBLIC = "non-public"


@dataclass(frozen=True, slots=True)
class Label:
    """What the holder says of an asset, whatever the contract; an empty label allows nothing.

    `purposes`, `regions` and `kinds` (actions, such as medspace:train) list what is allowed; the instants have a time
    zone, and both ends are included; an absent one leaves that side open. `review`: one person of the holder, or two,
    must review each result before it leaves.
    """

    purposes: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    sensitivity: Sensitivity = Sensitivity.NON_PUBLIC
    review: bool | Literal[2] = False

    @property
    def reviewers(self) -> int:
        """How many persons of the holder must approve a result before it leaves."""
        return int(self.review)


PROTOCOL = "-"  # stands for an output that is not a result: terms cannot name it, and do not apply to it


@dataclass(frozen=True, slots=True)
class UseRequest:
    """What is asked for, and the known facts about it. None means "unknown", which never becomes a permission.

    `action` None asks before any use is chosen (catalogue and negotiation): is anything allowed at all? `count` is
    the number of earlier uses under the agreement, `cohort` the number of persons behind the result, `sites` how many
    holders take part, `holders` the DIDs of the other holders, `colluders` how many colluding holders the masks
    withstand, `violated` the clauses of the duties that were violated. `noise` says whether answers are `noisy` or
    `exact`. `time` has a time zone. `judged` are the columns that the task judges its model by, `measures` how good
    the model is that is about to leave (`gates`).
    """

    action: str | None = None
    assignee: str | None = None
    purpose: str | None = None
    region: str | None = None
    time: datetime | None = None
    count: int | None = None
    target: str | None = None
    output: str | None = None
    cohort: int | None = None
    sites: int | None = None
    protection: str | None = None
    colluders: int | None = None
    holders: tuple[str, ...] | None = None
    noise: str | None = None
    judged: tuple[str, ...] | None = None
    measures: tuple[Measure, ...] | None = None
    violated: frozenset[str] = frozenset()
