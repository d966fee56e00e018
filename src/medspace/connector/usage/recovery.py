"""At start: what a connector that was killed had admitted goes on, is done again, or gets its end in the log.

A step goes on where its runner still has it. Otherwise it is done again under the same admission, since nothing of it
had left: without a second entry, and without counting again. That is done once only: a step that takes the connector
down with it must not do so at every start.
"""

from dataclasses import replace
from datetime import datetime

from medspace.connector.usage.calls import Admitted, Holder
from medspace.connector.usage.errors import JobClosedError, StepUnknownError
from medspace.connector.usage.gate import INTERRUPTED, Gate
from medspace.connector.usage.model import JOBS, QUESTIONS, Outcome, Question
from medspace.connector.usage.ports import Place, Runner
from medspace.connector.usage.working import Tell, Working, unheard
from medspace.core.clock import Clock, instant
from medspace.core.engine import Engine
from medspace.core.store import Database, Transaction
from medspace.core.usage import Brakes, Release

MOST_REPEATS = 1


class Recovery:
    """Deals with what was admitted and has no end."""

    def __init__(
        self, holder: Holder, gate: Gate, working: Working, database: Database, clock: Clock, applied: Brakes
    ) -> None:
        self._holder, self._gate, self._working = holder, gate, working
        self._database, self._clock, self._applied = database, clock, applied

    async def left(self) -> list[Question]:
        """What can go on, in the order of its admission; all else is ended."""
        found: list[Question] = []
        last: str | None = None
        while page := await self._database.read(lambda tx: self._holder.notebook.unended(tx, last)):  # noqa: B023
            last = page[-1].id
            found += page
        found.sort(key=lambda question: question.entry)
        return [question for question in found if await self._database.write(lambda tx: self._lives(tx, question))]  # noqa: B023

    def _lives(self, tx: Transaction, question: Question) -> bool:
        job = tx.get(JOBS, question.job)
        if job is None or not job.open:
            self._gate.end(tx, question.id, Outcome.REFUSED, JobClosedError.code)
            return False
        if not question.granted or question.asset not in self._holder.sources:
            self._gate.end(tx, question.id, Outcome.FAILED, INTERRUPTED)
            return False
        return True

    async def end(self, question: Question, outcome: Outcome, code: str) -> None:
        """Give it its end, if it has none."""
        await self._database.write(lambda tx: self._gate.end(tx, question.id, outcome, code))

    async def go_on(
        self, question: Question, engine: Engine | None, runner: Runner, place: Place, tell: Tell = unheard
    ) -> Release:
        """Lead a step that was cut off to its end.

        Raises:
            StepUnknownError: it cannot be done again; it was noted as failed.
        """
        held = engine is not None and await runner.holds(question.id)
        question = await self._database.write(lambda tx: self._taken_up(tx, question, engine, held=held))
        if engine is None or question.outcome is not Outcome.OPEN:
            raise StepUnknownError(use=question.job)
        now = self._clock.now()
        try:
            admitted = await self._admitted(question, now)
        except ValueError as error:  # sealed with another secret, spoilt, or written in another form
            await self.end(question, Outcome.FAILED, INTERRUPTED)
            raise StepUnknownError(use=question.job) from error
        since = instant(question.time) if held else now
        return await self._working.to_the_end(admitted, engine, place, since, tell)

    async def _admitted(self, question: Question, now: datetime) -> Admitted:
        await self._holder.notebook.open_history(self._database, question.asset)
        admission = self._holder.notebook.admission(question, self._applied, now)
        return Admitted(admission, self._holder.notebook.shown(question), question)

    def _taken_up(self, tx: Transaction, question: Question, engine: Engine | None, *, held: bool) -> Question:
        """The question as it stands, with one more repeat where it must be; or ended where it cannot be repeated.

        While it waited for its turn, the next step of its use may have given it its end.
        """
        question = tx.get(QUESTIONS, question.id) or question
        there = question.asset in self._holder.sources  # its content may have turned out to be of no use
        if (held and there) or question.outcome is not Outcome.OPEN:
            return question
        repeatable = there and engine is not None and engine.limits.repeatable
        if not repeatable or question.repeats >= MOST_REPEATS:
            self._gate.end(tx, question.id, Outcome.FAILED, INTERRUPTED)
            return tx.get(QUESTIONS, question.id) or question
        repeated = replace(question, repeats=question.repeats + 1)
        tx.replace(QUESTIONS, question, repeated)
        return repeated
