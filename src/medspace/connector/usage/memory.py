"""What a use remembers between its steps, such as a masking secret: there as long as the use, and gone after it.

It is sealed under a key of this use alone, which lies outside the database. A backup of the database opens nothing
without it, and with the key the memory is gone for good, whatever copies of the database there are. So the key is no
part of a backup; a use whose key is lost begins anew.

A database that was restored from a backup remembers what was so then, and a secret that was used since would be used
again. So beside the key lies which step used a secret of the use last: one that it remembers, or the key of its seat.
A use that would have another step in its place is over. (Who copies back both, the whole machine, is not found out.)

The memory changes in the transaction that lets an output go, with it or not at all. What an output that waits for a
person would have remembered waits with it.
"""

import asyncio
import logging
from collections.abc import Collection as Names
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from medspace.connector.model import INTENTS, TRANSFERS
from medspace.connector.usage.errors import UseMemoryError, UseRestoredError
from medspace.connector.usage.model import JOBS, MEMORIES, SEATS, Memory
from medspace.connector.usage.ports import Changes, Threads
from medspace.core.clock import Clock, Randomness
from medspace.core.errors import MedspaceError
from medspace.core.sealing import Sealer
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.runs.covers import Answers

MOST_MEMORY = 4 << 20  # bytes of one use: a masked total of 64 k numbers, and what 100 seats committed to
LOOK = 3600.0  # seconds, where nothing is written
AGAIN = 60.0  # seconds until what failed is tried again
_LOGGER = logging.getLogger("medspace.memory")
_OVER = frozenset({"complete", "terminate"})
_ENDING = (TRANSFERS, INTENTS)  # a use ends with its transfer, or with the will to end that


class UseKeys(Protocol):
    """The keys of uses, each by itself, outside the database and its backups. Blocking."""

    def key(self, use: str) -> bytes | None:
        """The key of a use; None where it has none, or no longer."""
        ...

    def make(self, use: str) -> bytes:
        """The key of a use, 32 bytes; made, and kept durably, where there is none."""
        ...

    def begin(self, use: str, number: int, step: str) -> bool:
        """Note durably that a step of a use begins: which of its steps by number, and its admission.

        False, and nothing is noted, where a later one has begun, or another one of this number. The same one may
        begin again. Forgotten with the key.
        """
        ...

    def forget(self, use: str) -> None:
        """Delete the key of a use, if it has one."""
        ...

    def uses(self) -> Iterable[str]:
        """The uses that have a key."""
        ...


@dataclass(frozen=True, slots=True)
class Numbered:
    """A step of a use: which of those that were admitted, from 1, and its admission."""

    number: int
    admission: str


