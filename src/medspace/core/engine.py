"""The engine port: one kind of task, answered beside the data, found by the format of the use and the task's name."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock, Randomness
from medspace.core.material import Form, Material
from medspace.core.parts import Blobs
from medspace.core.text import Text
from medspace.core.usage import Admission, Output, Step

COORDINATOR_SEES_SUMS = "coordinator-sees-sums"  # each site's sums are seen by whoever adds them up
MASKED_SUMS = "masked-sums"  # only sums over all sites are ever opened, and only among the sites
# The same, but for vectors so large that the sites accept their masked sum from the coordinator. It can shift that
# sum unnoticed, and so choose the weights of the model that the sites are asked about next.
MASKED_WEIGHTS = "masked-sums-coordinator-could-choose-weights"
# Sums over some of the sites each, never of fewer than a total of all must have: that of each group is opened.
MASKED_GROUPS = "masked-sums-of-groups"
MASKED = frozenset({MASKED_SUMS, MASKED_WEIGHTS, MASKED_GROUPS})
MESSAGE_BYTES = 64 * 1024
RHO_ONE = 1 << 40  # a rho of 1, in the units of `Cost`
WORD = 100
Unit = Literal["patient", "event"]


@dataclass(frozen=True, slots=True)
class OutputForm:
    """One kind of output that an engine makes, and what the gate asks of it.

    If computed from persons, it needs a cohort. A protocol message (a public key, a share) cannot reveal persons by
    its form: the gate only checks its size, `most` bytes as canonical JSON. A `masked` output is computed from
    persons and reveals nothing about them: the gate requires the cohort, and does not disclose it. `longest` is how
    many characters a word of an output made of persons may have: enough for a digest or a name, too little for a
    record; a signature needs more.
    """

    name: str
    message: bool = False
    most: int = MESSAGE_BYTES
    masked: bool = False
    longest: int = WORD


@dataclass(frozen=True, slots=True)
class StepLimits:
    """What one step may take, and where it runs: in the pool of threads, or in a process of its own.

    The limits on memory and processor time apply in a process only; a thread that takes too long is no longer waited
    for, and keeps its place until it ends. `repeatable`: a step interrupted by a kill may be done again under the
    same admission, as nothing of it had left. `check` is for how many seconds a person may look at an output that
    waits for one (`Output.hold`). `rowless` names the steps that only carry a protocol on: they get no rows, so they
    do not count as questions.
    """

    seconds: float = 600.0
    megabytes: int = 2048
    runner: Literal["thread", "process"] = "thread"
    repeatable: bool = True
    check: float = 0.0
    rowless: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RunTerms:
    """What a seat needs to know of the manifest of its run: its digest, and on what terms sums are opened.

    `coordinator` is the DID of whoever carries the messages.
    `colluders`: so many seats may tell one another everything, and learn no more than the sum of the others.
    `leaving` are the seats whose own terms let the run go on without them.
    """

    manifest: str  # digest
    coordinator: str
    min_sites: int
    colluders: int = 1
    leaving: frozenset[str] = frozenset()


class Peers(Protocol):
    """The keys of a run's parties, as one seat has them. Nobody but the peer opens what is sealed for it."""

    @property
    def seats(self) -> tuple[str, ...]:
        """The DIDs of all seats of the run, sorted, this one among them."""
        ...

    @property
    def holder(self) -> str:
        """The DID of this seat."""
        ...

    @property
    def terms(self) -> "RunTerms":
        """What the manifest of the run says, beside its task."""
        ...

    def seal(self, peer: str, label: str, message: bytes) -> str:
        """A message for one peer, under a label that the peer must name to open it; printable."""
        ...

    def seal_all(self, messages: Mapping[str, bytes], label: str) -> dict[str, str]:
        """Messages for several peers, by their DIDs, under one label; signed once, so cheaper than one by one."""
        ...

    def announce(self, label: str, content: bytes, messages: Mapping[str, bytes]) -> tuple[str, dict[str, str]]:
        """An unsealed message for everybody, and messages for peers as in `seal_all`: signed once, together."""
        ...

    def announced(self, peer: str, label: str, text: str) -> bytes:
        """What a peer announced to everybody with the messages that it sealed; verified once in a step.

        Raises:
            InvalidInputError: the peer did not sign it for this run under this label.
        """
        ...

    def open(self, peer: str, label: str, sealed: str) -> bytes:
        """A message of one peer, whether it was sealed alone or with others.

        Raises:
            InvalidInputError: the peer did not seal it for this seat, this run and this label.
        """
        ...

    def sign(self, label: str, content: bytes) -> str:
        """A message for everybody, signed under a label for this run and not sealed; printable."""
        ...

    def proven(self, peer: str, label: str, text: str) -> bytes:
        """What a peer, or this seat itself, signed for everybody.

        Raises:
            InvalidInputError: the peer did not sign it for this run under this label.
        """
        ...

    def pair(self, peer: str, label: str, seed: bytes, sealed: str) -> bytes:
        """The 32-byte secret of this seat and a peer, bound to the run, the keys of both and what was sent.

        The seat with the lower DID draws the seed and sends it, sealed under the label; both call this with it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where an engine does one step: everything that it may touch.

    `memory` is what this use remembered after its last released step; what the engine wants remembered is the
    `memory` of its `Output`, written in the transaction that releases the output. `cancelled` says that nobody wants
    the answer any more; a long step checks it now and then.

    `progress(done, of)` tells how far a long step is, in units of work of the engine's own; as often as it likes. The
    asker is only told the share, in whole hundredths, since a number of rows would reveal something about them.
    """

    material: Material | None
    randomness: Randomness
    clock: Clock
    memory: bytes | None = None
    keys: Peers | None = None
    blobs: Blobs | None = None
    cancelled: Callable[[], bool] = lambda: False
    progress: Callable[[float, float], None] = lambda _done, _of: None


