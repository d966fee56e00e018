"""What is kept of runs: their state, their rounds, their models, and who handed them over."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from medspace.core.canonical import JsonObject
from medspace.core.engine import COORDINATOR_SEES_SUMS
from medspace.core.store import Collection
from medspace.core.text import Text


class RunState(StrEnum):
    """The states of a run; `rules.TRANSITIONS` says which follows which."""

    CREATED = "created"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Seat:
    """A site's place in a run: its DID, the agreement that admits it, the fewest persons behind an answer."""

    site: str
    agreement: str
    min_cohort: int = 1
    min_sites: int = 1
    colluders: int = 1  # that the site wants the masks to withstand, at least
    protection: str = ""  # that its agreement names; "" where it leaves it open


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a site's answers are not used: in which round, with the code of the error and its sentence.

    `question` is the task's question that was being answered, where one takes several rounds; 0 before the first, and
    where each round is one. `code` is the site's own where it told one. `cause` is the sentence without the site and
    `next_step` what to do; `away` says that it did not answer, rather than refused.
    """

    site: str
    round: int
    code: str
    sentence: str
    facts: Mapping[str, str | int | Text] = field(default_factory=dict)
    cause: str = ""
    next_step: str = ""
    away: bool = False
    question: int = 0

    @property
    def text(self) -> Text:
        """The sentence, ready to be said in any language."""
        return Text(self.sentence, dict(self.facts))

    @property
    def reason(self) -> Text:
        """The sentence without the site."""
        return Text(self.cause or self.sentence, dict(self.facts))

    @property
    def advice(self) -> Text:
        """What to do next."""
        return Text(self.next_step, dict(self.facts))


@dataclass(frozen=True, slots=True)
class RunFailure:
    """Why a run failed; `by_sites` says that the faults of its sites are why."""

    code: str
    sentence: str
    next_step: str
    facts: Mapping[str, str | int | Text] = field(default_factory=dict)
    exit_code: int = 1
    by_sites: bool = False

    @property
    def text(self) -> Text:
        """What happened."""
        return Text(self.sentence, dict(self.facts))

    @property
    def advice(self) -> Text:
        """What to do next."""
        return Text(self.next_step, dict(self.facts))


@dataclass(frozen=True, slots=True)
class Run:
    """One training run. `round` counts completed rounds; `settled` says that its uses are ended.

    Who its user is and who leads it are two things: `user` is the member that handed it over to this connector, and
    `coordinator` the one that it was, or will be, handed over to from here; both are "" where that is this connector.

    `without_missing`: it goes on without sites that refuse or stay away, whatever the task says. `patience` says for
    how many seconds a site that is away is waited for; 0 stands for the coordinator's own.
    """

    id: str
    state: RunState
    created: str
    task: JsonObject
    task_digest: str
    kind: str
    seats: tuple[Seat, ...]
    round: int = 0
    faults: tuple[Fault, ...] = ()
    failure: RunFailure | None = None
    model: str | None = None
    started: str | None = None
    ended: str | None = None
    settled: str = "no"
    protection: str = COORDINATOR_SEES_SUMS
    without_missing: bool = False
    patience: float = 0.0
    asked: int = 0  # questions of the task, where each takes several rounds
    manifest: str = ""  # as it was signed; drawn anew while a seat is lost before the first round
    user: str = ""  # DID
    coordinator: str = ""  # DID
    handed: bool = False  # whether the coordinator has taken it
    leaving: tuple[str, ...] = ()  # under masks, the sites whose own contracts let the run go on without them
    asked_by: str = ""  # which actor here began it (`core.actors`); "" where another member handed it over
    cancelled_by: str = ""  # which actor here cancelled it
    carried: JsonObject | None = None  # what its results carry of the labels of the data, the strictest of all
    remarks: tuple[Text, ...] = ()  # what of the sites' data may differ, as they publish it; said before it begins


@dataclass(frozen=True, slots=True)
class RunCheckpoint:
    """Where the computation of a run stands after its last round; `id` is the run's."""

    id: str
    round: int
    state: JsonObject  # `ports.Procedure` alone knows what is in it
    mail: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # sealed messages, by recipient and sender


@dataclass(frozen=True, slots=True)
class AnswerRef:
    """Where a number came from: the site, its use, its release and the digest that stands in the site's log.

    `step` and `question` where the site was asked another question than the other seats.
    """

    site: str
    use: str
    release: str
    digest: str
    step: str = ""
    question: str = ""  # digest
    parts: tuple[str, ...] = ()  # digests of what came beside it

    @property
    def facts(self) -> JsonObject:
        """What the log says of it."""
        said: JsonObject = {"site": self.site, "use": self.use, "release": self.release, "digest": self.digest}
        said |= {"step": self.step, "question": self.question} if self.step else {}
        return said | ({"parts": list(self.parts)} if self.parts else {})


@dataclass(frozen=True, slots=True)
class Round:
    """One round as it was.

    `question` is the digest of what was asked: of the state of the model, once there is one; `objective` is what the
    answers said of it.
    """

    id: str
    run: str
    round: int
    step: str
    question: str
    answers: tuple[AnswerRef, ...]
    rows: int
    objective: float | None
    time: str
    parts: tuple[str, ...] = ()  # digests of what the questions carried


@dataclass(frozen=True, slots=True)
class LineageRound:
    """One round in the lineage of a model."""

    round: int
    step: str
    question: str
    answers: tuple[AnswerRef, ...]


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a model came from. `protection` says who could see what on the way.

    `asked` are all the sites of the run, `missing` why those that are not in `sites`, or that left before the model
    was measured, are not. `coordinator` led the run, where that was another member than its user; "" else.
    """

    run: str
    task: str  # digest
    agreements: tuple[str, ...]
    sites: tuple[str, ...]
    rounds: tuple[LineageRound, ...]
    protection: str
    asked: tuple[str, ...] = ()
    missing: tuple[Fault, ...] = ()
    coordinator: str = ""  # DID
    manifest: str = ""  # as the user signed it
    carried: JsonObject | None = None  # the strictest of the labels of the data; None where they were not told


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted model. `digest` is over the task, the result, the rows and the sites."""

    id: str
    created: str
    task: JsonObject
    task_digest: str
    result: JsonObject  # what the kind of task makes; for a GLM read it with `glm.outcome.read`
    rows: int
    rounds: int
    seconds: float
    lineage: Lineage
    digest: str


@dataclass(frozen=True, slots=True)
class Handover:
    """A run that a member hands over to this connector, from its question for a key to the end of the run.

    `secret` is sealed under a key file of the run: until the run is handed over the private key that this is done
    with, then where its uses are asked, with their tokens.
    """

    id: str  # the run's
    user: str  # DID
    created: str  # RFC 3339
    manifest: str  # as the user signed it
    key: str  # the public key for the hand-over, as it was signed here
    secret: str = field(repr=False)
    handed: bool = False


RUNS = Collection("learning_runs", Run, keys=("state", "settled", "created"))
CHECKPOINTS = Collection("learning_checkpoints", RunCheckpoint)
ROUNDS = Collection("learning_rounds", Round, keys=("run", "round"), unique=(("run", "round"),))
MODELS = Collection("learning_models", Model, keys=("digest", "created"))
HANDOVERS = Collection("run_handovers", Handover, keys=("user",))
COLLECTIONS = (RUNS, CHECKPOINTS, ROUNDS, MODELS, HANDOVERS)
