"""The words of the policy room: policies as ODRL has them, labels, and what is asked for."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from medspace.core.text import Text

# A right operand that was read: an instant, a number, one term, or several terms.
Value = datetime | int | str | tuple[str, ...]


class PolicyKind(StrEnum):
    """The ODRL policy types that the Dataspace Protocol exchanges."""

    OFFER = "Offer"
    AGREEMENT = "Agreement"


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something in a policy that no enforcement point can enforce; it makes the whole policy unenforceable.

    `clause` is a JSON pointer, `json` the clause as it came.
    """

    clause: str
    reason: Text
    json: str


@dataclass(frozen=True, slots=True)
class Atomic:
    """One comparison. `right` is the right operand as written, `value` what it means; `asked` says it in words."""

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
    """Every comparison in these constraints, however deep."""
    for constraint in constraints:
        if isinstance(constraint, Atomic):
            yield constraint
        else:
            yield from leaves(constraint.parts)


@dataclass(frozen=True, slots=True)
class Rule:
    """A permission, a prohibition or a duty; its constraints hold together (AND).

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
    """An ODRL offer or agreement. With a flaw it is never permitted, only shown."""

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
    """What the holder says of an asset, whatever the contract: empty means nothing is allowed.

    `purposes`, `regions` and `kinds` (actions, such as medspace:train) list what is allowed; the instants are
    aware, both ends included; an absent one is open. `review`: a person of the holder looks at each result before it
    leaves.
    """

    purposes: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    sensitivity: Sensitivity = Sensitivity.NON_PUBLIC
    review: bool = False


PROTOCOL = "-"  # stands for the kind of an output that is no result: terms cannot name it, and do not speak of it


@dataclass(frozen=True, slots=True)
class UseRequest:
    """What is asked for, and the facts known of it. None is "not known", which never becomes a permission.

    `action` None asks before any use is chosen (catalogue and negotiation): is there something that is allowed?
    `count` is the number of uses under the agreement before this one, `cohort` the persons behind the
    result, `sites` how many holders take part, `holders` the DIDs of the others among them, `colluders` how many of
    them masks withstand, `violated` the clauses of the duties that were violated.
    `noise` is whether answers are `noisy` or `exact`. `time` is aware.
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
    violated: frozenset[str] = frozenset()
