"""One call of a job endpoint as usage control processes it, as plain values."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from medspace.connector.model import Agreement
from medspace.connector.usage.model import JOBS, AdmittedQuestion, Job, TakenSeat
from medspace.connector.usage.notebook import Notebook
from medspace.core.decision import Decision, Premise
from medspace.core.engine import Cost
from medspace.core.errors import RefusedError, WaitingError
from medspace.core.material import Source
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.core.usage import Admission, Grant, Release, Step
from medspace.policy.model import UseRequest

# Logs, for the holder's operators, the admission of a use and the reason that no other party is told.
Tell = Callable[[str, str], None]
# Logs, for the holder's operators, a use that nearly repeats an earlier one: its admission, the entry of the earlier
# one in the holder's log, and the difference between them.
Warn = Callable[[str, int, Text], None]
# Ends a use on both sides, by its pid, with the reasons; soon, from the event loop.
End = Callable[[str, Decision], None]
# Warns the holder that the privacy budget of an asset is running out.
NearEnd = Callable[[str], None]
# Why an asset that is held cannot be opened now, but later; None where it is open.
Away = Callable[[str], WaitingError | None]
# Waits until an asset is open, or is known to stay closed.
Settled = Callable[[str], Awaitable[None]]


async def _at_once(_asset: str) -> None:
    """For an asset that is open from the start."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a job endpoint: the authenticated caller, the job, the token, and the step asked for.

    `signature` is the caller's signature on the question (`runs.statements`); None where this connector itself
    repeats an earlier one. `sealed`: it was encrypted for this seat (`runs.covers`). `small`: it has so few bytes
    (`core.limits.SMALL`) that checking it takes negligible time.
    """

    user: str
    job: str
    token: str
    step: Step
    signature: str | None = field(default="", repr=False)
    small: bool = False
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """The error to raise once the transaction that records it is committed.

    `ends` is the reason why it also ends the use.
    """

    error: RefusedError | WaitingError
    ends: Decision | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """One step at the door: its job and agreement, the digest of its task, what it asks for, when.

    `caller` is the DID of whoever asks: the user, or the leader that the run's manifest names; "" for steps admitted
    by older versions.
    """

    job: Job
    agreement: Agreement
    step: Step
    task: str
    request: UseRequest
    now: datetime
    inputs: str = ""  # digest of what the step asks for
    caller: str = ""  # DID
    asked: tuple[AdmittedQuestion, ...] = ()  # the questions of this use, whatever their outcome


@dataclass(frozen=True, slots=True)
class AdmissibleStep:
    """A step that all conditions admit: their combined grant, and whether the rows are asked something new.

    It is nothing new where the answer to the very same question, under the same scope, was kept, nor where the step
    is `rowless`: it only advances a protocol. `request` is the digest of everything that decides the answer, apart
    from the rows. `numbers` is how many numbers the whole use will be answered with, as far as its engine can tell;
    `cost` is what it takes of a privacy budget, None where its answers are exact. It is `bounded` where a privacy
    budget limits what it reveals, so that conditions that guard exact answers are skipped.
    """

    visit: Visit
    grant: Grant
    request: str
    new: bool
    rowless: bool = False
    numbers: int = 0
    cost: Cost | None = None
    bounded: bool = False


@dataclass(frozen=True, slots=True)
class Admitted:
    """An admitted step, and its answer where the same question was answered before.

    `memory` is the sealed memory of the use; "" where it remembers nothing, None where it was not looked up. `seat`
    is the seat of the use, looked up together with the memory. `looked` is how many persons of the holder have
    approved the output, `by` the last of them. `number` counts the admitted steps of the use, from 1.
    """

    admission: Admission
    step: Step
    asked: AdmittedQuestion
    known: Release | None = None
    memory: str | None = field(default=None, repr=False)
    looked: int = 0
    by: str = ""
    number: int = 0
    seat: TakenSeat | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Holder:
    """The holder of the rows: its DID, its sources, how many questions a year each asset answers, its notebook.

    `numbers` is how many numbers about persons each asset may release. Sources, questions and numbers are looked up
    each time, since assets are opened while the connector runs.
    """

    did: str
    sources: Mapping[str, Source]
    questions: Mapping[str, int]
    notebook: Notebook
    tell: Tell = field(default=lambda _admission, _cause: None)
    end: End = field(default=lambda _use, _decision: None)
    away: Away = field(default=lambda _asset: None)
    settled: Settled = field(default=_at_once)
    numbers: Mapping[str, int] = field(default_factory=dict)
    warn: Warn = field(default=lambda _admission, _earlier, _differs: None)
    near_end: NearEnd = field(default=lambda _asset: None)

    def refused(self, use: str, refusal: Refusal) -> RefusedError | WaitingError:
        """The refusal for a decision; where the label no longer allows the use, it also ends the use."""
        if refusal.ends is not None:
            self.end(use, refusal.ends)
        return refusal.error


def task_name(step: Step) -> str:
    """The kind of task of a step; "" where its document does not say."""
    said = step.task.get("task")
    return said if isinstance(said, str) else ""


def numbered(tx: Transaction, agreement: str) -> int:
    """How many uses of an agreement have had a release."""
    last = tx.find(JOBS, where={"agreement": agreement}, order_by="number", descending=True, limit=1)
    return last[0].number if last else 0


def told(code: str, premise: Premise | None) -> dict[str, str | Text]:
    """What the caller is told about a refusal: the clause, what it requires, the facts, what would change it."""
    nothing = Text(msgid("nobody has said yes"))
    if premise is None:
        return {"decision": code, "clause": "-", "asked": nothing, "held": nothing, "remedy": nothing}
    remedy = premise.remedy or Text(msgid("Negotiate other terms with the holder."))
    return {
        "decision": code,
        "clause": premise.clause,
        "asked": premise.asked,
        "held": premise.held,
        "remedy": remedy,
    }
