"""What a token looks like, when it counts, and what may be handed on."""

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from hashlib import sha256

from medspace.core.actors import Actor, ActorKind, Scope
from medspace.core.clock import instant
from medspace.core.errors import InvalidInputError
from medspace.core.hashing import same_secret
from medspace.core.text import Text, msgid
from medspace.services.tokens.errors import (
    AccessTokenExpiredError,
    TokenGrantError,
    TokenRefusedError,
    TokenRevokedError,
    TokenWishError,
)
from medspace.services.tokens.model import Token

PREFIX = "mst"
ID_BYTES, SECRET_BYTES = 8, 32
LONGEST_NAME = 100
LONGEST_DAYS = 366
_WRITTEN = re.compile(rf"{PREFIX}_([0-9a-f]{{{2 * ID_BYTES}}})_([0-9a-f]{{{2 * SECRET_BYTES}}})", re.ASCII)
_NO_DIGEST = "0" * 64  # what an unknown token is held against, so that it takes as long as a known one


def written(token_id: str, secret: str) -> str:
    """The text of a token, as it is handed over once."""
    return f"{PREFIX}_{token_id}_{secret}"


def read(text: str) -> tuple[str, str] | None:
    """The public identity and the secret that a text holds; None where it is not the text of a token."""
    found = _WRITTEN.fullmatch(text)
    return None if found is None else (found[1], found[2])


def digest_of(secret: str) -> str:
    """What is kept of a secret. It has 256 random bits: nothing slower than SHA-256 is needed to keep it."""
    return sha256(secret.encode()).hexdigest()


def check(known: Token | None, secret: str, now: datetime) -> Token:
    """The token, if the secret is its own and it counts; who does not know the secret learns nothing about it.

    Raises:
        TokenRefusedError: there is no such token, or its secret is another.
        TokenRevokedError, AccessTokenExpiredError: it does not count any more.
    """
    same = same_secret(digest_of(secret), _NO_DIGEST if known is None else known.digest)
    if known is None or not same:
        raise TokenRefusedError
    if known.revoked:
        raise TokenRevokedError(time=known.revoked)
    if instant(known.expires) <= now:
        raise AccessTokenExpiredError(time=known.expires)
    return known


def check_name(name: str, error: type[InvalidInputError] = TokenWishError) -> str:
    """The name of an actor, without spaces around it.

    Raises:
        InvalidInputError: as `error`, with the reason: it is empty, too long, or cannot be shown.
    """
    named = name.strip()
    if not named or len(named) > LONGEST_NAME or not named.isprintable():
        reason = Text(msgid("a name has between 1 and {most} characters that can be shown"), {"most": LONGEST_NAME})
        raise error(reason=reason)
    return named


def check_grant(maker: Actor, scopes: Collection[Scope], expires: datetime) -> None:
    """Refuse what the maker does not have itself.

    Raises:
        TokenGrantError: a scope, or a longer life.
    """
    if maker.kind is ActorKind.OWNER and maker.until is None:
        return  # the token that is a file; a session of the owner ends
    more = sorted(scope.value for scope in scopes if scope not in maker.scopes)
    if more:
        raise TokenGrantError(reason=Text(msgid("yours lacks {scopes}"), {"scopes": ", ".join(more)}))
    if maker.until is not None and expires > maker.until:
        raise TokenGrantError(reason=Text(msgid("yours ends at {time}"), {"time": maker.until.isoformat()}))


def life(days: int) -> timedelta:
    """For how long a token counts.

    Raises:
        TokenWishError: no time, or longer than any token.
    """
    if not 1 <= days <= LONGEST_DAYS:
        reason = Text(msgid("it counts for 1 to {most} days"), {"most": LONGEST_DAYS})
        raise TokenWishError(reason=reason)
    return timedelta(days=days)
