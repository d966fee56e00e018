"""What usage control keeps: labels of assets, jobs (the holder's side of started uses), the last release of each."""

from dataclasses import dataclass

from medspace.core.canonical import JsonObject
from medspace.core.store import Collection
from medspace.core.usage import Release


@dataclass(frozen=True, slots=True)
class Labelled:
    """The label of an asset, as the holder wrote it."""

    id: str  # the asset
    label: JsonObject


@dataclass(frozen=True, slots=True)
class Job:
    """What the job endpoint of one started transfer accepts.

    The first admitted step fixes the task. `generation` counts the holder's starts: each has a token of its own, so
    that a token from before the holder's suspension opens nothing. A user that resumes what it suspended itself goes
    on with the token that it has. `held` is the holder's own will: only a start of its own opens the job again.
    """

    id: str  # our pid of the transfer
    agreement: str
    user: str  # DID
    asset: str
    kind: str
    generation: int
    open: bool
    number: int = 0  # which use of the agreement this is, from 1; 0 until the first step is admitted
    task: str | None = None
    steps: int = 0
    held: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """The last release of a job and the request it answers: a repeated request gets it again."""

    id: str  # the job
    request: str  # digest
    release: Release


LABELS = Collection("labels", Labelled)
JOBS = Collection("jobs", Job, keys=("agreement", "number"))
ANSWERED = Collection("answered", Answered)
COLLECTIONS = (LABELS, JOBS, ANSWERED)
