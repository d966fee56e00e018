"""The gate: an engine's output leaves as a release, or is withheld; every admission gets its end in the log."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from medspace.connector.model import AGREEMENTS
from medspace.connector.usage import ended, memory, rules, telling
from medspace.connector.usage.calls import Admitted, Holder, Refusal, Visit, numbered, told
from medspace.connector.usage.conditions import Conditions, Leaving, concerned
from medspace.connector.usage.conditions.seats import manifest_of
from medspace.connector.usage.errors import JobClosedError, StepHeldError, StepUnknownError, WithheldError
from medspace.connector.usage.model import JOBS, QUESTIONS, Job, QuestionOutcome
from medspace.connector.usage.requests import Requests, UseContext
from medspace.connector.usage.rules import Measured
from medspace.core.actors import NOBODY
from medspace.core.canonical import LARGEST_INTEGER, JsonObject
from medspace.core.clock import Clock, stamp
from medspace.core.decision import Decision, combine
from medspace.core.engine import MASKED
from medspace.core.hashing import digest_bytes
from medspace.core.store import Transaction
from medspace.core.usage import Admission, Grant, Measure, Output, Release
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.policy import gates
from medspace.policy.budgets import EXACT, NOISY
from medspace.policy.model import PROTOCOL

INTERRUPTED = "use.interrupted"
ENGINE = "use.engine"  # why a person must review: the engine asks for it
CODES = frozenset({INTERRUPTED, ENGINE})


@dataclass(frozen=True, slots=True)
class Looks:
    """How many persons of the holder must approve an output before it leaves, and why, as codes.

    No codes mean no review.
    """

    reasons: tuple[str, ...] = ()
    persons: int = 0


@dataclass(frozen=True, slots=True)
class Gate:
    """Decides, inside a transaction, what leaves; records the outcome of every admission."""

    holder: Holder
    conditions: Conditions
    requests: Requests
    clock: Clock

    def release(
        self,
        tx: Transaction,
        question: Admitted,
        output: Output,
        found: Measured,
        release_id: str,
        now: datetime,
        remembered: str | None = None,
    ) -> Release | Refusal | StepHeldError | str:
        """The release, or why there is none: stated openly, or as a code that only the holder sees.

        An output that must be reviewed is held, once everything else permits it. `remembered` is the use's new
        memory, sealed.
        """
        admission, step = question.admission, question.step
        if self.holder.notebook.ended(tx, admission.id):  # an admission that has its end gets no other
            return Refusal(StepUnknownError(use=admission.use))
        job = tx.get(JOBS, admission.use)
        if job is None or not job.open:  # suspended or ended while the engine was working
            self.end(tx, admission.id, QuestionOutcome.REFUSED, JobClosedError.code)
            return Refusal(JobClosedError(use=admission.use))
        in_the_open, behind, looks, leaving = self._may_leave(tx, job, question, output, found, now)
        if leaving is None or not in_the_open.permitted:  # without an agreement nothing leaves
            self.end(tx, admission.id, QuestionOutcome.REFUSED, in_the_open.code)
            error = WithheldError(**told(in_the_open.code, next(iter(in_the_open.failures), None)))
            return Refusal(error, in_the_open if ended.for_good(in_the_open) else None)
        if not behind.permitted:
            return behind.code
        if looks.persons > question.looked:
            if not question.looked:  # with one approval of two it is already held
                self._hold(tx, admission, output, now, looks, remembered)
            return StepHeldError()
        facts = {"release": release_id, "admission": admission.id, "round": step.round, "digest": found.digest}
        facts |= {"by": question.by} if question.by else {}
        entry = record(tx, Entry("use.released", stamp(now), self.holder.did, facts | _noted(output)))
        self._note(tx, leaving)
        release = Release(
            release_id,
            admission.id,
            output.kind,
            step.round,
            output.values,
            rules.told_cohort(admission, output),
            found.digest,
            entry,
            output.parts,
            output.outbox,
        )
        if not job.number:  # the first release makes it count as a use of the contract
            tx.replace(JOBS, job, replace(job, number=numbered(tx, job.agreement) + 1))
        remembers = memory.remember(tx, admission.use, admission.id, remembered)
        # An answer that depends on a use's own memory, and every protocol message, is an answer to this use alone.
        protocol = output.kind in admission.messages or output.kind in admission.masked
        alone = remembers or protocol or bool(output.outbox)
        self.holder.notebook.keep(tx, release, now, alone=alone, worded=output.worded)
        if output.record is not None:
            self.holder.notebook.record(tx, release, manifest_of(tx, admission.use), output.record, now)
        telling.keep(tx, self.holder.notebook.sealer, question, output, now)
        return release

    def _hold(
        self, tx: Transaction, admission: Admission, output: Output, now: datetime, looks: Looks, sealed: str | None
    ) -> None:
        """Hold an output, with the use's new memory, until a person has reviewed it."""
        record(tx, Entry("use.held", stamp(now), self.holder.did, {"admission": admission.id}))
        self.holder.notebook.hold(tx, admission.id, output, now, looks.reasons)
        memory.hold(tx, admission.use, admission.id, sealed)

    def _note(self, tx: Transaction, leaving: Leaving) -> None:
        for condition in concerned(self.conditions, bounded=leaving.bounded):
            condition.left(tx, leaving)

    def _may_leave(
        self, tx: Transaction, job: Job, question: Admitted, output: Output, found: Measured, now: datetime
    ) -> tuple[Decision, Decision, Looks, Leaving | None]:
        """The decisions that need the output: the part that is told openly, and the part that only the holder sees.

        Also how many persons must review it, and why (the rules of now apply as well as those of the admission), and
        the output as the conditions see it.
        """
        agreement = tx.get(AGREEMENTS, job.agreement)
        if agreement is None:
            return combine(), combine(), Looks(), None
        used = job.number - 1 if job.number else numbered(tx, job.agreement)
        admission, bounded = question.admission, question.admission.bounded
        context = UseContext(now, used, question.step.task, admission.protection or None, job.id, noise(admission))
        request = self.requests.of(tx, agreement, job.kind, context)

        kind = _kind(admission, output.kind)
        numbers = found.numbers if _anew(tx, question) else 0
        asked = replace(request, output=kind, measures=_measures(kind, output))
        leaving = Leaving(job, agreement, output, asked, question.step, numbers, bounded)
        deciding = concerned(self.conditions, bounded=bounded)

        def decided(cohort: int) -> Decision:
            seen = replace(leaving, request=replace(leaving.request, cohort=cohort))
            return combine(*(condition.released(tx, seen) for condition in deciding))

        visit = Visit(job, agreement, question.step, admission.task, request, now)
        narrowing = (condition for condition in self.conditions if condition.narrows)
        now_granted = [condition.admit(tx, visit)[1] for condition in narrowing]
        granted = [one for grant in now_granted for one in grant.scope]
        looks = _looks(admission, output, now_granted)
        cohort = LARGEST_INTEGER if output.kind in admission.messages else output.cohort
        return (
            combine(
                rules.in_the_open(admission, output, now),
                decided(LARGEST_INTEGER),
                rules.mail(found),
                rules.same_rows(admission, granted),
            ),
            combine(rules.behind_the_gate(admission, output, found), decided(cohort)),
            looks,
            leaving,
        )

    def again(self, tx: Transaction, visit: Visit, admission: Admission, release: Release) -> Decision:
        """What the conditions say about an answer that is to leave a second time; the rows are not considered."""
        output = Output(release.kind, release.values, release.cohort, release.parts)
        # How good a model is was decided when it left for the first time, and does not change.
        kind, passed = _kind(admission, release.kind), gates.NOTHING_LEARNED
        request = replace(visit.request, output=kind, cohort=LARGEST_INTEGER, measures=passed)
        leaving = Leaving(visit.job, visit.agreement, output, request, visit.step, bounded=admission.bounded)
        deciding = concerned(self.conditions, bounded=admission.bounded)
        return combine(*(condition.released(tx, leaving) for condition in deciding))

    def end(
        self,
        tx: Transaction,
        admission: str,
        outcome: QuestionOutcome,
        code: str,
        *,
        named: str = "",
        by: str = NOBODY,
    ) -> None:
        """Write the end of an admission, other than a release, to the log; one that has its end keeps it.

        `named` is the DID of the party that the engine blames for breaking the protocol of the run. `by` is the
        person of the holder that decided, where one did.

        The connector may be told to end after an answer was released and before anyone received it.
        """
        if self.holder.notebook.ended(tx, admission):
            return
        kind = "use.failed" if outcome is QuestionOutcome.FAILED else "use.withheld"
        facts = {"admission": admission, "code": code}
        said = {"named": named, "by": by} if kind == "use.withheld" else {}
        facts |= {name: value for name, value in said.items() if value}
        record(tx, Entry(kind, stamp(self.clock.now()), self.holder.did, facts))
        self.holder.notebook.settle(tx, admission, outcome, code)


