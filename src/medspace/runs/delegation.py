"""Handing a run over to another member's connector, following it there, keeping its outcome.

The uses begin and end here: they are this connector's, under its agreements. In between the coordinator asks.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from medspace.core.canonical import Json
from medspace.core.clock import Clock, Randomness, stamp
from medspace.core.ids import new_id
from medspace.core.signing import Signer
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.runs import handover, rules, telling
from medspace.runs import manifest as manifests
from medspace.runs.asking import Asking
from medspace.runs.errors import (
    CoordinatorAwayError,
    CoordinatorRefusedError,
    RunUnknownError,
    SiteAwayError,
    SiteError,
)
from medspace.runs.handover import Mandate
from medspace.runs.model import MODELS, RUNS, Model, Run, RunFailure, RunState
from medspace.runs.ports import Coordinators, OwnSites
from medspace.runs.telling import RunStatus
from medspace.trust.ports import Directory

T = TypeVar("T")
PAUSE = 0.2  # seconds between two questions, whatever the coordinator says; it waits for a change itself
NO_MODEL = msgid("what it reports about the run is contradictory")


@dataclass(frozen=True, slots=True)
class Delegation:
    """Hands runs over. `actor` is the DID that the ledger entries name, and `signer` has its key."""

    database: Database
    clock: Clock
    randomness: Randomness
    actor: str
    signer: Signer
    members: Directory
    sites: OwnSites
    coordinators: Coordinators

    async def hand_over(self, run: Run, uses: Mapping[str, str], asking: Asking) -> Run:
        """Hand over a run that has its manifest and its uses; again, if it is unknown whether it was taken.

        Raises:
            CoordinatorAwayError, CoordinatorRefusedError: it does not answer, or does not take it.
        """
        await self._one(run, asking, lambda: self._handed(run, uses))
        taken = replace(run, handed=True)
        await self.database.write(lambda tx: tx.replace(RUNS, run, taken))
        return taken

    async def follow(
        self, run: Run, asking: Asking, noticed: Callable[[Run, Run], None]
    ) -> tuple[Run, RunFailure | None]:
        """Follow a run until it is over: with its model, or the reason why there is none.

        Raises:
            CoordinatorAwayError, CoordinatorRefusedError: it does not answer, or its answers cannot be right.
            StaleRecordError: the run was cancelled here meanwhile.
        """
        seen = ""
        while not rules.over((await self._now(run)).state):
            told = await self._one(run, asking, lambda: self.coordinators.told(run.coordinator, run.id, seen))  # noqa: B023
            run = await self._heard(run, told, noticed)
            if told.over:
                return await self._over(run, told)
            seen = told.version
            await self.clock.sleep(PAUSE)
        return await self._now(run), None

    async def cancel(self, run: Run, asking: Asking) -> None:
        """Tell the coordinator that a run is over; one that is away finds that the sites no longer answer."""
        call = (run.coordinator, lambda: self.coordinators.cancel(run.coordinator, run.id))
        await asking.in_order([call], lambda _position, _outcome: None, 1)

    async def begun(self, run: Run) -> dict[str, str]:
        """The uses that were started for a run, by site."""
        found = {seat.site: await self.sites.begun(run.id, seat.agreement, run.kind) for seat in run.seats}
        return {site: use for site, use in found.items() if use is not None}

    # --- small things ------------------------------------------------------------------------------------------
    async def _handed(self, run: Run, uses: Mapping[str, str]) -> None:
        manifest = manifests.kept(run.manifest)
        limits = {seat.site: seat for seat in run.seats}
        places = []
        for seat in rules.seated(run):
            place, most = await self.sites.place(uses[seat.site]), limits[seat.site]
            places.append(replace(place, min_cohort=most.min_cohort, min_sites=most.min_sites))
        mandate = Mandate(run.task, tuple(places), run.without_missing, run.patience)
        key = await self.coordinators.key(run.coordinator, run.manifest)
        coordinator = self.members.member(run.coordinator)
        sealed = handover.seal(mandate, manifest, key, coordinator, self.signer, self.clock.now())
        await self.coordinators.hand_over(run.coordinator, run.id, sealed)

    async def _one(self, run: Run, asking: Asking, call: Callable[[], Awaitable[T]]) -> T:
        """What the coordinator says to a call, which is repeated while it is away."""
        said: list[T | SiteError] = []
        await asking.in_order([(run.coordinator, call)], lambda _position, outcome: said.append(outcome), 1)
        (outcome,) = said
        if isinstance(outcome, SiteAwayError):
            raise CoordinatorAwayError(coordinator=run.coordinator, reason=outcome.facts["reason"])
        if isinstance(outcome, SiteError):
            raise CoordinatorRefusedError(coordinator=run.coordinator, reason=outcome.facts["reason"])
        return outcome

    async def _heard(self, run: Run, told: RunStatus, noticed: Callable[[Run, Run], None]) -> Run:
        after = telling.heard(run, told)
        if after != run:
            await self.database.write(lambda tx: tx.replace(RUNS, run, after))
            noticed(run, after)
        return after

    async def _over(self, run: Run, told: RunStatus) -> tuple[Run, RunFailure | None]:
        if told.failure is not None:
            return run, told.failure.record
        now = self.clock.now()
        model = told.model and telling.received(run, told.model, new_id(self.randomness), stamp(now))
        if not model:
            raise CoordinatorRefusedError(coordinator=run.coordinator, reason=Text(NO_MODEL))
        ended = replace(rules.moved(run, RunState.FINISHED), model=model.id, ended=stamp(now))

        def work(tx: Transaction) -> None:
            tx.replace(RUNS, run, ended)
            tx.insert(MODELS, model)
            record(tx, Entry("run.received", stamp(now), self.actor, _facts(run, model)))

        await self.database.write(work)
        return ended, None

    async def _now(self, run: Run) -> Run:
        found = await self.database.read(lambda tx: tx.get(RUNS, run.id))
        if found is None:
            raise RunUnknownError(run=run.id)
        return found


def _facts(run: Run, model: Model) -> dict[str, Json]:
    return {
        "run": run.id,
        "coordinator": run.coordinator,
        "model": model.digest,
        "rounds": model.rounds,
        "sites": list(model.lineage.sites),
    }
