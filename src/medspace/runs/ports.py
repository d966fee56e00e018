"""The ports of the coordinator: to the sites, and to the way in which one kind of task is computed.

The app fills the first with transfers and job endpoints; the folder of a kind of task, in whichever room, fills the
second.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self, runtime_checkable

from medspace.core.canonical import Json, JsonObject
from medspace.core.engine import COORDINATOR_SEES_SUMS
from medspace.core.parts import Blobs, BlobStore, Keeping, Part
from medspace.core.text import Text
from medspace.core.usage import Step
from medspace.runs.handover import SeatEndpoint
from medspace.runs.telling import RunStatus

SiteFaults = Literal["exclude", "fail"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A release, as it came from a site. Nothing in it is trusted before it was checked."""

    site: str  # DID
    release: str
    round: int
    kind: str  # of output, such as glm.newton
    values: Mapping[str, Json]
    cohort: int
    digest: str  # of the release, as it stands in the site's log
    parts: tuple[Part, ...] = ()  # that the release names; they lie at the site until they are fetched
    outbox: Mapping[str, str] = field(default_factory=dict)  # messages that it sealed for other seats, by DID


class Sites(Protocol):
    """Where rounds are asked.

    All are idempotent, so that a coordinator that was killed can do again whatever it does not remember.
    """

    async def begin(self, run: str, agreement: str, kind: str) -> str:
        """Start a use of this kind under the agreement for this run, or find the one that was started; its id.

        Raises:
            SiteAwayError: no answer; ask again later.
            SiteRefusedError: the site says no.
        """
        ...

    async def seat(self, use: str, manifest: str) -> str:
        """Show the site of a use the signed manifest of its run; its key of the run, signed (`runs.manifest`).

        Raises:
            SiteAwayError: no answer; ask again later.
            SiteRefusedError: the site takes no seat under it.
        """
        ...

    async def seated(self, use: str, keys: Sequence[str]) -> None:
        """Hand the site of a use the keys of all seats.

        Raises:
            SiteAwayError: no answer; ask again later.
            SiteRefusedError: a key is not signed by its seat.
        """
        ...

    async def ask(self, use: str, step: Step) -> Answer:
        """One step; the same step again gives the same answer.

        Raises:
            SiteAwayError: no answer; ask again later.
            SiteRefusedError: the site says no.
        """
        ...

    async def bring(self, use: str, part: Part, blobs: Blobs) -> None:
        """Bring the site of a use a part of a question, from where it broke off; nothing, where it is there.

        Raises:
            SiteAwayError: no answer; ask again later.
            SiteRefusedError: the site does not take it.
        """
        ...

    async def fetch(self, use: str, part: Part, store: BlobStore, keeping: Keeping) -> None:
        """Fetch a part of an answer into a store of ours, from where it broke off; its digest is checked.

        Raises:
            SiteAwayError: no answer; ask again later.
            SiteRefusedError: the site does not give it, or gives something else.
            PartsFullError: our store has no room for it.
        """
        ...

    async def end(self, use: str) -> None:
        """Complete the use. A use that is over already is no error.

        Raises:
            SiteAwayError: no answer.
        """
        ...


class LedSites(Sites, Protocol):
    """Where the rounds of runs are asked that others handed over: their uses began elsewhere, and end there."""

    async def forget(self, run: str) -> None:
        """The run is over: what opens its uses is deleted."""
        ...


class OwnSites(Sites, Protocol):
    """Where this connector's own runs are asked; others may go on asking there for it."""

    async def begun(self, run: str, agreement: str, kind: str) -> str | None:
        """The use that `begin` has started, if it has; nothing is started."""
        ...

    async def place(self, use: str) -> SeatEndpoint:
        """Where a use is asked, and with which token.

        Raises:
            SiteRefusedError: it was never started, or the site named no such place.
        """
        ...


class Coordinators(Protocol):
    """The connectors of other members, which lead runs for this one.

    All raise SiteAwayError where there is no answer, and SiteRefusedError where the coordinator says no.
    """

    async def key(self, coordinator: str, manifest: str) -> str:
        """The coordinator's key for the run of a signed manifest, signed by it."""
        ...

    async def hand_over(self, coordinator: str, run: str, sealed: str) -> None:
        """Hand over the sealed mandate of a run; again, if it is not known whether it arrived."""
        ...

    async def told(self, coordinator: str, run: str, seen: str) -> RunStatus:
        """How the run stands; soon, and at once where it has changed since the version `seen`."""
        ...

    async def cancel(self, coordinator: str, run: str) -> None:
        """Have the run cancelled; one that is over is no error."""
        ...


