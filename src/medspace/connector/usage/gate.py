"""The gate: what an engine made leaves as a release, or is kept back; every admission gets its end in the log."""

from dataclasses import dataclass, replace
from datetime import datetime

from medspace.connector.model import AGREEMENTS
from medspace.connector.usage import labelling, memory, rules, telling
from medspace.connector.usage.calls import Admitted, Holder, Refusal, Visit, numbered, told
from medspace.connector.usage.conditions import Conditions, Leaving, concerned
from medspace.connector.usage.conditions.seats import manifest_of
from medspace.connector.usage.errors import JobClosedError, StepHeldError, StepUnknownError, WithheldError
from medspace.connector.usage.model import JOBS, QUESTIONS, Job, Outcome
from medspace.connector.usage.requests import Requests, UseContext
from medspace.connector.usage.rules import Measured
from medspace.core.canonical import LARGEST_INTEGER, JsonObject
from medspace.core.clock import Clock, stamp
from medspace.core.decision import Decision, combine
from medspace.core.engine import MASKED
from medspace.core.hashing import digest_bytes
from medspace.core.store import Transaction
from medspace.core.usage import Admission, Output, Release
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.policy.budgets import EXACT, NOISY
from medspace.policy.model import PROTOCOL

INTERRUPTED = "use.interrupted"
ENGINE = "use.engine"  # why a person must look: the engine asks for it


