"""The door: whether a step is admitted, under which limits; every question that is admitted is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from medspace.connector.model import AGREEMENTS
from medspace.connector.ports import RegionOf
from medspace.connector.usage import brakes, labelling, rules
from medspace.connector.usage.calls import (
    Admitted,
    Call,
    Holder,
    Refusal,
    Visit,
    is_open,
    numbered,
    sites_digest,
    task_name,
    told,
)
from medspace.connector.usage.contents import Contents
from medspace.connector.usage.errors import JobClosedError, NotAdmittedError, UnknownJobError
from medspace.connector.usage.gate import INTERRUPTED, Gate
from medspace.connector.usage.model import JOBS, LABELS, QUESTIONS, SPENT, Job, Outcome, Question
from medspace.connector.usage.tokens import JobTokens
from medspace.connector.usage.versions import Content
from medspace.core.canonical import exact
from medspace.core.clock import Clock, stamp
from medspace.core.decision import Decision, combine
from medspace.core.engine import Engine
from medspace.core.hashing import digest, same_secret
from medspace.core.store import Transaction
from medspace.core.usage import Admission, Brakes, Release
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.policy import odrl
from medspace.policy.limits import Limits, limits
from medspace.policy.points import Point

LONGEST_ADMISSION = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Door:
    """Decides inside a transaction who may ask what."""

    holder: Holder
    gate: Gate
    contents: Contents
    engines: Mapping[tuple[str, str], Engine]  # those that were made, by DSP format and name of task
    tokens: JobTokens
    region_of: RegionOf
    clock: Clock
    applied: Brakes

    def admit(
        self, tx: Transaction, call: Call, asked: str, admission_id: str, now: datetime
    ) -> Admitted | Release | Refusal:
        """Admit a step, give the answer that the use already got to it, or refuse; each as the log says it.

        Raises:
            UnknownJobError, JobClosedError: there is nothing to ask here; not noted.
        """
        visit = self._visit(tx, call, now)
        decision, job = self._decide(tx, visit), visit.job
        allowed = limits(odrl.parse(visit.agreement.policy), visit.request)
        if not decision.permitted or allowed is None:
            return self._refuse(tx, visit, decision)
        request = digest({"kind": job.kind, "min_cohort": max(allowed.min_cohort, 1), "step": asked})
        again = self.holder.notebook.answered(tx, job.id, request)
        if again is not None:
            return again
        self._end_stale(tx, job)
        known, unchanged = self._asked_before(tx, visit, request, allowed)
        counted = known is None and not self._may_be_known(tx, job.asset, request, now)
        decision = brakes.all_of([*self._brake(tx, visit, allowed, counted=counted), unchanged])
        if not decision.permitted:
            return self._refuse(tx, visit, decision)
        job_now = replace(job, task=visit.task, steps=job.steps + 1, sites=sites_digest(visit.step.sites))
        tx.replace(JOBS, job, job_now)
        if counted:
            self._spend(tx, job.asset, now)
        admission = self._admission(tx, visit, allowed, admission_id)
        return replace(self._question(tx, visit, admission, request, asked, counted=counted), known=known)

    def _visit(self, tx: Transaction, call: Call, now: datetime) -> Visit:
        job = self.job(tx, call)
        agreement = tx.get(AGREEMENTS, job.agreement)
        if agreement is None:
            raise UnknownJobError(use=call.job)
        used = self._uses_before(tx, job)
        facts = rules.Facts(job.user, self.region_of(tx, job.user), now, used)
        request = rules.request_for(job.kind, job.asset, facts, call.step.task)
        return Visit(job, agreement, call.step, digest(exact(call.step.task)), request, now)

    def job(self, tx: Transaction, call: Call) -> Job:
        """The open job that a call is about.

        Raises:
            UnknownJobError: no such job for this caller and token.
            JobClosedError: the use is suspended or over.
        """
        job = tx.get(JOBS, call.job)
        # One answer for "no such job", "not yours" and "wrong token": who has no right learns nothing.
        if job is None or job.user != call.user:
            raise UnknownJobError(use=call.job)
        if not same_secret(call.token, self.tokens.token(job.id, job.generation)):
            raise UnknownJobError(use=call.job)
        if not is_open(tx, job):
            raise JobClosedError(use=call.job)
        return job

    def _end_stale(self, tx: Transaction, job: Job) -> None:
        """What this use was admitted to and never got to an end: nothing of it is going on any more."""
        for question in self.holder.notebook.of_use(tx, job.id):
            if question.outcome is Outcome.OPEN:
                self.gate.end(tx, question.id, Outcome.FAILED, INTERRUPTED)

    def _uses_before(self, tx: Transaction, job: Job) -> int:
        """How many other uses of the agreement got something before this one, or are being answered."""
        if job.number:
            return job.number - 1
        others = (tx.get(JOBS, other) for other in self.holder.notebook.open_elsewhere(tx, job))
        return numbered(tx, job.agreement) + sum(other is not None and not other.number for other in others)

    def _decide(self, tx: Transaction, visit: Visit) -> Decision:
        labelled = tx.get(LABELS, visit.job.asset)
        label = labelled.label if labelled else None
        kind, asset = visit.job.kind, visit.job.asset
        return combine(
            rules.served(
                kind, engine=(kind, task_name(visit.step)) in self.engines, rows=asset in self.holder.sources
            ),
            rules.decide(visit.agreement, label, visit.request, Point.COMPUTE),
            rules.same_task(visit.job.task, visit.task),
        )

    def _brake(self, tx: Transaction, visit: Visit, allowed: Limits, *, counted: bool) -> list[Decision]:
        """What stands against one more question, whatever it asks."""
        job, step, found = visit.job, visit.step, []
        if self.applied.once:
            found.append(brakes.forward(self.holder.notebook.of_use(tx, job.id), step))
            found.append(brakes.within_use(job.steps, step.task))
        if self.applied.sites:
            found.append(brakes.named(visit.step.sites, self.holder.did, allowed.min_sites))
            found.append(brakes.same_sites(job.sites, sites_digest(visit.step.sites)))
        if self.applied.questions:
            found.append(brakes.not_withheld(*self.holder.notebook.withheld(tx, job, visit.now)))
            if counted:
                found.append(brakes.within_year(self.allowance(tx, job.asset)))
        return found

    def _asked_before(
        self, tx: Transaction, visit: Visit, request: str, allowed: Limits
    ) -> tuple[Release | None, Decision]:
        """The answer that the same question got before, or whether the rows may be asked anything new."""
        asset = visit.job.asset
        content = self.contents.known(asset)
        if content is None or not self.applied.changes:
            return None, brakes.unchanged((), 0)
        least = brakes.fewest_changed(allowed.min_cohort)
        alike = content.alike(least, brakes.words(visit.step))
        return self._compare(tx, asset, request, content.version, alike, least, visit.now)

    def _may_be_known(self, tx: Transaction, asset: str, request: str, now: datetime) -> bool:
        """Whether the question was answered before, on rows that are not yet known to be these."""
        unread = self.applied.changes and self.contents.known(asset) is None
        return unread and self.holder.notebook.recalled(tx, asset, request, None, now) is not None

    def _compare(
        self,
        tx: Transaction,
        asset: str,
        request: str,
        version: str,
        alike: frozenset[str],
        least: int,
        now: datetime,
    ) -> tuple[Release | None, Decision]:
        known = self.holder.notebook.recalled(tx, asset, request, {version, *alike}, now)
        asked = [version for version in alike if self.holder.notebook.asked_of(tx, asset, version, now)]
        return known, brakes.unchanged(() if known else asked, least)

    def recognise(self, tx: Transaction, question: Admitted, content: Content) -> Release | Refusal | None:
        """Once it is known which rows a question is put to: what it was answered before, or whether it may be put."""
        admission, now = question.admission, self.clock.now()
        kept = tx.get(QUESTIONS, admission.id)
        least = brakes.fewest_changed(admission.min_cohort)
        alike, request = content.alike(least, brakes.words(question.step)), question.asked.request
        known, unchanged = self._compare(tx, admission.asset, request, content.version, alike, least, now)
        decisions = [unchanged]
        counted = kept is None or kept.counted
        if known is None and not counted:
            if self.applied.questions:
                decisions.append(brakes.within_year(self.allowance(tx, admission.asset)))
            self._spend(tx, admission.asset, now)
            counted = True
        if kept is not None:
            tx.replace(QUESTIONS, kept, replace(kept, version=content.version, counted=counted))
        decision = brakes.all_of(decisions)
        if decision.permitted:
            return known
        self.gate.end(tx, admission.id, Outcome.REFUSED, decision.code)
        return Refusal(NotAdmittedError(**told(decision.code, decision.failures[0])))

    def allowance(self, tx: Transaction, asset: str) -> brakes.Allowance:
        """How many questions an asset was asked, over all users, and how many it still answers this year."""
        return brakes.allowance(self.holder.questions.get(asset, 0), tx.get(SPENT, asset), self.clock.now())

    def _spend(self, tx: Transaction, asset: str, now: datetime) -> None:
        spent = tx.get(SPENT, asset)
        if spent is None:
            tx.insert(SPENT, brakes.one_more(asset, None, now))
        else:
            tx.replace(SPENT, spent, brakes.one_more(asset, spent, now))

    def _refuse(self, tx: Transaction, visit: Visit, decision: Decision) -> Refusal:
        job, premise = visit.job, next(iter(decision.failures), None)
        facts = {"agreement": job.agreement, "transfer": job.id, "user": job.user, "code": decision.code}
        clause = {"clause": premise.clause} if premise else {}
        record(tx, Entry("use.refused", stamp(visit.now), self.holder.did, facts | clause))
        ends = decision if labelling.lapsed(job, visit.task, decision) else None
        return Refusal(NotAdmittedError(**told(decision.code, premise)), ends)

    def _admission(self, tx: Transaction, visit: Visit, allowed: Limits, admission_id: str) -> Admission:
        job, step, purpose = visit.job, visit.step, visit.request.purpose or "unstated"
        latest = visit.now + self._longest(visit)
        expires = min(latest, allowed.expires or latest)
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
            "sites": len(set(step.sites)),
            "expires": stamp(expires),
        }
        entry = record(tx, Entry("use.admitted", stamp(visit.now), self.holder.did, facts))
        return Admission(
            id=admission_id,
            agreement=job.agreement,
            use=job.id,
            holder=self.holder.did,
            user=job.user,
            asset=job.asset,
            kind=job.kind,
            purpose=purpose,
            task=visit.task,
            outputs=self._made(visit) if allowed.outputs is None else allowed.outputs,
            min_cohort=max(allowed.min_cohort, 1),
            min_sites=max(allowed.min_sites, 1),
            expires=expires,
            entry=entry,
            seed=self.holder.notebook.sealer.key("seed", job.asset),
            history=self.holder.notebook.history(job.asset, visit.now),
            brakes=self.applied,
        )

    def _longest(self, visit: Visit) -> timedelta:
        """How long an answer may take to leave: as long as its engine says, and a person who must look at it."""
        limits = self.engines[visit.job.kind, task_name(visit.step)].limits
        return max(LONGEST_ADMISSION, timedelta(seconds=limits.seconds + limits.check))

    def _made(self, visit: Visit) -> tuple[str, ...]:
        engine = self.engines[visit.job.kind, task_name(visit.step)]
        return tuple(form.name for form in engine.outputs)

    def _question(
        self, tx: Transaction, visit: Visit, admission: Admission, request: str, step: str, *, counted: bool
    ) -> Admitted:
        """Keep the question that was admitted, sealed."""
        content = self.contents.known(admission.asset)
        asked = Question(
            id=admission.id,
            entry=admission.entry,
            asset=admission.asset,
            agreement=admission.agreement,
            user=admission.user,
            job=admission.use,
            time=stamp(visit.now),
            round=visit.step.round,
            step=visit.step.name,
            request=request,
            sealed=self.holder.notebook.sealed(visit.step, admission.id),
            version=content.version if content else "",
            counted=counted,
            asked=step,
            granted=self.holder.notebook.granted(admission),
        )
        tx.insert(QUESTIONS, asked)
        return Admitted(admission, visit.step, asked)
