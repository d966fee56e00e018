"""What each role opens, when links and sessions count, and what a passkey is asked."""

import hmac
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from medspace.core.actors import PREFIX as ACTOR_PREFIX
from medspace.core.actors import Actor, ActorKind, Scope
from medspace.core.clock import instant, stamp
from medspace.core.text import Text, msgid
from medspace.services.accounts.errors import (
    AccountKeeperError,
    AccountWishError,
    ConfirmationNeededError,
    PasskeyRefusedError,
    PreferenceError,
)
from medspace.services.accounts.model import (
    Account,
    AccountRole,
    Lease,
    Passkey,
    PortalSession,
    Proof,
    SignInLink,
    Theme,
)

SECRET_BYTES = 32
TIME_BYTES = 8  # of the end of a challenge
LINK_PREFIX = "msl_"  # so that a link is recognised where it has no business to be
LINK_LIFE = timedelta(minutes=10)
IDLE = timedelta(minutes=30)
LONGEST_SESSION = timedelta(hours=12)
CHALLENGE_LIFE = timedelta(minutes=5)
CONFIRMED_FOR = timedelta(minutes=5)
TOUCH = timedelta(minutes=1)  # how exact `used` is
MOST_ACCOUNTS = 10_000
MOST_SESSIONS, MOST_LINKS, MOST_PASSKEYS = 20, 5, 20  # of one account
MOST_CHALLENGES, MOST_CHALLENGES_EACH = 1_000, 5
LANGUAGES = ("", "en", "zh_Hans")
LONGEST_LABEL = 60
FORM = b"medspace portal form"  # what the secret of forms is derived for

_SECRET = re.compile(rf"[0-9a-f]{{{2 * SECRET_BYTES}}}", re.ASCII)

SCOPES: Final[Mapping[AccountRole, frozenset[Scope]]] = {
    AccountRole.STEWARD: frozenset({Scope.READ, Scope.TERMS}),
    AccountRole.USER: frozenset({Scope.READ, Scope.TERMS, Scope.USE}),
    AccountRole.CHECKER: frozenset({Scope.READ, Scope.CHECK}),
    AccountRole.AUDITOR: frozenset({Scope.READ, Scope.AUDIT}),
    AccountRole.AUTHORITY: frozenset({Scope.READ, Scope.MEMBERS}),
    AccountRole.PATIENT: frozenset(),
    AccountRole.OWNER: frozenset(Scope),
}


def scopes_of(roles: Iterable[AccountRole], lease: Lease | None = None) -> frozenset[Scope]:
    """What these roles open together; under a lease no more than it says."""
    opened = frozenset[Scope]().union(*(SCOPES[role] for role in roles))
    return opened if lease is None or lease.scopes is None else opened & frozenset(lease.scopes)


def actor_of(account: Account, session: PortalSession) -> Actor:
    """Who acts in a session: it may do what its account's roles open, and ends with it."""
    lease = session.lease
    whole = lease is None or lease.scopes is None
    kind = ActorKind.OWNER if AccountRole.OWNER in account.roles and whole else ActorKind.PERSON
    token = "" if lease is None else lease.token  # what is made in this session is revoked with it
    return Actor(account.id, kind, scopes_of(account.roles, lease), token, instant(session.expires))


def lease_of(by: Actor) -> Lease | None:
    """What binds what an actor makes for itself; nothing binds the owner's own token."""
    if by.until is None:
        return None
    scopes = None if by.kind is ActorKind.OWNER else tuple(sorted(by.scopes))
    return Lease(stamp(by.until), scopes, by.token)


def check_keeper(by: Actor) -> None:
    """Refuse everybody but the owner, whichever door they came in by.

    Raises:
        AccountKeeperError: it is somebody else.
    """
    if by.kind is not ActorKind.OWNER:
        raise AccountKeeperError


def check_registration(
    session: PortalSession, account: Account, passkeys: Collection[Passkey], now: datetime
) -> None:
    """Refuse a passkey that would prove more than the session that makes it.

    The first comes with a link of the owner. In a session that came with a token there is none: it would outlive it.

    Raises:
        PasskeyRefusedError: the session has a lease, the hospital's login gives the roles, or there are too many.
        ConfirmationNeededError: there are passkeys, and none was asked lately.
    """
    if session.lease is not None:
        raise PasskeyRefusedError(
            reason=Text(msgid("this session came with a token; the owner has links for passkeys"))
        )
    if account.login or session.proof is Proof.OIDC:
        reason = msgid("you sign in with the login of your hospital, which a passkey would outlive")
        raise PasskeyRefusedError(reason=Text(reason))
    if len(passkeys) >= MOST_PASSKEYS:
        raise PasskeyRefusedError(reason=Text(msgid("there are {most} already"), {"most": MOST_PASSKEYS}))
    if passkeys or session.proof is not Proof.LINK:
        check_confirmed(session, now)


