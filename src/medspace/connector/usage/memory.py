"""What a use remembers between its steps, such as a masking secret; it exists for as long as the use does.

It is sealed under a key of this use alone, which is stored outside the database. A backup of the database reveals
nothing without that key, and deleting the key deletes the memory for good, whatever copies of the database exist. So
the key is not part of a backup; a use whose key is lost starts afresh.

A database that was restored from a backup has an earlier memory, and a secret that was used since would be used
again. So the last step of the use that used one of its secrets (its memory, or the key of its seat) is recorded next
to the key; a use that would run a different step in its place is over. (Copying back both, the whole machine, goes
undetected.)

The memory changes in the transaction that releases an output, together with it or not at all. The new memory of an
output that awaits review waits with it.
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
from medspace.connector.usage.ports import ChangeSignal, Threads
from medspace.core.clock import Clock, Randomness
from medspace.core.errors import MedspaceError
from medspace.core.sealing import Sealer
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.runs.covers import Answers

MOST_MEMORY = 4 << 20  # bytes per use: a masked total of 64 k numbers, and the commitments of 100 seats
LOOK = 3600.0  # seconds, where nothing is written
AGAIN = 60.0  # seconds before retrying after a failure
_LOGGER = logging.getLogger("medspace.memory")
_OVER = frozenset({"complete", "terminate"})
_ENDING = (TRANSFERS.topic(), INTENTS.topic())  # a use ends with its transfer, or with the intent to end that


class UseKeys(Protocol):
    """The keys of uses, each stored separately, outside the database and its backups. Blocking."""

    def key(self, use: str) -> bytes | None:
        """The key of a use; None where it has none, or no longer."""
        ...

    def make(self, use: str) -> bytes:
        """The key of a use, 32 bytes; created, and stored durably, where there is none."""
        ...

    def begin(self, use: str, number: int, step: str) -> bool:
        """Durably record that a step of a use begins: its number, and its admission.

        Returns False, and records nothing, where a later step has begun, or a different one with this number. The
        same step may begin again. Deleted together with the key.
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
    """A step of a use: its number among the admitted steps, from 1, and its admission."""

    number: int
    admission: str


class Memories:
    """Seals and opens the memories of uses; deletes the keys of those that are over."""

    def __init__(
        self,
        keys: UseKeys,
        database: Database,
        threads: Threads,
        changes: ChangeSignal,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._keys, self._clock, self._randomness = keys, clock, randomness
        self._database, self._threads, self._changes = database, threads, changes
        self.answers: dict[str, Answers] = {}  # what seals the answers of each use (`Seats.answers`); never stored
        self._kept: set[str] = set()  # the uses that have a key, as far as this connector has seen them

    # --- outside of transactions -------------------------------------------------------------------------------
    def begin(self, use: str, step: Numbered) -> None:
        """Check the database against what its use has done, before a step uses a secret of it. Blocking.

        Raises:
            UseRestoredError: another step with this number, or a later one, ran before: a backup was restored.
        """
        if not self._keys.begin(use, step.number, step.admission):
            raise UseRestoredError(use=use)

    async def opened(self, use: str, sealed: str | None = None, step: Numbered | None = None) -> bytes | None:
        """What a use remembers, None while it remembers nothing; `sealed` if it was looked up already.

        Where it is opened for a `step` of the use, that step is checked against those that began before.

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
            reason = msgid("its key is missing or has changed")
            raise UseMemoryError(use=use, reason=Text(reason)) from None

    async def sealed(self, use: str, content: bytes, name: str = "memory") -> str:
        """Seal the new memory of a use under its key and this name, creating the key if needed.

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
        """Set what seals answers about the steps of a use, from now on and until the use is over."""
        if use in self._kept:  # otherwise it would never be deleted
            self.answers[use] = answers

    # --- the end -----------------------------------------------------------------------------------------------
    async def sweep(self) -> None:
        """Delete the keys, and with them the memories, of all uses that are over; for the start."""
        self._kept.update(await self._threads.call("", lambda: list(self._keys.uses())))
        await self._forget()

    async def work(self) -> None:
        """Delete the memory of each use when it ends; until cancelled."""
        while True:
            try:
                await self._changes.until(self._over, LOOK, *_ENDING)
                await self._forget()
            except MedspaceError as error:  # a full disk, a key file that cannot be deleted: retry
                _LOGGER.warning("memory.kept", extra={"facts": {"code": error.code}})
                await self._clock.sleep(AGAIN)

    async def _over(self) -> Names[str] | None:
        kept = tuple(self._kept)  # other uses may begin to remember in the meantime
        return await self._database.read(lambda tx: {use for use in kept if over(tx, use)}) or None

    async def _forget(self) -> None:
        for use in await self._over() or ():
            await asyncio.shield(self._threads.call(use, lambda: self._keys.forget(use)))  # noqa: B023 - done at once
            await self._database.write(lambda tx: _drop(tx, use))  # noqa: B023
            self._kept.discard(use)
            self.answers.pop(use, None)


def over(tx: Transaction, use: str) -> bool:
    """Whether a use has ended; a suspended one has not."""
    job, owed = tx.get(JOBS, use), tx.get(INTENTS, use)
    return job is None or job.over or (owed is not None and owed.action in _OVER)


def steps_of(tx: Transaction, use: str) -> int:
    """How many steps of a use were admitted."""
    job = tx.get(JOBS, use)
    return 0 if job is None else job.steps


def remembered(tx: Transaction, use: str) -> str | None:
    """The sealed memory of a use, "" if it is still empty; None for a use whose engine remembers nothing."""
    memory = tx.get(MEMORIES, use)
    return None if memory is None else memory.sealed


def remember(tx: Transaction, use: str, step: str, sealed: str | None) -> bool:
    """Store the new memory of an output that leaves; returns whether the use remembers anything.

    `step` is the admission of the output.
    """
    old = tx.get(MEMORIES, use)
    if sealed is None and old is not None and old.step == step:
        sealed = old.waiting
    if sealed is not None:
        _put(tx, old, Memory(use, sealed))
    return sealed is not None or old is not None


def hold(tx: Transaction, use: str, step: str, sealed: str | None) -> None:
    """Keep the new memory of an output that awaits review, for when it leaves."""
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
