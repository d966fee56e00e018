"""A connector, wired from rooms, adapters and features.

To replace a part, pass other `ConnectorParts`: features, a database, a clock, randomness, a resolver, more engines,
conditions, sources. What people can do is a feature and its line in `compose.features`.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from medspace.adapters.sql import pending, upgrade
from medspace.app.compose import codes
from medspace.app.compose.base import Base, job_tokens
from medspace.app.compose.features import FEATURES
from medspace.app.compose.freezing import freeze_if_restored
from medspace.app.compose.parts import (
    ALGORITHMS,
    COLLECTIONS,
    ENGINES,
    ClosableDatabase,
    ConnectorParts,
    collections_of,
    histories_of,
)
from medspace.app.compose.road import Road
from medspace.app.doors.callers import Authenticate
from medspace.app.doors.counting import RequestCounter
from medspace.app.doors.protocol.prefix import Prefixed, prefix_of
from medspace.app.node.announcing import Entrance
from medspace.app.node.assets import Assets
from medspace.app.node.config import Config
from medspace.app.node.feature import Feature
from medspace.app.node.holdings import prepare
from medspace.app.node.membership import Membership
from medspace.app.node.node import Node, Standing
from medspace.connector.usage.service import UsageControl
from medspace.core.canonical import JsonObject
from medspace.core.decoding import know_forms
from medspace.core.text import Text, msgid
from medspace.services.tokens.service import Tokens
from medspace.services.wallets.ports import PatientOffice
from medspace.trust.model import Caller

if TYPE_CHECKING:
    from medspace.app.compose.inside import Inside

__all__ = [
    "ALGORITHMS",
    "COLLECTIONS",
    "ENGINES",
    "Connector",
    "ConnectorParts",
    "migrate",
    "open_connector",
]


_WIRING = (
    threading.Lock()
)  # shared by all connectors of a process: FastAPI and pydantic build shared tables during this


class Connector:
    """One running connector: two applications, and its background work."""

    def __init__(self, base: Base, membership: Membership, road: Road) -> None:
        self.config = base.config
        self.features = base.parts.features
        self._membership = membership
        self.node = node_of(base, membership, road, self._standing, self._authenticate, self._patients)
        said = [one.announced(base.config) for one in self.features if one.announced is not None]
        announced = [one for one in said if one is not None]
        self._entrances = [*self._other_entrances()]
        self._other_tokens(road)
        routes = [*road.routes(membership, self._authenticate, announced), *self._public()]
        prefix = prefix_of(base.config.base_url) if base.config.public.keeps_prefix else ""
        self.public_app: ASGIApp = RequestCounter(Prefixed(Starlette(routes=routes), prefix), base.metrics, "public")
        self._base, self._road = base, road
        self._inside: Inside | None = None

    def _public(self) -> list[Route]:
        """The features' routes at the public door; the services behind them are created on first use."""
        return [
            route
            for feature in self.features
            if feature.public is not None
            for route in feature.public(self.node, self._later(feature.name))
        ]

    def _other_entrances(self) -> Iterator[Entrance]:
        for feature in self.features:
            made = None if feature.entrance is None else feature.entrance(self.node, self._later(feature.name))
            if made is not None:
                yield made

    def _other_tokens(self, road: Road) -> None:
        for feature in self.features:
            made = None if feature.tokens is None else feature.tokens(self.node, self._later(feature.name))
            if made is not None:
                road.transport.tokens = made

    async def _authenticate(self, authorization: str | None) -> Caller:
        """The caller that an Authorization header proves, in one of the ways that there are."""
        for entrance in self._entrances:
            if entrance.recognises(authorization):
                return await entrance.prove(authorization)
        return await self._membership.authenticate(authorization)

    def _later(self, name: str) -> Callable[[], Any]:
        async def service() -> Any:  # noqa: ANN401 - each feature has its own
            return await asyncio.to_thread(lambda: self.inside.services[name])

        return service

    @property
    def usage(self) -> UsageControl:
        """Usage control: the one door to the rows."""
        return self._road.usage

    @property
    def assets(self) -> Assets:
        """The assets that it holds, and the state of each."""
        return self._road.assets

    @property
    def inside(self) -> "Inside":
        """Everything behind the private door; takes a moment on first use. Thread-safe."""
        with _WIRING:
            if self._inside is None:
                from medspace.app.compose.inside import Inside  # noqa: PLC0415 - FastAPI and numpy come with it

                self._inside = Inside(self.node, self.features)
            return self._inside

    @cached_property
    def private_app(self) -> ASGIApp:
        """The application of the private listener."""
        return self.inside.app()

    def of(self, feature: str) -> Any:  # noqa: ANN401 - each feature has its own
        """The service of a feature, by the feature's name."""
        return self.inside.services[feature]

    async def _standing(self, dataset: str) -> Standing:
        """What all features report on one of one's own datasets."""
        shown: JsonObject = {}
        said: list[Text] = []
        for feature in self.features:
            if feature.standing is not None:
                facts, sentences = await feature.standing(self.of(feature.name), dataset)
                shown |= facts
                said += sentences
        return shown, said

    def _patients(self) -> PatientOffice | None:
        """Where what patients sign counts."""
        made = [feature.patients for feature in self.features if feature.patients is not None]
        return made[0](self.node) if made else None

    async def work(self) -> None:
        """All background work: assets, messages, members list, checkpoints, stale processes, features."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.assets.run())
            tasks.create_task(self._road.dispatcher.run())
            tasks.create_task(self._membership.work())
            tasks.create_task(self._road.usage.work())
            tasks.create_task(self._road.usage.parts.work())
            tasks.create_task(self._road.terminations.run())
            tasks.create_task(self._base.anchoring().run())
            tasks.create_task(self._road.ending.run())
            tasks.create_task(self._features())

    async def _features(self) -> None:
        await (await asyncio.to_thread(lambda: self.inside)).work()

    async def close(self) -> None:
        """Close connections and the database."""
        await self._road.usage.close()
        self.assets.close()
        await self._base.close()


def node_of(
    base: Base,
    membership: Membership,
    road: Road,
    standing: Callable[[str], Awaitable[Standing]],
    authenticate: Authenticate,
    patients: Callable[[], PatientOffice | None],
) -> Node:
    """The connector as its features see it."""
    return Node(
        config=base.config,
        features=frozenset(feature.name for feature in base.parts.features),
        algorithms=base.parts.algorithms,
        database=base.database,
        clock=base.clock,
        randomness=base.randomness,
        actors=Tokens(base.config.did, base.database, base.clock, base.randomness),
        changes=base.changes,
        local=base.local,
        signing=base.signing,
        mldsa=base.mldsa,
        sealer=base.sealer,
        metrics=base.metrics,
        documents=base.documents,
        client=base.client,
        identity=base.identity,
        transport=road.transport,
        authenticate=authenticate,
        book=base.book,
        authority=membership.authority,
        facts=base.facts,
        assets=road.assets,
        kinds=road.kinds,
        negotiations=road.negotiations,
        transfers=road.transfers,
        usage=road.usage,
        seat_keys=road.identity,
        standing=standing,
        patients=patients,
    )


def migrate(config: Config, announce: Callable[[Text], None], features: Sequence[Feature[Any]] = FEATURES) -> None:
    """Bring the database to the schema of this version, and report it."""
    histories = histories_of(features)
    due = pending(config.database_url, histories)
    if due:
        announce(Text(msgid("Bringing the database up to date: {steps}"), {"steps": ", ".join(due)}))
        upgrade(config.database_url, histories)


async def open_connector(config: Config, parts: ConnectorParts, announce: Callable[[Text], None]) -> Connector:
    """Create a connector from its configuration: keys, database, members list, assets; nothing is answered yet.

    Raises:
        SecretFileError, SecretExposedError: a key or token file is missing, broken or readable by others.
        StorageTakenError: another connector is running on the database.
        DictionaryError, InvalidTermsError, OfferError, ...: an asset cannot be offered as configured. Its content
            is opened later, once the public door answers.
    """
    migrate(config, announce, parts.features)
    database = parts.open_database(config.database_url, collections_of(parts.features))
    try:
        return await _compose(config, parts, database, announce)
    except BaseException:
        await database.close()
        raise


async def _compose(
    config: Config, parts: ConnectorParts, database: ClosableDatabase, announce: Callable[[Text], None]
) -> Connector:
    codes.learn()
    base = Base(config, parts, database)
    await base.book.load()
    wanted = prepare(config, parts.sources, frozenset(kind for kind, _ in parts.engines))
    assets = Assets(wanted, parts.engines, base.database, base.local, base.clock, base.log, parts.sources)
    membership = base.membership()
    road = Road(base, assets, await job_tokens(base), membership.look_again)
    await assets.arrange()
    await freeze_if_restored(base, road.terminations, announce)
    know_forms()
    await road.usage.recover()  # ongoing uses are judged by the current labels
    return Connector(base, membership, road)
