"""Tokens are made, checked, listed and revoked; actors get their pseudonyms, and their names can be forgotten."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from medspace.core.actors import Actor, ActorKind, Scope
from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import Clock, Randomness, instant, stamp
from medspace.core.errors import StorageError
from medspace.core.paging import Cursor, newest
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.services.tokens import naming, rules
from medspace.services.tokens.errors import TokenRefusedError, TokenUnknownError, TokenWishError
from medspace.services.tokens.model import ACTORS, TOKENS, KnownActor, Token

PAGE = 200
OWNER_NAME = "owner"
DAY = len("2026-01-31")


@dataclass(frozen=True, slots=True)
class Made:
    """A new token; `text` is shown once, and kept nowhere."""

    token: Token
    actor: KnownActor
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Revoked:
    """The tokens that count no longer; `forgotten`: the name of whose they were is deleted."""

    tokens: tuple[Token, ...] = ()
    forgotten: bool = False


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of the participant `did`, beside that of its owner, which is a file."""

    did: str
    database: Database
    clock: Clock
    randomness: Randomness

    async def owner(self, person: str = "") -> Actor:
        """Whoever holds the owner's token; where that is a `person`, they are one actor with that person's tokens."""
        kind, name = (ActorKind.PERSON, person) if person else (ActorKind.OWNER, OWNER_NAME)
        known = await self.database.read(lambda tx: naming.found(tx, kind, name))
        if known is None:
            now = self.clock.now()
            known = await self.database.write(lambda tx: naming.known(tx, kind, name, now, self.randomness))
        return Actor(known.id, ActorKind.OWNER, frozenset(Scope))

    async def mint(self, name: str, kind: ActorKind, scopes: Collection[Scope], days: int, maker: Actor) -> Made:
        """Make a token for a person or a program; of one name there is one actor, however many tokens it has.

        Raises:
            TokenWishError: it has no name, no scope, or a life that no token has.
            TokenGrantError: it would do more, or live longer, than the maker's own.
        """
        named, now = rules.check_name(name), self.clock.now()
        expires = now + rules.life(days)
        if not scopes:
            raise TokenWishError(reason=Text(msgid("it is for nothing")))
        rules.check_grant(maker, scopes, expires)
        secret = self.randomness.token_bytes(rules.SECRET_BYTES).hex()

        def work(tx: Transaction) -> tuple[Token, KnownActor]:
            self._insist(tx, maker, now)
            actor = naming.known(tx, kind, named, now, self.randomness)
            token = Token(
                id=self.randomness.token_bytes(rules.ID_BYTES).hex(),
                actor=actor.id,
                digest=rules.digest_of(secret),
                scopes=tuple(sorted(set(scopes))),
                created=stamp(now),
                expires=stamp(expires),
                made_by=maker.id,
                made_with=maker.token,
            )
            tx.insert(TOKENS, token)
            facts: JsonObject = {"scopes": [scope.value for scope in token.scopes], "expires": token.expires}
            self._note(tx, "token.created", token, now, facts | {"by": maker.id})
            return token, actor

        token, actor = await self.database.write(work)
        return Made(token, actor, rules.written(token.id, secret))

    def _insist(self, tx: Transaction, maker: Actor, now: datetime) -> None:
        """The maker's own token may have been revoked since it was checked: nothing that it makes outlives that."""
        own = tx.get(TOKENS, maker.token) if maker.token else None
        if maker.token and (own is None or own.revoked or instant(own.expires) <= now):
            raise TokenRefusedError

    async def authenticate(self, text: str) -> Actor:
        """Whoever has this token.

        Raises:
            TokenRefusedError, TokenRevokedError, AccessTokenExpiredError: nobody who may come in.
        """
        parted = rules.read(text)
        if parted is None:
            raise TokenRefusedError
        token_id, secret = parted
        now = self.clock.now()

        def look(tx: Transaction) -> tuple[Token | None, KnownActor | None]:
            found = tx.get(TOKENS, token_id)
            return found, None if found is None else tx.get(ACTORS, found.actor)

        found, actor = await self.database.read(look)
        token = rules.check(found, secret, now)
        if actor is None:
            raise TokenRefusedError
        today = stamp(now)[:DAY]
        if token.used < today:  # written once a day, not at each call
            with suppress(StorageError):  # a full disk keeps nobody out
                await self.database.write(lambda tx: _used(tx, token_id, today))
        return Actor(actor.id, actor.kind, frozenset(token.scopes), token.id, instant(token.expires))

    async def page(self, after: Cursor | None, limit: int) -> list[tuple[Token, KnownActor | None]]:
        """A page of tokens with their actors, the newest first."""
        found = await newest(self.database, TOKENS, {}, after, limit)
        return await self.database.read(lambda tx: [(token, tx.get(ACTORS, token.actor)) for token in found])

    async def revoke(self, token_id: str, by: Actor, *, forget: bool = False) -> Revoked:
        """From now on a token counts for nothing, nor does any that was made with it; what was done.

        With `forget` the name of its actor is deleted, once none of the actor's tokens counts any more: entries of
        the log keep the pseudonym.

        Raises:
            TokenUnknownError: there is none.
            TokenGrantError: it may do more than the one that asks.
        """
        now = self.clock.now()

        def work(tx: Transaction) -> Revoked:
            token = tx.get(TOKENS, token_id)
            if token is None:
                raise TokenUnknownError(token=token_id)
            if token.id != by.token:
                rules.check_grant(by, token.scopes, by.until or now)
            revoked = [self._revoked(tx, one, now, by=by.id) for one in _with_made(tx, token) if not one.revoked]
            return Revoked(tuple(revoked), forget and naming.forget(tx, token.actor, now))

        return await self.database.write(work)

    def revoke_all(self, tx: Transaction, code: str) -> list[Token]:
        """From now on no token counts that was ever made; `code` says why. Those that were revoked."""
        now = self.clock.now()
        return [self._revoked(tx, one, now, code=code) for one in _all(tx, {}) if not one.revoked]

    def _revoked(self, tx: Transaction, token: Token, now: datetime, **why: str) -> Token:
        revoked = replace(token, revoked=stamp(now))
        tx.replace(TOKENS, token, revoked)
        self._note(tx, "token.revoked", token, now, why)
        return revoked

    async def names(self, actors: Iterable[str]) -> Mapping[str, str]:
        """What actors are called, by their pseudonyms; those without a name are left out."""
        wanted = sorted({actor for actor in actors if actor})

        def look(tx: Transaction) -> dict[str, str]:
            found = (tx.get(ACTORS, actor) for actor in wanted)
            return {one.id: one.name for one in found if one is not None and one.name}

        return await self.database.read(look) if wanted else {}

    def _note(self, tx: Transaction, kind: str, token: Token, now: datetime, facts: Mapping[str, Json]) -> None:
        said: JsonObject = {"token": token.id, "of": token.actor}
        record(tx, Entry(kind, stamp(now), self.did, {**said, **facts}))


def _used(tx: Transaction, token_id: str, today: str) -> None:
    token = tx.get(TOKENS, token_id)
    if token is not None and token.used < today:
        tx.replace(TOKENS, token, replace(token, used=today))


def _with_made(tx: Transaction, token: Token) -> list[Token]:
    """A token, and all that were made with it, and with those: whoever stole it may have made some."""
    found, due = [token], [token.id]
    while due:
        made = _all(tx, {"made_with": due.pop()})
        found += made
        due += [one.id for one in made]
    return found


def _all(tx: Transaction, where: Mapping[str, str]) -> list[Token]:
    found: list[Token] = []
    while True:
        page = tx.find(TOKENS, where=where, after=found[-1].id if found else None, limit=PAGE)
        found += page
        if len(page) < PAGE:
            return found
