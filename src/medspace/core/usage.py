"""The plain words of usage control that any room may read: admission, grant, step, output, release.

Only `connector.usage` makes an `Admission` or a `Release` (a test proves it). A source opens material for an
admission only (`core.material`), an engine works where usage control lets it (`core.engine`): so there is no second
way to the rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from medspace.core.canonical import LARGEST_INTEGER, Json, JsonObject, exact
from medspace.core.hashing import digest
from medspace.core.parts import Part


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
    numbers: bool = True  # an asset gives no more numbers that persons stand behind than its holder has set
    sets: bool = True  # under masks an asset is summed up in one set of holders
    fixed: bool = True  # under masks a use ends once its rows are no longer those that it began with
    budget: bool = True  # noisy answers are paid for from the asset's privacy budget, which no other answers widen
    noise: bool = True  # a task that says so gets its noise
    steady: bool = True  # a clock that is set back revives nothing
    clipping: bool = True  # what one patient adds to a noisy total is clipped
    consent: bool = True  # where rows pass by consent, those of patients who do not consent stay out


@dataclass(frozen=True, slots=True)
class RowScope:
    """Only the rows that have one of these values in a column; with `within` False, only those that have none.

    A missing value is among no values.
    """

    column: str
    values: frozenset[str]
    within: bool = True


@dataclass(frozen=True, slots=True)
class Grant:
    """What one condition allows of a step; where several must agree, the stricter of each holds."""

    scope: tuple[RowScope, ...] = ()  # all of them hold
    outputs: frozenset[str] | None = None  # kinds of output; None: whatever the engine makes
    min_cohort: int = 1
    min_sites: int = 1
    expires: datetime | None = None
    budget: Mapping[str, Json] = field(default_factory=dict)  # what is set aside for this step, by condition
    noted: Mapping[str, Json] = field(default_factory=dict)  # what the entry `use.admitted` says of it
    hold: tuple[str, ...] = ()  # why a person must look at outputs that are made of persons, as codes; none: nobody
    colluders: int = 0  # seats that masks must withstand, at least
    reviewers: int = 1  # how many persons must let an output go, where one must look

    def narrowed(self, other: "Grant") -> "Grant":
        """What both allow."""
        ends = [end for end in (self.expires, other.expires) if end is not None]
        outputs = other.outputs if self.outputs is None else self.outputs
        if self.outputs is not None and other.outputs is not None:
            outputs = self.outputs & other.outputs
        return Grant(
            scope=(*self.scope, *(one for one in other.scope if one not in self.scope)),
            outputs=outputs,
            min_cohort=max(self.min_cohort, other.min_cohort),
            min_sites=max(self.min_sites, other.min_sites),
            colluders=max(self.colluders, other.colluders),
            reviewers=max(self.reviewers, other.reviewers),
            expires=min(ends, default=None),
            hold=(*self.hold, *(one for one in other.hold if one not in self.hold)),
            budget={**self.budget, **other.budget},
            noted={**self.noted, **other.noted},
        )


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
    scope: tuple[RowScope, ...] = ()  # which rows: those that all of these let in
    budget: Mapping[str, Json] = field(default_factory=dict)  # what conditions set aside for the step
    protection: str = ""  # what the engine gives to the task, as policies name it
    messages: Mapping[str, int] = field(default_factory=dict)  # outputs not made of persons: how many bytes at most
    masked: Mapping[str, int] = field(default_factory=dict)  # outputs that show nothing of persons: the same
    longest: Mapping[str, int] = field(default_factory=dict)  # characters of a word, of outputs with long ones
    listed: frozenset[str] = frozenset()  # kinds of output that the terms name; none where they leave it open
    hold: tuple[str, ...] = ()  # why a person of the holder must look at an output made of persons
    noisy: bool = False  # what leaves carries noise that a privacy budget pays for
    reviewers: int = 1  # how many persons of the holder must let an output go, where one must look

    @property
    def bounded(self) -> bool:
        """Whether a privacy budget bounds what leaves, so that what guards exact answers is not asked."""
        return self.noisy and self.brakes.budget


@dataclass(frozen=True, slots=True)
class Step:
    """One request to a job endpoint: a task, the round it is in, what the round needs.

    `inbox` has the messages that other seats of the run sealed for this one, by their DIDs; whoever carries them
    cannot open them.
    """

    task: JsonObject
    round: int
    name: str  # what is asked for, such as moments, gradient, evaluation
    inputs: JsonObject = field(default_factory=dict)
    parts: tuple[Part, ...] = ()  # what is too big for `inputs`
    inbox: Mapping[str, str] = field(default_factory=dict)


MOST_NOTES = 256  # of one output
LONGEST_ABOUT = 256  # characters


class HolderNoteKind(StrEnum):
    """What a note to the holder counts."""

    SHORTENED = "shortened"  # patients whose part of a noisy total was longer than the task allows
    OUTSIDE = "outside"  # values of a column that are outside of the range that the task states
    TELLS = "tells"  # rows whose outcome the values of a column tell by themselves
    GAPS = "gaps"  # rows whose outcome it tells whether a column has a value


@dataclass(frozen=True, slots=True)
class HolderNote:
    """What the holder alone is told of its rows in one step: so many of so many, of the column `about` if of one.

    It is exact and carries no noise, so it never leaves: no answer, no entry of the log, no error has it.

    Raises:
        ValueError: the numbers are no counts, or the name is too long.
    """

    told: HolderNoteKind
    count: int
    of: int
    about: str = ""

    def __post_init__(self) -> None:
        """Hold it to its bounds."""
        if not 0 <= self.count <= self.of <= LARGEST_INTEGER or len(self.about) > LONGEST_ABOUT:
            raise ValueError("a note to the holder counts some of many")


@dataclass(frozen=True, slots=True)
class Measure:
    """How good a model is in one respect, for terms that demand something of models (`policy.gates`).

    `column` and `group` say of whom it is the worst figure, where it is of groups.
    """

    name: str
    value: float
    column: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """What an engine made, before the gate has seen it. Numbers in `values` may be fractions.

    `memory` is what the use remembers from now on, if the output leaves; None leaves it as it is. `outbox` has the
    messages that were sealed for other seats of the run (`core.engine.Peers`), by their DIDs. `noted` are digests
    that the log keeps with the release, by the names of its facts. `worded` is the question in the words of the task,
    where the step itself does not say what was asked of the rows. `record` is what the holder alone keeps of it,
    sealed, to show an auditor; its digest stands in the log, so it holds something that nobody can guess. `notes` are
    for the holder alone: kept, sealed, where it leaves, and in nothing that does. `measures` is how good the model in
    it is, for terms that demand something of it; with `learned` False it shows nothing of what was learned.
    """

    kind: str
    values: Mapping[str, Json]
    cohort: int  # persons behind it; 0 behind a protocol message
    parts: tuple[Part, ...] = ()
    memory: bytes | None = field(default=None, repr=False)
    hold: bool = False  # a person of the holder must look at it before it leaves
    outbox: Mapping[str, str] = field(default_factory=dict)
    noted: Mapping[str, str] = field(default_factory=dict)
    worded: "Step | None" = None
    record: bytes | None = field(default=None, repr=False)
    notes: tuple[HolderNote, ...] = field(default=(), repr=False)
    measures: tuple[Measure, ...] = ()
    learned: bool = True


@dataclass(frozen=True, slots=True)
class Release:
    """An output that passed the gate and may leave. `digest` is over all that it says, numbers as text."""

    id: str
    admission: str
    kind: str
    round: int
    values: Mapping[str, Json]
    cohort: int
    digest: str
    entry: int  # index in the holder's log
    parts: tuple[Part, ...] = ()
    outbox: Mapping[str, str] = field(default_factory=dict)


def listed(parts: Sequence[Part]) -> list[Json]:
    """Parts as digests name them."""
    return [[part.digest, part.media_type, part.size] for part in parts]


def release_digest(
    kind: str,
    number: int,
    cohort: int,
    values: Mapping[str, Json],
    parts: Sequence[Part] = (),
    outbox: Mapping[str, str] | None = None,
) -> str:
    """The digest by which the logs of both sides name a release; `number` is the round; fractions as exact text.

    Parts enter it where there are any.

    Raises:
        ValueError: the values are not JSON with finite numbers.
    """
    said: dict[str, Json] = {"kind": kind, "round": number, "cohort": cohort, "values": dict(values)}
    said |= {"parts": listed(parts)} if parts else {}
    said |= {"outbox": dict(outbox)} if outbox else {}
    return digest(exact(said))
