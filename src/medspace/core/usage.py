"""The plain words of usage control that any room may read: admission, output, release; the engine port.

Only `connector.usage` makes an `Admission` or a `Release` (a test proves it). An engine takes an admission,
never a table: so there is no second way to the rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from medspace.core.canonical import Json, JsonObject, exact
from medspace.core.dictionary import Dictionary
from medspace.core.hashing import digest


@dataclass(frozen=True, slots=True)
class Brakes:
    """What slows down whoever wants to read persons out of answers. All are on; nothing that a user sets changes one.

    They are one value so that an attack test can switch off a single one and show that the attack needs it gone.
    """

    once: bool = True  # one answer per round and step of a use, rounds only forward, few questions per use
    questions: bool = True  # few questions with free inputs per asset and year, over all users
    sites: bool = True  # the run names as many other holders as the contract wants
    bounds: bool = True  # coefficients and layouts only within what the dictionary allows; predictors clipped
    heaviest: bool = True  # no person weighs more than 1 / min_cohort of all
    rounding: bool = True  # released numbers are rounded to 2^-24 of their bound
    outcomes: bool = True  # targets are whole columns or outcomes that the holder declares, and counted on both sides
    coarsening: bool = True  # what is summed is what was counted
    split: bool = True  # the hold-out split is keyed by a secret of the holder
    changes: bool = True  # a table that changed by a few persons answers only what it has answered before
    exposure: bool = True  # no combination of all answers rests on one person


@dataclass(frozen=True, slots=True)
class Admission:
    """The holder's yes to one use of one asset: which rows, which outputs, which limits, until when.

    `seed` is the holder's secret for this asset: it decides what no asker may foresee, such as who is held out.
    `history` is every question that the asset has answered before and still counts, of whatever user, oldest first.
    """

    id: str
    agreement: str
    use: str  # the DSP transfer process, by the holder's pid
    holder: str  # DID
    user: str  # DID
    asset: str
    kind: str  # the DSP format, such as medspace:train
    purpose: str
    task: str  # digest of the task that was admitted
    outputs: tuple[str, ...]  # kinds of output that may leave
    min_cohort: int  # persons behind an output, at least
    min_sites: int  # holders behind a result, at least
    expires: datetime
    entry: int  # index in the holder's log
    seed: bytes = field(default=b"", repr=False)
    history: "tuple[Step, ...]" = field(default=(), repr=False)
    brakes: Brakes = Brakes()


@dataclass(frozen=True, slots=True)
class Step:
    """One request to a job endpoint: a task, the round it is in, what the round needs, and all holders it is put to.

    `sites` are DIDs, sorted, those of the run from its beginning; without them only this holder is asked.
    """

    task: JsonObject
    round: int
    name: str  # what is asked for, such as moments, gradient, evaluation
    inputs: JsonObject = field(default_factory=dict)
    sites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """What an engine made, before the gate has seen it. Numbers in `values` may be fractions."""

    kind: str
    values: Mapping[str, Json]
    cohort: int  # persons behind it


@dataclass(frozen=True, slots=True)
class Release:
    """An output that passed the gate and may leave. `digest` is over kind, round, cohort and values as text."""

    id: str
    admission: str
    kind: str
    round: int
    values: Mapping[str, Json]
    cohort: int
    digest: str
    entry: int  # index in the holder's log


def release_digest(kind: str, number: int, cohort: int, values: Mapping[str, Json]) -> str:
    """The digest by which the logs of both sides name a release; `number` is the round; fractions as exact text.

    Raises:
        ValueError: the values are not JSON with finite numbers.
    """
    return digest(exact({"kind": kind, "round": number, "cohort": cohort, "values": dict(values)}))


class Rows(Protocol):
    """The rows that an admission opened, column by column."""

    @property
    def count(self) -> int:
        """How many rows."""
        ...

    def persons(self) -> Iterable[int]:
        """Whose row each one is: equal numbers for the same person, meaningless otherwise.

        The row's own number where the dictionary names no person column.
        """
        ...

    @property
    def dictionary(self) -> Dictionary:
        """What the columns mean, which values they may hold, which outcomes the holder declares."""
        ...

    def marks(self, key: bytes) -> tuple[Iterable[int], Iterable[int]]:
        """For each row two keyed digests of 64 bits: of the person, and of everything that the row says.

        A person's is the same in every version of the table, wherever the row stands. Where the dictionary names no
        person column, the row's whole content (and how many equal rows came before it) stands for the person.
        """
        ...

    def numbers(self, column: str) -> Iterable[float]:
        """A numeric column; NaN where the value is missing."""
        ...

    def codes(self, column: str) -> Sequence[str | None]:
        """A coded column; None where the value is missing."""
        ...


class RowSource(Protocol):
    """Opens rows, for an admission only."""

    def open(self, admission: Admission) -> Rows:
        """The rows of the admitted asset."""
        ...


class Engine(Protocol):
    """Answers the steps of one kind of use beside the data."""

    @property
    def kind(self) -> str:
        """The DSP format that this engine serves, such as `medspace:train`."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """Every kind of output that it can make."""
        ...

    @property
    def steps(self) -> tuple[str, ...]:
        """The name of every step that it answers; a step of another name is refused before anything is noted."""
        ...

    def check(self, task: JsonObject) -> None:
        """Refuse a task that this engine cannot run as it stands, before anything is noted; it sees no rows.

        Raises:
            InvalidInputError: with what is wrong in it.
        """
        ...

    def answer(self, admission: Admission, step: Step, source: RowSource) -> Output:
        """Do one step on the admitted rows. Blocking; called in a worker thread."""
        ...
