"""The holder's notebook: every question that was admitted, what became of it, and the answers, sealed at rest.

A question that is asked again gets the answer that it got; an auditor can be shown what was asked; and an engine is
told what the asset has answered before.
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
    Job,
    Kept,
    KeptRecord,
    Outcome,
    Question,
)
from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.sealing import Sealer
from medspace.core.store import Database, Transaction
from medspace.core.usage import Admission, Brakes, Output, Release, Step
from medspace.runs.manifest import Manifest

PAGE = 200
RETENTION = timedelta(days=730)  # how long questions are kept where the holder sets nothing else
MOST_COMPARED = 100  # tasks of an asset that a new one is held against
_ASKED, _ANSWER, _OUTPUT, _TOLD, _GRANTED = "question", "answer", "output", "told", "granted"
_WORDED, _RECORD = "worded", "record"
_ANSWERS = (Outcome.RELEASED, Outcome.HELD)  # what waits for a person counts as answered: it may still leave


@dataclass(frozen=True, slots=True)
class Said:
    """What a caller was told of a step that was not released: the code, the rule behind it, what happened, advice."""

    code: str
    cause: str = ""
    sentence: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Notebook:
    """Reads and writes questions and kept answers; seals what it writes, remembers what it opened."""

    sealer: Sealer = field(repr=False)
    retention: timedelta = RETENTION
    _before: dict[str, dict[str, tuple[str, Step, int]]] = field(default_factory=dict, repr=False)

    # --- inside transactions -----------------------------------------------------------------------------------
    def sealed(self, step: Step, admission: str) -> str:
        """A step as it is kept."""
        return self._seal(_ASKED, admission, step)

    def of_use(self, tx: Transaction, job: str) -> list[Question]:
        """The questions of one use."""
        return tx.find(QUESTIONS, where={"job": job}, limit=10 * MOST_ROUNDS)

    def open_elsewhere(self, tx: Transaction, job: Job) -> set[str]:
        """The other uses of the same agreement that are being answered right now, or wait for a person."""
        found: set[str] = set()
        for outcome in (Outcome.OPEN, Outcome.HELD):
            where = {"agreement": job.agreement, "outcome": outcome.value}
            found |= {question.job for question in tx.find(QUESTIONS, where=where)}
        return found - {job.id}

    def named(self, tx: Transaction, job: str, asked: str) -> Question | None:
        """The last question of a use that asked just this."""
        found = tx.find(QUESTIONS, where={"job": job, "asked": asked}, limit=10 * MOST_ROUNDS)
        return max(found, key=lambda question: question.entry, default=None)

    def withheld(self, tx: Transaction, job: Job, now: datetime) -> tuple[int, int]:
        """How many answers were withheld under the job's agreement, and from its user on its asset in a year."""
        nothing = {"outcome": Outcome.WITHHELD.value}
        under = tx.find(QUESTIONS, where={"agreement": job.agreement} | nothing, limit=MOST_WITHHELD_OF_ONE)
        where = {"user": job.user, "asset": job.asset} | nothing
        recent = tx.find(QUESTIONS, where=where, order_by="time", after=stamp(now - YEAR), limit=MOST_WITHHELD_OF_ONE)
        return len(under), len(recent)

    def answered(self, tx: Transaction, asked: Iterable[Question], request: str) -> Release | None:
        """What a use, having asked these, was answered to this very question: its answer was lost, it asks again."""
        for question in asked:
            if question.request == request and question.outcome is Outcome.RELEASED:
                kept = tx.get(KEPT, question.id)
                return self._release(kept) if kept else None
        return None

    def recalled(
        self, tx: Transaction, asset: str, request: str, versions: Collection[str] | None, now: datetime
    ) -> Release | None:
        """The newest answer of this year that anybody got to this question on one of these versions of the rows.

        On any, where no versions are named.
        """
        where = {"request": request}
        for kept in tx.find(KEPT, where=where, order_by="time", descending=True):
            asked = versions is None or kept.version in versions
            if asked and kept.asset == asset and kept.time > stamp(now - YEAR):
                return self._release(kept)
        return None

    def recall_no_more(self, tx: Transaction, admission: str) -> None:
        """Keep an answer for the use that got it only: what belongs to it is gone."""
        kept = tx.get(KEPT, admission)
        if kept is not None:
            tx.replace(KEPT, kept, replace(kept, request=""))

    def asked_of(self, tx: Transaction, asset: str, version: str, now: datetime) -> bool:
        """Whether a version of the rows has answered, or withheld, something in the year before, or may yet."""
        for outcome in (*_ANSWERS, Outcome.WITHHELD):
            where = {"asset": asset, "version": version, "outcome": outcome.value}
            if tx.find(QUESTIONS, where=where, order_by="time", after=stamp(now - YEAR), limit=1):
                return True
        return False

    def settle(self, tx: Transaction, admission: str, outcome: Outcome, code: str = "") -> None:
        """Note what became of a question, and by which code."""
        question = tx.get(QUESTIONS, admission)
        if question is None or not states.may_become(question.outcome, outcome):
            return
        if question.outcome is Outcome.HELD:
            self._drop(tx, admission)
        tx.replace(QUESTIONS, question, replace(question, outcome=outcome, code=code))

    def ended(self, tx: Transaction, admission: str) -> bool:
        """Whether it is known what became of a question."""
        question = tx.get(QUESTIONS, admission)
        return question is not None and question.outcome not in (Outcome.OPEN, Outcome.HELD)

    def keep(
        self, tx: Transaction, release: Release, now: datetime, *, alone: bool = False, worded: Step | None = None
    ) -> None:
        """Keep the answer to a question that was released; `alone`, for the use that asked and for no other.

        `worded` is what was asked in the words of the task, where the step did not say it.
        """
        self.settle(tx, release.admission, Outcome.RELEASED)
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
        """Keep what the engine recorded of a release, for an auditor that the holder shows it to."""
        sealed = self.sealer.seal(compress(content, Z_BEST_SPEED), f"{_RECORD} {release.admission}")
        run = "" if manifest is None else manifest.run
        tx.insert(RECORDS, KeptRecord(release.admission, run, release.entry, stamp(now), sealed))

    def hold(self, tx: Transaction, admission: str, output: Output, now: datetime, reasons: Sequence[str]) -> None:
        """Keep an output that waits for a person, and why it does."""
        self.settle(tx, admission, Outcome.HELD)
        question = tx.get(QUESTIONS, admission)
        if question is not None:
            sealed = self._seal(_OUTPUT, admission, output)
            tx.replace(QUESTIONS, question, replace(question, held_for=tuple(reasons)))
            tx.insert(KEPT, Kept(admission, question.asset, "", question.version, stamp(now), sealed))

    def held(self, tx: Transaction, admission: str) -> Output | None:
        """The output of a question that waits for a person."""
        kept = tx.get(KEPT, admission)
        return None if kept is None else msgspec.json.decode(self._open(_OUTPUT, kept.id, kept.sealed), type=Output)

    def _drop(self, tx: Transaction, admission: str) -> None:
        kept = tx.get(KEPT, admission)
        if kept is not None:
            tx.delete(KEPT, kept)

    def tell(self, tx: Transaction, admission: str, said: Said) -> None:
        """Keep what the caller was told of a step that was not released, for who comes back for it later."""
        question = tx.get(QUESTIONS, admission)
        if question is not None:
            sealed = self._seal(_TOLD, admission, said)
            tx.replace(QUESTIONS, question, replace(question, told=sealed))

    def said(self, question: Question) -> Said:
        """What the caller was told of a step that was not released."""
        if not question.told:
            return Said(question.code)
        return msgspec.json.decode(self._open(_TOLD, question.id, question.told), type=Said)

    # --- admissions --------------------------------------------------------------------------------------------
    def granted(self, admission: Admission) -> str:
        """An admission as it is kept, so that its step can be done again."""
        return self._seal(_GRANTED, admission.id, replace(admission, seed=b"", history=()))

    def admission(self, question: Question, brakes: Brakes, now: datetime) -> Admission:
        """The admission of a question, as its engine would get it now.

        Raises:
            ValueError: none was kept, or it was sealed with another secret.
        """
        kept = msgspec.json.decode(self._open(_GRANTED, question.id, question.granted), type=Admission)
        history = self.history(question.asset, now)
        return replace(kept, seed=self.sealer.key("seed", question.asset), history=history, brakes=brakes)

    def unended(self, tx: Transaction, after: str | None) -> list[Question]:
        """Some questions that nothing has become of yet, behind the one of this identity."""
        return tx.find(QUESTIONS, where={"outcome": Outcome.OPEN.value}, after=after, limit=PAGE)

    def waiting(self, tx: Transaction, job: str | None = None) -> list[Question]:
        """Some questions whose output waits for a person; those of one use only, where one is named."""
        where = {"outcome": Outcome.HELD.value} | ({} if job is None else {"job": job})
        return tx.find(QUESTIONS, where=where, limit=PAGE)

    def forget(self, tx: Transaction, now: datetime) -> bool:
        """Delete some of what was kept for its time; whether there may be more."""
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
        """Whether what was kept can be opened: a secret that was lost would let everything be asked anew.

        Raises:
            QuestionsSealedError: it was sealed with another secret.
        """
        for question in await database.read(lambda tx: tx.find(QUESTIONS, order_by="time", descending=True, limit=1)):
            try:
                self.shown(question)
            except ValueError:
                raise QuestionsSealedError from None

    # --- what was asked before ---------------------------------------------------------------------------------
    async def open_history(self, database: Database, asset: str) -> None:
        """Open what an asset has answered, once; `history` gives it from then on."""
        if asset in self._before:
            return
        found = [question async for question in _pages(database, asset) if question.outcome in _ANSWERS]
        found.sort(key=lambda question: question.entry)
        self._before[asset] = {}
        for question in found:
            if not question.rowless:
                self.remember(question, self.worded(question))

    def remember(self, question: Question, step: Step) -> None:
        """Count a question that was answered among those before."""
        known = self._before.setdefault(question.asset, {})
        _, _, first = known.pop(question.request, ("", step, question.entry))
        known[question.request] = (question.time, step, first)  # the newest time counts

    def history(self, asset: str, now: datetime) -> tuple[Step, ...]:
        """What an asset has answered in the year before, each question once, oldest first."""
        since = stamp(now - YEAR)
        return tuple(step for time, step, _ in self._before.get(asset, {}).values() if time > since)

    def tasks(self, asset: str, now: datetime) -> tuple[tuple[int, JsonObject], ...]:
        """The newest tasks that an asset has answered in the year before, each with the entry of its first admission.

        Oldest first. What a use asks has no digest of its task at hand: tasks are told apart by what they say.
        """
        since, found = stamp(now - YEAR), dict[bytes, tuple[int, JsonObject]]()
        for time, step, entry in self._before.get(asset, {}).values():
            if time > since:
                said = msgspec.json.encode(step.task, order="sorted")
                found[said] = min(found.get(said, (entry, step.task)), (entry, step.task), key=lambda one: one[0])
        return tuple(sorted(found.values(), key=lambda one: one[0]))[-MOST_COMPARED:]

    async def exported(self, database: Database, *, use: str = "", asset: str = "") -> list[JsonObject]:
        """The questions of one use or one asset (or all) as an auditor is shown them, in the order of the log."""
        found = [question async for question in _pages(database, asset) if use in ("", question.job)]
        shown = []
        for question in sorted(found, key=lambda one: one.entry):
            step = self.worded(question)
            said = {"task": step.task, "round": step.round, "step": step.name, "inputs": step.inputs}
            shown.append({"entry": question.entry, **said})
        return shown

    def recorded(self, tx: Transaction, run: str) -> tuple[JsonObject, list[JsonObject]]:
        """The task of a run and its records, as an auditor is shown them, in the order of the log.

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

    def shown(self, question: Question) -> Step:
        """What was asked.

        Raises:
            ValueError: it was sealed with another secret.
        """
        return msgspec.json.decode(self._open(_ASKED, question.id, question.sealed), type=Step)

    def worded(self, question: Question) -> Step:
        """What was asked of the rows, in the words of the task.

        Raises:
            ValueError: it was sealed with another secret.
        """
        if not question.worded:
            return self.shown(question)
        return msgspec.json.decode(self._open(_WORDED, question.id, question.worded), type=Step)

    def _release(self, kept: Kept) -> Release:
        return msgspec.json.decode(self._open(_ANSWER, kept.id, kept.sealed), type=Release)

    def _seal(self, what: str, name: str, content: Step | Release | Output | Admission | Said) -> str:
        # The fastest level: the usual one makes digits 6 % smaller, and keeps the writer eight times as long.
        return self.sealer.seal(compress(msgspec.json.encode(content), Z_BEST_SPEED), f"{what} {name}")

    def _open(self, what: str, name: str, sealed: str) -> bytes:
        return decompress(self.sealer.open(sealed, f"{what} {name}"))


async def _pages(database: Database, asset: str) -> AsyncIterator[Question]:
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
