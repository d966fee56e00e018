"""Usage control: admit a step, have the engine answer it beside the data, let the output pass the gate.

Each step is three transactions with an entry each, written before what it allows: `use.admitted` before the rows
are opened, `use.released` before the answer leaves (or `use.refused`, `use.withheld`, `use.failed`). What was
admitted comes to its end whether or not the caller waits for it. A step that is repeated after its answer was lost
gets the same answer again, and nothing twice in the log. The steps on one asset are answered one after the other, so
that each is decided upon with all that was answered before it.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar
from weakref import WeakValueDictionary

from medspace.connector.ports import FactsOf
from medspace.connector.usage import brakes, rules
from medspace.connector.usage.calls import Admitted, Call, Holder, Refusal, task_name, told
from medspace.connector.usage.conditions import Conditions, Grounds
from medspace.connector.usage.conditions.questions import allowance
from medspace.connector.usage.contents import Contents
from medspace.connector.usage.door import Door
from medspace.connector.usage.errors import (
    JobClosedError,
    NotAdmittedError,
    StepError,
    UseFailedError,
    WithheldError,
)
from medspace.connector.usage.gate import INTERRUPTED, Gate
from medspace.connector.usage.model import Outcome
from medspace.connector.usage.notebook import Notebook
from medspace.connector.usage.recollection import Recollection
from medspace.connector.usage.requests import Requests
from medspace.connector.usage.rows import opened
from medspace.connector.usage.tokens import JobTokens
from medspace.connector.usage.versions import Content
from medspace.core.canonical import canonical, exact
from medspace.core.clock import Clock, Randomness
from medspace.core.engine import Engine, Workplace
from medspace.core.errors import InvalidInputError, MedspaceError, RefusedError, StorageError
from medspace.core.hashing import digest_bytes
from medspace.core.ids import new_id
from medspace.core.material import Source
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.core.usage import Brakes, Output, Release, Step

T = TypeVar("T")
Makers = Mapping[tuple[str, str], Callable[[], Engine]]  # by DSP format and name of task
DAY = 24 * 3600.0
IN_THE_OPEN = frozenset({"rows.refused"})  # refusals of a source by its published dictionary; all others are private
ALL_BRAKES = Brakes()


class UsageControl:
    """The one door to the rows of this connector's assets. `applied` is all brakes, but in the tests of attacks."""

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
        applied: Brakes = ALL_BRAKES,
    ) -> None:
        self._holder, self._notebook, self._changes = holder, holder.notebook, applied.changes
        self._contents = Contents(database, holder.notebook)
        self._makers = dict(engines)
        self._engines: dict[tuple[str, str], Engine] = {}
        requests = Requests(facts, conditions, self._engines)
        recollection = Recollection(holder.notebook, self._contents, applied.changes)
        self._gate = Gate(holder, conditions, requests, clock)
        self._door = Door(
            holder, self._gate, conditions, requests, recollection, self._engines, tokens, clock, applied
        )
        self._grounds = Grounds(holder, applied)
        self._database, self._clock, self._randomness = database, clock, randomness
        self._answering: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # by asset
        self._going: set[asyncio.Task[Release]] = set()

    @property
    def notebook(self) -> Notebook:
        """The questions that were asked, for those who hold the rows."""
        return self._notebook

    async def step(self, call: Call) -> Release:
        """Answer one step of a use; it is answered to its end even if the caller goes away.

        Raises:
            UnknownJobError: no such job for this caller and token.
            JobClosedError: the use is suspended or over.
            NotAdmittedError: agreement, label or brakes say no.
            StepError: the engine cannot run it.
            WithheldError: the output may not leave.
            UseFailedError: the engine broke; what it raised is the cause.
        """
        task = asyncio.ensure_future(self._step(call))
        self._going.add(task)
        task.add_done_callback(self._gone)
        return await asyncio.shield(task)

    def _gone(self, task: "asyncio.Task[Release]") -> None:
        self._going.discard(task)
        if not task.cancelled():
            task.exception()  # the caller has heard it, or is not there any more

    async def close(self) -> None:
        """End what is being answered; it is noted as failed."""
        going = list(self._going)
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)

    async def recover(self) -> None:
        """Give what a connector that is gone had admitted its end in the log; for the start.

        Raises:
            QuestionsSealedError: the questions that were kept were sealed with another secret.
        """
        await self._notebook.check(self._database)
        while await self._database.write(self._gate.end_some):
            pass
        await self.tidy()

    async def work(self) -> None:
        """Forget once a day what was kept for its time; until cancelled."""
        while True:
            await self._clock.sleep(DAY)
            await self.tidy()

    async def tidy(self) -> None:
        """Forget what was kept for its time."""
        now = self._clock.now()
        while await self._database.write(lambda tx: self._notebook.forget(tx, now)):
            pass

    def allowance(self, tx: Transaction, asset: str) -> brakes.Allowance:
        """How many questions an asset was asked, over all users, and how many it still answers this year."""
        return allowance(tx, self._grounds, asset, self._clock.now())

    # --- one step ----------------------------------------------------------------------------------------------
    async def _step(self, call: Call) -> Release:
        asked = _step_digest(call.step)
        asset = await self._check(call)
        lock = self._answering.setdefault(asset, asyncio.Lock())
        async with lock:
            await self._notebook.open_history(self._database, asset)
            now, admission_id = self._clock.now(), new_id(self._randomness)
            admitted = await self._database.write(lambda tx: self._door.admit(tx, call, asked, admission_id, now))
            if isinstance(admitted, Release):
                return admitted
            if isinstance(admitted, Refusal):
                raise self._over(call.job, admitted)
            return await self._to_the_end(admitted)

    async def _to_the_end(self, question: Admitted) -> Release:
        """Answer what was admitted; whatever happens, it has an end in the log."""
        try:
            return await self._released(question, await self._output(question))
        except asyncio.CancelledError:
            await self._end(question, Outcome.FAILED, INTERRUPTED)
            raise
        except (NotAdmittedError, WithheldError, JobClosedError):
            raise  # noted where they were decided
        except UseFailedError:
            await self._end(question, Outcome.FAILED, UseFailedError.code)
            raise
        except RefusedError as error:
            if error.code not in IN_THE_OPEN:
                raise await self._keep_back(question, error) from error
            await self._end(question, Outcome.REFUSED, error.code)
            raise StepError(reason=error.text) from error
        except InvalidInputError as error:
            await self._end(question, Outcome.REFUSED, error.code)
            raise StepError(reason=error.text) from error
        except StorageError:
            raise  # nothing can be noted; the next step of this use, or the next start, will
        except MedspaceError:
            await self._end(question, Outcome.FAILED, UseFailedError.code)
            raise

    def _over(self, use: str, refusal: Refusal) -> RefusedError:
        """What a refusal says; where the label allows the use no longer, the use is ended with it."""
        if refusal.ends is not None:
            self._holder.end(use, refusal.ends)
        return refusal.error

    async def _end(self, question: Admitted, outcome: Outcome, code: str) -> None:
        await self._database.write(lambda tx: self._gate.end(tx, question.admission.id, outcome, code))

    async def _keep_back(self, question: Admitted, error: RefusedError) -> WithheldError:
        """All reasons that lie in the rows are told alike; the holder's own log has the true one."""
        self._holder.tell(question.admission.id, str(getattr(error, "cause_code", "") or error.code))
        await self._end(question, Outcome.WITHHELD, rules.WITHHELD)
        return WithheldError(**told(rules.WITHHELD, rules.withheld()))

    async def _check(self, call: Call) -> str:
        """Refuse what no engine here can answer, before it is noted or counts; the asset that the call is about.

        The engine is made for the first step of its kind of task, since it may bring heavy libraries.
        """
        job = await self._database.read(lambda tx: self._door.job(tx, call))
        served = job.kind, task_name(call.step)
        if served not in self._makers:
            if any(kind == job.kind for kind, _ in self._makers):
                raise StepError(reason=self._other_tasks(job.kind))
            return job.asset  # refused, and noted as refused, where it is decided
        if served not in self._engines:
            self._engines[served] = await asyncio.to_thread(self._makers[served])
        engine = self._engines[served]
        if call.step.name not in engine.steps:
            raise StepError(
                reason=Text(msgid("this kind of use has the steps {steps}"), {"steps": ", ".join(engine.steps)})
            )
        try:
            await _computed(job.id, engine.check, call.step.task)
        except InvalidInputError as error:
            raise StepError(reason=error.text) from error
        return job.asset

    def _other_tasks(self, kind: str) -> Text:
        tasks = ", ".join(sorted(task for known, task in self._makers if known == kind))
        return Text(msgid("this kind of use has the tasks {tasks}"), {"tasks": tasks})

    async def _output(self, question: Admitted) -> Output:
        """What the engine makes of it, or made of it before."""
        admission, known = question.admission, question.known
        source = self._holder.sources[admission.asset]
        engine = self._engines[admission.kind, task_name(question.step)]
        if self._changes and self._contents.known(admission.asset, admission.scope) is None:
            sums = await _computed(admission.use, self._contents.sums, source, admission)
            content = await self._contents.remember(admission.asset, admission.scope, sums, self._clock.now())
            known = await self._recognised(question, content)
        if known is not None:
            return Output(known.kind, known.values, known.cohort)
        return await _computed(admission.use, self._answer, engine, source, question)

    def _answer(self, engine: Engine, source: Source, question: Admitted) -> Output:
        material = opened(source, question.admission) if engine.forms else None
        return engine.answer(question.admission, question.step, Workplace(material, self._randomness, self._clock))

    async def _recognised(self, question: Admitted, content: Content) -> Release | None:
        """The answer that the question got before, if any; only now is known which rows it is put to."""
        found = await self._database.write(lambda tx: self._door.recognise(tx, question, content))
        if isinstance(found, Refusal):
            raise found.error
        return found

    async def _released(self, question: Admitted, output: Output) -> Release:
        now, release_id = self._clock.now(), new_id(self._randomness)
        done = await self._database.write(lambda tx: self._gate.release(tx, question, output, release_id, now))
        if isinstance(done, Refusal):
            raise self._over(question.admission.use, done)
        if isinstance(done, str):
            raise await self._keep_back(question, _PrivateError(cause=done))
        self._notebook.remember(question.asked, question.step)
        return done


class _PrivateError(RefusedError):
    """A reason that lies in the rows; only its code is kept, and only by the holder."""

    @property
    def cause_code(self) -> str:
        """The code of the reason."""
        return str(self.facts["cause"])


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


def _step_digest(step: Step) -> str:
    flaw = rules.flaw(step)
    if flaw is not None:
        raise StepError(reason=flaw)
    said = {"task": step.task, "round": step.round, "name": step.name, "inputs": step.inputs}
    try:
        return digest_bytes(canonical(exact(said)))
    except (ValueError, RecursionError) as error:
        reason = msgid("it is deeper than any task, or a number in it is too large or not finite")
        raise StepError(reason=Text(reason)) from error