class Engine(Protocol):
    """Answers the steps of one kind of task under one kind of use, beside the data."""

    @property
    def kind(self) -> str:
        """The DSP format under which it serves, such as `medspace:train`."""
        ...

    @property
    def task(self) -> str:
        """What the field `task` of its task documents says, such as `glm`."""
        ...

    @property
    def outputs(self) -> tuple[OutputForm, ...]:
        """Every kind of output that it can make."""
        ...

    @property
    def steps(self) -> tuple[str, ...]:
        """The name of every step that it answers; a step of another name is refused before anything is noted."""
        ...

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms of material that it takes; none where it opens nothing."""
        ...

    @property
    def limits(self) -> StepLimits:
        """What one of its steps may take, and where it runs."""
        ...

    def protection(self, task: JsonObject) -> str:
        """Who can see what of a single site while this task runs, as policies name it (`COORDINATOR_SEES_SUMS`)."""
        ...

    def check(self, task: JsonObject) -> None:
        """Refuse a task that this engine cannot run as it stands, before anything is noted; it sees no rows.

        Raises:
            InvalidInputError: with what is wrong in it.
        """
        ...

    def answer(self, admission: Admission, step: Step, workplace: Workplace) -> Output:
        """Do one step on the admitted material. Blocking; called by a runner."""
        ...


@runtime_checkable
class SelectiveEngine(Protocol):
    """An engine that looks at some columns only, and can say at which before it opens anything.

    An engine without this counts as looking at every column, since what it looks at may depend on a part, on what its
    use remembers or on anything: if few persons' rows changed, in any column, nothing new is answered.
    """

    def columns(self, step: Step) -> Collection[str]:
        """Every column that its answer to this step can depend on, beside that of the persons.

        The task has passed `check`. Columns that a part, a message of a peer or the memory may name are among them.
        """
        ...


@runtime_checkable
class CountingEngine(Protocol):
    """An engine that can tell from a task how many numbers the whole use will give."""

    def numbers(self, task: JsonObject) -> int:
        """The fewest numbers in all its results together; the task has passed `check`."""
        ...


def numbers_of(engine: Engine, task: JsonObject) -> int:
    """The fewest numbers that a use with this task will give; 0 where the engine cannot tell."""
    return engine.numbers(task) if isinstance(engine, CountingEngine) else 0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a use costs of a privacy budget at one holder, in zCDP (Bun, Steinke 2016).

    `rho` has one number for each noisy total that the use lets out, in the order in which they are asked, in units
    of 2^-40, rounded up. `unit` is what one holder's tables may differ in: all rows of a patient, or a single row.
    `opens` names the steps, one for each total, without which nobody can learn it, whatever others release:
    what they did not release by the end of the use, when its keys are deleted, is refunded. Where it names none,
    every step counts as one. `gaussian` says that the totals are integers with the noise of `privacy.noise`, and
    `rho` is its `accounting.cost`: what they reveal together is then shown more tightly
    (`privacy.noise.composition`).
    """

    rho: tuple[int, ...]
    unit: Unit = "patient"
    opens: frozenset[str] = frozenset()
    gaussian: bool = False

    def __post_init__(self) -> None:
        """Raises: ValueError: it has no total, or one that costs less than nothing."""
        if not self.rho or min(self.rho) < 0:
            raise ValueError("a cost has a number for each total, none of them below 0")

    @property
    def total(self) -> int:
        """That of the whole use, in units of 2^-40: zCDP adds up."""
        return sum(self.rho)


@runtime_checkable
class Costing(Protocol):
    """An engine whose answers may carry noise paid for from a privacy budget."""

    def cost(self, task: JsonObject) -> Cost | None:
        """What a use with this task, which passed `check`, costs by its document alone; None if it has no noise."""
        ...


def cost_of(engine: Engine, task: JsonObject) -> Cost | None:
    """What a use with this task costs of a budget; None where its answers are exact."""
    return engine.cost(task) if isinstance(engine, Costing) else None


@runtime_checkable
class Withholding(Protocol):
    """An engine that can make an output anew with less in it, from what it had made and without the rows.

    What it can leave out is named as terms list it. What remains means what it meant, and is signed as it was.
    """

    def optional(self, output: Output) -> tuple[str, ...]:
        """The kinds of output that are a part of this one, and that it can be made without."""
        ...

    def without(self, output: Output, parts: Collection[str]) -> Output:
        """The output without some of these."""
        ...


def optional_parts(engine: Engine, output: Output) -> tuple[str, ...]:
    """What an output can be made without; nothing where its engine cannot make it anew."""
    return engine.optional(output) if isinstance(engine, Withholding) else ()


@runtime_checkable
class Comparing(Protocol):
    """An engine that can say when two tasks are nearly the same."""

    def difference(self, one: JsonObject, other: JsonObject) -> Text | None:
        """The one thing in which two tasks that passed `check` differ, in words; None unless it is exactly one."""
        ...


def difference_of(engine: Engine, one: JsonObject, other: JsonObject) -> Text | None:
    """The one thing in which two tasks of an engine differ, if it is exactly one and the engine can name it."""
    return engine.difference(one, other) if isinstance(engine, Comparing) else None


def columns_of(engine: Engine, step: Step) -> frozenset[str] | None:
    """The columns that the answer to a step can depend on; None: on every one."""
    return frozenset(engine.columns(step)) if isinstance(engine, SelectiveEngine) else None
