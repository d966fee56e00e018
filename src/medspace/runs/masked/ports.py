"""The ports between masked rounds and what they compute: the protocol knows no statistics, a task knows no masks.

Each round asks one question; every site answers it with integers, of which nobody sees more than the total over the
sites. The next question follows from the total: one site proposes it, with whatever numerics it has, and every site
checks it in exact arithmetic, so that all come to the same state, byte by byte, on whatever processor.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from medspace.core.canonical import JsonObject
from medspace.core.material import Material
from medspace.core.parts import Blobs, Part
from medspace.core.usage import Admission, HolderNote, Measure
from medspace.runs.ports import Result

State: TypeAlias = JsonObject
"""Where a task stands: canonical JSON without fractions (`core.canonical`), the same bytes at every site."""

Integers: TypeAlias = NDArray[np.signedinteger[Any]]
"""Some numbers of a large vector, one after the other."""


@dataclass(frozen=True, slots=True)
class TaskQuestion:
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
    public, and a site whose own would be larger does not answer. `bits` are those of a masked number: 192 for up to
    64 k numbers, of which every site gets every vector and adds up itself; 32 or 64 for vectors of any size, which
    the coordinator adds up (`SummedParts`). With `shares` every site adds noise to its integers
    (`privacy.noise.gaussian`), whose size so many honest sites make up; `largest` has room for it.
    """

    count: int
    fraction: int
    largest: tuple[int, ...] | int
    bits: int = 192
    shares: int = 0

    def holds(self, numbers: Sequence[int], sites: int = 1) -> bool:
        """Whether these can be the sum of the vectors of so many sites, each number within its bound."""
        largest = self.largest if isinstance(self.largest, tuple) else (self.largest,) * self.count
        return len(numbers) == self.count and all(
            abs(one) <= most * sites for one, most in zip(numbers, largest, strict=True)
        )


class Steered(Protocol):
    """What every task can say about its states: the same at every site, and for readers of the outcome."""

    def first(self) -> State:
        """The state before the first question; follows from the task alone."""
        ...

    def asked(self, state: State) -> TaskQuestion | None:
        """The question of a state; None where the task is done."""
        ...

    def shape(self, state: State) -> Shape:
        """The vector that answers the question of a state."""
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


class Summed(Steered, Protocol):
    """One task whose questions are answered by vectors that every site adds up itself. It sees totals only."""

    def check(self, state: State, total: Sequence[int], sites: int) -> None:
        """Refuse a total of the answers of so many sites that cannot be right.

        Raises:
            TotalInvalidError: it ends the run and names nobody.
        """
        ...

    def propose(self, state: State, total: Sequence[int]) -> JsonObject:
        """What a checked total leads to, found with floating point: canonical JSON, large integers as text.

        It never fails because of the numbers: an unsolvable step is a proposal too, and `follow` decides.
        """
        ...

    def follow(self, state: State, total: Sequence[int], proposal: JsonObject, sites: int = 0) -> State:
        """The next state, by exact arithmetic on a checked total alone; every branch is taken here.

        `sites` is how many are in the total, by the list that all of them signed: each has added its noise, if there
        is any. 0: as few as the task counts on.

        Raises:
            ProposalInvalidError: the proposal does not follow from the total; without a name (`of` gives it one).
            RunError: the total leads nowhere, such as where no finite fit is best; nobody is to blame.
        """
        ...

    def without(self, state: State) -> State | None:
        """The state from which the task continues once sites have left, if results with them no longer apply.

        None: results are kept, and the total of the remaining sites answers the question of the state.
        """
        ...

    def result(self, outcome: JsonObject, sites: Sequence[str], own: Mapping[str, JsonObject]) -> Result:
        """The user's side: what the run came to.

        `sites` are the DIDs of those in the total; `own` is what some of them released of themselves
        (`Summing.own_quality`), by DID.

        Raises:
            RunError: the outcome does not belong to this task.
        """
        ...


