"""What the coordinator keeps: runs, where they stand, their rounds, the models that came of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from medspace.core.canonical import JsonObject
from medspace.core.store import Collection
from medspace.core.text import Text
from medspace.learning.design import Layout
from medspace.learning.evaluation import Quality

COORDINATOR_SEES_SUMS = "coordinator-sees-sums"


class RunState(StrEnum):
    """The states of a run; `rules.TRANSITIONS` says which follows which."""

    CREATED = "created"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Phase(StrEnum):
    """What the next round asks; DONE asks nothing."""

    MOMENTS = "moments"
    NEWTON = "newton"
    EVALUATION = "evaluation"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Seat:
    """A site's place in a run: its DID, the agreement that admits it, the fewest rows that its sums may stand for."""

    site: str
    agreement: str
    min_cohort: int = 1
    min_sites: int = 1


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a site's answers are not used: in which round, with the code of the error and its sentence."""

    site: str
    round: int
    code: str
    sentence: str
    facts: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def text(self) -> Text:
        """The sentence, ready to be said in any language."""
        return Text(self.sentence, dict(self.facts))


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed."""

    code: str
    sentence: str
    next_step: str
    facts: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def text(self) -> Text:
        """What happened."""
        return Text(self.sentence, dict(self.facts))

    @property
    def advice(self) -> Text:
        """What to do next."""
        return Text(self.next_step, dict(self.facts))


@dataclass(frozen=True, slots=True)
class SiteQuality:
    """How the model does at one site; `quality` is None where the site was gone before it was measured."""

    site: str
    rows: int  # of the fit
    quality: Quality | None


@dataclass(frozen=True, slots=True)
class Fit:
    """Where the fit stands: everything that the next round needs, to the last bit.

    `base` is the last beta that was an improvement and `objective` its value; `beta` is the one to ask about next;
    `variances` (row by row, on the scale of the fit) are there once it has converged.
    """

    phase: Phase = Phase.MOMENTS
    layout: Layout | None = None
    beta: tuple[float, ...] = ()
    base: tuple[float, ...] = ()
    objective: float | None = None
    covariance: tuple[tuple[float, ...], ...] = ()
    deviance: float | None = None
    sites: tuple[SiteQuality, ...] = ()
    pooled: Quality | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One training run. `round` counts the rounds that are behind it; `settled` says that its uses are ended."""

    id: str
    state: RunState
    created: str
    task: JsonObject
    task_digest: str
    kind: str
    seats: tuple[Seat, ...]
    round: int = 0
    faults: tuple[Fault, ...] = ()
    failure: Failure | None = None
    model: str | None = None
    started: str | None = None
    ended: str | None = None
    settled: str = "no"
    protection: str = COORDINATOR_SEES_SUMS


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The fit of a run after its last round; `id` is the run's."""

    id: str
    round: int
    fit: Fit


@dataclass(frozen=True, slots=True)
class AnswerRef:
    """Where a number came from: the site, its use, its release and the digest that stands in the site's log."""

    site: str
    use: str
    release: str
    digest: str


@dataclass(frozen=True, slots=True)
class Round:
    """One round as it was.

    `question` is the digest of what was asked: from the second round on, of the beta and the layout, that is of the
    state of the model; `objective` is what the sums said of it.
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


@dataclass(frozen=True, slots=True)
class Term:
    """One coefficient, for the column as it was measured; numbers are exact text.

    `fill` is what a missing value of the column is replaced with (None for the intercept and for indicators);
    `mean` and `scale` are those of the fit. A column that nowhere varies has the coefficient 0 and no standard error.
    """

    name: str
    coefficient: str
    standard_error: str | None
    fill: str | None
    mean: str
    scale: str


@dataclass(frozen=True, slots=True)
class LineageRound:
    """One round in the lineage of a model."""

    round: int
    step: str
    question: str
    answers: tuple[AnswerRef, ...]


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a model came from. `protection` says who could see what on the way."""

    run: str
    task: str  # digest
    agreements: tuple[str, ...]
    sites: tuple[str, ...]
    rounds: tuple[LineageRound, ...]
    protection: str


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted model. `digest` is over everything but itself, identity and time."""

    id: str
    created: str
    family: str
    task: JsonObject
    task_digest: str
    terms: tuple[Term, ...]
    rows: int
    deviance: str
    sites: tuple[SiteQuality, ...]
    pooled: Quality
    measured_on: str  # "training rows" or "held-out rows"
    rounds: int
    seconds: float
    lineage: Lineage
    digest: str


RUNS = Collection("learning_runs", Run, keys=("state", "settled", "created"))
CHECKPOINTS = Collection("learning_checkpoints", Checkpoint)
ROUNDS = Collection("learning_rounds", Round, keys=("run", "round"), unique=(("run", "round"),))
MODELS = Collection("learning_models", Model, keys=("digest", "created"))
COLLECTIONS = (RUNS, CHECKPOINTS, ROUNDS, MODELS)
