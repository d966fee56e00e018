"""The transfer process as a state table (DSP 2025-1, Transfer Process Protocol 1.2)."""

from enum import StrEnum
from types import MappingProxyType

from medspace.connector.model import Role
from medspace.connector.model import TransferState as State
from medspace.connector.states import ProcessOwner, StateTable, Transition


class TransferMessage(StrEnum):
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

TABLE: StateTable[State, TransferMessage] = StateTable(
    initial=State.INITIAL,
    terminated=State.TERMINATED,
    termination=TransferMessage.TERMINATION,
    conclusion=TransferMessage.COMPLETION,
    transitions=MappingProxyType(
        {
            (State.INITIAL, TransferMessage.REQUEST): Transition(State.REQUESTED, _CONSUMER),
            (State.REQUESTED, TransferMessage.START): Transition(State.STARTED, _PROVIDER),
            (State.STARTED, TransferMessage.SUSPENSION): Transition(State.SUSPENDED, _EITHER),
            (State.STARTED, TransferMessage.COMPLETION): Transition(State.COMPLETED, _EITHER),
            (State.SUSPENDED, TransferMessage.START): Transition(State.STARTED, _EITHER),
            **{(state, TransferMessage.TERMINATION): Transition(State.TERMINATED, _EITHER) for state in _RUNNING},
        }
    ),
    owners=MappingProxyType(
        {
            State.INITIAL: ProcessOwner.CONSUMER,
            State.REQUESTED: ProcessOwner.PROVIDER,
            State.STARTED: ProcessOwner.EITHER,
            State.SUSPENDED: ProcessOwner.EITHER,
            State.COMPLETED: ProcessOwner.NOBODY,
            State.TERMINATED: ProcessOwner.NOBODY,
        }
    ),
)

# The message that each action of a `Reaction` sends.
ACTIONS = MappingProxyType(
    {
        "request": TransferMessage.REQUEST,
        "start": TransferMessage.START,
        "suspend": TransferMessage.SUSPENSION,
        "complete": TransferMessage.COMPLETION,
        "terminate": TransferMessage.TERMINATION,
    }
)

# After these the consumer cannot use the data, for good or until the next start.
ENDINGS = frozenset({TransferMessage.SUSPENSION, TransferMessage.COMPLETION, TransferMessage.TERMINATION})
