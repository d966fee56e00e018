"""The transfer process as a state table (DSP 2025-1, Transfer Process Protocol 1.2)."""

from enum import StrEnum
from types import MappingProxyType

from medspace.connector.model import Role
from medspace.connector.model import TransferState as State
from medspace.connector.states import Owner, StateTable, Transition


class Message(StrEnum):
    """The messages of a transfer process."""

    REQUEST = "TransferRequestMessage"
    START = "TransferStartMessage"
    SUSPENSION = "TransferSuspensionMessage"
    COMPLETION = "TransferCompletionMessage"
    TERMINATION = "TransferTerminationMessage"


_CONSUMER = frozenset({Role.CONSUMER})
_PROVIDER = frozenset({Role.PROVIDER})
_EITHER = _CONSUMER | _PROVIDER

_RUNNING = (State.REQUESTED, State.STARTED, State.SUSPENDED)

TABLE: StateTable[State, Message] = StateTable(
    initial=State.INITIAL,
    terminated=State.TERMINATED,
    termination=Message.TERMINATION,
    conclusion=Message.COMPLETION,
    transitions=MappingProxyType(
        {
            (State.INITIAL, Message.REQUEST): Transition(State.REQUESTED, _CONSUMER),
            (State.REQUESTED, Message.START): Transition(State.STARTED, _PROVIDER),
            (State.STARTED, Message.SUSPENSION): Transition(State.SUSPENDED, _EITHER),
            (State.STARTED, Message.COMPLETION): Transition(State.COMPLETED, _EITHER),
            (State.SUSPENDED, Message.START): Transition(State.STARTED, _EITHER),
            **{(state, Message.TERMINATION): Transition(State.TERMINATED, _EITHER) for state in _RUNNING},
        }
    ),
    owners=MappingProxyType(
        {
            State.INITIAL: Owner.CONSUMER,
            State.REQUESTED: Owner.PROVIDER,
            State.STARTED: Owner.EITHER,
            State.SUSPENDED: Owner.EITHER,
            State.COMPLETED: Owner.NOBODY,
            State.TERMINATED: Owner.NOBODY,
        }
    ),
)

# What the words of a `Reaction` send.
ACTIONS = MappingProxyType(
    {
        "request": Message.REQUEST,
        "start": Message.START,
        "suspend": Message.SUSPENSION,
        "complete": Message.COMPLETION,
        "terminate": Message.TERMINATION,
    }
)

# After these the consumer has no use of the data, for good or until the next start.
ENDINGS = frozenset({Message.SUSPENSION, Message.COMPLETION, Message.TERMINATION})
