"""Who calls: the proven caller of a request, and word of it to the listener, which keeps places for members."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.types import Scope

from medspace.app.http1 import PROVEN
from medspace.trust.model import Caller

Authenticate = Callable[[str | None], Awaitable[Caller]]


async def caller_of(request: Request, authenticate: Authenticate) -> Caller:
    """The member that sends a request.

    Raises:
        UnauthenticatedError: one subclass for each reason.
    """
    caller = await authenticate(request.headers.get("authorization"))
    welcome(request.scope)
    return caller


def welcome(scope: Scope) -> None:
    """Tell the listener, where there is one, that this caller is known."""
    scope.get(PROVEN, _nobody)()


def _nobody() -> None:
    """An application that is called without a listener has nobody to tell."""
