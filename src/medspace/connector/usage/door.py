"""The door: finds the job, asks all conditions, and writes down what they allow. Every admitted question is kept."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from medspace.connector.model import AGREEMENTS, Agreement
from medspace.connector.steady import advance
from medspace.connector.usage import ended, labelling, rules
from medspace.connector.usage.calls import (
    AdmissibleStep,
    Admitted,
    Call,
    Holder,
    Refusal,
    Visit,
    numbered,
    task_name,
    told,
)
from medspace.connector.usage.conditions import Conditions, Lasting, concerned
from medspace.connector.usage.conditions.seats import manifest_of
from medspace.connector.usage.errors import (
    JobClosedError,
    NotAdmittedError,
    StepHeldError,
    UnknownJobError,
    UseWaitsError,
)
from medspace.connector.usage.gate import INTERRUPTED, Gate, noise
from medspace.connector.usage.memory import remembered
from medspace.connector.usage.model import JOBS, QUESTIONS, SEATS, AdmittedQuestion, Job, QuestionOutcome
from medspace.connector.usage.naming import Digests
from medspace.connector.usage.recollection import Recollection, Sought
from medspace.connector.usage.requests import Requests, UseContext
from medspace.connector.usage.tokens import JobTokens
from medspace.connector.usage.versions import Content
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock, stamp
from medspace.core.decision import Decision, combine
from medspace.core.engine import MASKED, WORD, Engine, OutputForm, columns_of, cost_of, numbers_of
from medspace.core.hashing import digest, same_secret
from medspace.core.store import Transaction
from medspace.core.usage import Admission, Brakes, Grant, Release, RowScope, Step
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.policy.budgets import EXACT, NOISY

LONGEST_ADMISSION = timedelta(hours=1)
LONGEST_LOOK = timedelta(days=7)  # time for a person's review, where a condition asks for one


@dataclass(frozen=True, slots=True)
class Door:
    """Decides, inside a transaction, who may ask what."""

    holder: Holder
    gate: Gate
    conditions: Conditions
    requests: Requests
    recollection: Recollection
    engines: Mapping[tuple[str, str], Engine]  # engines made so far, by DSP format and task name
    tokens: JobTokens
    clock: Clock
    applied: Brakes

    def admit(
        self, tx: Transaction, call: Call, said: Digests, admission_id: str, now: datetime
    ) -> Admitted | Release | Refusal:
        """Admit a step, return the answer that the use already got to it, or refuse; each is recorded in the log.

        Raises:
            UnknownJobError, JobClosedError: there is nothing to ask here; not recorded.
        """
        visit, grant = self._let_in(tx, call, said, now)
        advance(tx, now)
        if isinstance(grant, Refusal):
            return grant
        if not (fixed := rules.rows_of_use(same=self._same_rows(visit, grant))).permitted:
            return self._refuse(tx, visit, fixed, ends=True)
        request = request_digest(visit.job.kind, grant, said.step)
        again = self.holder.notebook.answered(tx, visit.asked, request)
        if again is not None:
            return again
        waits = self._end_stale(tx, visit, said.step)
        if waits is not None:
            return waits
        asking = self._asking(visit, grant, request)
        memory = remembered(tx, visit.job.id)
        alone, rowless = memory is not None, self._rowless(visit)
        looked_at = self._looked_at(visit.job.kind, visit.step)
        sought = Sought(
            visit.job.asset, visit.job.id, grant.scope, grant.min_cohort, request, looked_at, alone, rowless
        )
        recalled = self.recollection.of(tx, sought, now)
        new = not rowless and recalled.known is None and not recalled.perhaps
        asking = replace(asking, new=new, rowless=rowless, numbers=self._numbers(visit))
        unchanged = () if asking.bounded else (recalled.unchanged,)
        decision = combine(self._judged(tx, asking), *unchanged)
        if not decision.permitted:
            return self._refuse(tx, visit, decision)
        self._enrol(tx, visit, grant)
        if asking.new:
            self._spend(tx, asking)
        admission = self._admission(tx, asking, admission_id)
        kept = self._keep(tx, asking, admission, said.step)
        return Admitted(
            admission,
            visit.step,
            kept,
            recalled.known,
            memory or "",
            seat=tx.get(SEATS, visit.job.id),
            number=visit.job.steps + 1,
        )

    def again(self, tx: Transaction, call: Call, said: Digests, now: datetime) -> Release | Refusal | None:
        """The answer that the use already got to a step, where it may still have it; admits nothing.

        None where there is none: what the conditions grant may have changed.

        Raises:
            UnknownJobError, JobClosedError: as `admit`.
        """
        visit, grant = self._let_in(tx, call, said, now)
        if isinstance(grant, Refusal):
            return grant
        return self.holder.notebook.answered(tx, visit.asked, request_digest(visit.job.kind, grant, said.step))

    def parted(self, tx: Transaction, call: Call, question: AdmittedQuestion, now: datetime) -> Refusal | None:
        """Why the parts of an answer of this use may no longer leave; recorded, as for the answer itself.

        Raises:
            UnknownJobError, JobClosedError: as `admit`.
        """
        visit, decision = self.stands(tx, call, question, now)
        return None if decision.permitted else self._refuse(tx, visit, decision)

    def stands(
        self, tx: Transaction, call: Call, question: AdmittedQuestion, now: datetime
    ) -> tuple[Visit, Decision]:
        """What the conditions now say about an answer that was released under earlier ones.

        Raises:
            UnknownJobError, JobClosedError: as `admit`.
        """
        job, notebook = self.job(tx, call), self.holder.notebook
        agreement = tx.get(AGREEMENTS, job.agreement)
        if agreement is None:
            raise UnknownJobError(use=call.job)
        admission, step = notebook.admission(question, self.applied, now), notebook.shown(question)
        before, protection = self._uses_before(tx, job), admission.protection or None
        context = UseContext(now, before, step.task, protection, job.id, noise(admission))
        visit = Visit(job, agreement, step, admission.task, self.requests.of(tx, agreement, job.kind, context), now)
        release = notebook.answered(tx, [question], question.request)
        return visit, combine() if release is None else self.gate.again(tx, visit, admission, release)

    def lasting(self, tx: Transaction, job: Job, now: datetime) -> Decision:
        """Whether a use may go on although nothing is asked, by what its last question was for."""
        agreement = tx.get(AGREEMENTS, job.agreement)
        if agreement is None:
            return combine()
        task = self.holder.notebook.last_task(tx, job.id)
        context = UseContext(now, self._uses_before(tx, job), task, use=job.id)
        request = self.requests.of(tx, agreement, job.kind, context)
        lasting = Lasting(job, agreement, request)
        return combine(*(condition.lasts(tx, lasting) for condition in self.conditions))

    def _let_in(self, tx: Transaction, call: Call, said: Digests, now: datetime) -> tuple[Visit, Grant | Refusal]:
        visit = self._visit(tx, call, said, now)
        decision, grant = self._granted(tx, visit)
        return visit, grant if decision.permitted else self._refuse(tx, visit, decision)

    def _enrol(self, tx: Transaction, visit: Visit, grant: Grant) -> None:
        job, protocol = visit.job, self._rowless(visit)
        rows = job.rows
        if rows is None and not protocol and self._keeps_rows(visit):
            rows = self._scope_digest(job.asset, grant.scope)
        steps, rowless = job.steps + 1, job.rowless + protocol
        tx.replace(JOBS, job, replace(job, task=visit.task, steps=steps, rowless=rowless, rows=rows))

    def _keeps_rows(self, visit: Visit) -> bool:
        """Whether a use keeps the same rows to its end: under masks, where rows cannot be removed from a total."""
        return self.applied.fixed and visit.request.protection in MASKED

    def _same_rows(self, visit: Visit, grant: Grant) -> bool:
        """Whether a use may still use the rows that it began with, as far as that is known before they are opened.

        Steps that only advance the protocol work on what was made of these rows, so the same applies to them.
        """
        if visit.job.rows is None or not self._keeps_rows(visit):
            return True
        content = self.recollection.contents.known(visit.job.asset, grant.scope, visit.job.id)
        same_content = content is None or _of_one_version(visit.asked, content.version)
        return same_content and visit.job.rows == self._scope_digest(visit.job.asset, grant.scope)

    def _visit(self, tx: Transaction, call: Call, said: Digests, now: datetime) -> Visit:
        job = self.job(tx, call)
        agreement = tx.get(AGREEMENTS, job.agreement)
        if agreement is None:
            raise UnknownJobError(use=call.job)
        return replace(
            self._visited(tx, job, agreement, call.step, said.task, now), inputs=said.inputs, caller=call.user
        )

    def _visited(
        self, tx: Transaction, job: Job, agreement: Agreement, step: Step, task: str, now: datetime
    ) -> Visit:
        protection, noise = self._protection(job.kind, step), self._noise(job.kind, step)
        context = UseContext(now, self._uses_before(tx, job), step.task, protection, job.id, noise)
        request = self.requests.of(tx, agreement, job.kind, context)
        return Visit(job, agreement, step, task, request, now, asked=tuple(self.holder.notebook.of_use(tx, job.id)))

    def _protection(self, kind: str, step: Step) -> str | None:
        engine = self.engines.get((kind, task_name(step)))
        return None if engine is None else engine.protection(step.task)

    def _noise(self, kind: str, step: Step) -> str:
        """What the noise terms are told about the answers to a task (`gate.noise`)."""
        engine = self.engines.get((kind, task_name(step)))
        exact = engine is None or cost_of(engine, step.task) is None
        return EXACT if exact and self.applied.budget else NOISY

    def job(self, tx: Transaction, call: Call, coordinator: str = "") -> Job:
        """The open job of a call, made by its user or by the coordinator that the user named.

        Raises:
            UnknownJobError: no such job for this caller and token.
            JobClosedError: the use is suspended or over.
        """
        job = tx.get(JOBS, call.job)
        # The same answer for "no such job", "not yours" and "wrong token", so that an outsider learns nothing.
        if job is None or (call.user != job.user and call.user != (coordinator or self._coordinator(tx, job))):
            raise UnknownJobError(use=call.job)
        if not same_secret(call.token, self.tokens.token(job.id, job.generation)):
            raise UnknownJobError(use=call.job)
        if not job.open:
            raise JobClosedError(use=call.job)
        return job

    def _coordinator(self, tx: Transaction, job: Job) -> str:
        manifest = manifest_of(tx, job.id)
        return job.user if manifest is None else manifest.coordinator

    def _end_stale(self, tx: Transaction, visit: Visit, asked: str) -> Refusal | None:
        """End the steps of this use that were admitted and never ended: nothing of them is running any more.

        Where an output of the use awaits review, its next question has to wait too: its rounds stay in the order of
        the log.
        """
        waits = None
        for question in visit.asked:
            if question.outcome is QuestionOutcome.OPEN:
                self.gate.end(tx, question.id, QuestionOutcome.FAILED, INTERRUPTED)
            elif question.outcome is QuestionOutcome.HELD:
                waits = Refusal(StepHeldError() if question.asked == asked else UseWaitsError(use=visit.job.id))
        return waits

    def _uses_before(self, tx: Transaction, job: Job) -> int:
        """How many other uses of the agreement were answered before this one, or are being answered."""
        if job.number:
            return job.number - 1
        others = (tx.get(JOBS, other) for other in self.holder.notebook.open_elsewhere(tx, job))
        return numbered(tx, job.agreement) + sum(other is not None and not other.number for other in others)

    # --- conditions --------------------------------------------------------------------------------------------
    def _granted(self, tx: Transaction, visit: Visit) -> tuple[Decision, Grant]:
        """The combined grant of all conditions; none where this connector can no longer serve the use."""
        kind, asset = visit.job.kind, visit.job.asset
        engine = (kind, task_name(visit.step)) in self.engines
        decisions, grant = [rules.served(kind, engine=engine, rows=asset in self.holder.sources)], Grant()
        for condition in self.conditions:
            decision, granted = condition.admit(tx, visit)
            if granted.scope and not condition.narrows:  # the gate would not ask it again
                raise ValueError(f"{type(condition).__name__} narrows the rows, and says that it never does")
            decisions.append(decision)
            grant = grant.narrowed(granted)
        return combine(*decisions), grant

    def _judged(self, tx: Transaction, asking: AdmissibleStep) -> Decision:
        return combine(*(one.judge(tx, asking) for one in concerned(self.conditions, bounded=asking.bounded)))

    def _spend(self, tx: Transaction, asking: AdmissibleStep) -> None:
        for condition in concerned(self.conditions, bounded=asking.bounded):
            condition.spend(tx, asking)

    def recognise(self, tx: Transaction, question: Admitted, content: Content) -> Release | Refusal | None:
        """Once the rows of a question are known: the answer that it was given before, or whether it may be asked.

        A question that was assumed to have an answer and turns out to be new is paid for now.
        """
        now, admission = self.clock.now(), question.admission
        kept = tx.get(QUESTIONS, admission.id) or question.asked
        alone = remembered(tx, admission.use) is not None
        looked_at = self._looked_at(admission.kind, question.step)
        sought = Sought(
            admission.asset, admission.use, admission.scope, admission.min_cohort, kept.request, looked_at, alone
        )
        known, unchanged = self.recollection.on(tx, sought, content, now)
        fixed = self._same_version(tx, admission, content)
        decision = fixed if admission.bounded else combine(fixed, unchanged)
        late = known is None and not kept.counted
        if late and decision.permitted:
            decision = self._paid(tx, question, kept.request, now)
        tx.replace(QUESTIONS, kept, replace(kept, version=content.version, counted=kept.counted or late))
        if decision.permitted:
            return known
        self.gate.end(tx, admission.id, QuestionOutcome.REFUSED, decision.code)
        error = NotAdmittedError(**told(decision.code, next(iter(decision.failures), None)))
        return Refusal(error, None if fixed.permitted else fixed)

    def _same_version(self, tx: Transaction, admission: Admission, content: Content) -> Decision:
        """Whether the content is that of the earlier questions, in a use that keeps the same rows to its end."""
        keeps = self.applied.fixed and admission.protection in MASKED
        asked = self.holder.notebook.of_use(tx, admission.use) if keeps else []
        return rules.rows_of_use(same=_of_one_version(asked, content.version))

    def _looked_at(self, kind: str, step: Step) -> Callable[[], frozenset[str] | None]:
        """A function that gives the columns that the answer to a step can depend on."""
        return lambda: columns_of(self.engines[kind, task_name(step)], step)

    def _paid(self, tx: Transaction, question: Admitted, request: str, now: datetime) -> Decision:
        """Whether a step that was admitted without payment may be asked as something new; if so, it is paid for."""
        admission = question.admission
        job, agreement = tx.get(JOBS, admission.use), tx.get(AGREEMENTS, admission.agreement)
        if job is None or agreement is None:
            return combine()
        before = replace(job, steps=job.steps - 1)  # this step does not count against itself
        visit = self._visited(tx, before, agreement, question.step, question.admission.task, now)
        asking = self._asking(visit, _granted_to(admission), request)
        decision = self._judged(tx, asking)
        if decision.permitted:
            self._spend(tx, asking)
        return decision

    # --- what is written ---------------------------------------------------------------------------------------
    def _refuse(self, tx: Transaction, visit: Visit, decision: Decision, *, ends: bool = False) -> Refusal:
        job, premise = visit.job, next(iter(decision.failures), None)
        facts = {"agreement": job.agreement, "transfer": job.id, "user": job.user, "code": decision.code}
        clause = {"clause": premise.clause} if premise else {}
        record(tx, Entry("use.refused", stamp(visit.now), self.holder.did, facts | clause))
        lost = ended.against(decision) or rules.lost_rows(decision)
        over = ends or lost or labelling.lapsed(job, visit.task, decision)
        return Refusal(NotAdmittedError(**told(decision.code, premise)), decision if over else None)

    def _admission(self, tx: Transaction, asking: AdmissibleStep, admission_id: str) -> Admission:
        visit, grant = asking.visit, asking.grant
        job, notebook, made = visit.job, self.holder.notebook, (form.name for form in self._forms(visit))
        latest = visit.now + self._longest(visit) + (LONGEST_LOOK if grant.hold else timedelta())
        expires = min(latest, grant.expires or latest)
        facts = self._noted(asking, admission_id) | {"expires": stamp(expires)}
        return Admission(
            id=admission_id,
            agreement=job.agreement,
            use=job.id,
            holder=self.holder.did,
            user=job.user,
            asset=job.asset,
            kind=job.kind,
            purpose=visit.request.purpose or "unstated",
            task=visit.task,
            outputs=tuple(made if grant.outputs is None else sorted(grant.outputs | self._protocol(visit))),
            listed=grant.outputs or frozenset(),
            min_cohort=grant.min_cohort,
            min_sites=grant.min_sites,
            expires=expires,
            entry=record(tx, Entry("use.admitted", stamp(visit.now), self.holder.did, facts)),
            seed=notebook.sealer.key("seed", job.asset),
            history=notebook.history(job.asset, visit.now),
            brakes=self.applied,
            scope=grant.scope,
            budget=grant.budget,
            protection=visit.request.protection or "",
            hold=grant.hold,
            reviewers=grant.reviewers,
            messages={form.name: form.most for form in self._forms(visit) if form.message},
            masked={form.name: form.most for form in self._forms(visit) if form.masked},
            noisy=asking.cost is not None,
            longest={form.name: form.longest for form in self._forms(visit) if form.longest != WORD},
        )

    def _noted(self, asking: AdmissibleStep, admission_id: str) -> JsonObject:
        """What the log says about an admission.

        A scope may reveal who consents, so only the holder can open its digest.
        """
        visit, job, step = asking.visit, asking.visit.job, asking.visit.step
        scope = {"scope": self._scope_digest(job.asset, asking.grant.scope)} if asking.grant.scope else {}
        return {
            **asking.grant.noted,
            **scope,
            **_paid_for(asking),
            "admission": admission_id,
            "agreement": job.agreement,
            "transfer": job.id,
            "user": job.user,
            "asset": job.asset,
            "use_kind": job.kind,
            "purpose": visit.request.purpose or "unstated",
            "task": visit.task,
            "round": step.round,
            "step": step.name,
            "question": visit.inputs,
        }

    def _scope_digest(self, asset: str, scope: tuple[RowScope, ...]) -> str:
        key = self.holder.notebook.sealer.key("scope", asset)
        return digest([key.hex(), *_scope_json(scope)])

    def _longest(self, visit: Visit) -> timedelta:
        """How long an answer may take to leave: the limit of its engine, plus time for a person's review."""
        limits = self.engines[visit.job.kind, task_name(visit.step)].limits
        return max(LONGEST_ADMISSION, timedelta(seconds=limits.seconds + limits.check))

    def _protocol(self, visit: Visit) -> frozenset[str]:
        """The kinds of output that masks consist of: terms that ask for masks allow them."""
        if visit.request.protection not in MASKED:
            return frozenset()
        return frozenset(form.name for form in self._forms(visit) if form.message or form.masked)

    def _forms(self, visit: Visit) -> tuple[OutputForm, ...]:
        return self.engines[visit.job.kind, task_name(visit.step)].outputs

    def _rowless(self, visit: Visit) -> bool:
        """Whether a step only advances a protocol."""
        return visit.step.name in self.engines[visit.job.kind, task_name(visit.step)].limits.rowless

    def _numbers(self, visit: Visit) -> int:
        """How many numbers the use will be answered with, as far as its engine can tell."""
        return numbers_of(self.engines[visit.job.kind, task_name(visit.step)], visit.step.task)

    def _asking(self, visit: Visit, grant: Grant, request: str) -> AdmissibleStep:
        """A step that is put to rows as something new, with the cost of its use where its answers carry noise."""
        cost = cost_of(self.engines[visit.job.kind, task_name(visit.step)], visit.step.task)
        bounded = cost is not None and self.applied.budget
        return AdmissibleStep(visit, grant, request, new=True, cost=cost, bounded=bounded)

    def _keep(self, tx: Transaction, asking: AdmissibleStep, admission: Admission, asked: str) -> AdmittedQuestion:
        """Store the admitted question, sealed."""
        rowless = asking.rowless
        content = (
            None if rowless else self.recollection.contents.known(admission.asset, admission.scope, admission.use)
        )
        question = AdmittedQuestion(
            id=admission.id,
            entry=admission.entry,
            asset=admission.asset,
            agreement=admission.agreement,
            user=admission.user,
            job=admission.use,
            time=stamp(asking.visit.now),
            round=asking.visit.step.round,
            step=asking.visit.step.name,
            request=asking.request,
            sealed=self.holder.notebook.sealed(asking.visit.step, admission.id),
            version=content.version if content else "",
            counted=asking.new,
            asked=asked,
            granted=self.holder.notebook.granted(admission),
            rowless=rowless,
        )
        tx.insert(QUESTIONS, question)
        return question


