"""The records of duties: what one party owes another after a use."""

from dataclasses import dataclass
from enum import StrEnum

from medspace.connector.model import Role
from medspace.core.canonical import JsonObject
from medspace.core.store import Collection

FULFIL, PROVE, AWAIT = "fulfil", "prove", "await"


class OwedState(StrEnum):
    """The states of a duty; `rules.MOVES` says which follows which."""

    OPEN = "open"
    KEPT = "kept"  # the user's log proves that it was done in time
    BROKEN = "broken"  # overdue; the holder's people were told
    LATE = "late"  # it was broken, and done later
    WAIVED = "waived"  # the holder gave it up


@dataclass(frozen=True, slots=True)
class OwedDuty:
    """One duty after one use: at the user what it owes, at the holder what it is owed.

    `use` is one's own pid of the transfer, `ref` the holder's, by which both name it; `since` when the use was over
    here. `done` is what the user's log says, `entry` where (at the user). `delivered`: the holder has the proof.
    `proof` is the proof as the holder was given it; `code` why the last one was refused. `told` is when the people
    here were told that it is overdue.
    """

    id: str  # digest of agreement, holder's pid of the use and clause: the same on both sides
    role: Role  # ours: CONSUMER owes, PROVIDER is owed
    agreement: str
    use: str
    ref: str
    counterparty: str  # DID
    dataset: str
    kind: str  # of the use (a DSP format)
    clause: str
    action: str
    since: str
    due: str
    state: OwedState = OwedState.OPEN
    done: str = ""
    entry: int = -1
    delivered: bool = False
    proof: JsonObject | None = None
    told: str = ""
    code: str = ""
    by: str = ""  # which actor here waived it (`core.actors`)

    @property
    def step(self) -> str | None:
        """What is next: at the user to `fulfil`, then to `prove` it; at the holder to `await` it. None at the end."""
        if self.role is Role.PROVIDER:
            return AWAIT if self.state is OwedState.OPEN else None
        if self.entry < 0:
            return FULFIL
        return None if self.delivered else PROVE


DUTIES = Collection("owed_duties", OwedDuty, keys=("role", "state", "agreement", "use", "due", "since", "step"))
COLLECTIONS = (DUTIES,)
