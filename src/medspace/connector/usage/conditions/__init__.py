"""Conditions: each one has a say in whether a use happens, how narrowly, and what leaves.

A step passes them three times. Each grants (`admit`); with what all of them grant together, each judges whether
something new may be asked (`judge`); and only when all have said yes does each spend (`spend`). All of that is in
the transaction that writes `use.admitted`: a condition keeps its budgets as records of the same database, so that
what was spent stays spent wherever the connector stops, and is spent once.

A condition can only take away: of decisions the worst holds, of grants the stricter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from medspace.connector.model import Agreement, Transfer
from medspace.connector.ports import FactsOf
from medspace.connector.usage.calls import AdmissibleStep, Holder, Visit
from medspace.connector.usage.model import Job
from medspace.core.decision import Decision, Verdict
from medspace.core.store import Transaction
from medspace.core.usage import Brakes, Grant, Output, Step
from medspace.policy.model import UseRequest

PERMITTED = Decision(Verdict.PERMIT, "permitted")


@dataclass(frozen=True, slots=True)
class Wish:
    """A use that somebody wants: the transfer as it would be kept, under its agreement; the task is not known yet."""

    transfer: Transfer
    agreement: Agreement
    request: UseRequest


@dataclass(frozen=True, slots=True)
class Leaving:
    """An output at the gate. `request` says of what kind it is, and how many persons stand behind it.

    `numbers` is how many numbers of persons it tells anew: none, where it is a message or was answered before. It is
    `bounded` where a privacy budget bounds what it tells.
    """

    job: Job
    agreement: Agreement
    output: Output
    request: UseRequest
    step: Step
    numbers: int = 0
    bounded: bool = False


class Condition(Protocol):
    """Has a say in uses. Every method but `spend` and `left` only reads."""

    @property
    def narrows(self) -> bool:
        """Whether what it grants may narrow the rows, or want a person to look: it is asked again at the gate."""
        ...

    @property
    def guards_exact(self) -> bool:
        """Whether it guards what exact answers tell together: nobody asks it where a privacy budget bounds that."""
        ...

    @property
    def duties(self) -> frozenset[str]:
        """The duties of agreements that it keeps, or sees kept, by their actions."""
        ...

    def violated(self, tx: Transaction, agreement: Agreement, user: str) -> frozenset[str]:
        """The clauses of an agreement's duties that were violated, as JSON pointers."""
        ...

    def examine(self, tx: Transaction, wish: Wish) -> Decision:
        """Whether a use may begin, or be taken up again, as far as the transfer can tell."""
        ...

    def admit(self, tx: Transaction, visit: Visit) -> tuple[Decision, Grant]:
        """Whether a step may be answered, and how narrowly; asked as well of one that the use has the answer to."""
        ...

    def judge(self, tx: Transaction, asking: AdmissibleStep) -> Decision:
        """Whether a step that the use has no answer to may be asked; of what is not `new` nothing is spent."""
        ...

    def spend(self, tx: Transaction, asking: AdmissibleStep) -> None:
        """Take from a budget what something new costs. Called once all conditions have said yes, and only then."""
        ...

    def released(self, tx: Transaction, leaving: Leaving) -> Decision:
        """Whether an output may leave.

        Asked twice: with a `cohort` that is always enough, for what may be told to everybody, then with the true
        one, for what only the holder is told. A protocol message is not made of persons: its cohort is enough.
        """
        ...

    def left(self, tx: Transaction, leaving: Leaving) -> None:
        """Note what leaves, in the transaction of `use.released`; called once everything permits it."""
        ...


class Neutral:
    """Has nothing against anything: what a condition has no say in, it takes from here."""

    duties: frozenset[str] = frozenset()
    narrows: bool = True
    guards_exact: bool = False

    def violated(self, tx: Transaction, agreement: Agreement, user: str) -> frozenset[str]:
        """Nothing was."""
        del tx, agreement, user
        return frozenset()

    def examine(self, tx: Transaction, wish: Wish) -> Decision:
        """It may."""
        del tx, wish
        return PERMITTED

    def admit(self, tx: Transaction, visit: Visit) -> tuple[Decision, Grant]:
        """It may, as widely as others allow."""
        del tx, visit
        return PERMITTED, Grant()

    def judge(self, tx: Transaction, asking: AdmissibleStep) -> Decision:
        """It may."""
        del tx, asking
        return PERMITTED

    def spend(self, tx: Transaction, asking: AdmissibleStep) -> None:
        """It costs nothing."""

    def released(self, tx: Transaction, leaving: Leaving) -> Decision:
        """It may."""
        del tx, leaving
        return PERMITTED

    def left(self, tx: Transaction, leaving: Leaving) -> None:
        """Nothing is noted."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What conditions are made of: who holds the rows, with its notebook, which brakes are on, who others are."""

    holder: Holder
    brakes: Brakes
    facts: FactsOf


Conditions = Sequence[Condition]


def concerned(conditions: Conditions, *, bounded: bool) -> Conditions:
    """Those that have a say in a step and in what leaves: what guards exact answers has none where a budget does."""
    return [one for one in conditions if not (bounded and one.guards_exact)]


Maker = Callable[[Grounds], Condition]


def kept_duties(conditions: Conditions) -> frozenset[str]:
    """The duties that one of these conditions keeps."""
    return frozenset(duty for condition in conditions for duty in condition.duties)
