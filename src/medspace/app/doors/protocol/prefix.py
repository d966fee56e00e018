"""The path prefix of a public URL such as `https://hospital.example/medspace`, and proxies that keep or strip it.

A connector answers at the root. A proxy strips the prefix, or keeps it if `[public] keeps_prefix` says so.
"""

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from medspace.app.doors.bodies import json_response

PATH = "/reach/path"
LONGEST_PATH = 512  # characters that are reported


class Prefixed:
    """An application behind a prefix (may be empty); it also reports which path has arrived."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app, self._prefix = app, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"])
        if scope["method"] == "GET" and path.endswith(PATH) and len(path) <= LONGEST_PATH:
            await json_response({"path": path})(scope, receive, send)
            return
        if self._prefix and path.startswith(f"{self._prefix}/"):
            short = path.removeprefix(self._prefix)
            scope = {**scope, "path": short, "raw_path": short.encode()}
        await self._app(scope, receive, send)


def prefix_of(url: str) -> str:
    """The path of a base URL, without a slash at its end."""
    return urlsplit(url).path.rstrip("/")
