"""An answer of the management API that is passed on as it comes: streams of events, files."""

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from medspace.app.doors.portal.guarding import protect
from medspace.app.node.listening.http1 import LASTING


class Passed(Response):
    """What `api` answers to the question `asked`, which is a scope of ASGI with the person in it."""

    def __init__(self, api: ASGIApp, asked: Scope, heard: frozenset[bytes] = frozenset()) -> None:
        super().__init__()
        self._api, self._asked, self._heard = api, asked, heard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, for as long as there is something to tell; headers that are `heard` go along with the question."""
        inner = {**self._asked, LASTING: scope[LASTING]} if LASTING in scope else dict(self._asked)
        inner["headers"] = [*inner["headers"], *(one for one in scope["headers"] if one[0] in self._heard)]

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message.get("headers", ())))
                protect(headers)
                message = {**message, "headers": headers.raw}
            await send(message)

        await self._api(inner, receive, protected)
