"""The records of usage control: labels of assets, jobs (the holder's side of started uses), questions and answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from medspace.core.canonical import JsonObject
from medspace.core.engine import Unit
from medspace.core.parts import Part
from medspace.core.store import Collection


@dataclass(frozen=True, slots=True)
class Labelled:
    """The label in force of an asset, as the holder wrote it."""

    id: str  # the asset
    label: JsonObject
    configured: JsonObject | None = None  # the configured label, where a person has set another one since
    by: str = ""  # which actor (`core.actors`) set it last; "" for the configuration
    source: JsonObject | None = None  # the strictest label of what it was made of (`policy.carried`)


@dataclass(frozen=True, slots=True)
class Job:
    """The job endpoint of one started transfer.

    The first admitted step fixes the task. `generation` counts the holder's starts: each has its own token, so that a
    token from before the holder's suspension is worthless. A user that resumes after suspending the use itself keeps
    its token. `held` is the holder's own decision: only the holder's start opens the job again.
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
    steps: int = 0  # steps that were admitted, whatever their outcome
    rowless: int = 0  # those among them that only advanced a protocol; all others are questions
    held: bool = False
    over: bool = False  # it was completed or terminated: it cannot be opened again
    manifests: int = 0  # how many were refused, or replaced another one
    rows: str | None = None  # the rows that its first question was put to, as a keyed digest of the scope


class QuestionOutcome(StrEnum):
    """The outcome of an admitted question."""

    OPEN = "open"  # it is being worked on, or the connector ended meanwhile
    HELD = "held"  # the answer is computed, and awaits review by a person of the holder
    RELEASED = "released"
    WITHHELD = "withheld"  # for a reason that the caller is not told
    REFUSED = "refused"  # for a reason that anyone may know: no such column, the use was closed, ...
    FAILED = "failed"  # no decision was made: the engine failed, the connector ended


@dataclass(frozen=True, slots=True)
class AdmittedQuestion:
    """One admitted question, which is also the record of its step (`usage.states`).

    What was asked, and what the caller was finally told, is sealed: only the holder can show it.
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
    request: str  # digest of everything that decides the answer, apart from the rows
    sealed: str  # task, round, step, inputs
    outcome: QuestionOutcome = QuestionOutcome.OPEN
    version: str = ""  # of the rows that it was put to; "" until that is known
    counted: bool = True  # whether it counts against the asset's questions of the year
    asked: str = ""  # digest of task, round, step and inputs: the name of the step within its use
    granted: str = ""  # the admission, sealed, without what can be recomputed: seed and history
    repeats: int = 0  # how often it was repeated after the connector was killed
    code: str = ""  # why it ended, where it was not released
    told: str = ""  # what the caller was told then, sealed
    parts: tuple[Part, ...] = ()  # of its release
    worded: str = ""  # what was asked in the words of the task, sealed, where the step does not say it
    rowless: bool = False  # it carried a protocol on: no rows were opened for it
    held_for: tuple[str, ...] = ()  # why a person had to look at its output, as codes
    approved_by: tuple[str, ...] = ()  # the actors that let its output go (`core.actors`); two may have to
    refused_by: str = ""  # the actor that kept it back
    comments: str = ""  # what those who looked at its output wrote, sealed
    left_out: tuple[str, ...] = ()  # parts that its output was made anew without, as terms name them
    changed_by: tuple[str, ...] = ()  # the actors that had it made anew


@dataclass(frozen=True, slots=True)
class ReviewComment:
    """What a person wrote who looked at an output: for the holder's people alone, so that the next one knows why.

    `left_out` is what they had left out of it, where that was their decision.
    """

    by: str  # which actor (`core.actors`)
    approve: bool
    text: str
    time: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """The answer to a question, sealed: whoever asks the same question gets the same answer.

    An output that awaits review is kept the same way, under no request, so that it answers nobody.
    """

    id: str  # the admission
    asset: str
    request: str
    version: str
    time: str
    sealed: str


@dataclass(frozen=True, slots=True)
class Version:
    """One content of an asset's rows, as keyed sums that show by how many persons another content differs."""

    id: str  # the asset and the digest of the sums
    asset: str
    time: str  # when it was first asked
    sums: str  # of `usage.versions`