class RunKeys(Protocol):
    """A key of each run that was handed over to this connector, outside the database and its backups. Blocking."""

    def key(self, run: str) -> bytes | None:
        """The key of a run; None where it has none, or no longer."""
        ...

    def make(self, run: str) -> bytes:
        """The key of a run, 32 bytes; made, and kept durably, where there is none."""
        ...

    def forget(self, run: str) -> None:
        """Delete the key of a run, if it has one."""
        ...

    def uses(self) -> Iterable[str]:
        """The runs that have a key."""
        ...


class Dictionaries(Protocol):
    """What the sites publish of their data."""

    async def dictionary(self, agreement: str) -> JsonObject | None:
        """The data dictionary of the agreement's dataset as its holder publishes it now; None where it has none.

        Raises:
            SiteAwayError: no answer within seconds; ask again later.
            SiteRefusedError: the site shows us nothing.
        """
        ...


@dataclass(frozen=True, slots=True)
class Demands:
    """What a task demands of the sites: how many, how many persons behind each answer, and what if one fails.

    `site_faults`: "fail" ends the run with the reason of the site, "exclude" goes on without it. `protection` is what
    the engines of the sites give the task, as policies name it. `bounded`: every total carries noise that each site
    pays for from a privacy budget, so under masks too the run may go on without any. Under masks the sites may
    be in `groups` (`runs.masked.grouping`), each of which is as large as a run without groups must be.
    """

    min_sites: int = 1
    min_cohort: int = 1
    site_faults: SiteFaults = "fail"
    protection: str = COORDINATOR_SEES_SUMS
    bounded: bool = False
    groups: int = 1


@dataclass(frozen=True, slots=True)
class Need:
    """A column that a task takes from each site: numbers, or codes with these levels.

    `whole`: the levels must be all the codes that the column has.
    """

    column: str
    levels: tuple[str, ...] = ()
    whole: bool = True

    @property
    def coded(self) -> bool:
        """Whether it holds codes."""
        return bool(self.levels)


@dataclass(frozen=True, slots=True)
class Question:
    """What a round asks: the name of the step, the kind of output that answers it, what a site needs to know.

    Without `inputs` the question is about no state of a model yet. A `message` is not made of persons. `parts` lie
    where the procedure wrote them (`Parted`); those of the answer may have `most` bytes together. `ends` is the kind
    of output by which a site may say instead that the task leads nowhere.
    """

    step: str
    output: str
    inputs: JsonObject = field(default_factory=dict)
    message: bool = False
    parts: tuple[Part, ...] = ()
    most: int = 0
    ends: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to: the content of the model as JSON, the rows and the sites that it was fitted on."""

    content: JsonObject
    rows: int
    sites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table for people; whatever is a text is said in the reader's language."""

    columns: tuple[Text, ...]
    rows: tuple[tuple[str | int | Text, ...], ...]
    title: Text | None = None


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What a model is: title, tables of what was learned, how well it does, sentences; for programs, facts.

    Each kind of task has its own tables, such as coefficients, survival at some times, or what an image showed.
    """

    title: Text
    facts: JsonObject
    tables: tuple[ReportTable, ...] = ()
    quality: ReportTable | None = None
    sentences: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would cost and find, as far as that can be said beforehand: sentences, a table, facts."""

    facts: JsonObject
    sentences: tuple[Text, ...] = ()
    table: ReportTable | None = None


class Gathering(Protocol):
    """Gathers the answers of one round, in the order of the sites; what they mean, only the whole set may show.

    Sums (`learning.glm.tallying`) look at each answer as it comes. Masked answers mean nothing each by itself: they
    are judged by `state`, which leads nowhere while one is lost.
    """

    def add(self, answer: Answer, least: int) -> int:
        """Take one answer; `least` persons must stand behind it. How many rows it is from, as far as it says; else 0.

        Raises:
            AnswerInvalidError: it cannot be right, which can be seen from it alone; nothing of it was taken.
        """
        ...

    def state(self, *, lost: bool) -> JsonObject:
        """Where the whole set leads; `lost` says that a site failed in the round.

        Raises:
            AnswersInvalidError: the answers cannot be right together.
            RunError: nowhere.
        """
        ...


