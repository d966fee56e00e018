"""The only place that wires rooms and adapters together.

To swap a part, pass other `Parts`: a database, a clock, randomness, a resolver, more engines, conditions, sources. A
new kind of use or task is an engine and its line in `parts.ENGINES`, and one in `parts.ALGORITHMS` where runs lead
it; a new condition is a line in `conditions.CONDITIONS`, a new place for data one in `sources.SCHEMES`.
"""

import asyncio
import threading
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from medspace.adapters.sql import pending, upgrade
from medspace.app.api.coordination import CoordinationDoor
from medspace.app.api.counting import Counting
from medspace.app.assets import Assets
from medspace.app.compose.base import Base, job_tokens
from medspace.app.compose.conditions import CONDITIONS
from medspace.app.compose.freezing import freeze_if_restored
from medspace.app.compose.parts import ALGORITHMS, COLLECTIONS, ENGINES, ClosableDatabase, Parts
from medspace.app.compose.road import Road
from medspace.app.config import Config
from medspace.app.holdings import prepare
from medspace.app.membership import Membership
from medspace.connector.usage.service import UsageControl
from medspace.core.decoding import know_forms
from medspace.core.text import Text, msgid

if TYPE_CHECKING:
    from medspace.app.compose.inside import Inside
    from medspace.app.desk import Desk
    from medspace.runs.coordinating import Coordination

__all__ = ["ALGORITHMS", "COLLECTIONS", "CONDITIONS", "ENGINES", "Connector", "Parts", "migrate", "open_connector"]


class Connector:
    """One running connector: two applications, and the work that goes on behind them."""

    def __init__(self, base: Base, membership: Membership, road: Road) -> None:
        self.config = base.config
        routes = [*road.routes(membership), *self._coordination(base, membership)]
        self.public_app: ASGIApp = Counting(Starlette(routes=routes), base.metrics, "public")
        self._base, self._membership, self._road = base, membership, road
        self._wiring = threading.Lock()
        self._inside: Inside | None = None

    def _coordination(self, base: Base, membership: Membership) -> list[Route]:
        async def coordination() -> "Coordination":
            return (await asyncio.to_thread(lambda: self.inside)).coordination

        allowed = base.config.coordination.allows
        return CoordinationDoor(coordination, allowed, membership.authenticate, base.config.did, base.bell).routes()

    @property
    def usage(self) -> UsageControl:
        """Usage control: the one door to the rows."""
        return self._road.usage

    @property
    def assets(self) -> Assets:
        """What it holds, and how each of them stands."""
        return self._road.assets

    @property
    def inside(self) -> "Inside":
        """What the private door opens; takes a moment when it is first asked for, from whichever thread."""
        with self._wiring:
            if self._inside is None:
                from medspace.app.compose.inside import Inside  # noqa: PLC0415 - FastAPI and numpy come with it

                self._inside = Inside(self._base, self._membership, self._road)
            return self._inside

    @cached_property
    def private_app(self) -> ASGIApp:
        """The application of the private listener."""
        return self.inside.app()

    @property
    def desk(self) -> "Desk":
        """What the participant's own people ask for."""
        return self.inside.desk

    async def work(self) -> None:
        """Open assets, deliver messages, refresh the members list, sign checkpoints, end what is idle, lead runs."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.assets.run())
            tasks.create_task(self._road.dispatcher.run())
            tasks.create_task(self._membership.work())
            tasks.create_task(self._road.usage.work())
            tasks.create_task(self._road.usage.parts.work())
            tasks.create_task(self._road.terminations.run())
            tasks.create_task(self._base.anchoring().run())
            tasks.create_task(self._road.ending.run())
            tasks.create_task(self._lead())

    async def _lead(self) -> None:
        inside: Any = await asyncio.to_thread(lambda: self.inside)
        await inside.learning.work()

    async def close(self) -> None:
        """Let go of connections and the database."""
        await self._road.usage.close()
        self.assets.close()
        await self._base.close()


def migrate(config: Config, announce: Callable[[Text], None]) -> None:
    """Bring the database to the schema of this version, and say so."""
    due = pending(config.database_url)
    if due:
        announce(Text(msgid("Bringing the database up to date: {steps}"), {"steps": ", ".join(due)}))
        upgrade(config.database_url)


async def open_connector(config: Config, parts: Parts, announce: Callable[[Text], None]) -> Connector:
    """Make a connector out of its configuration: keys, database, members list, assets; nothing is answered yet.

    Raises:
        SecretFileError, SecretExposedError: a key or token file is missing, broken or readable by others.
        StorageTakenError: another connector runs on the database.
        DictionaryError, InvalidTermsError, OfferError, ...: an asset cannot be offered as configured. Its content
            is opened later, once the public door answers.
    """
    migrate(config, announce)
    database = parts.open_database(config.database_url, COLLECTIONS)
    try:
        return await _compose(config, parts, database)
    except BaseException:
        await database.close()
        raise


async def _compose(config: Config, parts: Parts, database: ClosableDatabase) -> Connector:
    base = Base(config, parts, database)
    await base.book.load()
    wanted = prepare(config, parts.sources)
    assets = Assets(wanted, parts.engines, base.database, base.local, base.clock, base.log)
    membership = base.membership()
    road = Road(base, assets, await job_tokens(base), membership.look_again)
    await assets.arrange()
    await freeze_if_restored(base, road.terminations)
    know_forms()
    await road.usage.recover()  # what goes on is judged by the labels of now
    return Connector(base, membership, road)
