"""Around the management API: nothing of a request is read before its token is right, and no body is endless."""

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from medspace.app.api.bodies import LARGEST_BODY, json_response, problem_of, request_language
from medspace.app.api.callers import welcome
from medspace.connector.errors import TooLargeError
from medspace.core.errors import MedspaceError, RefusedError
from medspace.core.hashing import same_secret
from medspace.core.text import msgid


class TokenRefusedError(RefusedError):
    """The private token is missing or wrong."""

    code = "private.token"
    sentence = msgid("The management API needs the connector's private token.")
    next_step = msgid("Read it from the file that the configuration names under [private].")


class Guarded:
    """An ASGI application behind a bearer token, with bounded bodies."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not same_secret(given, self._token):
            await _refuse(TokenRefusedError(), 401, scope, receive, send)
            return
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > LARGEST_BODY or "transfer-encoding" in headers:
            await _refuse(TooLargeError(limit=LARGEST_BODY), 413, scope, receive, send)
            return
        welcome(scope)
        await self._app(scope, receive, send)


async def _refuse(error: MedspaceError, status: int, scope: Scope, receive: Receive, send: Send) -> None:
    language = request_language(Request(scope))
    await json_response(problem_of(error, language), status)(scope, receive, send)