def _of_one_version(asked: Iterable[AdmittedQuestion], version: str) -> bool:
    """Whether every question whose rows are known was put to this version of them."""
    return all(question.version in ("", version) for question in asked)


def _paid_for(asking: AdmissibleStep) -> JsonObject:
    """What the use costs from a privacy budget, where this step is put to rows and its answer carries noise."""
    if asking.cost is None or not asking.bounded or asking.rowless:
        return {}
    return {"rho": str(asking.cost.total)}


def _granted_to(admission: Admission) -> Grant:
    return Grant(
        scope=admission.scope,
        outputs=frozenset(admission.outputs),
        min_cohort=admission.min_cohort,
        min_sites=admission.min_sites,
        expires=admission.expires,
        budget=admission.budget,
        hold=admission.hold,
        reviewers=admission.reviewers,
    )


def request_digest(kind: str, grant: Grant, asked: str) -> str:
    """The digest of everything that decides the answer to a step apart from the rows, including the scope."""
    said: JsonObject = {"kind": kind, "min_cohort": grant.min_cohort, "step": asked}
    return digest(said | ({"scope": _scope_json(grant.scope)} if grant.scope else {}))


def _scope_json(scope: tuple[RowScope, ...]) -> list[JsonObject]:
    said = ({"column": one.column, "values": sorted(one.values), "within": one.within} for one in scope)
    return sorted(said, key=str)
