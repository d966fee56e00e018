"""From admission to the end: the runner does the step, the gate decides; whatever happens, its end is in the log."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from medspace.connector.model import CATALOGUE, TRANSFERS
from medspace.connector.usage import rules
from medspace.connector.usage.calls import Admitted, Holder, Refusal, told
from medspace.connector.usage.contents import Contents
from medspace.connector.usage.door import Door
from medspace.connector.usage.editions import Editions
from medspace.connector.usage.ended import OPEN
from medspace.connector.usage.errors import (
    JobClosedError,
    NotAdmittedError,
    ReleaseTooLargeError,
    StepError,
    StepHeldError,
    StepTooLongError,
    StepUnknownError,
    UseFailedError,
    UseRestoredError,
    WithheldError,
)
from medspace.connector.usage.gate import INTERRUPTED, Gate
from medspace.connector.usage.memory import Memories, Numbered
from medspace.connector.usage.model import JOBS, QUESTIONS, QuestionOutcome
from medspace.connector.usage.notebook import StepRefusal
from medspace.connector.usage.parts import UseParts
from medspace.connector.usage.ports import ChangeSignal, StepPlace, Threads, Work
from medspace.connector.usage.seats import Seats
from medspace.connector.usage.versions import Content
from medspace.core.clock import Clock, Randomness
from medspace.core.columns import ColumnUnknownError
from medspace.core.engine import Engine
from medspace.core.errors import InvalidInputError, MedspaceError, RefusedError, StorageError
from medspace.core.ids import new_id
from medspace.core.limits import LEAVES, RELEASE
from medspace.core.material import Source
from medspace.core.store import Database, Transaction
from medspace.core.usage import Admission, Output, Release, Step

IN_THE_OPEN = frozenset(
    {"rows.refused"}
)  # a source's refusals that follow from its published dictionary; all others are private
CODES = IN_THE_OPEN
QUICK = 0.2  # seconds of wall time after which a step is watched: most have ended before
HOUR = 3600.0
Tell = Callable[[float, float, datetime], None]  # progress of an engine: done, of, when


class Working:
    """Leads admitted steps to their ends. `compares`: a table that changed only a little answers nothing new."""

    def __init__(
        self,
        holder: Holder,
        gate: Gate,
        door: Door,
        contents: Contents,
        editions: Editions,
        memories: Memories,
        seats: Seats,
        threads: Threads,
        database: Database,
        clock: Clock,
        randomness: Randomness,
        changes: ChangeSignal,
        parts: UseParts,
        *,
        compares: bool,
    ) -> None:
        self._holder, self._gate, self._door, self._contents = holder, gate, door, contents
        self._editions = editions
        self._memories, self._seats = memories, seats
        self._threads, self._database, self._changes = threads, database, changes
        self._clock, self._randomness, self._compares = clock, randomness, compares
        self._parts = parts

    async def to_the_end(
        self, question: Admitted, engine: Engine, place: StepPlace, since: datetime, tell: Tell
    ) -> Release:
        """Do what was admitted, from `since` on; whatever happens, its end is in the log.

        `tell` gets the engine's progress from time to time, in any thread.

        Raises:
            StepHeldError: it awaits review, so it has not ended.
        """
        try:
            return await self._released(question, await self._output(question, engine, place, since, tell))
        except asyncio.CancelledError:
            await self.end(question, QuestionOutcome.FAILED, INTERRUPTED)
            raise
        except (NotAdmittedError, WithheldError, JobClosedError, StepHeldError, StepUnknownError):
            raise  # recorded where they were decided
        except UseFailedError as error:
            await self.end(question, QuestionOutcome.FAILED, error.code, error)
            if isinstance(error, UseRestoredError):
                self._holder.end(question.admission.use, rules.restored())
            raise
        except RefusedError as error:
            if error.code not in IN_THE_OPEN:
                raise await self._keep_back(question, error) from error
            raise await self._not_run(question, error) from error
        except InvalidInputError as error:
            named = await self._named(question.admission.asset, error)
            raise await self._not_run(question, named) from named
        except StorageError:
            raise  # nothing can be recorded; the next step of this use, or the next start, will
        except Exception:  # whatever it is, even a fault of ours: an admission has its end in the log
            await self.end(question, QuestionOutcome.FAILED, UseFailedError.code)
            raise

    async def end(
        self, question: Admitted, outcome: QuestionOutcome, code: str, error: MedspaceError | None = None
    ) -> None:
        """End an admission without a release, and store what its user is told."""
        admission = question.admission.id

        def work(tx: Transaction) -> None:
            self._gate.end(tx, admission, outcome, code, named=str(getattr(error, "named", "") or ""))
            if error is not None:
                self._holder.notebook.tell(tx, admission, said(error))

        await self._database.write(work)

    async def _not_run(self, question: Admitted, error: MedspaceError) -> StepError:
        """Why a step cannot be run is reported as the engine stated it."""
        await self.end(question, QuestionOutcome.REFUSED, error.code, error)
        return StepError(reason=error.text)

    async def _named(self, asset: str, error: InvalidInputError) -> InvalidInputError:
        """An error about a column, with the columns that anyone may know of."""
        if not isinstance(error, ColumnUnknownError):
            return error
        offered = await self._database.read(lambda tx: tx.get(CATALOGUE, asset))
        published = (offered.dictionary if offered else None) or {}
        return error.among(published.get("columns", ()), published.get("person"))

    async def _keep_back(self, question: Admitted, error: RefusedError) -> WithheldError:
        """All reasons that depend on the rows are reported alike; the holder's own log has the true one."""
        self._holder.tell(question.admission.id, str(getattr(error, "cause_code", "") or error.code))
        withheld = WithheldError(**told(rules.WITHHELD, rules.withheld()))
        await self.end(question, QuestionOutcome.WITHHELD, rules.WITHHELD, withheld)
        return withheld

    # --- the work ----------------------------------------------------------------------------------------------
    async def _output(
        self, question: Admitted, engine: Engine, place: StepPlace, since: datetime, tell: Tell
    ) -> Output:
        """The output of the engine, or an earlier one."""
        admission, known = question.admission, question.known
        source = self._editions.of(admission.asset, admission.use) or self._holder.sources[admission.asset]
        opens = not question.asked.rowless
        if opens and self._compares and self._content(admission) is None:
            sums = await self._threads.call(admission.use, lambda: self._contents.sums(source, admission))
            content = await self._contents.remember(source, admission, sums, self._clock.now())
            known = await self._recognised(question, content)
        while known is not None:
            if (given := await self._given_again(question, known)) is not None:
                return given
            known = await self._recalled_otherwise(question, known)
        step = Numbered(question.number, admission.id)
        memory, blobs = await self._memories.opened(admission.use, question.memory, step), self._parts.of(admission)
        peers = await self._seats.peers(admission.use, step, question.seat, looked=question.memory is not None)
        rows = self._content(admission) if opens and self._compares else None
        if opens and engine.limits.runner == "thread":  # in a process, what is kept at the asset's place is opened
            await self._begin(admission, source)
        work = Work(
            admission,
            question.step,
            engine,
            source,
            self._randomness,
            self._clock,
            memory,
            peers,
            blobs,
            "" if rows is None else rows.version,
            opens=opens,
            progress=lambda done, of: tell(done, of, self._clock.now()),
        )
        output = await self._watched(question, engine, place.do(work), since)
        if not rules.is_output(output):
            raise UseFailedError(use=admission.use) from TypeError("what the engine gave back is no output")
        return output

    def _content(self, admission: Admission) -> Content | None:
        """The content that a use works on, if it was read already."""
        return self._contents.known(admission.asset, admission.scope, admission.use)

    async def _begin(self, admission: Admission, source: Source) -> None:
        """Have a use work on the same rows to its end; let go of earlier rows whose uses are over."""
        self._editions.begin(admission.asset, admission.use, source)
        if earlier := self._editions.replaced():
            self._editions.end(await self._database.read(lambda tx: [use for use in earlier if _is_over(tx, use)]))

    async def _given_again(self, question: Admitted, known: Release) -> Output | None:
        """An earlier answer with its parts; None where they were deleted with the use that got it."""
        use = question.admission.use
        if known.parts:
            asker = await self._database.read(lambda tx: tx.get(QUESTIONS, known.admission))
            give = self._parts.give_again
            if not await self._threads.call(use, lambda: give(known.parts, asker, question.admission)):
                return None
        return Output(known.kind, known.values, known.cohort, known.parts)

    async def _recalled_otherwise(self, question: Admitted, gone: Release) -> Release | None:
        """Another answer in place of one without its parts; where there is none, the question is new and counts.

        Raises:
            NotAdmittedError: it may not be asked anew.
        """
        admission = question.admission

        def work(tx: Transaction) -> Release | Refusal | None:
            self._holder.notebook.recall_no_more(tx, gone.admission)
            content = self._content(admission)
            return None if content is None else self._door.recognise(tx, question, content)

        found = await self._database.write(work)
        if isinstance(found, Refusal):
            raise self._holder.refused(admission.use, found)
        return found

    async def _recognised(self, question: Admitted, content: Content) -> Release | None:
        """The answer that the question got before, if any; its rows are known only now."""
        found = await self._database.write(lambda tx: self._door.recognise(tx, question, content))
        if isinstance(found, Refusal):
            raise self._holder.refused(question.admission.use, found)
        return found

    async def _watched(self, question: Admitted, engine: Engine, doing: Awaitable[Output], since: datetime) -> Output:
        """The output, unless the step takes too long or the use is ended: then the result is no longer awaited."""
        work = asyncio.ensure_future(doing)
        guards: list[asyncio.Future[None]] = []
        try:
            await asyncio.wait({work}, timeout=QUICK)
            if not work.done():
                left = engine.limits.seconds - (self._clock.now() - since).total_seconds()
                guards.append(asyncio.ensure_future(self._clock.sleep(max(left, 0.0))))
                guards.append(asyncio.ensure_future(self.closed(question.admission.use)))
                await first(work, *guards)
            if work.done():
                return work.result()
            late = not guards[1].done()
        finally:
            await stop(work, *guards)
        if late:
            raise StepTooLongError(use=question.admission.use, limit=engine.limits.seconds)
        closed = JobClosedError(use=question.admission.use)
        await self.end(question, QuestionOutcome.REFUSED, closed.code, closed)
        raise closed

    async def closed(self, use: str) -> None:
        """Returns once a use is suspended or over."""

        def look(tx: Transaction) -> bool | None:
            job = tx.get(JOBS, use)
            return None if job is not None and job.open else True

        while await self._changes.until(lambda: self._database.read(look), HOUR, JOBS.topic(use)) is None:
            pass

    # --- the gate ----------------------------------------------------------------------------------------------
    async def _released(self, question: Admitted, output: Output) -> Release:
        memory = None
        if output.memory is not None:
            memory = await self._memories.sealed(question.admission.use, output.memory)
            output = replace(output, memory=None)  # only its own key ever seals it
        found = await self.measured(question.admission, question.step, output)
        now, release_id = self._clock.now(), new_id(self._randomness)
        done = await self._database.write(self.passing(question, output, found, release_id, now, memory))
        if isinstance(done, str):
            raise await self._keep_back(question, _PrivateError(cause=done))
        # An output that awaits review counts as answered: it may leave.
        if isinstance(done, Release | StepHeldError) and not question.asked.rowless:
            self._holder.notebook.remember(question.asked, output.worded or question.step)
        if isinstance(done, Refusal):
            raise self._holder.refused(question.admission.use, done)
        if isinstance(done, StepHeldError):
            raise done
        return done

    async def measured(self, admission: Admission, step: Step, output: Output) -> rules.Measured:
        """Count and digest an output, off the event loop and before the transaction that releases it.

        Raises:
            ReleaseTooLargeError: it exceeds the size of a release.
            UseFailedError: it names parts that do not exist, or holds what JSON cannot.
        """
        if rules.is_small(output):
            try:
                found = rules.measured(admission, output, step.round)
            except ValueError as error:  # numbers or text that JSON cannot hold
                raise UseFailedError(use=admission.use) from error
        else:
            found = await self._threads.call(admission.use, lambda: rules.measured(admission, output, step.round))
        if rules.oversized(found):
            facts = {"leaves": found.leaves, "size": found.size, "most": LEAVES, "limit": RELEASE}
            raise ReleaseTooLargeError(**facts)
        if output.outbox:
            found = replace(found, sealed=await self._seats.sealed(admission.use, output.outbox))
        if output.parts:
            await self._threads.call(admission.use, lambda: self._parts.check_made(admission, output.parts))
        return found

    def passing(
        self,
        question: Admitted,
        output: Output,
        found: rules.Measured,
        release_id: str,
        now: datetime,
        memory: str | None = None,
    ) -> "Callable[[Transaction], Release | Refusal | StepHeldError | str]":
        """The unit of work that passes an output through the gate, or stores what its user is told instead.

        `memory` is the use's new memory, sealed.
        """

        def work(tx: Transaction) -> Release | Refusal | StepHeldError | str:
            done = self._gate.release(tx, question, output, found, release_id, now, memory)
            if isinstance(done, Refusal):
                self._holder.notebook.tell(tx, question.admission.id, said(done.error))
            return done

        return work


class _PrivateError(RefusedError):
    """A reason that depends on the rows; only its code is stored, and only by the holder."""

    @property
    def cause_code(self) -> str:
        """The code of the reason."""
        return str(self.facts["cause"])


def said(error: MedspaceError) -> StepRefusal:
    """What the user of a step is told about its end."""
    return StepRefusal(error.code, str(error.facts.get("decision", "")), str(error.text), str(error.advice))


async def first(*tasks: "asyncio.Future[Any]") -> None:
    """Wait until one of them has ended."""
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


async def stop(*tasks: "asyncio.Future[Any]") -> None:
    """Cancel those that have not ended."""
    waiting = [task for task in tasks if not task.done()]
    for task in waiting:
        task.cancel()
    if waiting:
        await asyncio.gather(*waiting, return_exceptions=True)


def _is_over(tx: Transaction, use: str) -> bool:
    """Whether a use is one to which nothing is answered any more."""
    transfer = tx.get(TRANSFERS, use)
    return transfer is None or transfer.state not in OPEN
