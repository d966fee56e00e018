"""The types of the policy room: policies as in ODRL, labels, and requests."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from medspace.core.credentials import Proved
from medspace.core.text import Text
from medspace.core.usage import Measure

# The meaning of a right operand: an instant, a number, one term, or several terms.
Value = datetime | int | str | tuple[str, ...] | Measure | tuple[Proved, ...]


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
    """An ODRL offer or agreement. A policy with a flaw is shown, but never permits anything.

    `replaces` is the agreement whose place it takes (`dct:replaces`, ODRL Information Model 2.8).
    """

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
    replaces: str | None = None


class Sensitivity(StrEnum):
    """The access rights classes of HealthDCAT-AP."""

    PUBLIC = "public"
    RESTRICTED = "restricted"
    NON_PUBLIC = "non-public"


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """The label of a part of an asset: None is as that of the whole, an empty list allows nothing."""

    purposes: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    sensitivity: Sensitivity | None = None
    laws: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPortion(Portion):
    """The label of some columns; `*` are all that no other one names. A column that none names is closed."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPortion(Portion):
    """The label of the rows with one of these values in a column; with `others`, of all rows with any other value.

    Rows that no portion of their column names are closed.
    """

    column: str
    values: tuple[str, ...] = ()
    others: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """What the holder says of an asset, whatever the contract; an empty label allows nothing.

    `purposes`, `regions` and `kinds` (actions, such as medspace:train) list what is allowed; the instants have a time
    zone, and both ends are included; an absent one leaves that side open. `review`: one person of the holder, or two,
    must review each result before it leaves. `events` have happened and `states` hold, as far as terms ask for them.
    `laws` are the rule packs that apply (`policy.laws`), `origin` is the tier that the data come from (such as
    primary-care), `columns` and `rows` are the labels of parts.
    """

    purposes: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    sensitivity: Sensitivity = Sensitivity.NON_PUBLIC
    review: bool | Literal[2] = False
    events: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    laws: tuple[str, ...] = ()
    origin: str = ""
    columns: tuple[ColumnPortion, ...] = ()
    rows: tuple[RowPortion, ...] = ()

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
    the model is that is about to leave (`gates`). `elapsed` is how many seconds ago the agreement was made, `roles`
    are those of the user, `application` is the kind of task, `events` and `states` are what the holder says of the
    asset. `credentials` are what the user has proved, `routes` those by which the holder lets rows pass.
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
    elapsed: int | None = None
    roles: tuple[str, ...] | None = None
    application: str | None = None
    events: tuple[str, ...] | None = None
    states: tuple[str, ...] | None = None
    credentials: tuple[Proved, ...] | None = None
    routes: tuple[str, ...] | None = None
