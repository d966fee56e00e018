"""What usage control keeps: labels of assets, jobs (the holder's side of started uses), questions and answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from medspace.core.canonical import JsonObject
from medspace.core.engine import Unit
from medspace.core.parts import Part
from medspace.core.store import Collection


@dataclass(frozen=True, slots=True)
class Labelled:
    """The label of an asset that is in force, as the holder wrote it."""

    id: str  # the asset
    label: JsonObject
    configured: JsonObject | None = None  # what the configuration says, where a person has said something else since


@dataclass(frozen=True, slots=True)
class Job:
    """What the job endpoint of one started transfer accepts.

    The first admitted step fixes the task. `generation` counts the holder's starts: each
    has a token of its own, so that a token from before the holder's suspension opens nothing. A user that resumes
    what it suspended itself goes on with the token that it has. `held` is the holder's own will: only a start of its
    own opens the job again.
    """

    id: str  # our pid of the transfer
    agreement: str
    user: str  # DID
    asset: str
    kind: str
    generation: int
    open: bool
    number: int = 0  # which use of the agreement this is, from 1; 0 until something was released to it
    task: str | None = None
    steps: int = 0  # steps that were admitted, whatever became of them
    rowless: int = 0  # those among them that only carried a protocol on; all others are questions
    held: bool = False
    over: bool = False  # it was completed or terminated: nothing opens it again
    manifests: int = 0  # how many were refused, or took the place of another one
    rows: str | None = None  # which rows its first question was put to, as a keyed digest of the scope


class Outcome(StrEnum):
    """What became of a question that was admitted."""

    OPEN = "open"  # it is being worked on, or the connector ended meanwhile
    HELD = "held"  # it was worked out, and waits for a person of the holder
    RELEASED = "released"
    WITHHELD = "withheld"  # for a reason that the caller is not told
    REFUSED = "refused"  # for a reason that everybody may know: no such column, the use was closed, ...
    FAILED = "failed"  # nobody decided: the engine broke, the connector ended


@dataclass(frozen=True, slots=True)
class Question:
    """One question that was admitted, and the record of the step that it is (`usage.states`).

    What was asked, and what the caller was told in the end, is sealed: only the holder can show it.
    """

    id: str  # the admission
    entry: int  # index of the admission in the holder's log
    asset: str
    agreement: str
    user: str  # DID
    job: str
    time: str
    round: int
    step: str
    request: str  # digest of everything that decides the answer, beside the rows
    sealed: str  # task, round, step, inputs
    outcome: Outcome = Outcome.OPEN
    version: str = ""  # of the rows that it was put to; "" until that is known
    counted: bool = True  # against the asset's questions of the year
    asked: str = ""  # digest of task, round, step and inputs: the name of the step within its use
    granted: str = ""  # the admission, sealed, but for what is found anew: seed and history
    repeats: int = 0  # how often it was done again after the connector was killed
    code: str = ""  # why it ended, where it was not released
    told: str = ""  # what the caller was told then, sealed
    parts: tuple[Part, ...] = ()  # of its release
    worded: str = ""  # what was asked in the words of the task, sealed, where the step does not say it
    rowless: bool = False  # it carried a protocol on: no rows were opened for it
    held_for: tuple[str, ...] = ()  # why a person had to look at its output, as codes


@dataclass(frozen=True, slots=True)
class Kept:
    """The answer to a question, sealed: the same question gets it again, from whomever.

    An output that waits for a person is kept so too, under no request: nobody is answered with it.
    """

    id: str  # the admission
    asset: str
    request: str
    version: str
    time: str
    sealed: str


@dataclass(frozen=True, slots=True)
class Version:
    """One content of an asset's rows, as keyed sums: whether, and by how many persons, another content differs."""

    id: str  # the asset and the digest of the sums
    asset: str
    time: str  # when it was first asked
    sums: str  # of `usage.versions`