class Memories:
    """Seals and opens what uses remember; forgets the keys of those that are over."""

    def __init__(
        self,
        keys: UseKeys,
        database: Database,
        threads: Threads,
        changes: Changes,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._keys, self._clock, self._randomness = keys, clock, randomness
        self._database, self._threads, self._changes = database, threads, changes
        self.answers: dict[str, Answers] = {}  # what seals those of each use (`Seats.answers`): never written down
        self._kept: set[str] = set()  # the uses that have a key, as far as this connector has seen them

    # --- outside of transactions -------------------------------------------------------------------------------
    def begin(self, use: str, step: Numbered) -> None:
        """Hold the database against what its use has done, before a step uses a secret of it. Blocking.

        Raises:
            UseRestoredError: another step of this number, or a later one, did so before: a backup was restored.
        """
        if not self._keys.begin(use, step.number, step.admission):
            raise UseRestoredError(use=use)

    async def opened(self, use: str, sealed: str | None = None, step: Numbered | None = None) -> bytes | None:
        """What a use remembers, None while it remembers nothing; `sealed` where it was looked up before.

        Where it is opened for a `step` of the use, that is held against what began before.

        Raises:
            UseMemoryError: its key is gone, or is not the one that sealed it.
            UseRestoredError: as `begin`.
        """
        if sealed is None:
            sealed = await self._database.read(lambda tx: remembered(tx, use)) or ""
        if not sealed:
            return None
        if step is not None:
            await self._threads.call(use, lambda: self.begin(use, step))
        return await self._threads.call(use, lambda: self.unsealed(use, sealed))

    def unsealed(self, use: str, sealed: str, name: str = "memory") -> bytes:
        """What was sealed for a use under a name. Blocking.

        Raises:
            UseMemoryError: its key is gone, or is not the one that sealed it.
        """
        try:
            return Sealer(self._keys.key(use) or b"", self._randomness).open(sealed, _name(use, name))
        except ValueError:
            reason = msgid("its key is gone, or another one")
            raise UseMemoryError(use=use, reason=Text(reason)) from None

    async def sealed(self, use: str, content: bytes, name: str = "memory") -> str:
        """What a use is to remember, sealed under its key and this name; its key is there from now on.

        Raises:
            UseMemoryError: it is too large.
        """
        if len(content) > MOST_MEMORY:
            reason = Text(msgid("it would be larger than {most} bytes"), {"most": MOST_MEMORY})
            raise UseMemoryError(use=use, reason=reason)
        key = await self._threads.call(use, lambda: self._keys.make(use))
        self._kept.add(use)
        return Sealer(key, self._randomness).seal(content, _name(use, name))

    def answer_with(self, use: str, answers: Answers) -> None:
        """Whoever asks how a step of a use stands is answered under this, from now on and until the use is over."""
        if use in self._kept:  # or nobody would forget it again
            self.answers[use] = answers

    # --- the end -----------------------------------------------------------------------------------------------
    async def sweep(self) -> None:
        """Forget the keys, and with them the memories, of all uses that are over; for the start."""
        self._kept.update(await self._threads.call("", lambda: list(self._keys.uses())))
        await self._forget()

    async def work(self) -> None:
        """Forget the memory of each use when it ends; until cancelled."""
        while True:
            try:
                await self._changes.until(self._over, LOOK, _ENDING)
                await self._forget()
            except MedspaceError as error:  # a full disk, a key file that cannot be deleted: it is tried again
                _LOGGER.warning("memory.kept", extra={"facts": {"code": error.code}})
                await self._clock.sleep(AGAIN)

    async def _over(self) -> Names[str] | None:
        kept = tuple(self._kept)  # other uses may begin to remember meanwhile
        return await self._database.read(lambda tx: {use for use in kept if over(tx, use)}) or None

    async def _forget(self) -> None:
        for use in await self._over() or ():
            await asyncio.shield(self._threads.call(use, lambda: self._keys.forget(use)))  # noqa: B023 - done at once
            await self._database.write(lambda tx: _drop(tx, use))  # noqa: B023
            self._kept.discard(use)
            self.answers.pop(use, None)


def over(tx: Transaction, use: str) -> bool:
    """Whether a use has come to its end; one that is suspended has not."""
    job, owed = tx.get(JOBS, use), tx.get(INTENTS, use)
    return job is None or job.over or (owed is not None and owed.action in _OVER)


def steps_of(tx: Transaction, use: str) -> int:
    """How many steps of a use were admitted."""
    job = tx.get(JOBS, use)
    return 0 if job is None else job.steps


def remembered(tx: Transaction, use: str) -> str | None:
    """What a use remembers, sealed, "" if that is nothing yet; None of a use whose engine remembers nothing."""
    memory = tx.get(MEMORIES, use)
    return None if memory is None else memory.sealed


def remember(tx: Transaction, use: str, step: str, sealed: str | None) -> bool:
    """Remember what goes with an output that leaves, or what has waited with it; whether the use remembers anything.

    `step` is the admission of the output.
    """
    old = tx.get(MEMORIES, use)
    if sealed is None and old is not None and old.step == step:
        sealed = old.waiting
    if sealed is not None:
        _put(tx, old, Memory(use, sealed))
    return sealed is not None or old is not None


def hold(tx: Transaction, use: str, step: str, sealed: str | None) -> None:
    """Keep what goes with an output that waits for a person, for when it leaves."""
    if sealed is not None:
        old = tx.get(MEMORIES, use)
        _put(tx, old, replace(old or Memory(use), waiting=sealed, step=step))


def _put(tx: Transaction, old: Memory | None, new: Memory) -> None:
    if old is None:
        tx.insert(MEMORIES, new)
    else:
        tx.replace(MEMORIES, old, new)


def _drop(tx: Transaction, use: str) -> None:
    memory, seat = tx.get(MEMORIES, use), tx.get(SEATS, use)
    if memory is not None:
        tx.delete(MEMORIES, memory)
    if seat is not None:
        tx.delete(SEATS, seat)


def _name(use: str, what: str) -> str:
    return f"{what} of {use}"
