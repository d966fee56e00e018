"""One call of a job endpoint on its way through usage control, as plain values."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from medspace.connector.model import Agreement
from medspace.connector.usage.model import JOBS, Job, Question, TakenSeat
from medspace.connector.usage.notebook import Notebook
from medspace.core.decision import Decision, Premise
from medspace.core.engine import Cost
from medspace.core.errors import RefusedError, WaitingError
from medspace.core.material import Source
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.core.usage import Admission, Grant, Release, Step
from medspace.policy.model import UseRequest

# What the operational log of the holder is told of a use: its admission, and the reason that nobody else hears.
Tell = Callable[[str, str], None]
# What the operational log is told of a use that nearly repeats one: its admission, the entry of the earlier one in
# the holder's log, and what tells them apart.
Warn = Callable[[str, int, Text], None]
# Ends a use on both sides, by its pid, for what stands against it; soon, from the event loop.
End = Callable[[str, Decision], None]
# Tells the holder that the privacy budget of an asset comes to its end.
NearEnd = Callable[[str], None]
# Why an asset that is held cannot be opened now, but later; None where it is open.
Away = Callable[[str], WaitingError | None]
# Waits until an asset is open, or will not be.
Settled = Callable[[str], Awaitable[None]]


async def _at_once(_asset: str) -> None:
    """An asset that is open from the start."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a job endpoint: who (authenticated), which job, with which token, asking for what.

    `signature` is that of who asks under the question (`runs.statements`); None where this connector itself repeats
    what was asked. `sealed`: nobody on the way could read it (`runs.covers`). `small`: it came in so few bytes
    (`core.limits.SMALL`) that looking through it takes no time.
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
    """What is raised once the transaction that notes it is kept; `ends` is why the use is over with it, if it is."""

    error: RefusedError | WaitingError
    ends: Decision | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """One step at the door: the job and agreement it comes under, the digest of its task, what it asks for, when.

    `caller` is who asks: the user, or whom the manifest of its run names; "" of what was admitted before.
    """

    job: Job
    agreement: Agreement
    step: Step
    task: str
    request: UseRequest
    now: datetime
    inputs: str = ""  # digest of what the step asks for
    caller: str = ""  # DID
    asked: tuple[Question, ...] = ()  # of this use, whatever became of them


@dataclass(frozen=True, slots=True)
class AdmissibleStep:
    """A step that all conditions admit: what they grant together, and whether the rows are asked something new.

    It is nothing new where the answer to the very same question, under the same scope, was kept, nor where the step
    is `rowless`: it only carries a protocol on. `request` is the digest of everything that decides the answer, beside
    the rows. `numbers` is how many numbers the whole use will be answered with, as far as its engine can tell;
    `cost` is what it takes of a privacy budget, None where its answers are exact. It is `bounded` where a budget
    holds it to that, so that what guards exact answers is not asked.
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
    """What was admitted: the step, and the answer where the same was answered before.

    `memory` is what the use remembers, sealed; "" where it remembers nothing, None where nobody has looked. `seat` is
    what it was seated with, as was looked up with the memory. `looked`: a person of the holder has looked at its
    output, and let it go. `number` is which of the use's steps it is, from 1.
    """

    admission: Admission
    step: Step
    asked: Question
    known: Release | None = None
    memory: str | None = field(default=None, repr=False)
    looked: bool = False
    number: int = 0
    seat: TakenSeat | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the rows: its DID, its sources, how many questions a year each asset answers, its notebook.

    `numbers` is how many numbers of persons each asset gives. Sources, questions and numbers are looked at whenever
    they are needed: assets are opened while the connector runs.
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
        """What a refusal says; where the label allows the use no longer, the use is ended with it."""
        if refusal.ends is not None:
            self.end(use, refusal.ends)
        return refusal.error


def task_name(step: Step) -> str:
    """Which kind of task a step is of; empty where its document does not say so."""
    said = step.task.get("task")
    return said if isinstance(said, str) else ""


def numbered(tx: Transaction, agreement: str) -> int:
    """How many uses of an agreement something was released to."""
    last = tx.find(JOBS, where={"agreement": agreement}, order_by="number", descending=True, limit=1)
    return last[0].number if last else 0


def told(code: str, premise: Premise | None) -> dict[str, str | Text]:
    """What the caller is told of a refusal: the clause, what it asks, what held, what would change it."""
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
