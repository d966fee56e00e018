"""The walk of a task under masks through its phases: what `runs.masked.ports.Summed` asks, answered phase by phase.

A kind of task says what each of its phases asks, adds up and leads to; the walk is the same for all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid
from medspace.learning.proposals import empty
from medspace.runs.errors import RunError
from medspace.runs.masked.errors import TotalInvalidError
from medspace.runs.masked.ports import Shape, State, TaskQuestion

DONE = "done"


class Standing(Protocol):
    """Where a task stands after `round` totals."""

    @property
    def phase(self) -> str:
        """What the next round asks; `done` asks nothing."""
        ...

    @property
    def round(self) -> int:
        """How many totals there were."""
        ...

    @property
    def persons(self) -> int:
        """Those behind the totals so far; 0 before the first."""
        ...

    @property
    def objective(self) -> float | None:
        """How good it is, less is better; None where not known."""
        ...

    def written(self) -> State:
        """The same as canonical JSON."""
        ...


Stand = TypeVar("Stand", bound=Standing)


def _nothing(stand: Standing) -> JsonObject:
    del stand
    return {}


@dataclass(frozen=True, slots=True)
class Phase(Generic[Stand]):
    """One phase: the vector that answers its question, which totals cannot be right, what follows from one.

    `check` and `follow` are given totals that have the shape, and last how many sites are in it. Where a phase
    has a `propose`, its `follow` judges what was proposed; elsewhere nothing may be proposed. With `restarts`, the
    task begins again once a site has left in this phase.
    """

    shape: Callable[[Stand], Shape]
    check: Callable[[Stand, Sequence[int], int], None]
    follow: Callable[[Stand, Sequence[int], JsonObject, int], Stand]
    inputs: Callable[[Stand], JsonObject] = _nothing
    propose: Callable[[Stand, Sequence[int]], JsonObject] | None = None
    restarts: bool = False


class Walk(Generic[Stand]):
    """The first part of `runs.masked.ports.Summed`, by the phases of a kind of task."""

    __slots__ = ()

    @property
    def phases(self) -> Mapping[str, Phase[Stand]]:
        """All of them, by name, but the last, which asks nothing."""
        raise NotImplementedError

    def start(self) -> Stand:
        """Where the task stands before the first question."""
        raise NotImplementedError

    def read(self, state: State) -> Stand:
        """What was written."""
        raise NotImplementedError

    def first(self) -> State:
        """Nothing is known yet."""
        return self.start().written()

    def asked(self, state: State) -> TaskQuestion | None:
        """The question of the phase."""
        stand = self.read(state)
        return None if stand.phase == DONE else TaskQuestion(str(stand.phase), self._of(stand).inputs(stand))

    def shape(self, state: State) -> Shape:
        """The vector of the phase."""
        stand = self.read(state)
        return self._of(stand).shape(stand)

    def check(self, state: State, total: Sequence[int], sites: int) -> None:
        """Whether a total can be right.

        Raises:
            TotalInvalidError: it cannot.
        """
        stand = self.read(state)
        phase = self._of(stand)
        within(phase.shape(stand), total, sites, stand.round + 1)
        phase.check(stand, total, sites)

    def propose(self, state: State, total: Sequence[int]) -> JsonObject:
        """What the phase proposes; nothing in most."""
        stand = self.read(state)
        propose = self._of(stand).propose
        return {} if propose is None else propose(stand, total)

    def follow(self, state: State, total: Sequence[int], proposal: JsonObject, sites: int = 0) -> State:
        """The next state; it depends only on the total.

        Raises:
            ProposalInvalidError: the proposal does not follow from the total.
            RunError: nothing follows.
        """
        stand = self.read(state)
        phase = self._of(stand)
        if phase.propose is None:
            empty(proposal, stand.round + 1)
        return phase.follow(stand, total, proposal, sites).written()

    def without(self, state: State) -> State | None:
        """Begin again, where the phase does once a site has left."""
        phase = self.phases.get(str(self.read(state).phase))
        return self.first() if phase is not None and phase.restarts else None

    def persons(self, state: State) -> int:
        """Those of the fit, at all sites."""
        return self.read(state).persons

    def objective(self, state: State) -> str | None:
        """The exact text of the objective."""
        found = self.read(state).objective
        return None if found is None else repr(found)

    def _of(self, stand: Stand) -> Phase[Stand]:
        phase = self.phases.get(str(stand.phase))
        if phase is None:  # it is done, and nobody asks
            raise RunError
        return phase


def within(shape: Shape, total: Sequence[int], sites: int, question: int) -> None:
    """Check that a total has its shape and could be that of so many sites.

    Raises:
        TotalInvalidError: it does not, or could not.
    """
    if len(total) != shape.count:
        raise TotalInvalidError(round=question, reason=Text(msgid("it has the wrong shape")))
    if not shape.holds(total, sites):
        sentence = msgid("it is larger than sums of so many sites can be")
        raise TotalInvalidError(round=question, reason=Text(sentence))
