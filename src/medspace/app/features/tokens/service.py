"""The tokens that the people of the private door create, list and revoke."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from medspace.core.actors import Actor, ActorKind, Scope
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock, instant, stamp
from medspace.core.paging import Cursor
from medspace.services.tokens.model import KnownActor, Token
from medspace.services.tokens.service import Tokens


@dataclass(frozen=True, slots=True)
class AccessTokens:
    """Tokens for people and programs."""

    tokens: Tokens
    clock: Clock

    async def make(self, name: str, scopes: Sequence[Scope], days: int, by: Actor, *, person: bool) -> JsonObject:
        """A new token: its text is in the answer, and nowhere else.

        Raises:
            TokenWishError, TokenGrantError: it cannot be created, or not by this actor.
        """
        kind = ActorKind.PERSON if person else ActorKind.PROGRAM
        made = await self.tokens.mint(name, kind, scopes, days, by)
        return self._shown(made.token, made.actor, await self.tokens.names([by.id])) | {"text": made.text}

    async def page(self, after: Cursor | None, limit: int) -> list[JsonObject]:
        """A page of tokens, the newest first."""
        found = await self.tokens.page(after, limit)
        names = await self.tokens.names(token.made_by for token, _ in found)
        return [self._shown(token, actor, names) for token, actor in found]

    async def revoke(self, token: str, by: Actor, *, forget: bool) -> JsonObject:
        """Revoke a token, and those that were made with it; `forgotten` is whether the name is deleted as well.

        Raises:
            TokenUnknownError, TokenGrantError: there is none, or this actor may not revoke it.
        """
        done = await self.tokens.revoke(token, by, forget=forget)
        return {"token": token, "revoked": [one.id for one in done.tokens], "forgotten": done.forgotten}

    async def own(self, by: Actor) -> JsonObject:
        """Who an actor is here, and what it may do."""
        names = await self.tokens.names([by.id])
        return {
            "actor": by.id,
            "name": names.get(by.id, ""),
            "kind": by.kind.value,
            "scopes": sorted(scope.value for scope in by.scopes),
            "token": by.token,
            "expires": "" if by.until is None else stamp(by.until),
        }

    async def names(self, actors: Iterable[str]) -> Mapping[str, str]:
        """The names of actors; those without a name are left out."""
        return await self.tokens.names(actors)

    def _shown(self, token: Token, actor: KnownActor | None, names: Mapping[str, str]) -> JsonObject:
        expired = instant(token.expires) <= self.clock.now()
        return {
            "id": token.id,
            "actor": token.actor,
            "name": "" if actor is None else actor.name,
            "kind": "" if actor is None else actor.kind.value,
            "scopes": [scope.value for scope in token.scopes],
            "created": token.created,
            "expires": token.expires,
            "revoked": token.revoked,
            "used": token.used,
            "made_by": token.made_by,
            "made_by_name": names.get(token.made_by, ""),
            "state": "revoked" if token.revoked else "expired" if expired else "counts",
        }
