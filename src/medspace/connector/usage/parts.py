"""The parts of uses: who may upload and fetch which, what engines see of them, when they are deleted."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from medspace.connector.model import TRANSFERS, TransferState
from medspace.connector.usage.calls import Call
from medspace.connector.usage.door import Door
from medspace.connector.usage.errors import PartMissingError
from medspace.connector.usage.model import AdmittedQuestion, QuestionOutcome
from medspace.core.clock import Clock
from medspace.core.limits import PARTS
from medspace.core.parts import Blobs, BlobStore, Keeping, Part, flaw_of_part
from medspace.core.store import Database, Transaction
from medspace.core.usage import Admission, Step

LOOK = 60.0  # seconds between two checks for uses that are over
_OVER = frozenset((TransferState.COMPLETED, TransferState.TERMINATED))
NO_STEP = Step(task={}, round=0, name="")


@dataclass(frozen=True, slots=True)
class UseParts:
    """The parts of all uses of this holder's assets. Methods marked as blocking are called in threads."""

    store: BlobStore

    def of(self, admission: Admission) -> Blobs:
        """What an engine sees of them. Blocking."""
        return self.store.of(Keeping(admission.user, admission.use))

    def check_brought(self, user: str, use: str, parts: Sequence[Part]) -> None:
        """Check that all parts that a step names are here. Blocking.

        Raises:
            PartMissingError: one is missing, or has another size.
        """
        blobs = self.store.of(Keeping(user, use))
        for part in parts:
            try:
                with blobs.open(part):
                    pass
            except KeyError:
                raise PartMissingError(digest=part.digest) from None

    def check_made(self, admission: Admission, parts: Sequence[Part]) -> None:
        """Check that the parts that an engine says it made exist. Blocking; an error here is the engine's fault."""
        if len(parts) > PARTS:
            raise ValueError("too many parts")
        for part in parts:
            if (flaw := flaw_of_part(part)) is not None:
                raise ValueError(str(flaw))
            with self.of(admission).open(part):
                pass

    def give_again(self, parts: Sequence[Part], asked: AdmittedQuestion | None, admission: Admission) -> bool:
        """Let a use keep the parts of an answer that another use got before; False where they are gone. Blocking."""
        target = Keeping(admission.user, admission.use)
        for part in parts:
            if self.store.has(target, part.digest):
                continue
            if asked is None or not self.store.share(part.digest, Keeping(asked.user, asked.job), target):
                return False
        return True


@dataclass(frozen=True, slots=True)
class PartsDoor:
    """Who may upload and fetch parts, and how long they are kept."""

    store: BlobStore
    door: Door
    database: Database
    clock: Clock
    keep: timedelta

    async def enter(self, user: str, job: str, token: str) -> Keeping:
        """The user for whom the parts of the job are kept, if the caller may upload parts to it now.

        It is the job's user even where a coordinator that the user named uploads them: that is where its engine
        looks.

        Raises:
            UnknownJobError, JobClosedError: as for a step.
        """
        use = await self.database.read(lambda tx: self.door.job(tx, Call(user, job, token, NO_STEP)))
        return Keeping(use.user, use.id)

    async def released(self, user: str, job: str, token: str, digest: str) -> Part | None:
        """The part that a release of this job names, while that release may leave; None where no release names it.

        Raises:
            UnknownJobError, JobClosedError: as for a step.
            NotAdmittedError: agreement or label no longer allow the answer.
        """
        call, now = Call(user, job, token, NO_STEP), self.clock.now()

        def find(tx: Transaction) -> tuple[Part, AdmittedQuestion, bool] | None:
            self.door.job(tx, call)
            named = _named(self.door.holder.notebook.of_use(tx, job), digest)
            return None if named is None else (*named, self.door.stands(tx, call, named[1], now)[1].permitted)

        found = await self.database.read(find)
        if found is None:
            return None
        part, question, stands = found
        refusal = None if stands else await self.database.write(lambda tx: self.door.parted(tx, call, question, now))
        if refusal is not None:
            raise self.door.holder.refused(job, refusal)
        return part

    async def work(self) -> None:
        """Delete the parts of uses that are over, and parts unused for long; until cancelled."""
        while True:
            await self.tidy()
            await self.clock.sleep(LOOK)

    async def tidy(self) -> None:
        """Delete the parts of uses that are over, and parts unused for long."""
        for keeping in await asyncio.to_thread(self.store.kept):
            if await self.database.read(lambda tx: self._is_over(tx, keeping)):  # noqa: B023
                await asyncio.to_thread(self.store.drop, keeping)
        await asyncio.to_thread(self.store.sweep, self.clock.now() - self.keep)

    @staticmethod
    def _is_over(tx: Transaction, keeping: Keeping) -> bool:
        transfer = tx.get(TRANSFERS, keeping.use)
        return transfer is not None and transfer.state in _OVER


def _named(questions: Iterable[AdmittedQuestion], digest: str) -> tuple[Part, AdmittedQuestion] | None:
    """The part with this digest in one of the answers, and the question of that answer."""
    for question in questions:
        if question.outcome is QuestionOutcome.RELEASED:
            for part in question.parts:
                if part.digest == digest:
                    return part, question
    return None