@dataclass(frozen=True, slots=True)
class Spent:
    """How many questions an asset was asked on which day (UTC)."""

    id: str  # the asset
    days: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Memory:
    """What one use remembers, sealed under its own key; "" while it remembers nothing.

    `waiting` is what goes with the output that waits for a person, of the admission `step`.
    """

    id: str  # the use
    sealed: str = ""
    waiting: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What has left of an asset, over all users and all its time (`usage.disclosures`).

    `sites` is the set of holders in which it is summed up under masks; empty until the first run, where the terms
    name none. `sets` are all sets in which totals may have been opened, each sorted.
    """

    id: str  # the asset
    numbers: int = 0
    sites: tuple[str, ...] = ()
    sets: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """The privacy budget of an asset as its holder sets it: for a year, for one agreement, for one task.

    `year`, `agreement` and `task` are what `epsilon`, `of_agreement` and `of_task` are at `delta` as rho, in units of
    2^-40. `exact`: exact answers stay possible, which no budget bounds. `warn` is the share of the year at which the
    holder is told.
    """

    epsilon: float
    of_agreement: float
    of_task: float
    delta: float
    year: int
    agreement: int
    task: int
    unit: Unit = "patient"
    exact: bool = False
    warn: float = 0.8


@dataclass(frozen=True, slots=True)
class Account:
    """What an asset has given of its privacy budget in the period that runs, in rho of 2^-40.

    `limits` None: the holder has taken the budget back, so there is no noise to be had. `frozen` is why all of it
    counts as spent, as a code; `restored` is the checkpoint that the log fell short of then, `restored_at` when that
    was found: agreements and debits from before have taken nobody knows how much. `other` is what of `taken` was
    for noise that is not known to be Gaussian (`core.engine.Cost`). `tidied`: no debit that is settled is left of a
    period before the one that began then.
    """

    id: str  # the asset
    since: str  # when the period began
    until: str  # when it ends; another one begins only if the holder says so
    limits: BudgetLimits | None
    taken: int = 0
    warned: bool = False
    frozen: str = ""
    restored: str = ""
    restored_at: str = ""
    other: int = 0
    tidied: str = ""


@dataclass(frozen=True, slots=True)
class AgreementAccount:
    """What an agreement has taken of the privacy budget of its asset, in all its time."""

    id: str  # the agreement
    asset: str
    taken: int = 0


class DebitState(StrEnum):
    """How a debit stands."""

    OPEN = "open"  # its use goes on
    OVER = "over"  # its use has ended for good; the key of the use may still be there
    SETTLED = "settled"  # the key is gone, and what was not let out was given back


@dataclass(frozen=True, slots=True)
class Debit:
    """What one use has taken of a privacy budget: all that it may cost, at its first question.

    `rho` has one number for each of its questions. `asked` are those that were put, `let_out` the totals that left,
    as steps of the names in `opens` (of any name, where there are none). `gaussian` is what the engine says of its
    noise; all that was debited before it was kept was so.
    """

    id: str  # the use
    asset: str
    agreement: str
    user: str  # DID
    task: str  # digest
    time: str
    period: str  # when the account's period began: a refund goes to no other
    rho: tuple[int, ...]
    opens: tuple[str, ...] = ()
    asked: int = 1
    let_out: int = 0
    refunded: int = 0
    state: DebitState = DebitState.OPEN
    gaussian: bool = True

    @property
    def total(self) -> int:
        """What was taken at first."""
        return sum(self.rho)


LABELS = Collection("labels", Labelled)
JOBS = Collection("jobs", Job, keys=("agreement", "number"))
QUESTIONS = Collection(
    "questions", Question, keys=("asset", "agreement", "user", "job", "outcome", "version", "time", "asked")
)
KEPT = Collection("kept_answers", Kept, keys=("request", "time"))
VERSIONS = Collection("data_versions", Version, keys=("asset", "time"))
SPENT = Collection("spent_questions", Spent)
DISCLOSURES = Collection("disclosures", Disclosed)


@dataclass(frozen=True, slots=True)
class TakenSeat:
    """The seat of a use in a run: the manifest that its user signed, and the keys that all seats added to it.

    `secret` is the private part of this seat's own key, sealed under the key of the use: gone with it.
    """

    id: str  # the use
    manifest: str  # as it was signed
    key: str  # this seat's, as it was signed
    secret: str
    keys: tuple[str, ...] = ()  # of all seats, as they were signed; none until they came


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """What the holder keeps of a release to show an auditor, sealed (`core.usage.Output.record`)."""

    id: str  # the admission
    run: str  # of the manifest; "" of a use without one
    entry: int  # index of the release in the holder's log
    time: str
    sealed: str


@dataclass(frozen=True, slots=True)
class KeptNotes:
    """What the holder alone is told of its rows in one step that was released, sealed (`usage.telling`)."""

    id: str  # the admission
    asset: str
    use: str
    time: str
    sealed: str


@dataclass(frozen=True, slots=True)
class PeriodTotal:
    """What the uses of a period that is over have taken of a privacy budget, put together: their debits are gone.

    `taken` and `refunded` are rho of 2^-40, `uses` how many debits that were, `last` when the latest was made.
    """

    id: str  # the asset and the beginning of the period
    asset: str
    since: str
    uses: int = 0
    taken: int = 0
    refunded: int = 0
    last: str = ""


MEMORIES = Collection("use_memories", Memory)
SEATS = Collection("taken_seats", TakenSeat)
RECORDS = Collection("kept_records", KeptRecord, keys=("run", "time"))
ACCOUNTS = Collection("budget_accounts", Account)
AGREEMENT_ACCOUNTS = Collection("budget_agreements", AgreementAccount)
DEBITS = Collection("budget_debits", Debit, keys=("asset", "time", "state"))
PERIODS = Collection("budget_periods", PeriodTotal, keys=("asset", "since"))
NOTES = Collection("holder_notes", KeptNotes, keys=("asset", "time"))
BUDGETS = (ACCOUNTS, AGREEMENT_ACCOUNTS, DEBITS, PERIODS, NOTES)
COLLECTIONS = (LABELS, JOBS, QUESTIONS, KEPT, VERSIONS, SPENT, DISCLOSURES, MEMORIES, SEATS, RECORDS, *BUDGETS)