@dataclass(frozen=True, slots=True)
class DailyQuestions:
    """How many questions an asset was asked on one day (UTC)."""

    id: str  # the asset
    days: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of one use, sealed under its own key; "" while it remembers nothing.

    `waiting` is the new memory of the output that awaits review, of the admission `step`.
    """

    id: str  # the use
    sealed: str = ""
    waiting: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What has left an asset, over all users and all time (`usage.disclosures`).

    `sites` is the set of holders with which it is summed under masks; empty until the first run, where the terms name
    none. `sets` are all sets in which totals may have been opened, each sorted.
    """

    id: str  # the asset
    numbers: int = 0
    sites: tuple[str, ...] = ()
    sets: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """The privacy budget of an asset as its holder sets it: per year, per agreement, per task.

    `year`, `agreement` and `task` are `epsilon`, `of_agreement` and `of_task` converted at `delta` to rho, in units
    of 2^-40. `exact`: exact answers stay possible, and no budget limits them. `warn` is the share of the year's
    budget at which the holder is warned.
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
class PrivacyAccount:
    """What an asset has spent of its privacy budget in the current period, in rho of 2^-40.

    `limits` None: the holder has removed the budget, so noisy answers are unavailable. `frozen` is the code for why
    the whole budget counts as spent; `restored` is the checkpoint that the log fell short of then, `restored_at` when
    that was found: what agreements and debits from before that time have taken is unknown. `other` is the part of
    `taken` whose noise is not known to be Gaussian (`core.engine.Cost`). `tidied`: no settled debit is left of a
    period before the one that began then.
    """

    id: str  # the asset
    since: str  # when the period began
    until: str  # when it ends; only the holder can begin another
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
    """What an agreement has taken from the privacy budget of its asset, in all."""

    id: str  # the agreement
    asset: str
    taken: int = 0


class DebitState(StrEnum):
    """The state of a debit."""

    OPEN = "open"  # its use has not ended
    OVER = "over"  # its use has ended for good; the key of the use may still exist
    SETTLED = "settled"  # the key is deleted, and what was not released was refunded


@dataclass(frozen=True, slots=True)
class Debit:
    """What one use has taken from a privacy budget: its full possible cost, at its first question.

    `rho` has one number for each of its questions. `asked` counts the questions asked, `let_out` the released totals,
    from steps with the names in `opens` (any name, where empty). `gaussian` says whether its noise is Gaussian, as
    declared by the engine; all debits from before this field existed were.
    """

    id: str  # the use
    asset: str
    agreement: str
    user: str  # DID
    task: str  # digest
    time: str
    period: str  # when the account's period began: a refund goes only to that period
    rho: tuple[int, ...]
    opens: tuple[str, ...] = ()
    asked: int = 1
    let_out: int = 0
    refunded: int = 0
    state: DebitState = DebitState.OPEN
    gaussian: bool = True

    @property
    def total(self) -> int:
        """What was debited originally."""
        return sum(self.rho)


@dataclass(frozen=True, slots=True)
class EndedAgreement:
    """An agreement that one of its parties has ended: from then on nothing is admitted under it, for good.

    `reason` is what a person gave as the reason, which the other side is told; it is in no log. `cause` is one of
    `ended.CAUSES`, or "" where nobody said one. `successor` is the agreement that took its place, "" where none did.
    `ender` is the DID of the party that ended it, "" for the holder.
    """

    id: str  # the agreement
    asset: str
    user: str  # DID
    time: str
    reason: str = ""
    cause: str = ""
    successor: str = ""
    ender: str = ""


LABELS = Collection("labels", Labelled)
ENDED = Collection("ended_agreements", EndedAgreement, keys=("asset", "user", "time"))
JOBS = Collection("jobs", Job, keys=("agreement", "number"))
QUESTIONS = Collection(
    "questions", AdmittedQuestion, keys=("asset", "agreement", "user", "job", "outcome", "version", "time", "asked")
)
KEPT = Collection("kept_answers", Kept, keys=("request", "time"))
VERSIONS = Collection("data_versions", Version, keys=("asset", "time"))
SPENT = Collection("spent_questions", DailyQuestions)
DISCLOSURES = Collection("disclosures", Disclosed)


@dataclass(frozen=True, slots=True)
class TakenSeat:
    """The seat of a use in a run: the manifest that its user signed, and the keys that all seats added to it.

    `secret` is the private part of this seat's own key, sealed under the key of the use and deleted with it.
    """

    id: str  # the use
    manifest: str  # as it was signed
    key: str  # this seat's, as it was signed
    secret: str
    keys: tuple[str, ...] = ()  # of all seats, as they were signed; empty until they arrive


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """The record of a release that the holder keeps to show an auditor, sealed (`core.usage.Output.record`)."""

    id: str  # the admission
    run: str  # of the manifest; "" for a use without one
    entry: int  # index of the release in the holder's log
    time: str
    sealed: str


@dataclass(frozen=True, slots=True)
class KeptNotes:
    """The notes that one released step gives the holder alone about its rows, sealed (`usage.telling`)."""

    id: str  # the admission
    asset: str
    use: str
    time: str
    sealed: str


@dataclass(frozen=True, slots=True)
class PeriodTotal:
    """The total that the uses of a past period took from a privacy budget; replaces their individual debits.

    `taken` and `refunded` are rho of 2^-40, `uses` is the number of debits, `last` when the latest was made.
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
ACCOUNTS = Collection("budget_accounts", PrivacyAccount)
AGREEMENT_ACCOUNTS = Collection("budget_agreements", AgreementAccount)
DEBITS = Collection("budget_debits", Debit, keys=("asset", "time", "state"))
PERIODS = Collection("budget_periods", PeriodTotal, keys=("asset", "since"))
NOTES = Collection("holder_notes", KeptNotes, keys=("asset", "time"))
BUDGETS = (ACCOUNTS, AGREEMENT_ACCOUNTS, DEBITS, PERIODS, NOTES)
COLLECTIONS = (
    LABELS,
    JOBS,
    QUESTIONS,
    KEPT,
    VERSIONS,
    SPENT,
    DISCLOSURES,
    MEMORIES,
    SEATS,
    RECORDS,
    *BUDGETS,
    ENDED,
)
