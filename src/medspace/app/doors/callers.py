"""Authenticated callers of requests; the listener is notified, since it reserves places for members."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.types import Scope

from medspace.app.node.listening.http1 import PROVEN
from medspace.trust.model import Caller

Authenticate = Callable[[str | None], Awaitable[Caller]]


async def caller_of(request: Request, authenticate: Authenticate) -> Caller:
    """The member that sends a request.

    Raises:
        UnauthenticatedError: one subclass per reason.
    """
    caller = await authenticate(request.headers.get("authorization"))
    welcome(request.scope)
    return caller


def welcome(scope: Scope) -> None:
    """Notify the listener, if there is one, that this caller is known."""
    scope.get(PROVEN, _nobody)()


def _nobody() -> None:
    """Used without a listener: there is nobody to notify."""