def check_confirmed(session: PortalSession, now: datetime) -> None:
    """Refuse what needs a passkey first.

    Raises:
        ConfirmationNeededError: none was asked lately.
    """
    if not confirmed(session, now):
        raise ConfirmationNeededError(minutes=int(CONFIRMED_FOR.total_seconds()) // 60)


def check_roles(roles: Collection[AccountRole]) -> tuple[AccountRole, ...]:
    """The roles of an account, each once.

    Raises:
        AccountWishError: there are none.
    """
    if not roles:
        raise AccountWishError(reason=Text(msgid("it has no role")))
    return tuple(sorted(set(roles)))


def check_preferences(language: str, theme: str) -> Theme:
    """The theme of that name.

    Raises:
        PreferenceError: there is no such language, or no such theme.
    """
    if language not in LANGUAGES:
        raise PreferenceError(reason=Text(msgid("the pages are in English and Chinese")))
    if theme not in set(Theme):
        raise PreferenceError(reason=Text(msgid("pages are light or dark")))
    return Theme(theme)


def check_label(label: str) -> str:
    """What a passkey is called, without spaces around it.

    Raises:
        PreferenceError: it is too long, or cannot be shown.
    """
    called = label.strip()
    if len(called) > LONGEST_LABEL or not called.isprintable():
        reason = Text(msgid("a label has up to {most} characters that can be shown"), {"most": LONGEST_LABEL})
        raise PreferenceError(reason=reason)
    return called


def is_secret(text: str) -> bool:
    """Whether a text has the form of a secret of this service; nothing else is looked for."""
    return _SECRET.fullmatch(text) is not None


def digest_of(secret: str) -> str:
    """What is kept of a secret. It has 256 random bits: nothing slower than SHA-256 is needed to keep it."""
    return sha256(secret.encode()).hexdigest()


def form_of(secret: str) -> str:
    """The secret that the forms of a session carry: it follows from the session's, and says nothing about it."""
    return hmac.new(secret.encode(), FORM, sha256).hexdigest()


def link_secret(text: str) -> str:
    """The secret within the text of a link; "" where it is not one."""
    secret = text.removeprefix(LINK_PREFIX)
    return secret if secret != text and is_secret(secret) else ""


def ends_at(now: datetime, longest: timedelta, lease: Lease | None) -> str:
    """When something ends that is made now."""
    end = stamp(now + longest)
    return end if lease is None else min(end, lease.until)


def link_counts(link: SignInLink | None, now: datetime) -> bool:
    """Whether a link opens a session."""
    return link is not None and not link.spent and now < instant(link.expires)


def session_counts(session: PortalSession | None, now: datetime) -> bool:
    """Whether a session goes on: it has neither come to its end, nor been left alone for too long."""
    return session is not None and now < instant(session.expires) and now < instant(session.used) + IDLE


def confirmed(session: PortalSession, now: datetime) -> bool:
    """Whether a passkey said within the last minutes that it is still the same person."""
    return bool(session.confirmed) and timedelta(0) <= now - instant(session.confirmed) <= CONFIRMED_FOR


def counts_on(before: int, after: int) -> bool:
    """Whether a passkey's count of signatures is as it should be: higher, or not kept by that passkey at all.

    One that falls back, or stays, is that of a copy, or an answer that was seen before (WebAuthn 7.2, step 22).
    """
    return after > before or before == after == 0


def handle_of(account: str) -> bytes:
    """What a passkey keeps of whose it is: the random bits of the pseudonym."""
    return bytes.fromhex(account.removeprefix(ACTOR_PREFIX))


def holder_of_session(session: PortalSession) -> str:
    """Who may answer the challenges of a session."""
    return f"session:{session.id}"


def holder_of_visit(secret: str) -> str:
    """Who may answer the challenges of a browser that nobody is signed in with."""
    return f"visit:{digest_of(secret)}"


def sign_in_challenge(key: bytes, holder: str, expires: datetime, nonce: bytes) -> bytes:
    """A challenge that says by itself for whom it was drawn, and until when: nothing is kept of it."""
    said = int(expires.timestamp()).to_bytes(TIME_BYTES, "big") + nonce
    return said + hmac.new(key, said + holder.encode(), sha256).digest()


def sign_in_expiry(key: bytes, holder: str, challenge: bytes) -> datetime | None:
    """Until when such a challenge counts; None where it was not drawn with this key for this holder."""
    said, time = challenge[: TIME_BYTES + SECRET_BYTES], int.from_bytes(challenge[:TIME_BYTES], "big")
    whole = hmac.new(key, said + holder.encode(), sha256).digest()
    if len(said) < TIME_BYTES + SECRET_BYTES or not hmac.compare_digest(challenge[len(said) :], whole):
        return None
    return datetime.fromtimestamp(time, UTC)


def oldest_first(passkeys: Iterable[Passkey]) -> list[Passkey]:
    """Passkeys as people see them."""
    return sorted(passkeys, key=lambda one: (one.created, one.id))
