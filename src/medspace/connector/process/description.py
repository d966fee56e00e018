"""What distinguishes one kind of process from the other: its records, states, messages and endpoints."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from medspace.connector.local import Local, pids
from medspace.connector.model import Intent, P, Process, ProcessKind, Reaction
from medspace.connector.states import M, StateTable
from medspace.connector.wire import CONTEXT
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.paths import path
from medspace.core.store import Collection, Transaction

N_contra = TypeVar("N_contra", bound=Process, contravariant=True)


class ProcessNote(Protocol[N_contra]):
    """Writes a log entry for the new state of a process."""

    def __call__(self, tx: Transaction, actor: str, process: N_contra, /, by: str = NOBODY) -> None:
        """`actor` is the DID of the party that caused it, `by` the person or token, where it was one of ours."""
        ...


def type_of(message: StrEnum) -> str:
    """The @type of a message; the suffix after a dot in our own names distinguishes events of one type."""
    return message.value.partition(".")[0]


@dataclass(frozen=True, slots=True)
class ProcessDescription(Generic[P, M]):
    """One kind of process.

    `actions` says which message each action of a `Reaction` sends, `paths` where a message goes below the process
    (and an initial one below `folder`). In the states in `ours` it is our move, and only our message can have led on.
    `note` writes the state that a process reached to the log.
    """

    kind: ProcessKind
    type: str  # the @type of its state
    folder: str
    collection: Collection[P]
    table: StateTable[Any, M]
    actions: Mapping[str, M]
    paths: Mapping[M, str]
    ours: frozenset[StrEnum]
    leaving: frozenset[M]  # messages that no quota blocks: a party can always terminate
    note: ProcessNote[P]

    def fits(self, process: Process, action: str) -> bool:
        """Whether the action is ours to take in the state of the process."""
        return self.table.after(process.state, self.actions[action], process.role) is not None

    def awaits(self, process: Process) -> str:
        """Who moves next: "us", "peer", "either" or "nobody"."""
        return self.table.awaits(process.state, process.role)

    def shown(self, process: Process) -> JsonObject:
        """The process in the form shown to the counterparty."""
        named = pids(process.role, process.id, process.peer_pid)
        return {"@context": [CONTEXT], "@type": self.type, **named, "state": process.state.value}

    def state_url(self, process: Process) -> str:
        """The URL at which the counterparty shows its side's state."""
        return process.address + path(self.folder, process.peer_pid or "")

    def url(self, process: Process, message: M) -> str:
        """Where the message goes; the initial ones go to the counterparty's collection."""
        first = process.peer_pid is None
        return f"{f'{process.address}/{self.folder}' if first else self.state_url(process)}/{self.paths[message]}"

    def intent(self, local: Local, process: Process, reaction: Reaction, then: Reaction | None) -> Intent:
        """The intent to send the first action's message, with everything that its repetitions must share fixed."""
        action = reaction.actions[0]
        message = self.actions[action]
        body = {"@context": [CONTEXT], "@id": local.new_id(), "@type": type_of(message)}
        return Intent(
            id=process.id,
            kind=self.kind,
            action=action,
            url=self.url(process, message),
            audience=process.counterparty,
            message=body | pids(process.role, process.id, process.peer_pid),
            due=local.now(after=reaction.delay),
            created=local.now(),
            then=then,
            by=reaction.by,
        )
