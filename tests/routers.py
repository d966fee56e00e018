"""The management API of all features, answered by one object that stands for each of their services."""

from types import SimpleNamespace

from medspace.app.compose import api
from medspace.app.compose.features import FEATURES
from medspace.app.doors.management.actors import ACTOR
from medspace.app.doors.management.app import management_app
from medspace.app.doors.management.events import events_router
from medspace.core.actors import Actor, ActorKind, Scope

OWNER = Actor("actor:" + "0" * 32, ActorKind.OWNER, frozenset(Scope))


class _Nobody:
    """Knows nobody's name."""

    async def names(self, _):
        return {}


class _Service:
    """A service of a feature, and the connector behind it."""

    actors = _Nobody()

    def __init__(self, answering):
        self._answering = answering
        self.node = answering

    def __getattr__(self, name):
        return getattr(self._answering, name)


class _Node:
    """A connector of which nothing is known until it is asked."""

    actors = _Nobody()

    def __init__(self, answering):
        self._answering = answering

    def __getattr__(self, name):
        return getattr(self._answering, name, None)


class _Owned:
    """An application that is called by its owner."""

    def __init__(self, app):
        self._app = app

    def __getattr__(self, name):
        return getattr(self._app, name)

    async def __call__(self, scope, receive, send):
        await self._app({**scope, ACTOR: OWNER}, receive, send)


def management(answering):
    """The application of the private listener, as its owner calls it."""
    service = _Service(answering)
    service.node = _Node(answering)
    answers = {"training": SimpleNamespace(runs=service, choosing=service)}
    routers = [one.routes(answers.get(one.name, service)) for one in FEATURES if one.routes is not None]
    things = {}
    for one in FEATURES:
        if one.watched is not None:
            things |= one.watched(answers.get(one.name, service))
    return _Owned(management_app([api.routes(service, lambda language: {}), *routers, events_router(None, things)]))
