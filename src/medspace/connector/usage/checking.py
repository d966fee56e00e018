"""Outputs that a person of the holder must look at: listed, let go, kept back, or too late."""

from datetime import datetime

from medspace.connector.usage import rules
from medspace.connector.usage.calls import Admitted, Holder, Refusal, told
from medspace.connector.usage.conditions.seats import manifest_of
from medspace.connector.usage.errors import NoStepError, NotHeldError, WithheldError
from medspace.connector.usage.gate import Gate
from medspace.connector.usage.model import QUESTIONS, Outcome, Question
from medspace.connector.usage.working import Working, said
from medspace.core.clock import Clock, Randomness
from medspace.core.errors import MedspaceError
from medspace.core.ids import new_id
from medspace.core.paging import Cursor, newest
from medspace.core.store import Database, Transaction
from medspace.core.usage import Brakes, Output, Release, Step

EXPIRED = "release.expired"
CHECKED = "checked"  # the reason that only the holder's own log has


class Checking:
    """What a person of the holder sees of steps, and decides."""

    def __init__(
        self,
        holder: Holder,
        gate: Gate,
        working: Working,
        database: Database,
        clock: Clock,
        randomness: Randomness,
        applied: Brakes,
    ) -> None:
        self._holder, self._gate, self._working, self._database = holder, gate, working, database
        self._clock, self._randomness, self._applied = clock, randomness, applied

    async def steps(self, outcome: Outcome | None, after: Cursor | None, limit: int) -> list[Question]:
        """A page of steps, the newest first; those of one outcome only, where one is named."""
        where = {} if outcome is None else {"outcome": outcome.value}
        return await newest(self._database, QUESTIONS, where, after, limit, by="time")

    async def step(self, step: str) -> tuple[Question, Step, Output | None, tuple[str, ...]]:
        """One step, what was asked, its output where that waits for a person, and who has a seat in its run.

        Raises:
            NoStepError: there is none.
        """

        def look(tx: Transaction) -> tuple[Question, Output | None, tuple[str, ...]]:
            question = tx.get(QUESTIONS, step)
            if question is None:
                raise NoStepError(step=step)
            output = self._holder.notebook.held(tx, step) if question.outcome is Outcome.HELD else None
            manifest = manifest_of(tx, question.job)
            return question, output, manifest.sites if manifest else ()

        question, output, sites = await self._database.read(look)
        return question, self._holder.notebook.shown(question), output, sites

    def _held(self, tx: Transaction, step: str) -> tuple[Question, Output]:
        question = tx.get(QUESTIONS, step)
        output = self._holder.notebook.held(tx, step) if question and question.outcome is Outcome.HELD else None
        if question is None or output is None:
            raise NotHeldError(step=step)
        return question, output

    async def decide(self, step: str, *, approve: bool) -> Release | None:
        """Let an output go that waits for a person, or keep it back; the release, where it left.

        Raises:
            NotHeldError: it waits for nobody.
            JobClosedError, WithheldError: it may not leave any more, whatever the person says.
        """
        asked, output = await self._database.read(lambda tx: self._held(tx, step))
        now, release_id = self._clock.now(), new_id(self._randomness)
        held = self._holder.notebook.admission(asked, self._applied, now)
        found = await self._working.measured(held, self._holder.notebook.shown(asked), output)

        def work(tx: Transaction) -> tuple[str, Release | Refusal | MedspaceError | None]:
            question, output = self._held(tx, step)
            if not approve:
                self._keep_back(tx, question)
                return question.job, None
            admission = self._holder.notebook.admission(question, self._applied, now)
            admitted = Admitted(admission, self._holder.notebook.shown(question), question, looked=True)
            done = self._working.passing(admitted, output, found, release_id, now)(tx)
            return question.job, self._keep_back(tx, question) if isinstance(done, str) else done

        use, done = await self._database.write(work)
        if done is None:
            self._holder.tell(step, CHECKED)
        if isinstance(done, Refusal):
            raise self._holder.refused(use, done)
        if isinstance(done, MedspaceError):
            raise done
        return done

    def _keep_back(self, tx: Transaction, question: Question) -> WithheldError:
        """The user is told no more than of any other output that was kept back."""
        withheld = WithheldError(**told(rules.WITHHELD, rules.withheld()))
        self._gate.end(tx, question.id, Outcome.WITHHELD, rules.WITHHELD)
        self._holder.notebook.tell(tx, question.id, said(withheld))
        return withheld

    def expire(self, tx: Transaction, now: datetime) -> None:
        """End what nobody has looked at in time."""
        for question in self._holder.notebook.waiting(tx):
            if self._holder.notebook.admission(question, self._applied, now).expires <= now:
                self._gate.end(tx, question.id, Outcome.REFUSED, EXPIRED)
