"""Leading runs for others: taking over what a member hands over, keeping it sealed, reporting on it, cancelling it.

A run is taken only from members that the operator of this connector has named. It still belongs to its user: the
sites admit under the user's agreements and name both. Here it is treated like any other run (`service.Coordinator`),
except for where its sites are asked.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from medspace.core.clock import Clock, Randomness, instant, stamp
from medspace.core.hashing import digest_bytes
from medspace.core.sealing import Sealer
from medspace.core.signing import Signer
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.runs import handover, telling
from medspace.runs import manifest as manifests
from medspace.runs.errors import (
    CoordinatorBusyError,
    HandoverInvalidError,
    NotCoordinatedError,
    RunUnknownError,
)
from medspace.runs.handover import Mandate
from medspace.runs.manifest import Manifest
from medspace.runs.model import CHECKPOINTS, HANDOVERS, MODELS, RUNS, Handover, Run, RunCheckpoint
from medspace.runs.ports import RunKeys
from medspace.runs.service import Coordinator
from medspace.runs.telling import RunStatus
from medspace.trust.envelope import EnvelopeKey
from medspace.trust.ports import Directory

MOST_LED = 16  # runs of one member that are not over, those that it asked a key for among them
STALE = timedelta(hours=1)  # after which an unused key makes room for another


@dataclass(frozen=True, slots=True)
class Handovers:
    """What was handed over, sealed under a key file per run: with the key it becomes unreadable, in backups too."""

    database: Database
    keys: RunKeys
    randomness: Randomness

    async def mandate(self, run: str) -> Mandate:
        """The hand-over of a run that is not over.

        Raises:
            HandoverInvalidError: there is no such hand-over, or its key is gone.
        """
        kept = await self.database.read(lambda tx: tx.get(HANDOVERS, run))
        if kept is None or not kept.handed:
            raise HandoverInvalidError(reason=Text(msgid("nothing has been handed over for it")))
        return handover.unpacked(await self.unsealed(kept))

    async def sealed(self, run: str, content: bytes) -> str:
        """A secret of a run, sealed under its key, which is there from now on."""
        key = await asyncio.to_thread(self.keys.make, _file(run))
        return Sealer(key, self.randomness).seal(content, run)

    async def unsealed(self, kept: Handover) -> bytes:
        """The secret of a hand-over.

        Raises:
            HandoverInvalidError: its key is gone.
        """
        key = await asyncio.to_thread(self.keys.key, _file(kept.id))
        try:
            return Sealer(key or b"", self.randomness).open(kept.secret, kept.id)
        except ValueError:
            raise HandoverInvalidError(reason=Text(msgid("its key is missing or has changed"))) from None

    async def forget(self, run: str) -> None:
        """Delete the hand-over of a run, its key first."""
        await asyncio.to_thread(self.keys.forget, _file(run))

        def work(tx: Transaction) -> None:
            kept = tx.get(HANDOVERS, run)
            if kept is not None:
                tx.delete(HANDOVERS, kept)

        await self.database.write(work)

    async def sweep(self) -> None:
        """Delete the keys of runs that are no longer kept; at start-up."""
        kept = await self.database.read(_all)
        for name in set(await asyncio.to_thread(lambda: list(self.keys.uses()))) - {_file(one) for one in kept}:
            await asyncio.to_thread(self.keys.forget, name)


@dataclass(frozen=True, slots=True)
class Coordination:
    """Takes runs that others hand over. `allowed` says for whom; `lead` begins to lead one, and returns at once."""

    did: str
    signer: Signer
    members: Directory
    database: Database
    clock: Clock
    randomness: Randomness
    handovers: Handovers
    coordinator: Coordinator
    allowed: Callable[[str], bool]
    lead: Callable[[str], None]

    async def key(self, caller: str, text: str) -> str:
        """The key, signed, that a run can be handed over with: one for each manifest.

        Raises:
            NotCoordinatedError: this connector does not lead runs for the caller.
            ManifestInvalidError: the caller did not sign that manifest.
            HandoverInvalidError: it names another user or coordinator, or a run that is here already.
            CoordinatorBusyError: too many runs of the caller are under way.
        """
        self._check(caller)
        manifest = manifests.read(text, self.members.member(caller), self.clock.now())
        if (manifest.user, manifest.coordinator) != (caller, self.did):
            raise HandoverInvalidError(reason=Text(msgid("its manifest names another user or coordinator")))
        known = await self.database.read(lambda tx: self._known(tx, manifest, text))
        return known.key if known is not None else await self._made(manifest, text)

    async def accept(self, caller: str, run: str, sealed: str) -> None:
        """Take a run over and begin to lead it; the same again changes nothing.

        Raises:
            NotCoordinatedError: this connector does not lead runs for the caller.
            RunUnknownError: the caller asked for no key for it.
            HandoverInvalidError: what came is not of its manifest, or not sealed by its user for this connector.
            TaskInvalidError: nobody here can lead such a task.
        """
        self._check(caller)
        kept, taken = await self.database.read(lambda tx: (tx.get(HANDOVERS, run), tx.get(RUNS, run)))
        if taken is not None and taken.user == caller:
            self.lead(run)
            return
        if kept is None or kept.user != caller:
            raise RunUnknownError(run=run)
        manifest = manifests.kept(kept.manifest)
        key = EnvelopeKey(await self.handovers.unsealed(kept))
        mandate = handover.unseal(sealed, manifest, key, self.members.member(caller), self.clock.now())
        drawn = self._drawn(kept, manifest, mandate)
        secret = await self.handovers.sealed(run, handover.packed(mandate))
        await self.database.write(lambda tx: _enter(tx, kept, secret, drawn))
        self.lead(run)

    async def told(self, caller: str, run: str) -> RunStatus:
        """How a run of the caller stands, and what came of it.

        Raises:
            RunUnknownError: the caller handed over no such run.
        """

        def look(tx: Transaction) -> RunStatus | None:
            found = tx.get(RUNS, run)
            if found is None or found.user != caller:
                return None
            return telling.tell(found, tx.get(MODELS, found.model) if found.model else None)

        told = await self.database.read(look)
        if told is None:
            raise RunUnknownError(run=run)
        return told

    async def cancel(self, caller: str, run: str) -> None:
        """End a run of the caller that is not over; it stops at its next round.

        Raises:
            RunUnknownError: the caller handed over no such run.
        """
        await self.told(caller, run)
        await self.coordinator.cancel(run)

    # --- small things ------------------------------------------------------------------------------------------
    def _check(self, caller: str) -> None:
        if not self.allowed(caller):
            raise NotCoordinatedError(coordinator=self.did, user=caller)

    def _known(self, tx: Transaction, manifest: Manifest, text: str) -> Handover | None:
        """The hand-over that this manifest has begun already; room for it, where it has not."""
        kept, run = tx.get(HANDOVERS, manifest.run), tx.get(RUNS, manifest.run)
        if kept is not None and (kept.user, kept.manifest) == (manifest.user, text):
            return kept
        if run is not None or (kept is not None and kept.user != manifest.user):
            raise HandoverInvalidError(reason=Text(msgid("there is already a run of that name here")))
        others = [one for one in _of(tx, manifest.user) if one.id != manifest.run and not self._stale(one)]
        if len(others) >= MOST_LED:
            raise CoordinatorBusyError(MOST_LED, manifest.user)
        return None

    def _stale(self, one: Handover) -> bool:
        return not one.handed and instant(one.created) + STALE < self.clock.now()

    async def _made(self, manifest: Manifest, text: str) -> str:
        key = EnvelopeKey.generate(self.randomness)
        signed = handover.sign_key(manifest, key, self.signer)
        secret = await self.handovers.sealed(manifest.run, key.seed)
        made = Handover(manifest.run, manifest.user, stamp(self.clock.now()), text, signed, secret)

        def work(tx: Transaction) -> Handover:
            known = self._known(tx, manifest, text)
            if known is not None:
                return known
            for one in _of(tx, manifest.user):
                if one.id == manifest.run or self._stale(one):
                    tx.delete(HANDOVERS, one)
            tx.insert(HANDOVERS, made)
            return made

        return (await self.database.write(work)).key

    def _drawn(self, kept: Handover, manifest: Manifest, mandate: Mandate) -> tuple[Run, RunCheckpoint]:
        run, begun = self.coordinator.drawn(
            mandate.task, mandate.seats, without_missing=mandate.without_missing, patience=mandate.patience
        )
        if (run.task_digest, run.protection) != (manifest.task, manifest.protocol):
            raise HandoverInvalidError(reason=Text(msgid("its task is not read the same way here and there")))
        led = replace(run, id=kept.id, user=kept.user, manifest=kept.manifest)
        return led, replace(begun, id=kept.id)


def _enter(tx: Transaction, kept: Handover, secret: str, drawn: tuple[Run, RunCheckpoint]) -> None:
    run, begun = drawn
    if tx.get(RUNS, run.id) is not None:  # handed over twice at once: the first has been taken
        return
    tx.replace(HANDOVERS, kept, replace(kept, secret=secret, handed=True))
    tx.insert(RUNS, run)
    tx.insert(CHECKPOINTS, begun)


def _of(tx: Transaction, user: str) -> list[Handover]:
    return tx.find(HANDOVERS, where={"user": user}, limit=2 * MOST_LED)


def _all(tx: Transaction) -> list[str]:
    found: list[str] = []
    while page := tx.find(HANDOVERS, after=found[-1] if found else None, limit=100):
        found += [one.id for one in page]
    return found


def _file(run: str) -> str:
    """Under which name the key of a run is kept: its user chose the run's, of whatever length."""
    return digest_bytes(run.encode()).removeprefix("sha256:")
