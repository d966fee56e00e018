"""What tells one kind of process from the other: its records, its states, its messages and where they go."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic

from medspace.connector.local import Local, pids
from medspace.connector.model import Intent, Kind, P, Process, Reaction
from medspace.connector.states import M, StateTable
from medspace.connector.wire import CONTEXT
from medspace.core.canonical import JsonObject
from medspace.core.paths import path
from medspace.core.store import Collection, Transaction


def type_of(message: StrEnum) -> str:
    """The @type of a message; what stands behind a dot in our name of it tells events of one type apart."""
    return message.value.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Description(Generic[P, M]):
    """One kind of process.

    `actions` says which message each word of a `Reaction` sends, `paths` where a message goes below the process (and
    an initial one below `folder`). From the states in `ours` only our message could have led on when it is our move.
    `note` writes the state that a process came to into the log, with the DID of whoever brought it there.
    """

    kind: Kind
    type: str  # the @type of its state
    folder: str
    collection: Collection[P]
    table: StateTable[Any, M]
    actions: Mapping[str, M]
    paths: Mapping[M, str]
    ours: frozenset[StrEnum]
    leaving: frozenset[M]  # messages that no quota holds back: who wants out, gets out
    note: Callable[[Transaction, str, P], None]

    def fits(self, process: Process, action: str) -> bool:
        """Whether the action is ours to take in the state of the process."""
        return self.table.after(process.state, self.actions[action], process.role) is not None

    def awaits(self, process: Process) -> str:
        """Who moves next: "us", "peer", "either" or "nobody"."""
        return self.table.awaits(process.state, process.role)

    def shown(self, process: Process) -> JsonObject:
        """The process as the counterparty sees it."""
        named = pids(process.role, process.id, process.peer_pid)
        return {"@context": [CONTEXT], "@type": self.type, **named, "state": process.state.value}

    def state_url(self, process: Process) -> str:
        """Where the counterparty tells the state of its side."""
        return process.address + path(self.folder, process.peer_pid or "")

    def url(self, process: Process, message: M) -> str:
        """Where the message goes; the initial ones go to the counterparty's collection."""
        first = process.peer_pid is None
        return f"{f'{process.address}/{self.folder}' if first else self.state_url(process)}/{self.paths[message]}"

    def intent(self, local: Local, process: Process, reaction: Reaction, then: Reaction | None) -> Intent:
        """The intent to send what the first action names, with everything fixed that its repetitions must share."""
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
        )