@dataclass(frozen=True, slots=True)
class Gate:
    """Decides inside a transaction what leaves; notes what became of what was admitted."""

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
        """The release, or why it is none: in the open, or as a code that only the holder sees.

        An output that a person must look at is held, once everything else permits it. `remembered` is the use's new
        memory, sealed.
        """
        admission, step = question.admission, question.step
        if self.holder.notebook.ended(tx, admission.id):  # what has its end gets no other one
            return Refusal(StepUnknownError(use=admission.use))
        job = tx.get(JOBS, admission.use)
        if job is None or not job.open:  # suspended or ended while the engine worked
            self.end(tx, admission.id, Outcome.REFUSED, JobClosedError.code)
            return Refusal(JobClosedError(use=admission.use))
        in_the_open, behind, reasons, leaving = self._may_leave(tx, job, question, output, found, now)
        if leaving is None or not in_the_open.permitted:  # without an agreement nothing leaves
            self.end(tx, admission.id, Outcome.REFUSED, in_the_open.code)
            error = WithheldError(**told(in_the_open.code, next(iter(in_the_open.failures), None)))
            return Refusal(error, in_the_open if labelling.against(in_the_open) else None)
        if not behind.permitted:
            return behind.code
        if reasons and not question.looked:
            record(tx, Entry("use.held", stamp(now), self.holder.did, {"admission": admission.id}))
            self.holder.notebook.hold(tx, admission.id, output, now, reasons)
            memory.hold(tx, admission.use, admission.id, remembered)
            return StepHeldError()
        facts = {"release": release_id, "admission": admission.id, "round": step.round, "digest": found.digest}
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
        if not job.number:  # the first release makes it a use of the contract
            tx.replace(JOBS, job, replace(job, number=numbered(tx, job.agreement) + 1))
        remembers = memory.remember(tx, admission.use, admission.id, remembered)
        # What a use's own memory decides, and every message of a protocol, is an answer to this use alone.
        protocol = output.kind in admission.messages or output.kind in admission.masked
        alone = remembers or protocol or bool(output.outbox)
        self.holder.notebook.keep(tx, release, now, alone=alone, worded=output.worded)
        if output.record is not None:
            self.holder.notebook.record(tx, release, manifest_of(tx, admission.use), output.record, now)
        telling.keep(tx, self.holder.notebook.sealer, question, output, now)
        return release

    def _note(self, tx: Transaction, leaving: Leaving) -> None:
        for condition in concerned(self.conditions, bounded=leaving.bounded):
            condition.left(tx, leaving)

    def _may_leave(
        self, tx: Transaction, job: Job, question: Admitted, output: Output, found: Measured, now: datetime
    ) -> tuple[Decision, Decision, list[str], Leaving | None]:
        """The gate and the conditions with what is known only now: what is told openly, and what lies behind.

        And why a person must look first: what holds now is asked as well as what held at the admission; and the
        output as the conditions see it.
        """
        agreement = tx.get(AGREEMENTS, job.agreement)
        if agreement is None:
            return combine(), combine(), [], None
        used = job.number - 1 if job.number else numbered(tx, job.agreement)
        admission, bounded = question.admission, question.admission.bounded
        context = UseContext(now, used, question.step.task, admission.protection or None, job.id, noise(admission))
        request = self.requests.of(tx, agreement, job.kind, context)

        kind = _kind(admission, output.kind)
        numbers = found.numbers if _anew(tx, question) else 0
        leaving = Leaving(job, agreement, output, replace(request, output=kind), question.step, numbers, bounded)
        deciding = concerned(self.conditions, bounded=bounded)

        def decided(cohort: int) -> Decision:
            seen = replace(leaving, request=replace(leaving.request, cohort=cohort))
            return combine(*(condition.released(tx, seen) for condition in deciding))

        visit = Visit(job, agreement, question.step, admission.task, request, now)
        narrowing = (condition for condition in self.conditions if condition.narrows)
        now_granted = [condition.admit(tx, visit)[1] for condition in narrowing]
        granted = [one for grant in now_granted for one in grant.scope]
        looks = () if output.kind in admission.messages else (admission.hold, *(grant.hold for grant in now_granted))
        reasons = [*([ENGINE] if output.hold else []), *(one for look in looks for one in look)]
        cohort = LARGEST_INTEGER if output.kind in admission.messages else output.cohort
        return (
            combine(
                rules.in_the_open(admission, output, now),
                decided(LARGEST_INTEGER),
                rules.mail(found),
                rules.same_rows(admission, granted),
            ),
            combine(rules.behind_the_gate(admission, output, found), decided(cohort)),
            list(dict.fromkeys(reasons)),
            leaving,
        )

    def again(self, tx: Transaction, visit: Visit, admission: Admission, release: Release) -> Decision:
        """What the conditions say of an answer that has left, where it is to leave once more; nothing of the rows."""
        output = Output(release.kind, release.values, release.cohort, release.parts)
        request = replace(visit.request, output=_kind(admission, release.kind), cohort=LARGEST_INTEGER)
        leaving = Leaving(visit.job, visit.agreement, output, request, visit.step, bounded=admission.bounded)
        deciding = concerned(self.conditions, bounded=admission.bounded)
        return combine(*(condition.released(tx, leaving) for condition in deciding))

    def end(self, tx: Transaction, admission: str, outcome: Outcome, code: str, *, named: str = "") -> None:
        """Give an admission its end in the log, other than a release; one that has its end keeps it.

        `named` is the DID of whom the engine says that it has broken the protocol of the run.

        The connector may be told to end after an answer was released and before anybody heard of it.
        """
        if self.holder.notebook.ended(tx, admission):
            return
        kind = "use.failed" if outcome is Outcome.FAILED else "use.withheld"
        facts = {"admission": admission, "code": code}
        facts |= {"named": named} if named and kind == "use.withheld" else {}
        record(tx, Entry(kind, stamp(self.clock.now()), self.holder.did, facts))
        self.holder.notebook.settle(tx, admission, outcome, code)


def _anew(tx: Transaction, question: Admitted) -> bool:
    """Whether nobody has been told before what a step is answered with."""
    kept = tx.get(QUESTIONS, question.admission.id) or question.asked
    return kept.counted or kept.rowless


def noise(admission: Admission) -> str:
    """What terms on noise are told of its answers; with the brake off (tests of attacks), that all have some."""
    return NOISY if admission.noisy or not admission.brakes.budget else EXACT


def _noted(output: Output) -> JsonObject:
    """What the log says of an output itself."""
    facts: JsonObject = {"output": output.kind, **output.noted}
    facts |= {"parts": [f"sha256:{part.digest}" for part in output.parts]} if output.parts else {}
    return facts | ({} if output.record is None else {"record": digest_bytes(output.record)})


def _kind(admission: Admission, kind: str) -> str:
    """A kind of output as terms that list results know it: what masks are made of is no result."""
    protocol = kind in admission.messages or kind in admission.masked
    return PROTOCOL if protocol and admission.protection in MASKED else kind
