"""What the private door opens: the desk, the management API, one's own training runs.

It brings FastAPI and numpy, so it is wired once the public door answers.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress

from starlette.types import ASGIApp

from medspace.adapters.http.coordinators import HttpCoordinators
from medspace.adapters.http.peers import DspClient, JobClient
from medspace.adapters.keys import load_token
from medspace.adapters.losses import GaussianLosses, installed
from medspace.adapters.usekeys import FileUseKeys
from medspace.app import clocks
from medspace.app.api.counting import Counting
from medspace.app.api.guarded import Guarded
from medspace.app.api.management import management_app
from medspace.app.compose.base import Base
from medspace.app.compose.road import Road
from medspace.app.desk import Desk
from medspace.app.finding import Budget, Finder
from medspace.app.labels import Labels
from medspace.app.membership import Membership
from medspace.app.renewal import Budgets
from medspace.app.sets import SetsOfSites
from medspace.app.signing import SigningKeys
from medspace.app.sites import HandedSites, PublishedDictionaries, TransferSites
from medspace.app.training import Training
from medspace.app.waiting import Waiting
from medspace.privacy.noise.composition import LossAccountant, ZcdpAccountant
from medspace.runs.coordinating import Coordination, Handovers
from medspace.runs.delegation import Delegation
from medspace.runs.service import Coordinator


class Inside:
    """Everything that only this participant's own people reach."""

    def __init__(self, base: Base, membership: Membership, road: Road) -> None:
        self.learning = Learning(base, road)
        self.coordination = self.learning.coordination
        self.desk = _desk(base, membership, road, self.learning)
        self._base = base

    def app(self) -> ASGIApp:
        """The application of the private listener."""
        config = self._base.config
        token = load_token(config.path(config.private.token))
        return Counting(Guarded(management_app(self.desk), token), self._base.metrics, "private")


RUN_KEYS = "keys/runs"  # the folder of the keys of runs that others hand over; no part of a backup


class Learning:
    """The coordinator of this connector's own runs, and of those that others hand over to it."""

    def __init__(self, base: Base, road: Road) -> None:
        jobs = JobClient(base.client, base.identity)
        keys = FileUseKeys(base.config.path(RUN_KEYS), base.randomness)
        self.handovers = Handovers(base.database, keys, base.randomness)
        self.waiting = Waiting(base.clock, base.bell.ring)
        own = (jobs, base.clock, self.waiting, base.config.did, road.identity, base.randomness)
        sites = TransferSites(*own, transfers=road.transfers, database=base.database, bell=base.bell)
        self.coordinator = Coordinator(
            base.database,
            sites,
            base.clock,
            base.randomness,
            base.config.did,
            base.signing,
            tuple(make() for make in base.parts.algorithms),
            dictionaries=PublishedDictionaries(Finder(base.documents, road.transport), base.database),
            progress=self.waiting.hear,
            led=HandedSites(*own, handovers=self.handovers, documents=base.documents),
            delegation=self._delegation(base, sites),
            blobs=road.usage.parts.store,
        )
        self.training = Training(base.config.did, self.coordinator, base.database, base.facts, base.clock)
        self.coordination = self._coordination(base)

    def _delegation(self, base: Base, sites: TransferSites) -> Delegation:
        return Delegation(
            base.database,
            base.clock,
            base.randomness,
            base.config.did,
            base.signing,
            base.book,
            sites,
            HttpCoordinators(base.client, base.identity),
        )

    def _coordination(self, base: Base) -> Coordination:
        return Coordination(
            base.config.did,
            base.signing,
            base.book,
            base.database,
            base.clock,
            base.randomness,
            self.handovers,
            self.coordinator,
            base.config.coordination.allows,
            self.training.lead,
        )

    async def work(self) -> None:
        """Go on with every run that is not over; stop leading when cancelled."""
        try:
            await self.handovers.sweep()
            await self.training.resume()
            await asyncio.Event().wait()
        finally:
            with suppress(asyncio.CancelledError):
                await self.training.stop()


def _budgets(base: Base) -> Budgets:
    def ask(dids: Sequence[str]) -> Awaitable[list[clocks.Comparison]]:
        return clocks.compare(base.client, base.clock, dids)

    accountant = LossAccountant(GaussianLosses()) if installed() else ZcdpAccountant()
    authority = base.config.space.authority
    return Budgets(base.database, base.local, base.book, authority, ask, accountant, base.sealer)


def _desk(base: Base, membership: Membership, road: Road, learning: Learning) -> Desk:
    budget = Budget()
    return Desk(
        config=base.config,
        database=base.database,
        bell=base.bell,
        clock=base.clock,
        signer=base.signing,
        metrics_of=base.metrics,
        documents=base.documents,
        book=base.book,
        authority=membership.authority,
        finder=Finder(base.documents, DspClient(base.client, base.identity, budget.page), budget, clock=base.clock),
        negotiating=road.negotiations,
        transferring=road.transfers,
        coordinator=learning.coordinator,
        training=learning.training,
        waiting=learning.waiting,
        usage=road.usage,
        labels=Labels(base.database, base.local),
        sets=SetsOfSites(base.database, base.local),
        budgets=_budgets(base),
        signing=SigningKeys(base.config, base.mldsa, base.documents, membership.authority),
        assets=road.assets,
        kinds=road.kinds,
    )
