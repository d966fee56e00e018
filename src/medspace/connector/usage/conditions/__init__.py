"""Conditions: each decides on whether a use happens, how narrowly, and what leaves.

A step passes them three times. Each condition grants (`admit`); then, given the combined grant, each judges whether
something new may be asked (`judge`); and only when all have agreed does each spend (`spend`). All of that happens in
the transaction that writes `use.admitted`: a condition keeps its budgets as records in the same database, so that
what was spent is spent exactly once, wherever the connector is stopped.

A condition can only restrict: the worst decision wins, and of two grants the stricter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from medspace.connector.model import Agreement, Transfer
from medspace.connector.ports import FactsOf
from medspace.connector.usage.calls import AdmissibleStep, Holder, Visit
from medspace.connector.usage.model import Job
from medspace.core.decision import Decision, Verdict
from medspace.core.store import Transaction
from medspace.core.usage import Brakes, Grant, Output, Step
from medspace.policy.model import UseRequest

# The columns that the answer to a step under a DSP format can depend on, beside that of the persons; None: every one.
LookedAt = Callable[[str, Step], frozenset[str] | None]

PERMITTED = Decision(Verdict.PERMIT, "permitted")


@dataclass(frozen=True, slots=True)
class Wish:
    """A use that is being requested: the transfer as it would be stored, under its agreement.

    The task is not known yet.
    """

    transfer: Transfer
    agreement: Agreement
    request: UseRequest


@dataclass(frozen=True, slots=True)
class Leaving:
    """An output at the gate. `request` states its kind and the number of persons behind it.

    `numbers` is how many numbers it newly reveals: none for a message or an earlier answer. It is `bounded` where a
    privacy budget limits what it reveals.
    """

    job: Job
    agreement: Agreement
    output: Output
    request: UseRequest
    step: Step
    numbers: int = 0
    bounded: bool = False


class Lasting(NamedTuple):
    """A use that goes on while nothing is asked: its job and agreement, and what would be asked next."""

    job: Job
    agreement: Agreement
    request: UseRequest


class Condition(Protocol):
    """Takes part in decisions on uses. Only `spend`, `left` and `over` write."""

    @property
    def narrows(self) -> bool:
        """Whether its grant may narrow the rows or require a review; if so, it is asked again at the gate."""
        ...

    @property
    def guards_exact(self) -> bool:
        """Whether it guards what exact answers reveal together; it is skipped where a privacy budget limits that."""
        ...

    @property
    def duties(self) -> frozenset[str]:
        """The duties of agreements that it keeps or checks, by their actions."""
        ...

    @property
    def routes(self) -> frozenset[str]:
        """The routes by which it lets rows pass (`policy.credentials.ROUTES`)."""
        ...

    def violated(self, tx: Transaction, agreement: Agreement, user: str) -> frozenset[str]:
        """The clauses of an agreement's duties that were violated, as JSON pointers."""
        ...

    def examine(self, tx: Transaction, wish: Wish) -> Decision:
        """Whether a use may begin or be resumed, as far as that can be decided at the transfer."""
        ...

    def admit(self, tx: Transaction, visit: Visit) -> tuple[Decision, Grant]:
        """Whether a step may be answered, and how narrowly.

        Also asked for a step whose answer the use already has.
        """
        ...

    def judge(self, tx: Transaction, asking: AdmissibleStep) -> Decision:
        """Whether a step that the use has no answer to may be asked; nothing is spent on one that is not `new`."""
        ...

    def spend(self, tx: Transaction, asking: AdmissibleStep) -> None:
        """Spend from a budget for something new. Called once all conditions have agreed, and only then."""
        ...

    def released(self, tx: Transaction, leaving: Leaving) -> Decision:
        """Whether an output may leave.

        Asked twice: with a `cohort` that always suffices, for the part of the decision that anyone may know, then
        with the true one, for the part that only the holder may know. A protocol message is not made of persons, so
        its cohort always suffices.
        """
        ...

    def left(self, tx: Transaction, leaving: Leaving) -> None:
        """Record what leaves, in the transaction of `use.released`; called once all conditions permit it."""
        ...

    def lasts(self, tx: Transaction, lasting: Lasting) -> Decision:
        """Whether a use that has begun may go on although nothing is asked: time, label and user may change.

        Asked whenever one of them may have; a denial ends the use at once, whatever it is doing.
        """
        ...

    def over(self, tx: Transaction, transfer: Transfer, agreement: Agreement, now: datetime) -> None:
        """Record what is owed after a use, in the transaction in which it is over; as its holder and as its user."""
        ...


class Neutral:
    """A condition without objections: a base class with a neutral default for every method."""

    duties: frozenset[str] = frozenset()
    routes: frozenset[str] = frozenset()
    narrows: bool = True
    guards_exact: bool = False

    def violated(self, tx: Transaction, agreement: Agreement, user: str) -> frozenset[str]:
        """No clause was violated."""
        del tx, agreement, user
        return frozenset()

    def examine(self, tx: Transaction, wish: Wish) -> Decision:
        """Permitted."""
        del tx, wish
        return PERMITTED

    def admit(self, tx: Transaction, visit: Visit) -> tuple[Decision, Grant]:
        """Permitted, without narrowing."""
        del tx, visit
        return PERMITTED, Grant()

    def judge(self, tx: Transaction, asking: AdmissibleStep) -> Decision:
        """Permitted."""
        del tx, asking
        return PERMITTED

    def spend(self, tx: Transaction, asking: AdmissibleStep) -> None:
        """Nothing is spent."""

    def released(self, tx: Transaction, leaving: Leaving) -> Decision:
        """Permitted."""
        del tx, leaving
        return PERMITTED

    def left(self, tx: Transaction, leaving: Leaving) -> None:
        """Nothing is recorded."""

    def lasts(self, tx: Transaction, lasting: Lasting) -> Decision:
        """It goes on."""
        del tx, lasting
        return PERMITTED

    def over(self, tx: Transaction, transfer: Transfer, agreement: Agreement, now: datetime) -> None:
        """Nothing is owed."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What conditions are built from: the holder with its notebook, the active brakes, facts about participants.

    `looked_at` tells the columns that the answer to a step of a kind of use can depend on; None: every column.
    """

    holder: Holder
    brakes: Brakes
    facts: FactsOf
    looked_at: LookedAt = lambda _kind, _step: None


Conditions = Sequence[Condition]


def concerned(conditions: Conditions, *, bounded: bool) -> Conditions:
    """The conditions that apply to a step and its output; those that guard exact answers do not under a budget."""
    return [one for one in conditions if not (bounded and one.guards_exact)]


Maker = Callable[[Grounds], Condition]


def kept_duties(conditions: Conditions) -> frozenset[str]:
    """The duties that these conditions keep."""
    return frozenset(duty for condition in conditions for duty in condition.duties)


def kept_routes(conditions: Conditions) -> tuple[str, ...]:
    """The routes that these conditions keep, sorted."""
    return tuple(sorted({route for condition in conditions for route in condition.routes}))
