"""The ports between masked rounds and what they compute: the protocol knows no statistics, a task knows no masks.

Each round asks one question; every site answers it with integers, of which nobody sees more than the total over the
sites. The next question follows from the total: one site proposes it, with whatever numerics it has, and every site
checks it in exact arithmetic, so that all come to the same state, byte by byte, on whatever processor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from medspace.core.canonical import JsonObject
from medspace.core.material import Material
from medspace.core.usage import Admission
from medspace.runs.ports import Result

State: TypeAlias = JsonObject
"""Where a task stands: canonical JSON without fractions (`core.canonical`), the same bytes at every site."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of the task.

    `name` says which step (moments, newton, evaluation), `inputs` what it is about, as the unmasked protocol would
    put it: numbers are floats. By both a site judges it, audits it against what it answered before, and keeps it in
    its history.
    """

    name: str
    inputs: JsonObject


@dataclass(frozen=True, slots=True)
class Shape:
    """The vector that answers a question.

    `count` is how many numbers it has. `fraction` is how many bits stand behind the point: the integer v stands for
    v * 2**-fraction. `largest` bounds the absolute value of ONE site's integer, for all numbers or for each; it is
    public, and a site whose own would be larger does not answer.
    """

    count: int
    fraction: int
    largest: tuple[int, ...] | int


class Summed(Protocol):
    """One task: the same at every site, and at whoever reads what came of it. It sees totals only."""

    def first(self) -> State:
        """The state before the first question; follows from the task alone."""
        ...

    def asked(self, state: State) -> Asked | None:
        """The question of a state; None where the task is done."""
        ...

    def shape(self, state: State) -> Shape:
        """The vector that answers the question of a state."""
        ...

    def check(self, state: State, total: Sequence[int], sites: int) -> None:
        """Refuse a total of the answers of so many sites that cannot be right.

        Raises:
            TotalInvalidError: it ends the run and names nobody.
        """
        ...

    def propose(self, state: State, total: Sequence[int]) -> JsonObject:
        """What a checked total leads to, found with floating point: canonical JSON, large integers as text.

        It never fails for the sake of the numbers: what cannot be solved is a proposal too, and `follow` decides.
        """
        ...

    def follow(self, state: State, total: Sequence[int], proposal: JsonObject) -> State:
        """The next state, by exact arithmetic on a checked total alone; every branch is taken here.

        Raises:
            ProposalInvalidError: the proposal does not follow from the total; without a name (`of` gives it one).
            RunError: the total leads nowhere, such as where no finite fit is best; nobody is to blame.
        """
        ...

    def without(self, state: State) -> State | None:
        """Where the task goes on once sites have left: what it found with them is no longer a fit of those left.

        None: what was found stands, and the total of those who are left answers the question of the state.
        """
        ...

    def persons(self, state: State) -> int:
        """How many persons stand behind the totals so far; 0 before the first."""
        ...

    def objective(self, state: State) -> str | None:
        """How good the state is, less is better: the exact text of a number, for people; None where not known."""
        ...

    def outcome(self, state: State) -> JsonObject:
        """What the user gets of a task that is done, canonical; nothing else of its totals leaves the sites.

        Raises:
            RunError: it is not done.
        """
        ...

    def result(self, outcome: JsonObject, sites: Sequence[str], own: Mapping[str, JsonObject]) -> Result:
        """The user's side: what the run came to.

        `sites` are the DIDs of those in the total; `own` is what some of them released of themselves
        (`Summing.own_quality`), by DID.

        Raises:
            RunError: the outcome is none of this task.
        """
        ...


class Summing(Protocol):
    """Beside the data: what one site adds to a total. Its own rules hold as they would without masks."""

    def sums(
        self,
        admission: Admission,
        task: JsonObject,
        asked: Asked,
        shape: Shape,
        material: Material | None,
        step_round: int,
    ) -> tuple[list[int], int]:
        """The site's integers, as many as `shape` says, and how many persons stand behind them.

        `step_round` counts the questions of the task from 1.

        Raises:
            InvalidInputError: nobody can answer this question, or not with this data dictionary.
            DisclosureError: the answer would rest on too few persons, or too heavily on one.
        """
        ...

    def own_quality(
        self, admission: Admission, task: JsonObject, asked: Asked, material: Material | None, step_round: int
    ) -> tuple[JsonObject, int] | None:
        """How good the outcome is at this site by itself, coarsened, and the persons behind that; no part of a total.

        It may leave only where the site's offer lists it. None where the question is not about quality.

        Raises:
            InvalidInputError, DisclosureError: as `sums`.
        """
        ...


class MaskedTask(Protocol):
    """One kind of task under masks: its line beside that of the engine."""

    @property
    def name(self) -> str:
        """What the field `task` of its documents says, such as `glm`."""
        ...

    @property
    def summing(self) -> Summing:
        """What answers beside the data."""
        ...

    def summed(self, task: JsonObject) -> Summed:
        """Read a task.

        Raises:
            TaskInvalidError: with the field and what is wrong with it.
        """
        ...
