"""Who calls the management API, and whether they may call this route.

Responses contain the pseudonyms of actors; `named` adds their names from this connector's database.

A route declares which scopes open it: `@router.get("/labels", **needs(Scope.READ))`; any one of them is sufficient. A
route without a declaration is for the owner only. The declaration appears in the API's description as `x-scopes`.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from medspace.core.actors import Actor, Scope
from medspace.core.canonical import Json, JsonObject
from medspace.services.tokens.errors import TokenRefusedError, TokenScopeError


class Called(Protocol):
    """Looks up the names of actors."""

    async def names(self, actors: Iterable[str]) -> Mapping[str, str]:
        """Names by pseudonym; actors without a name are left out."""
        ...


# In the ASGI scope, put there by `guarded.Guarded`: who calls, and a function to check that again.
ACTOR = "medspace.actor"
AGAIN = "medspace.actor.again"
Again = Callable[[], Awaitable[Actor]]
FIELDS = (
    "asked_by",
    "approved_by",
    "refused_by",
    "changed_by",
    "moved_by",
    "cancelled_by",
    "set_by",
)  # of routes that show actors
SCOPES = "x-scopes"  # any of them
ALSO = "x-scopes-also"  # and one of these, if there are any


def needs(*scopes: Scope, also: Scope | None = None) -> Mapping[str, Any]:
    """Arguments for a route's decorator, so that any of these scopes opens it, combined with `also`, if given."""
    said = {SCOPES: [scope.value for scope in scopes]}
    return {"openapi_extra": said if also is None else said | {ALSO: [also.value]}}


def actor_of(request: Request) -> Actor:
    """Who calls.

    Raises:
        TokenRefusedError: the caller was not authenticated.
    """
    actor = request.scope.get(ACTOR)
    if not isinstance(actor, Actor):
        raise TokenRefusedError
    return actor


def check_scope(request: Request) -> None:
    """Refuse a caller who may not use this route; a dependency of the whole application.

    Raises:
        TokenRefusedError: the caller was not authenticated.
        TokenScopeError: its scopes do not include this route.
    """
    actor = actor_of(request)
    for needed in needed_of(request.scope.get("route")):
        require(actor, *needed)


def require(actor: Actor, *needed: Scope) -> None:
    """Refuse an actor that has none of these scopes; if none are given, it must be the owner.

    Raises:
        TokenScopeError: it has none of them.
    """
    if not actor.may(needed):
        held = ", ".join(sorted(actor.scopes)) or "-"
        raise TokenScopeError(needed=" / ".join(needed) or "owner", held=held)


async def check_again(request: Request) -> None:
    """Refuse a caller who may no longer use this route: a long response ends with its token or scope.

    Raises:
        TokenRefusedError, TokenRevokedError, AccessTokenExpiredError: its token is no longer accepted.
        TokenScopeError: its scopes do not include this route.
        StorageError: this cannot be checked.
    """
    again: Again | None = request.scope.get(AGAIN)
    if again is None:
        raise TokenRefusedError
    request.scope[ACTOR] = await again()
    check_scope(request)


def needed_of(route: object) -> Sequence[Sequence[Scope]]:
    """The scopes that open a route: one of each group; an empty group means the owner."""
    said = getattr(route, "openapi_extra", None) or {}
    groups = [said.get(SCOPES, []), *([said[ALSO]] if ALSO in said else [])]
    return [[Scope(one) for one in group] for group in groups]


async def named(actors: Called, shown: Sequence[JsonObject]) -> list[JsonObject]:
    """A response with names beside the pseudonyms: `{actor, name}`, None for nobody, a list for several."""
    found = await actors.names(actor for one in shown for field in FIELDS for actor in _actors(one.get(field)))

    def told(value: str | Sequence[str]) -> Json:
        if not isinstance(value, str):
            return [told(actor) for actor in value]
        return {"actor": value, "name": found.get(value, "")} if value else None

    return [one | {field: told(one[field]) for field in FIELDS if field in one} for one in shown]


def _actors(value: str | Sequence[str] | None) -> Sequence[str]:
    return [value] if isinstance(value, str) else value or ()


# The actor, as a parameter of a route: log entries name it.
Acting = Annotated[Actor, Depends(actor_of)]
EVERYWHERE = Depends(check_scope)
