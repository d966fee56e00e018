"""Wraps the management API: nothing of a request is read before its token is accepted, and bodies are limited."""

from collections.abc import Awaitable, Callable
from functools import partial

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from medspace.app.doors.bodies import (
    LARGEST_BODY,
    json_response,
    problem_of,
    request_language,
    retry_after,
    status_of,
)
from medspace.app.doors.callers import welcome
from medspace.app.doors.management.actors import ACTOR, AGAIN
from medspace.connector.errors import MessageTooLargeError
from medspace.core.actors import Actor
from medspace.core.errors import MedspaceError, RefusedError

UNAUTHENTICATED = 401
# Returns who has a token, called from where; raises an error if access is refused.
Authenticate = Callable[[str, str], Awaitable[Actor]]


class Guarded:
    """An ASGI application behind bearer tokens, with limited bodies.

    Its scope has the caller, and a way to check again.
    """

    def __init__(self, app: ASGIApp, authenticate: Authenticate) -> None:
        self._app = app
        self._authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        again = partial(self._authenticate, given if scheme.lower() == "bearer" else "", _host(scope))
        try:
            actor = await again()
        except RefusedError as error:
            await _refuse(error, UNAUTHENTICATED, scope, receive, send)
            return
        except MedspaceError as error:  # too many wrong tokens came from there, or the database does not answer
            await _refuse(error, status_of(error), scope, receive, send)
            return
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > LARGEST_BODY or "transfer-encoding" in headers:
            await _refuse(MessageTooLargeError(limit=LARGEST_BODY), 413, scope, receive, send)
            return
        welcome(scope)
        scope[ACTOR], scope[AGAIN] = actor, again
        await self._app(scope, receive, send)


def _host(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


async def _refuse(error: MedspaceError, status: int, scope: Scope, receive: Receive, send: Send) -> None:
    language = request_language(Request(scope))
    told = {"WWW-Authenticate": "Bearer"} if status == UNAUTHENTICATED else retry_after(error)
    await json_response(problem_of(error, language), status, told)(scope, receive, send)
