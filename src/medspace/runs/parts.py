"""The parts of a run: brought to the sites, fetched from them, on disk for as long as a round needs them.

Each round has a place of its own in the run's store. There its procedure reads what the state names and writes what
its questions carry, there the answers' parts come to lie, and there its gathering writes what the next state names.
Entering the next round takes along what its state names and forgets the rest; the end of the run forgets all.
Everything is named by its content, so a coordinator that was killed goes on with what it has.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from medspace.core.limits import PARTS
from medspace.core.parts import Blobs, BlobStore, Keeping, Part, PartsFullError, flaw_of_part
from medspace.core.text import Text, msgid
from medspace.core.usage import Step
from medspace.runs.errors import AnswerInvalidError, PartsLostError, PartsRoomError
from medspace.runs.ports import Answer, Parted, Procedure, Question, Sites

T = TypeVar("T")
SLOWEST = (
    256 * 1024.0
)  # bytes a second: for each of them a site is waited for longer than for an answer without parts


@dataclass(frozen=True, slots=True)
class Placed:
    """A procedure in one round, with the place of its parts; none, where it has no parts."""

    procedure: Procedure
    keeping: Keeping | None = None
    blobs: Blobs | None = None

    async def do(self, work: Callable[[], T]) -> T:
        """The outcome of something that the procedure does: in a thread, where it may read and write parts.

        Raises:
            PartsRoomError: there is no room for what it writes.
        """
        if self.blobs is None:
            return work()
        try:
            return await asyncio.to_thread(work)
        except PartsFullError as error:
            raise PartsRoomError(limit=error.facts["limit"]) from error


@dataclass(frozen=True, slots=True)
class RunParts:
    """The parts of all runs of one coordinator: `owner` is whose room they take up."""

    sites: Sites
    owner: str
    store: BlobStore | None = None

    async def place(self, procedure: Procedure, run: str, number: int) -> Placed:
        """The procedure as it works in round `number` of a run."""
        if self.store is None or not isinstance(procedure, Parted):
            return Placed(procedure)
        keeping = self._keeping(run, number)
        blobs = await asyncio.to_thread(self.store.of, keeping)
        return Placed(procedure.within(blobs), keeping, blobs)

    async def carry(self, kept: Sequence[Part], run: str, number: int) -> None:
        """Take along to round `number` what the state before it names, and forget the rest. Again, it is no error.

        Raises:
            PartsLostError: something of it is gone.
        """
        if self.store is not None:
            await asyncio.to_thread(self._carry, self.store, kept, run, number)

    def _carry(self, store: BlobStore, kept: Sequence[Part], run: str, number: int) -> None:
        before, here = self._keeping(run, number - 1), self._keeping(run, number)
        for part in kept:
            if not store.has(here, part.digest) and not store.share(part.digest, before, here):
                raise PartsLostError(digest=part.digest)
        store.drop(before)

    async def ask(self, placed: Placed, use: str, step: Step, question: Question) -> Answer:
        """One step with its parts: they are brought before it is asked, those of its answer are fetched after it.

        Raises:
            AnswerInvalidError: the answer has other parts than the question wants.
            PartsLostError: a part of the question is gone.
            PartsRoomError: we have no room for them.
            SiteAwayError, SiteRefusedError: as for the step.
        """
        if placed.blobs is not None:
            for part in step.parts:
                await self._bring(placed.blobs, use, part)
        answer = await self.sites.ask(use, step)
        reason = _flaw(answer.parts, question.most)
        if reason is not None:
            raise AnswerInvalidError(site=answer.site, round=step.round, reason=reason)
        if self.store is not None and placed.keeping is not None:
            for part in answer.parts:
                await self._fetch(self.store, placed.keeping, use, part)
        return answer

    async def _bring(self, blobs: Blobs, use: str, part: Part) -> None:
        try:
            await self.sites.bring(use, part, blobs)
        except KeyError:  # ours is gone: the site has nothing to do with it
            raise PartsLostError(digest=part.digest) from None

    async def _fetch(self, store: BlobStore, keeping: Keeping, use: str, part: Part) -> None:
        try:
            await self.sites.fetch(use, part, store, keeping)
        except PartsFullError as error:  # ours: waiting for the site would not help
            raise PartsRoomError(limit=error.facts["limit"]) from error

    async def drop(self, run: str) -> None:
        """Forget all parts of a run."""
        store = self.store
        if store is None:
            return
        for keeping in await asyncio.to_thread(store.kept):
            if keeping.member == self.owner and keeping.use.startswith(f"{run}/"):
                await asyncio.to_thread(store.drop, keeping)

    def _keeping(self, run: str, number: int) -> Keeping:
        return Keeping(self.owner, f"{run}/{number:04d}")


def seconds(question: Question) -> float:
    """How much longer than without parts a site is waited for: each byte has its time."""
    return (sum(part.size for part in question.parts) + question.most) / SLOWEST


def _flaw(parts: Sequence[Part], most: int) -> Text | None:
    """What is wrong with the parts that an answer names."""
    if len(parts) > PARTS or sum(part.size for part in parts) > most:
        return Text(msgid("its parts are larger than the {most} bytes asked for"), {"most": most})
    return next((flaw for flaw in map(flaw_of_part, parts) if flaw is not None), None)
