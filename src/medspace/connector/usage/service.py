"""Usage control: admit a step, have the engine answer it beside the data, let the output pass the gate.

Each step is three transactions with an entry each, written before what it allows: `use.admitted` before the rows
are opened, `use.released` before the answer leaves (or `use.refused`, `use.withheld`). A step that is
repeated after its answer was lost gets the same answer again, and nothing twice in the log.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar
from weakref import WeakValueDictionary

from medspace.connector.model import AGREEMENTS, INTENTS, Agreement
from medspace.connector.ports import RegionOf
from medspace.connector.usage import rules
from medspace.connector.usage.errors import (
    JobClosedError,
    NotAdmittedError,
    StepError,
    UnknownJobError,
    UseFailedError,
    WithheldError,
)
from medspace.connector.usage.model import ANSWERED, JOBS, LABELS, Answered, Job
from medspace.connector.usage.tokens import JobTokens
from medspace.core.canonical import canonical, exact
from medspace.core.clock import Clock, Randomness, stamp
from medspace.core.decision import Decision, Premise, combine
from medspace.core.errors import InvalidInputError, MedspaceError, RefusedError
from medspace.core.hashing import digest, digest_bytes, same_secret
from medspace.core.ids import new_id
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.core.usage import Admission, Engine, Output, Release, RowSource, Step, release_digest
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.policy import odrl
from medspace.policy.limits import Limits, limits
from medspace.policy.model import UseRequest
from medspace.policy.points import Point

T = TypeVar("T")
LONGEST_ADMISSION = timedelta(hours=1)
_ENDING = frozenset({"suspend", "complete", "terminate"})


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a job endpoint: who (authenticated), which job, with which token, asking for what."""

    user: str
    job: str
    token: str
    step: Step


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What is raised once the transaction that notes it is kept."""

    error: RefusedError


@dataclass(frozen=True, slots=True)
class _Visit:
    """One step at the door: the job and agreement it comes under, the digest of its task, what it asks for, when."""

    job: Job
    agreement: Agreement
    step: Step
    task: str
    request: UseRequest
    now: datetime


class UsageControl:
    """The one door to the rows of this connector's assets."""

    def __init__(
        self,
        did: str,
        engines: Mapping[str, Callable[[], Engine]],
        sources: Mapping[str, RowSource],
        database: Database,
        tokens: JobTokens,
        region_of: RegionOf,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._did = did
        self._makers = dict(engines)
        self._engines: dict[str, Engine] = {}
        self._sources = sources
        self._database = database
        self._tokens = tokens
        self._region_of = region_of
        self._clock = clock
        self._randomness = randomness
        self._running: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def step(self, call: Call) -> Release:
        """Answer one step of a use.

        Raises:
            UnknownJobError: no such job for this caller and token.
            JobClosedError: the use is suspended or over.
            NotAdmittedError: agreement, label or budget say no.
            StepError: the engine cannot run it.
            WithheldError: the output may not leave.
            UseFailedError: the engine broke; what it raised is the cause.
        """
        lock = self._running.setdefault(call.job, asyncio.Lock())
        async with lock:
            return await self._step(call)

    async def _step(self, call: Call) -> Release:
        request = _request_digest(call.step)
        await self._check(call)
        now, admission_id = self._clock.now(), new_id(self._randomness)
        admitted = await self._database.write(lambda tx: self._admit(tx, call, request, admission_id, now))
        if isinstance(admitted, Release):
            return admitted
        if isinstance(admitted, _Refusal):
            raise admitted.error
        output = await self._answer(admitted, call.step)
        return await self._release(admitted, call, request, output)

    async def _check(self, call: Call) -> None:
        """Refuse what no engine here can answer, before it is noted or counts as a use.

        The engine is made for the first step of its kind, since it may bring heavy libraries.
        """
        job = await self._database.read(lambda tx: self._job(tx, call))
        if job.kind not in self._makers:
            return  # refused, and noted as refused, where it is decided
        if job.kind not in self._engines:
            self._engines[job.kind] = await asyncio.to_thread(self._makers[job.kind])
        engine = self._engines[job.kind]
        if call.step.name not in engine.steps:
            raise StepError(
                reason=Text(msgid("this kind of use has the steps {steps}"), {"steps": ", ".join(engine.steps)})
            )
        try:
            await _computed(job.id, engine.check, call.step.task)
        except InvalidInputError as error:
            raise StepError(reason=error.text) from error

    async def _answer(self, admission: Admission, step: Step) -> Output:
        engine, source = self._engines[admission.kind], self._sources[admission.asset]
        try:
            return await _computed(admission.use, engine.answer, admission, step, source)
        except (InvalidInputError, RefusedError) as error:
            code = error.code
            await self._database.write(lambda tx: self._note_withheld(tx, admission, code))
            if isinstance(error, UseFailedError):
                raise
            raise StepError(reason=error.text) from error
        except MedspaceError:  # what the log admitted has an end in the log, also where the engine broke
            await self._database.write(lambda tx: self._note_withheld(tx, admission, UseFailedError.code))
            raise

    async def _release(self, admission: Admission, call: Call, request: str, output: Output) -> Release:
        now, release_id = self._clock.now(), new_id(self._randomness)
        done = await self._database.write(
            lambda tx: self._gate(tx, admission, call, request, output, release_id, now)
        )
        if isinstance(done, _Refusal):
            raise done.error
        return done

    # --- inside transactions -----------------------------------------------------------------------------------
    def _admit(
        self, tx: Transaction, call: Call, repeat: str, admission_id: str, now: datetime
    ) -> Admission | Release | _Refusal:
        job = self._job(tx, call)
        agreement = tx.get(AGREEMENTS, job.agreement)
        if agreement is None:
            raise UnknownJobError(use=call.job)
        facts = rules.Facts(job.user, self._region_of(tx, job.user), now, _uses_before(tx, job))
        request = rules.request_for(job.kind, job.asset, facts, call.step.task)
        visit = _Visit(job, agreement, call.step, digest(exact(call.step.task)), request, now)
        decision = self._decide(tx, visit)
        allowed = limits(odrl.parse(agreement.policy), request)
        if not decision.permitted or allowed is None:
            return self._refuse(tx, visit, decision)
        known = tx.get(ANSWERED, job.id)
        if known is not None and known.request == repeat:
            return known.release
        number = job.number or facts.used + 1
        tx.replace(JOBS, job, replace(job, task=visit.task, number=number, steps=job.steps + 1))
        return self._admission(tx, visit, allowed, admission_id)

    def _job(self, tx: Transaction, call: Call) -> Job:
        job = tx.get(JOBS, call.job)
        # One answer for "no such job", "not yours" and "wrong token": who has no right learns nothing.
        if job is None or job.user != call.user:
            raise UnknownJobError(use=call.job)
        if not same_secret(call.token, self._tokens.token(job.id, job.generation)):
            raise UnknownJobError(use=call.job)
        if not _is_open(tx, job):
            raise JobClosedError(use=call.job)
        return job

    def _decide(self, tx: Transaction, visit: _Visit) -> Decision:
        labelled = tx.get(LABELS, visit.job.asset)
        label = labelled.label if labelled else None
        kind, asset = visit.job.kind, visit.job.asset
        return combine(
            rules.served(kind, engine=kind in self._engines, rows=asset in self._sources),
            rules.decide(visit.agreement, label, visit.request, Point.COMPUTE),
            rules.same_task(visit.job.task, visit.task),
            rules.within_budget(visit.job.steps),
        )

    def _refuse(self, tx: Transaction, visit: _Visit, decision: Decision) -> _Refusal:
        job, premise = visit.job, next(iter(decision.failures), None)
        facts = {"agreement": job.agreement, "transfer": job.id, "user": job.user, "code": decision.code}
        clause = {"clause": premise.clause} if premise else {}
        record(tx, Entry("use.refused", stamp(visit.now), self._did, facts | clause))
        return _Refusal(NotAdmittedError(**_told(decision.code, premise)))

    def _admission(self, tx: Transaction, visit: _Visit, allowed: Limits, admission_id: str) -> Admission:
        job, step, purpose = visit.job, visit.step, visit.request.purpose or "unstated"
        facts = {
            "admission": admission_id,
            "agreement": job.agreement,
            "transfer": job.id,
            "user": job.user,
            "asset": job.asset,
            "use_kind": job.kind,
            "purpose": purpose,
            "task": visit.task,
            "round": step.round,
            "step": step.name,
            "question": digest(exact(step.inputs)),
        }
        entry = record(tx, Entry("use.admitted", stamp(visit.now), self._did, facts))
        latest = visit.now + LONGEST_ADMISSION
        return Admission(
            id=admission_id,
            agreement=job.agreement,
            use=job.id,
            holder=self._did,
            user=job.user,
            asset=job.asset,
            kind=job.kind,
            purpose=purpose,
            task=visit.task,
            outputs=self._engines[job.kind].outputs if allowed.outputs is None else allowed.outputs,
            min_cohort=max(allowed.min_cohort, 1),
            min_sites=max(allowed.min_sites, 1),
            expires=min(latest, allowed.expires or latest),
            entry=entry,
        )

    def _gate(
        self,
        tx: Transaction,
        admission: Admission,
        call: Call,
        request: str,
        output: Output,
        release_id: str,
        now: datetime,
    ) -> Release | _Refusal:
        job = tx.get(JOBS, admission.use)
        if job is None or not _is_open(tx, job):  # suspended or ended while the engine worked
            self._note_withheld(tx, admission, JobClosedError.code)
            return _Refusal(JobClosedError(use=admission.use))
        decision = self._may_leave(tx, job, admission, call.step, output, now)
        if not decision.permitted:
            self._note_withheld(tx, admission, decision.code)
            return _Refusal(WithheldError(**_told(decision.code, next(iter(decision.failures), None))))
        said = release_digest(output.kind, call.step.round, output.cohort, output.values)
        facts = {"release": release_id, "admission": admission.id, "output": output.kind}
        entry = record(
            tx,
            Entry("use.released", stamp(now), self._did, facts | {"round": call.step.round, "digest": said}),
        )
        release = Release(
            id=release_id,
            admission=admission.id,
            kind=output.kind,
            round=call.step.round,
            values=output.values,
            cohort=output.cohort,
            digest=said,
            entry=entry,
        )
        self._keep(tx, Answered(job.id, request, release))
        return release

    def _may_leave(
        self, tx: Transaction, job: Job, admission: Admission, step: Step, output: Output, now: datetime
    ) -> Decision:
        """The gate, and once more the agreement and the label, with what is known only now."""
        agreement = tx.get(AGREEMENTS, job.agreement)
        labelled = tx.get(LABELS, job.asset)
        if agreement is None:
            return combine()
        facts = rules.Facts(job.user, self._region_of(tx, job.user), now, _uses_before(tx, job))
        request = rules.request_for(job.kind, job.asset, facts, step.task)
        known = replace(request, output=output.kind, cohort=output.cohort)
        label = labelled.label if labelled else None
        return combine(rules.inspect(admission, output, now), rules.decide(agreement, label, known, Point.RELEASE))

    def _keep(self, tx: Transaction, answered: Answered) -> None:
        old = tx.get(ANSWERED, answered.id)
        if old is None:
            tx.insert(ANSWERED, answered)
        else:
            tx.replace(ANSWERED, old, answered)

    def _note_withheld(self, tx: Transaction, admission: Admission, code: str) -> None:
        facts = {"admission": admission.id, "code": code}
        record(tx, Entry("use.withheld", stamp(self._clock.now()), self._did, facts))


async def _computed(use: str, work: Callable[..., T], *given: object) -> T:
    """What an engine makes of it, in a worker thread.

    Raises:
        UseFailedError: the engine broke in a way that it does not foresee.
    """
    try:
        return await asyncio.to_thread(work, *given)
    except MedspaceError:
        raise
    except Exception as error:
        raise UseFailedError(use=use) from error


def _request_digest(step: Step) -> str:
    flaw = rules.flaw(step)
    if flaw is not None:
        raise StepError(reason=flaw)
    said = {"task": step.task, "round": step.round, "name": step.name, "inputs": step.inputs}
    try:
        return digest_bytes(canonical(exact(said)))
    except (ValueError, RecursionError) as error:
        reason = msgid("it is deeper than any task, or a number in it is too large or not finite")
        raise StepError(reason=Text(reason)) from error


def _is_open(tx: Transaction, job: Job) -> bool:
    # What we are ending is over for us, whether or not the user acknowledges it.
    owed = tx.get(INTENTS, job.id)
    return job.open and (owed is None or owed.action not in _ENDING)


def _uses_before(tx: Transaction, job: Job) -> int:
    """How many other uses of the agreement were admitted before this one."""
    if job.number:
        return job.number - 1
    last = tx.find(JOBS, where={"agreement": job.agreement}, order_by="number", descending=True, limit=1)
    return last[0].number if last else 0


def _told(code: str, premise: Premise | None) -> dict[str, str | Text]:
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
