"""Changes as a stream of events: the states of a run, a negotiation or a transfer, from now until it is over.

    GET /events/runs/{run}          each state of the run, including a hospital's progress within a round
    GET /events/negotiations/{pid}  each state of the negotiation, with whose move it is
    GET /events/transfers/{pid}     each state of the transfer

The format is server-sent events (WHATWG HTML 9.2): `id` is the version of a state, `data` is what a GET of the thing
itself returns; a comment is sent when nothing has changed for a while. A client that reconnects sends the last
version it has seen in `Last-Event-ID` (or, on the first request, in `seen`). A slow reader gets the newest state, not
each one. The stream ends after the final state; a client that reconnects then gets 204, which tells an `EventSource`
not to come back.

The caller is authenticated at the start, and again before each event and at each heartbeat: if its token was revoked,
has expired, or cannot be checked at the moment, it is shown nothing more, and the stream ends.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from medspace.app.doors.bodies import request_language
from medspace.app.doors.management.actors import EVERYWHERE, check_again, needs
from medspace.app.node.feeds import Feeds, Look, State, Watched
from medspace.app.node.listening.http1 import LASTING
from medspace.core.errors import MedspaceError
from medspace.core.store import Topic

EVENTS = "text/event-stream"
_HEADERS = [
    (b"content-type", EVENTS.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would buffer events
]
RETRY = 2_000  # milliseconds after which a disconnected client reconnects
LONGEST_SEEN = 64
# Raises a MedspaceError if the caller may not be shown anything more.
Check = Callable[[], Awaitable[None]]
OVER = frozenset({"finished", "failed", "cancelled", "FINALIZED", "COMPLETED", "TERMINATED"})  # of what is watched

Seen = Annotated[str, Query(max_length=LONGEST_SEEN)]
LastEvent = Annotated[str, Header(alias="Last-Event-ID", max_length=LONGEST_SEEN)]


def events_router(feeds: Feeds, things: Mapping[str, Watched]) -> APIRouter:
    """A route for each kind of thing, by its name in the path."""
    router = APIRouter(prefix="/events", tags=["events"], dependencies=[EVERYWHERE])
    for name, kind in things.items():
        told = {"name": f"events of {name}", "response_class": _Streamed, **needs(*kind.scopes)}
        router.add_api_route(f"/{name}/{{identity:path}}", _route(feeds, kind), **told)
    return router


def _route(feeds: Feeds, kind: Watched) -> Callable[..., Awaitable[Response]]:
    async def stream(request: Request, identity: str, seen: Seen = "", last: LastEvent = "") -> Response:
        language = request_language(request)

        async def look() -> State:
            shown = await kind.show(identity, language)
            return State(str(shown["version"]), msgspec.json.encode(shown), shown["state"] in OVER)

        return EventStream(
            feeds, kind.collection.topic(identity), language, look, last or seen, partial(check_again, request)
        )

    return stream


class _Streamed(Response):
    """What the API's description says of these answers."""

    media_type = EVENTS


class EventStream(Response):
    """A response that lasts until the thing is over, the client leaves or loses access, or the connector stops."""

    def __init__(self, feeds: Feeds, topic: Topic, language: str, look: Look, seen: str, check: Check) -> None:
        super().__init__(media_type=EVENTS)
        self._check = check
        self._feeds, self._what, self._seen = feeds, (topic, language, look), seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; cleans up however it ends.

        Raises:
            MedspaceError: to be sent instead of the stream.
        """
        scope.get(LASTING, _nobody)()
        async with self._feeds.watch(*self._what, self._seen) as states:
            telling, gone = (asyncio.ensure_future(one) for one in (self._tell(states, send), _gone(receive)))
            try:
                await asyncio.wait({telling, gone}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                telling.cancel()
                gone.cancel()
                await asyncio.wait({telling, gone})
        if not telling.cancelled():
            telling.result()

    async def _tell(self, states: AsyncIterator[State | None], send: Send) -> None:
        try:
            first = await anext(states)
        except StopAsyncIteration:
            await send({"type": "http.response.start", "status": 200 if self._feeds.closed else 204, "headers": []})
            await send({"type": "http.response.body"})
            return
        await self._check()  # the first look may have taken long
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await _write(send, b"retry: %d\n\n" % RETRY + _event(first))
        try:
            async for state in states:
                await self._check()  # after a final state, nothing waits before it is written
                await _write(send, _event(state))
        except MedspaceError:  # a client that reconnects is told
            pass
        await send({"type": "http.response.body"})


async def _write(send: Send, event: bytes) -> None:
    """Write an event, and return once the client is ready for the next, which is chosen only then."""
    for body in (event, b""):  # the second send blocks if the first has filled the buffer for the client
        await send({"type": "http.response.body", "body": body, "more_body": True})


def _event(state: State | None) -> bytes:
    """A state as an event; a comment if there is none. JSON contains no line breaks."""
    return b":\n\n" if state is None else b"id: %b\ndata: %b\n\n" % (state.version.encode(), state.shown)


async def _gone(receive: Receive) -> None:
    """Returns once the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _nobody() -> None:
    """Used without a listener: there is nobody to notify."""