Questions = Question | Mapping[str, Question]  # one for all seats, or one for each that is asked, by its DID


class Procedure(Protocol):
    """One task, and how it is computed.

    Its states are JSON, as stored between two rounds; the same answers in the same order lead to the same state, to
    the last bit. It neither stores nor asks: that is the coordinator's.
    """

    @property
    def document(self) -> JsonObject:
        """The canonical form of the task, without fractions."""
        ...

    @property
    def demands(self) -> Demands:
        """What it demands of the sites."""
        ...

    @property
    def needs(self) -> Sequence[Need]:
        """The columns that it takes from each site, as far as that can be said beforehand."""
        ...

    def first(self) -> JsonObject:
        """The state before the first round."""
        ...

    def questions(self, state: JsonObject, number: int) -> Questions | None:
        """What round `number` asks in this state: every seat the same, or each its own; None where the run is done.

        Raises:
            RunError: so many rounds are not allowed.
        """
        ...

    def gathering(self, state: JsonObject, number: int) -> Gathering:
        """Takes the answers to these questions."""
        ...

    def without(self, state: JsonObject) -> JsonObject:
        """The state to go on from when a site is lost between two rounds."""
        ...

    def objective(self, state: JsonObject) -> float | None:
        """How good the state is, for people who watch the run: less is better; None where it is not known."""
        ...

    def result(self, state: JsonObject) -> Result:
        """What a run that is done came to.

        Raises:
            RunError: it is not done.
        """
        ...


@runtime_checkable
class Parted(Protocol):
    """What a `Procedure` has besides, if its questions, answers or states have parts.

    Its `questions` and `result`, and `add` and `state` of its gatherings, are then called in a thread. The parts of
    each answer lie in the `blobs` until `state` is back: they may be read there one by one, or all abreast
    (`core.tensors.abreast`).
    """

    def within(self, blobs: Blobs) -> Self:
        """The same procedure in one round, where it may read and write parts."""
        ...

    def kept(self, state: JsonObject) -> Sequence[Part]:
        """The parts that a state names; all others are forgotten when its round is over."""
        ...


@runtime_checkable
class Numbering(Protocol):
    """What a `Procedure` has besides, if one question of its task takes several rounds."""

    def number(self, state: JsonObject) -> int:
        """Which question of the task is due, from 1."""
        ...


@runtime_checkable
class Describing(Protocol):
    """What a `Procedure` has besides, if it can say what came of it; otherwise the plain content is shown."""

    def describe(self, result: Result, names: Mapping[str, str]) -> ModelDescription:
        """What a model is that a run of this task came to; `names` are those of the sites, by their DIDs."""
        ...


class Algorithm(Protocol):
    """One kind of task: a folder of its own in the room that knows what is computed."""

    @property
    def kind(self) -> str:
        """The DSP format of its uses, such as `medspace:train`."""
        ...

    @property
    def name(self) -> str:
        """What the field `task` of its documents says, such as `glm`."""
        ...

    def prepare(self, document: JsonObject) -> Procedure:
        """Read a task.

        Raises:
            TaskInvalidError: with the field and what is wrong with it.
        """
        ...


@runtime_checkable
class Protecting(Protocol):
    """What an `Algorithm` has besides, if its tasks say how they are protected, in their field `protection`."""

    @property
    def protections(self) -> tuple[str, ...]:
        """What they may say."""
        ...


Spans = Mapping[str, tuple[float, float]]  # between which numbers a site says that its columns lie, by their names


@runtime_checkable
class Completing(Protocol):
    """What an algorithm has besides that fills in what a task leaves to what the sites publish."""

    def lacks(self, task: JsonObject) -> bool:
        """Whether there is anything to fill in; of a task that nobody has looked at."""
        ...

    def completed(self, task: JsonObject, published: Sequence[Spans]) -> JsonObject:
        """The task with what the sites publish, one each, as far as all of them do."""
        ...


@runtime_checkable
class Forecasting(Protocol):
    """What an algorithm has besides that can say what a run would cost and find, from the task and public numbers."""

    def forecast(self, task: JsonObject, sites: int) -> Forecast:
        """What to expect with so many sites.

        Raises:
            TaskInvalidError: the task cannot be run.
        """
        ...
