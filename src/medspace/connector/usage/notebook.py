"""The holder's notebook: every question that was admitted, what became of it, and the answers, sealed at rest.

A question that is asked again gets the answer that it got; an auditor can be shown what was asked; and an engine is
told what the asset has answered before.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zlib import compress, decompress

import msgspec

from medspace.connector.usage.brakes import MOST_ROUNDS, MOST_WITHHELD_OF_ONE, YEAR
from medspace.connector.usage.errors import QuestionsSealedError
from medspace.connector.usage.model import KEPT, QUESTIONS, Job, Kept, Outcome, Question
from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.sealing import Sealer
from medspace.core.store import Database, Transaction
from medspace.core.usage import Release, Step

PAGE = 200
RETENTION = timedelta(days=730)  # how long questions are kept where the holder sets nothing else
_ASKED, _ANSWER = "question", "answer"


@dataclass(frozen=True, slots=True)
class Notebook:
    """Reads and writes questions and kept answers; seals what it writes, remembers what it opened."""

    sealer: Sealer = field(repr=False)
    retention: timedelta = RETENTION
    _before: dict[str, dict[str, tuple[str, Step]]] = field(default_factory=dict, repr=False)

    # --- inside transactions -----------------------------------------------------------------------------------
    def sealed(self, step: Step, admission: str) -> str:
        """A step as it is kept."""
        return self._seal(_ASKED, admission, step)

    def of_use(self, tx: Transaction, job: str) -> list[Question]:
        """The questions of one use."""
        return tx.find(QUESTIONS, where={"job": job}, limit=10 * MOST_ROUNDS)

    def open_elsewhere(self, tx: Transaction, job: Job) -> set[str]:
        """The other uses of the same agreement that are being answered right now."""
        where = {"agreement": job.agreement, "outcome": Outcome.OPEN.value}
        return {question.job for question in tx.find(QUESTIONS, where=where)} - {job.id}

    def withheld(self, tx: Transaction, job: Job, now: datetime) -> tuple[int, int]:
        """How many answers were withheld under the job's agreement, and from its user on its asset in a year."""
        nothing = {"outcome": Outcome.WITHHELD.value}
        under = tx.find(QUESTIONS, where={"agreement": job.agreement} | nothing, limit=MOST_WITHHELD_OF_ONE)
        where = {"user": job.user, "asset": job.asset} | nothing
        recent = tx.find(QUESTIONS, where=where, order_by="time", after=stamp(now - YEAR), limit=MOST_WITHHELD_OF_ONE)
        return len(under), len(recent)

    def answered(self, tx: Transaction, job: str, request: str) -> Release | None:
        """What this use was answered to this very question, if its answer was lost and it asks again."""
        for question in self.of_use(tx, job):
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

    def asked_of(self, tx: Transaction, asset: str, version: str, now: datetime) -> bool:
        """Whether a version of the rows has answered, or withheld, something in the year before."""
        for outcome in (Outcome.RELEASED, Outcome.WITHHELD):
            where = {"asset": asset, "version": version, "outcome": outcome.value}
            if tx.find(QUESTIONS, where=where, order_by="time", after=stamp(now - YEAR), limit=1):
                return True
        return False

    def settle(self, tx: Transaction, admission: str, outcome: Outcome) -> None:
        """Note what became of a question."""
        question = tx.get(QUESTIONS, admission)
        if question is not None:
            tx.replace(QUESTIONS, question, replace(question, outcome=outcome))

    def ended(self, tx: Transaction, admission: str) -> bool:
        """Whether it is known what became of a question."""
        question = tx.get(QUESTIONS, admission)
        return question is not None and question.outcome is not Outcome.OPEN

    def keep(self, tx: Transaction, release: Release, now: datetime) -> None:
        """Keep the answer to a question that was released."""
        self.settle(tx, release.admission, Outcome.RELEASED)
        question = tx.get(QUESTIONS, release.admission)
        if question is None:
            return
        sealed = self._seal(_ANSWER, question.id, release)
        tx.insert(KEPT, Kept(question.id, question.asset, question.request, question.version, stamp(now), sealed))

    def unended(self, tx: Transaction) -> list[Question]:
        """Some questions that nothing has become of yet."""
        return tx.find(QUESTIONS, where={"outcome": Outcome.OPEN.value}, limit=PAGE)

    def forget(self, tx: Transaction, now: datetime) -> bool:
        """Delete some of what was kept for its time; whether there may be more."""
        questions = tx.find(QUESTIONS, order_by="time", limit=PAGE)
        answers = tx.find(KEPT, order_by="time", limit=PAGE)
        old = [question for question in questions if question.time <= stamp(now - self.retention)]
        stale = [answer for answer in answers if answer.time <= stamp(now - YEAR)]
        for question in old:
            tx.delete(QUESTIONS, question)
        for answer in stale:
            tx.delete(KEPT, answer)
        return PAGE in (len(old), len(stale))

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
        found = [question async for question in _pages(database, asset) if question.outcome is Outcome.RELEASED]
        found.sort(key=lambda question: question.entry)
        self._before[asset] = {}
        for question in found:
            self.remember(question, self.shown(question))

    def remember(self, question: Question, step: Step) -> None:
        """Count a question that was answered among those before."""
        known = self._before.setdefault(question.asset, {})
        known.pop(question.request, None)  # the newest time counts
        known[question.request] = (question.time, step)

    def history(self, asset: str, now: datetime) -> tuple[Step, ...]:
        """What an asset has answered in the year before, each question once, oldest first."""
        since = stamp(now - YEAR)
        return tuple(step for time, step in self._before.get(asset, {}).values() if time > since)

    async def exported(self, database: Database, *, use: str = "", asset: str = "") -> list[JsonObject]:
        """The questions of one use or one asset (or all) as an auditor is shown them, in the order of the log."""
        found = [question async for question in _pages(database, asset) if use in ("", question.job)]
        shown = []
        for question in sorted(found, key=lambda one: one.entry):
            step = self.shown(question)
            said = {"task": step.task, "round": step.round, "step": step.name, "inputs": step.inputs}
            shown.append({"entry": question.entry, **said})
        return shown

    def shown(self, question: Question) -> Step:
        """What was asked.

        Raises:
            ValueError: it was sealed with another secret.
        """
        return msgspec.json.decode(self._open(_ASKED, question.id, question.sealed), type=Step)

    def _release(self, kept: Kept) -> Release:
        return msgspec.json.decode(self._open(_ANSWER, kept.id, kept.sealed), type=Release)

    def _seal(self, what: str, name: str, content: Step | Release) -> str:
        return self.sealer.seal(compress(msgspec.json.encode(content)), f"{what} {name}")

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
