"""The holder's notebook: every admitted question, its outcome, and the answers, sealed at rest.

A repeated question gets the same answer; an auditor can be shown what was asked; and an engine is given what the
asset has answered before.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zlib import Z_BEST_SPEED, compress, decompress

import msgspec

from medspace.connector.usage import states
from medspace.connector.usage.brakes import MOST_ROUNDS, MOST_WITHHELD_OF_ONE, YEAR
from medspace.connector.usage.errors import QuestionsSealedError, RecordsMissingError
from medspace.connector.usage.model import (
    KEPT,
    NOTES,
    QUESTIONS,
    RECORDS,
    AdmittedQuestion,
    Job,
    Kept,
    KeptRecord,
    QuestionOutcome,
    ReviewComment,
)
from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.paging import each
from medspace.core.sealing import Sealer
from medspace.core.store import Database, Transaction
from medspace.core.usage import Admission, Brakes, Output, Release, Step
from medspace.runs.manifest import Manifest

PAGE = 200
RETENTION = timedelta(days=730)  # how long questions are kept where the holder sets nothing else
MOST_COMPARED = 100  # how many tasks of an asset a new one is compared with
_ASKED, _ANSWER, _OUTPUT, _TOLD, _GRANTED = "question", "answer", "output", "told", "granted"
_WORDED, _RECORD, _COMMENTS = "worded", "record", "comments"
_ANSWERS = (
    QuestionOutcome.RELEASED,
    QuestionOutcome.HELD,
)  # an output that awaits review counts as answered: it may still leave


@dataclass(frozen=True, slots=True)
class StepRefusal:
    """What a caller was told about a step without a release: the code, the rule behind it, what happened, advice."""

    code: str
    cause: str = ""
    sentence: str = ""
    advice: str = ""


Sealable = Step | Release | Output | Admission | StepRefusal | tuple[ReviewComment, ...]


@dataclass(frozen=True, slots=True)
class Notebook:
    """Reads and writes questions and stored answers; seals what it writes, caches what it has opened."""

    sealer: Sealer = field(repr=False)
    retention: timedelta = RETENTION
    _before: dict[str, dict[str, tuple[str, Step, int]]] = field(default_factory=dict, repr=False)

    # --- inside transactions -----------------------------------------------------------------------------------
    def sealed(self, step: Step, admission: str) -> str:
        """A step in its stored form."""
        return self._seal(_ASKED, admission, step)

    def of_use(self, tx: Transaction, job: str) -> list[AdmittedQuestion]:
        """The questions of one use."""
        return tx.find(QUESTIONS, where={"job": job}, limit=10 * MOST_ROUNDS)

    def last_task(self, tx: Transaction, job: str) -> JsonObject | None:
        """The task of the last question of one use; None where there is none, or nobody can read it any more."""
        asked = self.of_use(tx, job)
        if not asked:
            return None
        try:
            return self.shown(max(asked, key=lambda one: one.entry)).task
        except ValueError:
            return None

    def open_elsewhere(self, tx: Transaction, job: Job) -> set[str]:
        """The other uses of the same agreement that are being answered right now, or await review."""
        found: set[str] = set()
        for outcome in (QuestionOutcome.OPEN, QuestionOutcome.HELD):
            where = {"agreement": job.agreement, "outcome": outcome.value}
            found |= {question.job for question in each(tx, QUESTIONS, where)}
        return found - {job.id}

    def named(self, tx: Transaction, job: str, asked: str) -> AdmittedQuestion | None:
        """The last question of a use with exactly this content."""
        found = tx.find(QUESTIONS, where={"job": job, "asked": asked}, limit=10 * MOST_ROUNDS)
        return max(found, key=lambda question: question.entry, default=None)

    def withheld(self, tx: Transaction, job: Job, now: datetime) -> tuple[int, int]:
        """How many answers were withheld under the job's agreement, and from its user on its asset in a year."""
        nothing = {"outcome": QuestionOutcome.WITHHELD.value}
        under = tx.find(QUESTIONS, where={"agreement": job.agreement} | nothing, limit=MOST_WITHHELD_OF_ONE)
        where = {"user": job.user, "asset": job.asset} | nothing
        recent = tx.find(QUESTIONS, where=where, order_by="time", after=stamp(now - YEAR), limit=MOST_WITHHELD_OF_ONE)
        return len(under), len(recent)

    def answered(self, tx: Transaction, asked: Iterable[AdmittedQuestion], request: str) -> Release | None:
        """The answer that a use with these questions already got to this very question.

        It asks again if it was lost.
        """
        for question in asked:
            if question.request == request and question.outcome is QuestionOutcome.RELEASED:
                kept = tx.get(KEPT, question.id)
                return self._release(kept) if kept else None
        return None

    def recalled(
        self, tx: Transaction, asset: str, request: str, versions: Collection[str] | None, now: datetime
    ) -> Release | None:
        """The newest answer of this year that anyone got to this question on one of these versions of the rows.

        On any version, where none are named.
        """
        where = {"request": request}
        for kept in each(tx, KEPT, where, "time", descending=True):
            asked = versions is None or kept.version in versions
            if asked and kept.asset == asset and kept.time > stamp(now - YEAR):
                return self._release(kept)
        return None

    def recall_no_more(self, tx: Transaction, admission: str) -> None:
        """Reserve an answer for the use that got it: its parts are gone."""
        kept = tx.get(KEPT, admission)
        if kept is not None:
            tx.replace(KEPT, kept, replace(kept, request=""))

    def asked_of(self, tx: Transaction, asset: str, version: str, now: datetime) -> bool:
        """Whether a version of the rows has answered or withheld something in the past year, or may yet."""
        for outcome in (*_ANSWERS, QuestionOutcome.WITHHELD):
            where = {"asset": asset, "version": version, "outcome": outcome.value}
            if tx.find(QUESTIONS, where=where, order_by="time", after=stamp(now - YEAR), limit=1):
                return True
        return False

    def settle(self, tx: Transaction, admission: str, outcome: QuestionOutcome, code: str = "") -> None:
        """Record the outcome of a question, and its code."""
        question = tx.get(QUESTIONS, admission)
        if question is None or not states.may_become(question.outcome, outcome):
            return
        if question.outcome is QuestionOutcome.HELD:
            self._drop(tx, admission)
        tx.replace(QUESTIONS, question, replace(question, outcome=outcome, code=code))

    def ended(self, tx: Transaction, admission: str) -> bool:
        """Whether the outcome of a question is known."""
        question = tx.get(QUESTIONS, admission)
        return question is not None and question.outcome not in (QuestionOutcome.OPEN, QuestionOutcome.HELD)

    def keep(
        self, tx: Transaction, release: Release, now: datetime, *, alone: bool = False, worded: Step | None = None
    ) -> None:
        """Store the answer to a released question; `alone`: only for the use that asked.

        `worded` is the question in the task's own words, where the step did not state it.
        """
        self.settle(tx, release.admission, QuestionOutcome.RELEASED)
        question = tx.get(QUESTIONS, release.admission)
        if question is None:
            return
        if release.parts or worded is not None:
            said = "" if worded is None else self._seal(_WORDED, question.id, worded)
            tx.replace(QUESTIONS, question, replace(question, parts=release.parts, worded=said))
        sealed = self._seal(_ANSWER, question.id, release)
        request = "" if alone else question.request
        tx.insert(KEPT, Kept(question.id, question.asset, request, question.version, stamp(now), sealed))

    def record(
        self, tx: Transaction, release: Release, manifest: Manifest | None, content: bytes, now: datetime
    ) -> None:
        """Store what the engine recorded of a release, for an auditor that the holder shows it to."""
        sealed = self.sealer.seal(compress(content, Z_BEST_SPEED), f"{_RECORD} {release.admission}")
        run = "" if manifest is None else manifest.run
        tx.insert(RECORDS, KeptRecord(release.admission, run, release.entry, stamp(now), sealed))

    def hold(self, tx: Transaction, admission: str, output: Output, now: datetime, reasons: Sequence[str]) -> None:
        """Store an output that awaits review, and why it does."""
        self.settle(tx, admission, QuestionOutcome.HELD)
        question = tx.get(QUESTIONS, admission)
        if question is not None:
            sealed = self._seal(_OUTPUT, admission, output)
            tx.replace(QUESTIONS, question, replace(question, held_for=tuple(reasons)))
            tx.insert(KEPT, Kept(admission, question.asset, "", question.version, stamp(now), sealed))

    def held(self, tx: Transaction, admission: str) -> Output | None:
        """The output of a question that awaits review."""
        kept = tx.get(KEPT, admission)
        return None if kept is None else msgspec.json.decode(self._open(_OUTPUT, kept.id, kept.sealed), type=Output)

    def hold_instead(self, tx: Transaction, admission: str, output: Output) -> None:
        """Store another output in place of one that awaits review."""
        kept = tx.get(KEPT, admission)
        assert kept is not None  # noqa: S101 - it awaits review
        tx.replace(KEPT, kept, replace(kept, sealed=self._seal(_OUTPUT, admission, output)))

    def _drop(self, tx: Transaction, admission: str) -> None:
        kept = tx.get(KEPT, admission)
        if kept is not None:
            tx.delete(KEPT, kept)

    def tell(self, tx: Transaction, admission: str, said: StepRefusal) -> None:
        """Store what the caller was told about a step without a release, for a later request."""
        question = tx.get(QUESTIONS, admission)
        if question is not None:
            sealed = self._seal(_TOLD, admission, said)
            tx.replace(QUESTIONS, question, replace(question, told=sealed))

    def comment(self, tx: Transaction, admission: str, made: ReviewComment) -> None:
        """Keep what a person wrote of an output, where it wrote something."""
        question = tx.get(QUESTIONS, admission)
        if question is not None and made.text:
            sealed = self._seal(_COMMENTS, admission, (*self.comments(question), made))
            tx.replace(QUESTIONS, question, replace(question, comments=sealed))

    def comments(self, question: AdmittedQuestion) -> tuple[ReviewComment, ...]:
        """What persons wrote of its output, the oldest first."""
        if not question.comments:
            return ()
        kept = self._open(_COMMENTS, question.id, question.comments)
        return msgspec.json.decode(kept, type=tuple[ReviewComment, ...])

    def said(self, question: AdmittedQuestion) -> StepRefusal:
        """What the caller was told about a step without a release."""
        if not question.told:
            return StepRefusal(question.code)
        return msgspec.json.decode(self._open(_TOLD, question.id, question.told), type=StepRefusal)

    # --- admissions --------------------------------------------------------------------------------------------
    def granted(self, admission: Admission) -> str:
        """An admission in its stored form, so that its step can be repeated."""
        return self._seal(_GRANTED, admission.id, replace(admission, seed=b"", history=()))

    def admission(self, question: AdmittedQuestion, brakes: Brakes, now: datetime) -> Admission:
        """The admission of a question, as its engine would get it now.

        Raises:
            ValueError: none was stored, or it was sealed with another secret.
        """
        kept = msgspec.json.decode(self._open(_GRANTED, question.id, question.granted), type=Admission)
        history = self.history(question.asset, now)
        return replace(kept, seed=self.sealer.key("seed", question.asset), history=history, brakes=brakes)

    def unended(self, tx: Transaction, after: str | None) -> list[AdmittedQuestion]:
        """A page of questions without an outcome yet, after the one with this identity."""
        return tx.find(QUESTIONS, where={"outcome": QuestionOutcome.OPEN.value}, after=after, limit=PAGE)

    def waiting(self, tx: Transaction, job: str | None = None) -> list[AdmittedQuestion]:
        """A page of questions whose output awaits review; only those of one use, where one is named."""
        where = {"outcome": QuestionOutcome.HELD.value} | ({} if job is None else {"job": job})
        return tx.find(QUESTIONS, where=where, limit=PAGE)

    def forget(self, tx: Transaction, now: datetime) -> bool:
        """Delete a batch of what has passed its retention time; returns whether there may be more."""
        questions = tx.find(QUESTIONS, order_by="time", limit=PAGE)
        answers = tx.find(KEPT, order_by="time", limit=PAGE)
        records = tx.find(RECORDS, order_by="time", limit=PAGE)
        before = stamp(now - self.retention)
        old = [question for question in questions if question.time <= before]
        done = [record for record in records if record.time <= before]
        stale = [answer for answer in answers if answer.time <= stamp(now - YEAR)]
        for question in old:
            tx.delete(QUESTIONS, question)
        for answer in stale:
            tx.delete(KEPT, answer)
        for record in done:
            tx.delete(RECORDS, record)
        notes = [note for note in tx.find(NOTES, order_by="time", limit=PAGE) if note.time <= before]
        for note in notes:
            tx.delete(NOTES, note)
        return PAGE in (len(old), len(stale), len(done), len(notes))

    async def check(self, database: Database) -> None:
        """Check that the stored questions can be opened: with a lost secret, everything could be asked anew.

        Raises:
            QuestionsSealedError: they were sealed with another secret.
        """
        for question in await database.read(lambda tx: tx.find(QUESTIONS, order_by="time", descending=True, limit=1)):
            try:
                self.shown(question)
            except ValueError:
                raise QuestionsSealedError from None

    # --- what was asked before ---------------------------------------------------------------------------------
    async def open_history(self, database: Database, asset: str) -> None:
        """Open what an asset has answered, once; `history` returns it from then on."""
        if asset in self._before:
            return
        found = [question async for question in _pages(database, asset) if question.outcome in _ANSWERS]
        found.sort(key=lambda question: question.entry)
        self._before[asset] = {}
        for question in found:
            if not question.rowless:
                self.remember(question, self.worded(question))

    def remember(self, question: AdmittedQuestion, step: Step) -> None:
        """Add an answered question to the history."""
        known = self._before.setdefault(question.asset, {})
        _, _, first = known.pop(question.request, ("", step, question.entry))
        known[question.request] = (question.time, step, first)  # the latest time counts

    def history(self, asset: str, now: datetime) -> tuple[Step, ...]:
        """What an asset has answered in the past year, each question once, oldest first."""
        since = stamp(now - YEAR)
        return tuple(step for time, step, _ in self._before.get(asset, {}).values() if time > since)

    def tasks(self, asset: str, now: datetime) -> tuple[tuple[int, JsonObject], ...]:
        """The newest tasks that an asset has answered in the past year, each with the entry of its first admission.

        Oldest first. Stored questions have no digest of their task, so tasks are compared by content.
        """
        since, found = stamp(now - YEAR), dict[bytes, tuple[int, JsonObject]]()
        for time, step, entry in self._before.get(asset, {}).values():
            if time > since:
                said = msgspec.json.encode(step.task, order="sorted")
                found[said] = min(found.get(said, (entry, step.task)), (entry, step.task), key=lambda one: one[0])
        return tuple(sorted(found.values(), key=lambda one: one[0]))[-MOST_COMPARED:]

    async def exported(self, database: Database, *, use: str = "", asset: str = "") -> list[JsonObject]:
        """The questions of one use or one asset (or all) in the form for an auditor, in the order of the log."""
        found = [question async for question in _pages(database, asset) if use in ("", question.job)]
        shown = []
        for question in sorted(found, key=lambda one: one.entry):
            step = self.worded(question)
            said = {"task": step.task, "round": step.round, "step": step.name, "inputs": step.inputs}
            shown.append({"entry": question.entry, **said})
        return shown

    def recorded(self, tx: Transaction, run: str) -> tuple[JsonObject, list[JsonObject]]:
        """The task of a run and its records in the form for an auditor, in the order of the log.

        Raises:
            RecordsMissingError: none is kept.
            ValueError: they were sealed with another secret.
        """
        found: list[KeptRecord] = []
        last: str | None = None
        while page := tx.find(RECORDS, where={"run": run}, after=last, limit=PAGE):
            found, last = [*found, *page], page[-1].id
        question = tx.get(QUESTIONS, found[0].id) if run and found else None
        if question is None:
            raise RecordsMissingError(run=run)
        found.sort(key=lambda record: record.entry)
        shown: list[JsonObject] = [
            {"entry": record.entry, "record": self._open(_RECORD, record.id, record.sealed).decode()}
            for record in found
        ]
        return self.shown(question).task, shown

    def shown(self, question: AdmittedQuestion) -> Step:
        """What was asked.

        Raises:
            ValueError: it was sealed with another secret.
        """
        return msgspec.json.decode(self._open(_ASKED, question.id, question.sealed), type=Step)

    def worded(self, question: AdmittedQuestion) -> Step:
        """What the rows were asked, in the task's own words.

        Raises:
            ValueError: it was sealed with another secret.
        """
        if not question.worded:
            return self.shown(question)
        return msgspec.json.decode(self._open(_WORDED, question.id, question.worded), type=Step)

    def _release(self, kept: Kept) -> Release:
        return msgspec.json.decode(self._open(_ANSWER, kept.id, kept.sealed), type=Release)

    def _seal(self, what: str, name: str, content: Sealable) -> str:
        # The fastest level: the usual one makes digits 6 % smaller, and keeps the writer eight times as long.
        return self.sealer.seal(compress(msgspec.json.encode(content), Z_BEST_SPEED), f"{what} {name}")

    def _open(self, what: str, name: str, sealed: str) -> bytes:
        return decompress(self.sealer.open(sealed, f"{what} {name}"))


async def _pages(database: Database, asset: str) -> AsyncIterator[AdmittedQuestion]:
    where = {"asset": asset} if asset else {}
    last: str | None = None
    while True:
        after = last
        page = await database.read(lambda tx: tx.find(QUESTIONS, where=where, after=after, limit=PAGE))  # noqa: B023
        for question in page:
            yield question
        if len(page) < PAGE:
            return
        last = page[-1].id
