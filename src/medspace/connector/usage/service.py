"""Usage control: admit a step, have the engine answer it near the data, let the output pass the gate.

Each step is three transactions with a log entry each, written before what it allows: `use.admitted` before the rows
are opened, `use.released` before the answer leaves (or `use.refused`, `use.withheld`, `use.failed`). An admitted step
reaches its end whether or not the caller waits for it, and even if this connector is killed. A step that is asked for
again is the same step: it is worked on once, gets the same answer, and is not logged twice.

The steps on one asset are answered one after the other, so that each is decided with all earlier answers known; users
take turns, and a place to work is taken before anything is admitted.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

from medspace.connector.model import TRANSFERS, Role, TransferState
from medspace.connector.ports import FactsOf
from medspace.connector.usage import brakes, disclosures
from medspace.connector.usage.calls import Admitted, Call, Holder, Refusal, task_name, told
from medspace.connector.usage.checking import OutputReview
from medspace.connector.usage.conditions import Conditions, Grounds, kept_duties, kept_routes
from medspace.connector.usage.conditions.numbers import given
from medspace.connector.usage.conditions.questions import allowance
from medspace.connector.usage.contents import Contents
from medspace.connector.usage.door import Door
from medspace.connector.usage.editions import Editions
from medspace.connector.usage.errors import (
    DrainingError,
    JobClosedError,
    NotAdmittedError,
    StepError,
    StepOverError,
    StepUnknownError,
    UseFailedError,
)
from medspace.connector.usage.gate import INTERRUPTED, Gate
from medspace.connector.usage.going import LATE, MOST_OF_ONE, Going, Lead, StepProgress, StepStatus
from medspace.connector.usage.legible import Legible
from medspace.connector.usage.memory import Memories, UseKeys
from medspace.connector.usage.model import JOBS, AdmittedQuestion, Job, QuestionOutcome
from medspace.connector.usage.naming import Digests
from medspace.connector.usage.notebook import Notebook
from medspace.connector.usage.ordering import Ordering
from medspace.connector.usage.parts import PartsDoor, UseParts
from medspace.connector.usage.ports import ChangeSignal, Runners, StepPlace
from medspace.connector.usage.recollection import Recollection
from medspace.connector.usage.recovery import Recovery
from medspace.connector.usage.repeats import NearRepeat, all_near, near
from medspace.connector.usage.requests import Requests
from medspace.connector.usage.seats import Seats, SiteIdentity
from medspace.connector.usage.settling import Settling
from medspace.connector.usage.states import StepState
from medspace.connector.usage.tokens import JobTokens
from medspace.connector.usage.working import Working
from medspace.core.clock import Clock, Randomness
from medspace.core.decision import Decision, combine
from medspace.core.engine import Engine, columns_of
from medspace.core.errors import InvalidInputError, RefusedError
from medspace.core.ids import new_id
from medspace.core.paging import each
from medspace.core.parts import BlobStore, Part
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.core.usage import Brakes, Release, Step
from medspace.runs.covers import Answers

Makers = Mapping[tuple[str, str], Callable[[], Engine]]  # by DSP format and task name
DAY = 24 * 3600.0
KEEP_PARTS = timedelta(days=30)  # since the last step of a use was submitted or requested
ALL_BRAKES = Brakes()


class UsageControl:
    """The one door to the rows of this connector's assets. `applied` is all brakes, except in attack tests."""

    def __init__(
        self,
        holder: Holder,
        engines: Makers,
        database: Database,
        tokens: JobTokens,
        facts: FactsOf,
        clock: Clock,
        randomness: Randomness,
        conditions: Conditions,
        keys: UseKeys,
        identity: SiteIdentity,
        runners: Runners,
        changes: ChangeSignal,
        blobs: BlobStore,
        applied: Brakes = ALL_BRAKES,
        keep_parts: timedelta = KEEP_PARTS,
    ) -> None:
        self._holder, self._notebook = holder, holder.notebook
        self._makers, self._runners = dict(engines), runners
        self._engines: dict[tuple[str, str], Engine] = {}
        self._grounds = Grounds(holder, applied, facts)
        self.duties = kept_duties(conditions)  # of agreements, that this connector keeps or checks
        self.routes = kept_routes(conditions)  # by which its conditions let rows pass
        self._memories = Memories(keys, database, runners.threads, changes, clock, randomness)
        self._settling = Settling(holder, keys, database, runners.threads, changes, clock)
        editions = Editions(holder.sources)
        contents = Contents(database, holder.notebook, runners.threads, editions)
        requests = Requests(facts, conditions, applied.sites, applied.steady)
        recollection = Recollection(holder.notebook, contents, applied.changes)
        gate = Gate(holder, conditions, requests, clock)
        self._door = Door(holder, gate, conditions, requests, recollection, self._engines, tokens, clock, applied)
        self.seats = Seats(
            self._grounds, self._door, identity, self._memories, database, runners.threads, clock, randomness
        )
        self.parts = PartsDoor(blobs, self._door, database, clock, keep_parts)
        self._parts = UseParts(blobs)
        self._working = Working(
            holder,
            gate,
            self._door,
            contents,
            editions,
            self._memories,
            self.seats,
            runners.threads,
            database,
            clock,
            randomness,
            changes,
            self._parts,
            compares=applied.changes,
        )
        self._recovery = Recovery(holder, gate, self._working, database, clock, applied)
        self.checking = OutputReview(holder, gate, self._working, database, clock, randomness, applied, self._engine)
        self._database, self._clock, self._randomness = database, clock, randomness
        self._ordering, self._going, self._legible = Ordering(), Going(clock), Legible(runners.threads)
        self._draining = False

    def looked_at(self, kind: str, step: Step) -> frozenset[str] | None:
        """The columns that the answer to a step can depend on; None: every one."""
        engine = self._engines.get((kind, task_name(step)))
        return None if engine is None else columns_of(engine, step)

    @property
    def notebook(self) -> Notebook:
        """The questions that were asked, for the holder of the rows."""
        return self._notebook

    # --- asking ------------------------------------------------------------------------------------------------
    async def step(self, call: Call) -> Release:
        """Answer one step of a use; it is answered to its end even if the caller goes away.

        Raises:
            UnknownJobError: no such job for this caller and token.
            JobClosedError: the use is suspended or over.
            NotAdmittedError: agreement, label or brakes say no.
            StepError: the engine cannot run it.
            WithheldError: the output may not leave.
            UseFailedError: the engine failed or took too long; the cause is what it raised.
            StepHeldError, UseWaitsError: a person must review first.
            AssetAwayError: the content is not open yet.
            BusyError: too many steps of the caller are waiting.
        """
        try:
            return await asyncio.shield((await self._begun(call)).task)
        except JobClosedError as closed:
            raise await self._cut_off(call.job, closed) from closed

    async def ask(self, call: Call, seconds: float, answers: Answers | None = None) -> StepStatus:
        """As `step`, but waits no longer than so many seconds; returns the status of the step.

        Once the question is known to come from the leader of the run, later requests for its result are answered
        under `answers`.
        """
        try:
            return await self._going.within(await self._begun(call, answers), seconds)
        except JobClosedError as closed:
            raise await self._cut_off(call.job, closed) from closed

    async def _cut_off(self, use: str, closed: JobClosedError) -> RefusedError:
        """Why a use is closed, where it was cut off: its user need not wait for the message that says so."""
        decision = await self._database.read(lambda tx: self.lasts(tx, use))
        premise = next(iter(decision.failures), None)
        return closed if decision.permitted else NotAdmittedError(**told(decision.code, premise))

    async def look(self, call: Call, step: str, seconds: float) -> StepStatus:
        """The status of a step that was asked for before, or its release; `call` says who asks about which use.

        Raises:
            StepUnknownError: there is none, or it was interrupted.
            StepOverError: it ended without a release.
            ...: as for `step`.
        """
        lead = self._going.get(call.job, step)
        job, question = await self._database.read(lambda tx: self._named(tx, call, step))
        lead = lead or self._going.get(job.id, step)
        if lead is not None:
            return await self._going.within(lead, seconds)
        if question is None or question.outcome is QuestionOutcome.OPEN or question.code == INTERRUPTED:
            raise StepUnknownError(use=job.id)
        if question.outcome is QuestionOutcome.HELD:
            return StepStatus(step, StepState.HELD)
        if question.outcome is QuestionOutcome.RELEASED:
            again = replace(call, step=self._notebook.shown(question), signature=None)
            return await self.ask(again, seconds)
        said = self._notebook.said(question)
        raise StepOverError(decision=said.cause or said.code, words=said.sentence or said.code, advice=said.advice)

    def _named(self, tx: Transaction, call: Call, asked: str) -> tuple[Job, AdmittedQuestion | None]:
        return self._door.job(tx, call), self._notebook.named(tx, call.job, asked)

    # --- the connector's own -----------------------------------------------------------------------------------
    async def recover(self) -> None:
        """Resume what an earlier process had admitted, or end it in the log; for the start.

        Raises:
            QuestionsSealedError: the stored questions were sealed with another secret.
        """
        await self._notebook.check(self._database)
        await self._memories.sweep()
        await self._settling.sweep()
        left = await self._recovery.left()
        for runner in self._runners.named.values():
            await runner.sweep([question.id for question in left])
        for question in left:
            resumed = partial(self._resumed, question=question)
            self._going.join(Lead(question.job, question.asked, question.user), resumed)
        await self.tidy()

    async def work(self) -> None:
        """Delete expired records once a day, and the memory of each use as soon as it ends."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._memories.work())
            tasks.create_task(self._settling.work())
            tasks.create_task(self._tidy_daily())

    async def _tidy_daily(self) -> None:
        while True:
            await self._clock.sleep(DAY)
            await self.tidy()

    async def tidy(self) -> None:
        """Delete expired records, and end steps whose outputs nobody has reviewed in time."""
        now = self._clock.now()
        await self._database.write(lambda tx: self.checking.expire(tx, now))
        while await self._database.write(lambda tx: self._notebook.forget(tx, now)):
            pass

    async def drain(self) -> None:
        """Begin no new step from now on, and return once every running step has ended."""
        self._draining = True
        await self._going.idle()

    async def close(self) -> None:
        """Cancel what is being answered; it is recorded as failed."""
        await self._going.close()
        await self._ordering.close()
        await self._runners.close()

    def cut(self, tx: Transaction) -> list[tuple[str, Decision]]:
        """Close every job whose use may not go on, all in one transaction; their pids, and why.

        Its token is worth nothing from then on, and a step that runs is ended. The uses themselves are ended, or
        suspended, by whoever asks: a message must not be sent from inside a transaction.
        """
        now = self._clock.now()
        found: list[tuple[str, Decision]] = []
        for use in each(tx, TRANSFERS, {"role": Role.PROVIDER, "state": TransferState.STARTED}):
            job = tx.get(JOBS, use.id)
            decision = combine() if job is None else self._door.lasting(tx, job, now)
            if job is None or decision.permitted:
                continue
            found.append((use.id, decision))
            if job.open:
                tx.replace(JOBS, job, replace(job, open=False, held=True))
        return found

    def lasts(self, tx: Transaction, use: str) -> Decision:
        """Whether a use that was suspended could go on now."""
        job = tx.get(JOBS, use)
        return combine() if job is None else self._door.lasting(tx, job, self._clock.now())

    def allowance(self, tx: Transaction, asset: str) -> brakes.Allowance:
        """How many questions an asset was asked, over all users, and how many it still answers this year."""
        return allowance(tx, self._grounds, asset, self._clock.now())

    def given(self, tx: Transaction, asset: str) -> disclosures.Given:
        """How many numbers about persons an asset has released, over all users, and how many it may."""
        return given(tx, self._grounds, asset)

    def progress(self, question: AdmittedQuestion) -> StepProgress | None:
        """The progress of a step, if it is running and its engine reports it."""
        lead = self._going.get(question.job, question.asked)
        return None if lead is None else lead.progress

    # --- one step ----------------------------------------------------------------------------------------------
    async def _begun(self, call: Call, answers: Answers | None = None) -> Lead:
        """The running step: started now, or already running because the same was asked for."""
        job = await self._database.read(
            lambda tx: self._door.job(tx, call)
        )  # an unauthorised caller costs nothing more
        engine = await self._engine(job, call.step)
        said = await self._legible.digests(engine, call)
        await self.seats.check_asked(call, said.step, answers)
        work = self._first
        if not self._at_once(job.asset, call.user, engine):  # what was released before needs no turn
            job, before = await self._database.read(lambda tx: self._named(tx, call, said.step))
            if before is not None and before.outcome is QuestionOutcome.RELEASED:
                work = self._again
        lead = Lead(job.id, said.step, call.user)
        return self._going.join(lead, lambda lead: work(lead, call, said, job, engine), most=MOST_OF_ONE)

    def _at_once(self, asset: str, user: str, engine: Engine | None) -> bool:
        """Whether a step of this user on the asset could be worked on now."""
        free = self._ordering.idle(asset) and self._runners.of(engine).free(user)
        return free and self._holder.away(asset) is None

    async def _again(self, lead: Lead, call: Call, said: Digests, job: Job, engine: Engine | None) -> Release:
        """An earlier release is returned at once, whatever else is running, if it still may leave."""
        now = self._clock.now()
        given = await self._database.write(lambda tx: self._door.again(tx, call, said, now))
        if (
            given is None
        ):  # no longer kept, or made under an earlier grant: to be admitted in its turn, like any other
            return await self._first(lead, call, said, job, engine)
        if isinstance(given, Refusal):
            raise self._holder.refused(call.job, given)
        return given

    async def _first(self, lead: Lead, call: Call, said: Digests, job: Job, engine: Engine | None) -> Release:
        away = self._holder.away(job.asset)
        if away is not None:
            raise away  # before it is recorded or counted
        runner, closed = self._runners.of(engine), self._working.closed
        async with (
            self._ordering.turn(job.asset, call.user, job.id, closed) as turn,
            turn.place(runner, call.user, job.id, closed) as place,
        ):
            if self._draining:
                raise DrainingError(seconds=LATE)  # before it is recorded or counted
            lead.entered = True
            if call.step.parts:
                await self._look_for_parts(job, call.step.parts)
            await self._notebook.open_history(self._database, job.asset)
            admitted = await self._admit(call, said)
            if isinstance(admitted, Release):
                return admitted
            return await self._to_the_end(lead, job, admitted, place)

    async def _look_for_parts(self, job: Job, named: Sequence[Part]) -> None:
        """Refuse a step whose parts are not here, before it is recorded or counted."""
        try:
            await self._runners.threads.call(job.id, lambda: self._parts.check_brought(job.user, job.id, named))
        except InvalidInputError as error:
            raise StepError(reason=error.text) from error

    async def _admit(self, call: Call, said: Digests) -> Admitted | Release:
        now, admission = self._clock.now(), new_id(self._randomness)

        admitted = await self._database.write(lambda tx: self._door.admit(tx, call, said, admission, now))
        if isinstance(admitted, Refusal):
            raise self._holder.refused(call.job, admitted)
        if isinstance(admitted, Admitted) and admitted.number == 1:
            await self._warn(admitted)
        return admitted

    async def _warn(self, admitted: Admitted) -> None:
        """Warn the holder of a use whose task nearly repeats one that was answered before."""
        admission, task = admitted.admission, admitted.step.task
        engine = self._engines[admission.kind, task_name(admitted.step)]
        before = self._notebook.tasks(admission.asset, self._clock.now())
        find = partial(near, task, admission.entry, before, engine)
        found = await self._runners.threads.call(admission.use, find) if before else None
        if found is not None:
            self._holder.warn(admission.id, found.earlier, found.differs)

    async def near_repeats(self, asset: str) -> list[NearRepeat]:
        """The tasks of the past year that differ in one respect only from one that an asset had answered before."""
        await self._notebook.open_history(self._database, asset)
        tasks = self._notebook.tasks(asset, self._clock.now())
        engines = {name: self._engines.get((kind, name)) or make() for (kind, name), make in self._makers.items()}
        return await self._runners.threads.call(asset, lambda: all_near(tasks, engines)) if tasks else []

    async def _to_the_end(self, lead: Lead, job: Job, admitted: Admitted, place: StepPlace) -> Release:
        lead.state = StepState.WORKING
        engine = self._engines[job.kind, task_name(admitted.step)]
        return await self._working.to_the_end(admitted, engine, place, self._clock.now(), lead.tell)

    async def _resumed(self, lead: Lead, question: AdmittedQuestion) -> Release:
        """Continue an interrupted step."""
        try:
            step = self._notebook.shown(question)
        except ValueError as error:
            await self._recovery.end(question, QuestionOutcome.FAILED, INTERRUPTED)
            raise StepUnknownError(use=question.job) from error
        lead.state, lead.entered = StepState.ADMITTED, True
        await self._holder.settled(question.asset)
        try:
            return await self._in_its_turn(lead, question, step)
        except JobClosedError as error:  # while it waited; one that has ended stays ended
            await self._recovery.end(question, QuestionOutcome.REFUSED, error.code)
            raise

    async def _in_its_turn(self, lead: Lead, question: AdmittedQuestion, step: Step) -> Release:
        closed, use = self._working.closed, question.job
        async with self._ordering.turn(question.asset, question.user, use, closed) as turn:
            job = await self._database.read(lambda tx: tx.get(JOBS, use))
            engine = None
            with suppress(StepError, UseFailedError):  # nothing here answers it any more
                engine = None if job is None else await self._engine(job, step)
            runner = self._runners.of(engine)
            async with turn.place(runner, question.user, use, closed) as place:
                lead.state = StepState.WORKING
                return await self._recovery.go_on(question, engine, runner, place, lead.tell)

    # --- engines -----------------------------------------------------------------------------------------------
    async def _engine(self, job: Job, step: Step) -> Engine | None:
        """The engine that answers a step, created on first use, since it may import heavy libraries.

        None where nothing here answers this kind of use: that is refused, and recorded, where it is decided.
        """
        served = job.kind, task_name(step)
        if served not in self._makers:
            if any(kind == job.kind for kind, _ in self._makers):
                raise StepError(reason=self._other_tasks(job.kind))
            return None
        if served not in self._engines:
            self._engines[served] = await self._runners.threads.call(job.id, self._makers[served])
        return self._engines[served]

    def _other_tasks(self, kind: str) -> Text:
        tasks = ", ".join(sorted(task for known, task in self._makers if known == kind))
        return Text(msgid("this kind of use has the tasks {tasks}"), {"tasks": tasks})
