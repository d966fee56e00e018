"""Outputs that a person of the holder must review: listing, approving, changing, withholding, expiring."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from medspace.connector.approvals import insist_on_another, insist_on_other_than, joined
from medspace.connector.model import TRANSFERS
from medspace.connector.usage import rules
from medspace.connector.usage.calls import Admitted, Holder, Refusal, told
from medspace.connector.usage.conditions.seats import manifest_of
from medspace.connector.usage.errors import (
    NoStepError,
    NotHeldError,
    OutputUnchangeableError,
    StepError,
    StepHeldError,
    WithheldError,
)
from medspace.connector.usage.gate import Gate
from medspace.connector.usage.model import JOBS, QUESTIONS, AdmittedQuestion, Job, QuestionOutcome, ReviewComment
from medspace.connector.usage.working import Working, said
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock, Randomness, stamp
from medspace.core.decision import Premise
from medspace.core.engine import Engine, Withholding, optional_parts
from medspace.core.errors import MedspaceError
from medspace.core.ids import new_id
from medspace.core.paging import Cursor, newest
from medspace.core.store import Database, Transaction
from medspace.core.usage import Brakes, Output, Release, Step
from medspace.ledger.model import Entry
from medspace.ledger.service import record

EXPIRED = "release.expired"
CODES = frozenset({EXPIRED})
Engines = Callable[[Job, Step], Awaitable[Engine | None]]  # what answers a step of a use
CHECKED = "checked"  # the reason that only the holder's own log has


@dataclass(frozen=True, slots=True)
class ReviewedStep:
    """One step as its holder looks at it.

    `output` is there while it waits for a person, with what it can be made without (`optional`), with `checks`, what
    the gate finds in it, and `persons`, how many must let it go: the label may ask for more since. `sites` have a
    seat in its run.
    """

    question: AdmittedQuestion
    step: Step
    sites: tuple[str, ...]
    comments: tuple[ReviewComment, ...]
    output: Output | None = None
    optional: tuple[str, ...] = ()
    checks: tuple[Premise, ...] = ()
    persons: int = 0
    until: datetime | None = None


class OutputReview:
    """What a person of the holder sees of steps, and the decisions they make."""

    def __init__(
        self,
        holder: Holder,
        gate: Gate,
        working: Working,
        database: Database,
        clock: Clock,
        randomness: Randomness,
        applied: Brakes,
        engine: Engines,
    ) -> None:
        self._holder, self._gate, self._working, self._database = holder, gate, working, database
        self._clock, self._randomness, self._applied = clock, randomness, applied
        self._engine = engine

    async def steps(
        self, outcome: QuestionOutcome | None, after: Cursor | None, limit: int
    ) -> list[AdmittedQuestion]:
        """A page of steps, newest first; only those with one outcome, where `outcome` is given."""
        where = {} if outcome is None else {"outcome": outcome.value}
        return await newest(self._database, QUESTIONS, where, after, limit, by="time")

    async def step(self, step: str) -> ReviewedStep:
        """One step: what was asked, and its output where that waits for a person.

        Raises:
            NoStepError: there is none.
        """

        def look(tx: Transaction) -> tuple[AdmittedQuestion, Output | None, tuple[str, ...]]:
            question = tx.get(QUESTIONS, step)
            if question is None:
                raise NoStepError(step=step)
            output = self._holder.notebook.held(tx, step) if question.outcome is QuestionOutcome.HELD else None
            manifest = manifest_of(tx, question.job)
            return question, output, manifest.sites if manifest else ()

        question, output, sites = await self._database.read(look)
        notebook = self._holder.notebook
        found = ReviewedStep(question, notebook.shown(question), sites, notebook.comments(question))
        return found if output is None else await self._checked(found, output)

    async def _checked(self, found: ReviewedStep, output: Output) -> ReviewedStep:
        """With what the gate finds in the output that waits."""
        now, question = self._clock.now(), found.question
        admission = self._holder.notebook.admission(question, self._applied, now)
        measured = await self._working.measured(admission, found.step, output)
        checks = (
            *rules.in_the_open(admission, output, now).premises,
            *rules.behind_the_gate(admission, output, measured).premises,
        )
        persons = max(admission.reviewers, len(question.approved_by) + 1)
        engine = await self._made_by(question)
        optional = () if engine is None else optional_parts(engine, output)
        return replace(
            found, output=output, optional=optional, checks=checks, persons=persons, until=admission.expires
        )

    async def _made_by(self, question: AdmittedQuestion) -> Engine | None:
        """The engine that made an output; None where nothing here makes such any more."""
        job = await self._database.read(lambda tx: tx.get(JOBS, question.job))
        try:
            return None if job is None else await self._engine(job, self._holder.notebook.shown(question))
        except StepError:
            return None

    def _held(self, tx: Transaction, step: str) -> tuple[AdmittedQuestion, Output]:
        question = tx.get(QUESTIONS, step)
        output = (
            self._holder.notebook.held(tx, step) if question and question.outcome is QuestionOutcome.HELD else None
        )
        if question is None or output is None:
            raise NotHeldError(step=step)
        return question, output

    async def decide(self, step: str, *, approve: bool, by: str = NOBODY, comment: str = "") -> Release | None:
        """Let an output go that waits for a person, or keep it back; the release, where it left.

        Where two persons must let it go, the first yes is kept, and it goes on waiting. The `comment` is kept with
        it, for the holder's people alone. If one of the holder's own people asked for the use, that person may keep
        the output back, but not let it go.

        Raises:
            NotHeldError: it does not await review.
            OwnRequestError: `by` asked for it, or nobody is named and one of the holder's people asked for it.
            SecondPersonError: an actor other than `by` must approve it.
            JobClosedError, WithheldError: it may no longer leave, whatever the person decides.
        """
        asked, output = await self._database.read(lambda tx: self._held(tx, step))
        now, release_id = self._clock.now(), new_id(self._randomness)
        written = ReviewComment(by, approve, comment, stamp(now))
        held = self._holder.notebook.admission(asked, self._applied, now)
        found = await self._working.measured(held, self._holder.notebook.shown(asked), output)

        def work(tx: Transaction) -> tuple[str, Release | Refusal | MedspaceError | None]:
            question, output = self._held(tx, step)
            if not approve:
                self._keep_back(tx, question, by)
                self._holder.notebook.comment(tx, step, written)
                return question.job, None
            asker = _asker(tx, question, self._holder.did)
            insist_on_other_than(asker, by)
            admission = self._holder.notebook.admission(question, self._applied, now)
            approved = joined(question.approved_by, by, asker)
            looked, shown = max(len(approved), 1), self._holder.notebook.shown(question)
            admitted = Admitted(admission, shown, question, looked=looked, by=by)
            done = self._working.passing(admitted, output, found, release_id, now)(tx)
            if isinstance(done, StepHeldError):
                self._wait_on(tx, question, by)
                self._holder.notebook.comment(tx, step, written)
                return question.job, None
            if isinstance(done, Release):
                self._approved(tx, question, approved)
                self._holder.notebook.comment(tx, step, written)
            return question.job, self._keep_back(tx, question) if isinstance(done, str) else done

        use, done = await self._database.write(work)
        if done is None and not approve:
            self._holder.tell(step, CHECKED)
        if isinstance(done, Refusal):
            raise self._holder.refused(use, done)
        if isinstance(done, MedspaceError):
            raise done
        return done

    async def change(self, step: str, left_out: Sequence[str], by: str = NOBODY, comment: str = "") -> None:
        """Have an output that waits for a person made anew without some of its parts.

        It goes on waiting, and whoever has let it go before has to look at it again. Nobody alters what it says: its
        engine makes it, and the gate measures it as any other.

        Raises:
            NotHeldError: it does not await review.
            OwnRequestError: `by` has asked for it.
            SecondPersonError: nobody is named.
            OutputUnchangeableError: its engine cannot make it without them.
        """
        asked, _ = await self._database.read(lambda tx: self._held(tx, step))
        engine, parts, now = await self._made_by(asked), tuple(dict.fromkeys(left_out)), stamp(self._clock.now())

        def work(tx: Transaction) -> None:
            question, output = self._held(tx, step)
            insist_on_another((), by, _asker(tx, question, self._holder.did))
            made = self._without(engine, step, output, parts)
            facts: JsonObject = {"admission": question.id, "by": by, "left_out": list(parts)}
            record(tx, Entry("use.changed", now, self._holder.did, facts))
            self._holder.notebook.hold_instead(tx, step, made)
            changed = (*(one for one in question.changed_by if one != by), by)
            said = replace(question, approved_by=(), left_out=(*question.left_out, *parts), changed_by=changed)
            tx.replace(QUESTIONS, question, said)
            self._holder.notebook.comment(
                tx, step, ReviewComment(by, approve=False, text=comment, time=now, left_out=parts)
            )

        await self._database.write(work)

    @staticmethod
    def _without(engine: Engine | None, step: str, output: Output, parts: Collection[str]) -> Output:
        possible: tuple[str, ...] = ()
        if engine is not None and isinstance(engine, Withholding):
            possible = engine.optional(output)
            if parts and set(parts) <= set(possible):
                return engine.without(output, parts)
        named, can = (", ".join(some) or "-" for some in (parts, possible))
        raise OutputUnchangeableError(step=step, parts=named, possible=can)

    def _wait_on(self, tx: Transaction, question: AdmittedQuestion, by: str) -> None:
        """Store and record an approval that is not sufficient: another actor must approve too."""
        insist_on_another(question.approved_by, by, _asker(tx, question, self._holder.did))
        facts = {"admission": question.id, "by": by}
        record(tx, Entry("use.approved", stamp(self._clock.now()), self._holder.did, facts))
        self._approved(tx, question, (*question.approved_by, by))

    @staticmethod
    def _approved(tx: Transaction, question: AdmittedQuestion, approved: tuple[str, ...]) -> None:
        kept = tx.get(QUESTIONS, question.id) or question
        tx.replace(QUESTIONS, kept, replace(kept, approved_by=approved))

    def _keep_back(self, tx: Transaction, question: AdmittedQuestion, by: str = NOBODY) -> WithheldError:
        """The user is told no more than about any other withheld output."""
        withheld = WithheldError(**told(rules.WITHHELD, rules.withheld()))
        self._gate.end(tx, question.id, QuestionOutcome.WITHHELD, rules.WITHHELD, by=by)
        kept = tx.get(QUESTIONS, question.id) or question
        tx.replace(QUESTIONS, kept, replace(kept, refused_by=by))
        self._holder.notebook.tell(tx, question.id, said(withheld))
        return withheld

    def expire(self, tx: Transaction, now: datetime) -> None:
        """End the steps whose outputs nobody has reviewed in time."""
        for question in self._holder.notebook.waiting(tx):
            if self._holder.notebook.admission(question, self._applied, now).expires <= now:
                self._gate.end(tx, question.id, QuestionOutcome.REFUSED, EXPIRED)


def _asker(tx: Transaction, question: AdmittedQuestion, holder: str) -> str:
    """Which of our actors asked for the use, where its user is the holder itself; else ""."""
    use = tx.get(TRANSFERS, question.job) if question.user == holder else None
    mirrored = None if use is None else tx.get(TRANSFERS, use.peer_pid or "")
    return NOBODY if mirrored is None else mirrored.asked_by
