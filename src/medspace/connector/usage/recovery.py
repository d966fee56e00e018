"""At start: steps that a killed connector had admitted are resumed, repeated, or ended in the log.

A step is resumed where its runner still has it. Otherwise it is repeated under the same admission, since none of its
output had left: without a second entry, and without counting again. That happens only once: a step that crashes the
connector must not do so at every start.
"""

from dataclasses import replace
from datetime import datetime

from medspace.connector.usage.calls import Admitted, Holder
from medspace.connector.usage.errors import JobClosedError, StepUnknownError
from medspace.connector.usage.gate import INTERRUPTED, Gate
from medspace.connector.usage.memory import steps_of
from medspace.connector.usage.model import JOBS, QUESTIONS, AdmittedQuestion, QuestionOutcome
from medspace.connector.usage.ports import Runner, StepPlace
from medspace.connector.usage.working import Tell, Working
from medspace.core.clock import Clock, instant
from medspace.core.engine import Engine
from medspace.core.store import Database, Transaction
from medspace.core.usage import Brakes, Release

MOST_REPEATS = 1


class Recovery:
    """Deals with admitted steps that have not ended."""

    def __init__(
        self, holder: Holder, gate: Gate, working: Working, database: Database, clock: Clock, applied: Brakes
    ) -> None:
        self._holder, self._gate, self._working = holder, gate, working
        self._database, self._clock, self._applied = database, clock, applied

    async def left(self) -> list[AdmittedQuestion]:
        """The steps that can continue, in the order of their admission; all others are ended."""
        found: list[AdmittedQuestion] = []
        last: str | None = None
        while page := await self._database.read(lambda tx: self._holder.notebook.unended(tx, last)):  # noqa: B023
            last = page[-1].id
            found += page
        found.sort(key=lambda question: question.entry)
        return [question for question in found if await self._database.write(lambda tx: self._lives(tx, question))]  # noqa: B023

    def _lives(self, tx: Transaction, question: AdmittedQuestion) -> bool:
        job = tx.get(JOBS, question.job)
        if job is None or not job.open:
            self._gate.end(tx, question.id, QuestionOutcome.REFUSED, JobClosedError.code)
            return False
        if not question.granted or question.asset not in self._holder.sources:
            self._gate.end(tx, question.id, QuestionOutcome.FAILED, INTERRUPTED)
            return False
        return True

    async def end(self, question: AdmittedQuestion, outcome: QuestionOutcome, code: str) -> None:
        """End it, if it has not ended."""
        await self._database.write(lambda tx: self._gate.end(tx, question.id, outcome, code))

    async def go_on(
        self, question: AdmittedQuestion, engine: Engine | None, runner: Runner, place: StepPlace, tell: Tell
    ) -> Release:
        """Lead an interrupted step to its end; `tell` gets its progress.

        Raises:
            StepUnknownError: it cannot be repeated; it was recorded as failed.
        """
        held = engine is not None and await runner.holds(question.id)
        question = await self._database.write(lambda tx: self._taken_up(tx, question, engine, held=held))
        if engine is None or question.outcome is not QuestionOutcome.OPEN:
            raise StepUnknownError(use=question.job)
        now = self._clock.now()
        try:
            admitted = await self._admitted(question, now)
        except ValueError as error:  # sealed with another secret, corrupted, or written in another form
            await self.end(question, QuestionOutcome.FAILED, INTERRUPTED)
            raise StepUnknownError(use=question.job) from error
        since = instant(question.time) if held else now
        return await self._working.to_the_end(admitted, engine, place, since, tell)

    async def _admitted(self, question: AdmittedQuestion, now: datetime) -> Admitted:
        await self._holder.notebook.open_history(self._database, question.asset)
        admission = self._holder.notebook.admission(question, self._applied, now)
        number = await self._database.read(lambda tx: steps_of(tx, question.job))
        return Admitted(admission, self._holder.notebook.shown(question), question, number=number)

    def _taken_up(
        self, tx: Transaction, question: AdmittedQuestion, engine: Engine | None, *, held: bool
    ) -> AdmittedQuestion:
        """The current question, with its repeat counted if needed; ended where it cannot be repeated.

        While it waited for its turn, the next step of its use may have ended it.
        """
        question = tx.get(QUESTIONS, question.id) or question
        there = question.asset in self._holder.sources  # its content may have turned out to be unusable
        if (held and there) or question.outcome is not QuestionOutcome.OPEN:
            return question
        repeatable = there and engine is not None and engine.limits.repeatable
        if not repeatable or question.repeats >= MOST_REPEATS:
            self._gate.end(tx, question.id, QuestionOutcome.FAILED, INTERRUPTED)
            return tx.get(QUESTIONS, question.id) or question
        repeated = replace(question, repeats=question.repeats + 1)
        tx.replace(QUESTIONS, question, repeated)
        return repeated
