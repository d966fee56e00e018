"""The coordinator of this connector's own runs, and of those that others hand over to it."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import overload

from medspace.adapters.http.coordinators import HttpCoordinators
from medspace.adapters.http.peers import JobClient
from medspace.adapters.usekeys import FileUseKeys
from medspace.app.features.training.choosing import Choosing
from medspace.app.features.training.runs import Runs
from medspace.app.features.training.service import Training
from medspace.app.features.training.sites import HandedSites, PublishedDictionaries, TransferSites
from medspace.app.features.training.waiting import Waiting
from medspace.app.node.node import Node
from medspace.connector.catalogue.finding import Finder
from medspace.connector.codes import noted
from medspace.runs.coordinating import Coordination, Handovers
from medspace.runs.delegation import Delegation
from medspace.runs.ports import Algorithm
from medspace.runs.service import Coordinator

RUN_KEYS = "keys/runs"  # the folder of the keys of runs that others hand over; not part of a backup


class Algorithms(Sequence[Algorithm]):
    """The kinds of task, made once the first is asked for: numpy comes with them."""

    def __init__(self, makers: Sequence[Callable[[], Algorithm]]) -> None:
        self._makers = makers

    @cached_property
    def _made(self) -> tuple[Algorithm, ...]:
        return tuple(make() for make in self._makers)

    @overload
    def __getitem__(self, place: int) -> Algorithm: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Algorithm]: ...
    def __getitem__(self, place: int | slice) -> Algorithm | Sequence[Algorithm]:
        return self._made[place]

    def __len__(self) -> int:
        return len(self._makers)


class Learning:
    """The coordinator of this connector's own runs, and of those that others hand over to it."""

    def __init__(self, node: Node) -> None:
        jobs = JobClient(node.client, node.identity)
        keys = FileUseKeys(node.config.path(RUN_KEYS), node.randomness)
        self.node = node
        self.handovers = Handovers(node.database, keys, node.randomness)
        self.waiting = Waiting(node.clock, node.changes.tell)
        own = (jobs, node.clock, self.waiting, node.did, node.seat_keys, node.randomness)
        sites = TransferSites(*own, transfers=node.transfers, database=node.database, changes=node.changes)
        self.coordinator = Coordinator(
            node.database,
            sites,
            node.clock,
            node.randomness,
            node.did,
            node.signing,
            Algorithms(node.algorithms),
            dictionaries=PublishedDictionaries(
                Finder(node.documents, node.transport, clock=node.clock), node.database
            ),
            progress=self.waiting.hear,
            led=HandedSites(*own, handovers=self.handovers, documents=node.documents),
            delegation=self._delegation(sites),
            blobs=node.usage.parts.store,
            noted=noted,
        )
        self.training = Training(node.did, self.coordinator, node.database, node.facts, node.clock)
        self.choosing = Choosing(node, self.training)
        self.coordination = self._coordination()
        self.runs = Runs(node, self.coordinator, self.training, self.waiting)

    def _delegation(self, sites: TransferSites) -> Delegation:
        node = self.node
        coordinators = HttpCoordinators(node.client, node.identity)
        return Delegation(
            node.database, node.clock, node.randomness, node.did, node.signing, node.book, sites, coordinators
        )

    def _coordination(self) -> Coordination:
        node = self.node
        return Coordination(
            node.did,
            node.signing,
            node.book,
            node.database,
            node.clock,
            node.randomness,
            self.handovers,
            self.coordinator,
            node.config.coordination.allows,
            self.training.lead,
        )

    async def work(self) -> None:
        """Continue every unfinished run; stop leading when cancelled."""
        try:
            await self.handovers.sweep()
            await self.training.resume()
            await asyncio.Event().wait()
        finally:
            with suppress(asyncio.CancelledError):
                await self.training.stop()
