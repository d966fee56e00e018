"""What negotiations and transfers have in common: state tables, and what to do when messages cross.

A state is reached on the counterparty's acknowledgement, never on sending (DSP 2025-1, Contract Negotiation 1.2 and
Transfer Process 1.2). So a message of the counterparty may arrive while one of ours is in flight, and the two may
have crossed. `crossing` decides what that means, so that both ends always reach the same state:

- the consumer accepts every message that fits its state; the provider accepts none while the consumer may still
  accept the provider's own: it first waits for the answer to its own message;
- a message that fits only the state after our own message proves that ours was accepted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Generic, TypeAlias, TypeVar

from medspace.connector.errors import TransitionError
from medspace.connector.model import Intent, Role

S = TypeVar("S", bound=StrEnum)
M = TypeVar("M", bound=StrEnum)


class ProcessOwner(StrEnum):
    """Whose move it is in a state."""

    PROVIDER = "provider"
    CONSUMER = "consumer"
    EITHER = "either"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Transition(Generic[S]):
    """Where a message leads, and who may send it."""

    state: S
    senders: frozenset[Role]


@dataclass(frozen=True, slots=True)
class StateTable(Generic[S, M]):
    """A state machine as a table: (state, message) -> (state, senders); each state has one owner.

    `termination` leads to `terminated` from wherever it is legal; `conclusion` is the message that ends it normally.
    """

    initial: S
    terminated: S
    termination: M
    conclusion: M
    transitions: Mapping[tuple[S, M], Transition[S]]
    owners: Mapping[S, ProcessOwner]

    def after(self, state: S, message: M, sender: Role) -> S | None:
        """The state that the message leads to; None where it is not legal."""
        transition = self.transitions.get((state, message))
        return transition.state if transition is not None and sender in transition.senders else None

    def step(self, state: S, message: M, sender: Role) -> S:
        """The state that the message leads to.

        Raises:
            TransitionError: it is not legal in this state from this sender.
        """
        reached = self.after(state, message, sender)
        if reached is None:
            raise TransitionError(message=message.value, sender=sender.value, state=state.value)
        return reached

    def final(self, state: S) -> bool:
        """Whether the state is terminal."""
        return self.owners[state] is ProcessOwner.NOBODY

    def yields(self, received: M, own: M) -> bool:
        """Whether a message is accepted while our own still may be: a termination, unless ours is final."""
        return received is self.termination and own is not self.conclusion

    def awaits(self, state: S, role: Role) -> str:
        """Who moves next, as our `role` sees it: "us", "peer", "either" or "nobody"."""
        owner = self.owners[state]
        if state is self.initial:
            return "us"  # nobody else knows of it
        if owner in (ProcessOwner.NOBODY, ProcessOwner.EITHER):
            return owner.value
        return "us" if owner.value == role.value else "peer"

    def diagram(self) -> str:
        """The table as a mermaid state diagram (C: by the consumer, P: by the provider)."""
        lines = ["stateDiagram-v2"]
        for (state, message), transition in self.transitions.items():
            source = "[*]" if state is self.initial else state.value
            by = "/".join(sorted(role.value[0].upper() for role in transition.senders))
            lines.append(f"    {source} --> {transition.state.value}: {message.value} ({by})")
        lines += [f"    {state.value} --> [*]" for state in self.owners if self.final(state)]
        return "\n".join(lines) + "\n"


class DeliveryState(Enum):
    """What is known about our own message of a process."""

    NONE = "none"  # there is none
    RESTING = "resting"  # to be sent, and surely not accepted yet
    FLYING = "flying"  # sent, or about to be; the answer is awaited
    DOUBTFUL = "doubtful"  # sent, and no answer came


# Looks up what is known of our own message.
DeliveryStateOf: TypeAlias = Callable[[Intent], DeliveryState]


class Crossing(Enum):
    """What to do with a message of the counterparty."""

    TAKE = "take"  # judge it by the current state
    IMPLY = "imply"  # it proves that our own message was accepted: record that, then judge it
    WAIT = "wait"  # the answer to our own message will decide
    LATER = "later"  # undecidable now; the counterparty is to send it again


@dataclass(frozen=True, slots=True)
class Meeting(Generic[S, M]):
    """A message of the counterparty that meets a message of ours in the same process."""

    role: Role  # ours
    state: S
    received: M
    own: M
    standing: DeliveryState

    def fits(self, table: StateTable[S, M]) -> bool:
        """Whether it is legal in the current state; before the first acknowledgement nothing is."""
        return self.state is not table.initial and table.after(self.state, self.received, self.role.other) is not None

    def fits_after(self, table: StateTable[S, M]) -> bool:
        """Whether it is legal in the state that our own message leads to."""
        reached = table.after(self.state, self.own, self.role)
        return reached is not None and table.after(reached, self.received, self.role.other) is not None


def crossing(table: StateTable[S, M], met: Meeting[S, M]) -> Crossing:
    """What to do with the message, so that both ends reach the same state."""
    fits, fits_after = met.fits(table), met.fits_after(table)
    if met.standing in (DeliveryState.NONE, DeliveryState.RESTING) or not (fits or fits_after):
        return Crossing.TAKE  # and refuse it, where it is legal in neither
    if fits and met.role is Role.CONSUMER:
        return Crossing.TAKE
    if met.standing is DeliveryState.FLYING:
        return Crossing.WAIT
    if not fits:
        return Crossing.IMPLY
    return (
        Crossing.TAKE if table.yields(met.received, met.own) else Crossing.LATER
    )  # both orders lead to the same state