def _looks(admission: Admission, output: Output, now_granted: Sequence[Grant]) -> Looks:
    """How many persons must review an output: as granted at its admission, combined with what is granted now."""
    asked = [ENGINE] if output.hold else []
    held: list[Admission | Grant] = [] if output.kind in admission.messages else [admission, *now_granted]
    persons = [one.reviewers for one in held if one.hold]
    reasons = dict.fromkeys([*asked, *(reason for one in held for reason in one.hold)])
    return Looks(tuple(reasons), max(persons, default=len(asked)))


def _anew(tx: Transaction, question: Admitted) -> bool:
    """Whether the answer to a step has not been given to anyone before."""
    kept = tx.get(QUESTIONS, question.admission.id) or question.asked
    return kept.counted or kept.rowless


def noise(admission: Admission) -> str:
    """What noise terms are told about the answers; with that brake off (attack tests), that all carry noise."""
    return NOISY if admission.noisy or not admission.brakes.budget else EXACT


def _noted(output: Output) -> JsonObject:
    """What the log says about an output itself."""
    facts: JsonObject = {"output": output.kind, **output.noted}
    facts |= {"parts": [f"sha256:{part.digest}" for part in output.parts]} if output.parts else {}
    return facts | ({} if output.record is None else {"record": digest_bytes(output.record)})


def _measures(kind: str, output: Output) -> tuple[Measure, ...]:
    """How good the model of an output is; messages that masks consist of, and progress, show nothing of one."""
    return output.measures if output.learned and kind != PROTOCOL else gates.NOTHING_LEARNED


def _kind(admission: Admission, kind: str) -> str:
    """The kind of an output as terms that list results know it; messages that masks consist of are not results."""
    protocol = kind in admission.messages or kind in admission.masked
    return PROTOCOL if protocol and admission.protection in MASKED else kind
