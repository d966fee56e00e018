"""Everything behind the private door: the services of all features, and the management API.

It imports FastAPI and numpy, so it is wired only once the public door answers.
"""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.types import ASGIApp

from medspace.adapters.keys import load_token
from medspace.app.compose.api import routes
from medspace.app.compose.codes import learn_of
from medspace.app.compose.doctor import examine_config
from medspace.app.compose.status import Status
from medspace.app.doors.counting import RequestCounter
from medspace.app.doors.management.app import management_app
from medspace.app.doors.management.doorkeeper import Doorkeeper
from medspace.app.doors.management.events import events_router
from medspace.app.doors.management.guarded import Guarded
from medspace.app.doors.portal.door import PortalDoor
from medspace.app.node.attempts import Attempts
from medspace.app.node.feature import Feature
from medspace.app.node.feeds import Feeds, Watched
from medspace.app.node.listening.limits import PRIVATE, affordable
from medspace.app.node.node import Node
from medspace.core.canonical import JsonObject


class Inside:
    """Everything that only this participant's own people can reach; `services` by the name of their feature."""

    def __init__(self, node: Node, features: Sequence[Feature[Any]]) -> None:
        self._node, self._features = node, features
        self.status = Status(node)
        self.feeds = Feeds(node.changes, node.clock, most=affordable(PRIVATE).places // 2)
        learn_of(features)
        self.services: dict[str, Any] = {
            feature.name: feature.service(node) for feature in features if feature.service is not None
        }

    def app(self) -> ASGIApp:
        """The application of the private listener."""
        config = self._node.config
        secret = load_token(config.path(config.private.token))
        door = Doorkeeper(self._node.actors, secret, Attempts(self._node.clock), config.private.person)
        api = management_app(self.routers())
        guarded = Guarded(api, door.authenticate)
        portal = PortalDoor(guarded, partial(self._portal, api)) if "accounts" in self.services else guarded
        return RequestCounter(portal, self._node.metrics, "private")

    def _portal(self, api: ASGIApp) -> ASGIApp:
        from medspace.app.compose.portal import make_portal  # noqa: PLC0415 - templates come with it

        return make_portal(self._node, self._features, self.services["accounts"], api, self.services.get("oidc"))

    async def work(self) -> None:
        """The features' background work.

        When cancelled, also end all streams, which would keep the connector running.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                for feature in self._features:
                    if feature.work is not None:
                        tasks.create_task(feature.work(self.services[feature.name]))
                await asyncio.Event().wait()
        finally:
            self.feeds.close()

    def routers(self) -> Iterator[APIRouter]:
        """The routes of the connector itself, and of its features."""
        yield routes(self.status, self._examine)
        for feature in self._features:
            if feature.routes is not None:
                yield feature.routes(self.services[feature.name])
        yield events_router(self.feeds, self._watched())

    def _watched(self) -> dict[str, Watched]:
        """The kinds of things that can be watched, by their name in the path."""
        found: dict[str, Watched] = {}
        for feature in self._features:
            if feature.watched is not None:
                found |= feature.watched(self.services[feature.name])
        return found

    def _examine(self, language: str) -> JsonObject:
        node = self._node
        members = [member.did for member in node.members()]
        return examine_config(node.config, language, members, states=node.assets.states, features=self._features)
