"""The portal beside the management API on one listener; it is made once somebody asks for a page."""

import asyncio
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

ROOT = "/portal"


class PortalDoor:
    """An ASGI application: `make` makes the portal when somebody first asks for a page; all else goes to `inner`.

    A browser that opens the address of the listener itself is led to the portal.
    """

    def __init__(self, inner: ASGIApp, make: Callable[[], ASGIApp]) -> None:
        self._inner, self._make = inner, make
        self._portal: ASGIApp | None = None
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path in ("/", ROOT) or path.startswith(f"{ROOT}/")):
            await self._inner(scope, receive, send)
        elif path.startswith(f"{ROOT}/"):
            await (await self._made())(scope, receive, send)
        elif path == ROOT or "text/html" in Headers(scope=scope).get("accept", ""):
            await RedirectResponse(f"{ROOT}/")(scope, receive, send)
        else:
            await self._inner(scope, receive, send)

    async def _made(self) -> ASGIApp:
        async with self._making:
            if self._portal is None:
                self._portal = await asyncio.to_thread(self._make)
            return self._portal
