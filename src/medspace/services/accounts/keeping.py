"""What happens to accounts, sessions, links and passkeys within one transaction, with its entry of the log.

Everything is bounded: whoever opens one session too many loses the oldest, and what has expired is deleted by whoever
comes next.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeVar

from medspace.core.canonical import Json
from medspace.core.clock import stamp
from medspace.core.hashing import digest_bytes
from medspace.core.paging import each
from medspace.core.store import Collection, Record, Transaction
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.services.accounts import rules
from medspace.services.accounts.errors import AccountUnknownError, SessionEndedError
from medspace.services.accounts.model import (
    ACCOUNTS,
    CHALLENGES,
    LINKS,
    PASSKEYS,
    SESSIONS,
    Account,
    Ceremony,
    Challenge,
    Lease,
    Passkey,
    PortalSession,
    Proof,
    SignInLink,
)
from medspace.services.tokens.model import ACTORS, TOKENS

CROWDED = "session.crowded"  # why the oldest session of an account ended
SWEPT = 50  # expired records that one unit of work deletes at most


class Expiring(Record, Protocol):
    """A record that is worth nothing after some time."""

    @property
    def expires(self) -> str:
        """When; RFC 3339."""
        ...


E = TypeVar("E", bound=Expiring)


@dataclass(frozen=True, slots=True)
class AccountBook:
    """One transaction of the participant `did`, at one instant."""

    tx: Transaction
    did: str
    now: datetime

    @property
    def time(self) -> str:
        """The instant, as records have it."""
        return stamp(self.now)

    def note(self, kind: str, facts: Mapping[str, Json]) -> None:
        """Write an entry."""
        record(self.tx, Entry(kind, self.time, self.did, dict(facts)))

    # Accounts.

    def account(self, account_id: str) -> Account:
        """The open account.

        Raises:
            AccountUnknownError: there is none, or it is closed.
        """
        found = self.tx.get(ACCOUNTS, account_id)
        if found is None or found.closed:
            raise AccountUnknownError(account=account_id[:64])
        return found

    def name(self, account_id: str) -> str:
        """What an account's actor is called; "" once that is forgotten."""
        actor = self.tx.get(ACTORS, account_id)
        return "" if actor is None else actor.name

    # Sessions.

    def session(self, session_id: str) -> tuple[PortalSession, Account]:
        """The session that goes on, with its account.

        Raises:
            SessionEndedError: it does not, its account is closed, or the token that it came with was revoked.
        """
        found = self.tx.get(SESSIONS, session_id)
        if found is None or not rules.session_counts(found, self.now) or not self.holds(found.lease):
            raise SessionEndedError
        account = self.tx.get(ACCOUNTS, found.account)
        if account is None or account.closed:
            raise SessionEndedError
        return found, account

    def holds(self, lease: Lease | None) -> bool:
        """Whether what a token made still counts: not once the token was revoked."""
        if lease is None or not lease.token:
            return True
        token = self.tx.get(TOKENS, lease.token)
        return token is not None and not token.revoked

    def open(self, secret: str, account: Account, proof: Proof, lease: Lease | None = None) -> PortalSession:
        """A new session. Its secret is new as well, whatever the browser had before: nobody else can know it."""
        self.sweep(SESSIONS)
        for one in self._beyond(SESSIONS, account.id, rules.MOST_SESSIONS - 1):
            self.end(one, CROWDED)
        confirmed = self.time if proof is Proof.PASSKEY else ""
        expires = rules.ends_at(self.now, rules.LONGEST_SESSION, lease)
        made = PortalSession(
            rules.digest_of(secret), account.id, proof, self.time, self.time, expires, confirmed, lease
        )
        self.tx.insert(SESSIONS, made)
        facts = {"session": _public(made.id), "by": account.id, "how": proof.value, "expires": expires}
        self.note("session.opened", facts)
        return made

    def end(self, session: PortalSession, code: str = "", by: str = "") -> None:
        """End a session: by somebody, or for a reason."""
        self.tx.delete(SESSIONS, session)
        self.note("session.closed", {"session": _public(session.id), "of": session.account} | _why(code, by))

    def end_all(self, account_id: str, code: str = "", by: str = "", but: str = "") -> int:
        """End all sessions of an account, but the one of that identity; how many they were."""
        ended = [one for one in list(each(self.tx, SESSIONS, {"account": account_id})) if one.id != but]
        for one in ended:
            self.end(one, code, by)
        return len(ended)

    # Links, challenges and passkeys.

    def add_link(self, secret: str, account_id: str, by: str, lease: Lease | None) -> SignInLink:
        """A new link; one too many takes the place of the oldest."""
        self.sweep(LINKS)
        for one in self._beyond(LINKS, account_id, rules.MOST_LINKS - 1):
            self.tx.delete(LINKS, one)
        expires = rules.ends_at(self.now, rules.LINK_LIFE, lease)
        made = SignInLink(rules.digest_of(secret), account_id, self.time, expires, lease=lease)
        self.tx.insert(LINKS, made)
        self.note("link.made", {"of": account_id, "expires": expires, "by": by})
        return made

    def drop_links(self, account_id: str) -> None:
        """From now on no link opens this account."""
        for one in list(each(self.tx, LINKS, {"account": account_id})):
            self.tx.delete(LINKS, one)

    def add_challenge(self, made: Challenge) -> None:
        """A new challenge; whoever asks for many loses their own first, and there are never more than so many."""
        own = self.tx.find(CHALLENGES, where={"holder": made.holder}, order_by="expires")
        for one in own[: max(len(own) - rules.MOST_CHALLENGES_EACH + 1, 0)]:
            self.tx.delete(CHALLENGES, one)
        self._make_room()
        self.tx.insert(CHALLENGES, made)

    def spend_challenge(self, answered: Challenge) -> bool:
        """Keep that a challenge for signing in was answered; whether it was the first time."""
        if self.tx.get(CHALLENGES, answered.id) is not None:
            return False
        self._make_room()
        self.tx.insert(CHALLENGES, answered)
        return True

    def _make_room(self) -> None:
        """Room for one more challenge; a wrong answer to one for signing in is forgotten before anything else is."""
        self.sweep(CHALLENGES)
        if self.tx.count(CHALLENGES, {}, rules.MOST_CHALLENGES) >= rules.MOST_CHALLENGES:
            oldest = self.tx.find(CHALLENGES, order_by="expires", limit=rules.MOST_CHALLENGES)
            self.tx.delete(CHALLENGES, min(oldest, key=lambda one: one.ceremony is not Ceremony.SIGN_IN))

    def passkeys(self, account_id: str) -> list[Passkey]:
        """The passkeys of an account."""
        return rules.oldest_first(each(self.tx, PASSKEYS, {"account": account_id}))

    def add_passkey(self, made: Passkey) -> None:
        """A new passkey."""
        self.tx.insert(PASSKEYS, made)
        self.note("passkey.added", {"passkey": digest_bytes(made.id.encode()), "by": made.account})

    def remove_passkey(self, passkey: Passkey, code: str = "", by: str = "") -> None:
        """From now on a passkey proves nothing."""
        self.tx.delete(PASSKEYS, passkey)
        said = {"passkey": digest_bytes(passkey.id.encode()), "of": passkey.account}
        self.note("passkey.removed", said | _why(code, by))

    def shut(self, account_id: str, by: str = "", code: str = "") -> None:
        """Nothing opens this account any more: neither a session, nor a link, nor a passkey."""
        self.end_all(account_id, code, by)
        self.drop_links(account_id)
        for one in self.passkeys(account_id):
            self.remove_passkey(one, code, by)

    def touch(self, session: PortalSession) -> PortalSession:
        """The session, used now."""
        used = replace(session, used=self.time)
        self.tx.replace(SESSIONS, session, used)
        return used

    def sweep(self, collection: Collection[E]) -> None:
        """Delete what has expired, some of it each time."""
        for one in self.tx.find(collection, order_by="expires", limit=SWEPT):
            if one.expires <= self.time:
                self.tx.delete(collection, one)

    def _beyond(self, collection: Collection[E], account_id: str, most: int) -> list[E]:
        found = self.tx.find(collection, where={"account": account_id}, order_by="created", limit=10 * most)
        return found[: max(len(found) - most, 0)]


def take_back(tx: Transaction, did: str, now: datetime, code: str) -> int:
    """After a backup was restored: nobody is signed in, no link and no passkey counts; how many passkeys there were.

    Some were removed since the backup, and nobody here can tell which.
    """
    book = AccountBook(tx, did, now)
    for session in list(each(tx, SESSIONS, {})):
        book.end(session, code)
    for link in list(each(tx, LINKS, {})):
        tx.delete(LINKS, link)
    for challenge in list(each(tx, CHALLENGES, {})):
        tx.delete(CHALLENGES, challenge)
    passkeys = list(each(tx, PASSKEYS, {}))
    for passkey in passkeys:
        book.remove_passkey(passkey, code)
    return len(passkeys)


def _public(session_id: str) -> str:
    """A session as entries name it: the digest that is kept, of which nobody finds the secret."""
    return f"sha256:{session_id}"


def _why(code: str, by: str) -> dict[str, Json]:
    return ({"code": code} if code else {}) | ({"by": by} if by else {})