@runtime_checkable
class SummedParts(Steered, Protocol):
    """One task whose questions are answered by vectors too large for every site to get them all.

    The coordinator adds them up under their masks, and could bring another sum than that: the engine of such a task
    says so (`core.engine.MASKED_WEIGHTS`). All shapes have 32 or 64 bits and one bound for all numbers. There are no
    proposals: every site comes to the next state by itself. Large vectors of a state are parts that it names.
    """

    def advance(self, state: State, total: Iterator[Integers], sites: int, blobs: Blobs) -> State:
        """The state that a total over so many sites leads to; `total` are its numbers, one block after the other.

        By + - x / and square roots of each number alone, which are rounded alike on every processor, so that all
        sites come to the same bytes. Each number is within the bound of so many sites, or reading it raises.

        Raises:
            TotalInvalidError: the total cannot be right.
            RunError: it leads nowhere; nobody is to blame.
        """
        ...

    def parts(self, state: State) -> tuple[Part, ...]:
        """The parts that leave with the outcome of a task that is done."""
        ...

    def result(
        self, outcome: JsonObject, sites: Sequence[str], own: Mapping[str, JsonObject], blobs: Blobs
    ) -> Result:
        """The user's side, as in `Summed`; `blobs` has the parts of the outcome.

        Raises:
            RunError: the outcome does not belong to this task.
        """
        ...


class Summing(Protocol):
    """Beside the data: what one site adds to a total. Its own rules hold as they would without masks."""

    def sums(
        self,
        admission: Admission,
        task: JsonObject,
        asked: TaskQuestion,
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
        self, admission: Admission, task: JsonObject, asked: TaskQuestion, material: Material | None, step_round: int
    ) -> tuple[JsonObject, int] | None:
        """How good the outcome is at this site by itself, coarsened, and the persons behind that; no part of a total.

        It may leave only where the site's offer lists it. None where the question is not about quality.

        Raises:
            InvalidInputError, DisclosureError: as `sums`.
        """
        ...


@runtime_checkable
class Telling(Protocol):
    """A `Summing` that tells the holder something about its rows, such as how many were clipped."""

    def told_sums(
        self,
        admission: Admission,
        task: JsonObject,
        asked: TaskQuestion,
        shape: Shape,
        material: Material | None,
        step_round: int,
    ) -> tuple[list[int], int, tuple[HolderNote, ...]]:
        """What `sums` gives, called in its place, and the notes; these are for the holder alone.

        Raises:
            InvalidInputError, DisclosureError: as `sums`.
        """
        ...


@runtime_checkable
class Revealing(Protocol):
    """A `Summing` of which a total may show what one site alone has: of tasks whose terms allow that."""

    def shown(self, admission: Admission, task: JsonObject, asked: TaskQuestion, step_round: int) -> str | None:
        """The kind of output that the answer of this site is for the others, as terms list it; None: none."""
        ...


@runtime_checkable
class Measuring(Protocol):
    """A `Summed` that can say how good the model of a task that is done is, for terms that demand something of it."""

    def measures(self, state: State, own: JsonObject) -> tuple[Measure, ...]:
        """The measures, by the names of `policy.gates`; `own` is `Summing.own_quality` of the site that asks.

        Taken at the worse end of what a count leaves open, so that counting more coarsely gains nothing.
        """
        ...


class SummingParts(Protocol):
    """Beside the data: what one site adds to a total of large vectors (`SummedParts`)."""

    def blocks(
        self,
        admission: Admission,
        task: JsonObject,
        asked: TaskQuestion,
        shape: Shape,
        material: Material | None,
        step_round: int,
        blobs: Blobs,
    ) -> tuple[Iterator[Integers], int]:
        """The site's integers, cut into blocks anywhere, and how many persons stand behind them.

        `blobs` has the parts that the question names.

        Raises:
            InvalidInputError, DisclosureError: as `Summing.sums`.
        """
        ...


class MaskedTask(Protocol):
    """One kind of task under masks: its line beside that of the engine."""

    @property
    def name(self) -> str:
        """What the field `task` of its documents says, such as `glm`."""
        ...

    @property
    def summing(self) -> Summing | SummingParts:
        """What answers beside the data."""
        ...

    def summed(self, task: JsonObject) -> Summed | SummedParts:
        """Read a task.

        Raises:
            TaskInvalidError: with the field and what is wrong with it.
        """
        ...
