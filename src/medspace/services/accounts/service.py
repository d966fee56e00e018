"""Accounts are made, changed and closed; links open sessions, and sessions say who acts."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from medspace.core.actors import Actor, ActorKind
from medspace.core.canonical import Json
from medspace.core.clock import Clock, Randomness, instant
from medspace.core.errors import StorageError
from medspace.core.paging import Cursor, newest
from medspace.core.store import Database
from medspace.core.text import Text, msgid
from medspace.services.accounts import rules
from medspace.services.accounts.errors import AccountWishError, LinkRefusedError, SessionEndedError
from medspace.services.accounts.keeping import AccountBook
from medspace.services.accounts.model import (
    ACCOUNTS,
    LINKS,
    SESSIONS,
    Account,
    AccountRole,
    Lease,
    PortalSession,
    Proof,
    SignInLink,
)
from medspace.services.tokens import naming
from medspace.services.tokens import rules as names

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NewLink:
    """A new link; its `text` is shown once, and kept nowhere."""

    link: SignInLink
    name: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session; its `secret` goes into the cookie, and is kept nowhere else."""

    session: PortalSession
    account: Account
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is signed in: what they are called, what they may do, and what the forms of their pages carry."""

    session: PortalSession
    account: Account
    actor: Actor
    name: str
    form: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of the people of the participant `did`."""

    did: str
    database: Database
    clock: Clock
    randomness: Randomness

    async def make(self, name: str, roles: Collection[AccountRole], by: Actor) -> Account:
        """An account for a person, who is one actor with their tokens; one that was closed is opened anew.

        Raises:
            AccountKeeperError: the owner did not ask.
            AccountWishError: it has no name or role, there is an open one of that name, or there are too many.
        """
        rules.check_keeper(by)
        named, wanted = names.check_name(name, AccountWishError), rules.check_roles(roles)

        def work(book: AccountBook) -> Account:
            actor = naming.known(book.tx, ActorKind.PERSON, named, book.now, self.randomness)
            return _made(book, actor.id, wanted, by)

        return await self.write(work)

    async def change(self, account: str, roles: Collection[AccountRole], by: Actor) -> Account:
        """Give an account other roles; what is signed in with it may do from now on what they open.

        Raises:
            AccountKeeperError, AccountUnknownError, AccountWishError: it cannot be.
        """
        rules.check_keeper(by)
        wanted = rules.check_roles(roles)

        def work(book: AccountBook) -> Account:
            known = book.account(account)
            changed = replace(known, roles=wanted)
            book.tx.replace(ACCOUNTS, known, changed)
            book.note("account.changed", _said(changed, by))
            return changed

        return await self.write(work)

    async def close(self, account: str, by: Actor, *, forget: bool = False) -> Account:
        """Close an account: its sessions end, its links and passkeys count no more.

        With `forget` the name is deleted, where no token of it counts: the log keeps the pseudonym.

        Raises:
            AccountKeeperError, AccountUnknownError: the owner did not ask, or it is not open.
        """
        rules.check_keeper(by)

        def work(book: AccountBook) -> Account:
            known = book.account(account)
            closed = replace(known, closed=book.time)
            book.shut(account, by.id)
            book.tx.replace(ACCOUNTS, known, closed)
            book.note("account.closed", {"account": account, "by": by.id})
            if forget:
                naming.forget(book.tx, account, book.now)
            return closed

        return await self.write(work)

    async def page(self, after: Cursor | None, limit: int) -> list[tuple[Account, str]]:
        """A page of accounts with the names of their people, the newest first."""
        found = await newest(self.database, ACCOUNTS, {}, after, limit)
        return await self.read(lambda book: [(one, book.name(one.id)) for one in found])

    async def link(self, account: str, by: Actor, *, reset: bool = False) -> NewLink:
        """A link that signs somebody in, once; with `reset` their passkeys and sessions are gone first.

        Raises:
            AccountKeeperError, AccountUnknownError: the owner did not ask, or it is not open.
        """
        rules.check_keeper(by)

        def work(book: AccountBook) -> NewLink:
            known = book.account(account)
            if reset:
                book.shut(known.id, by.id)
            return self._linked(book, known, by, None)

        return await self.write(work)

    async def own_link(self, by: Actor) -> NewLink:
        """A link for whoever asks. What it opens may do no more than they, and ends with their token or session.

        The owner has an account as soon as they ask, since whoever holds the owner's token has all rights anyway.

        Raises:
            AccountUnknownError: they have no open account; a program has none.
        """

        def work(book: AccountBook) -> NewLink:
            lease = rules.lease_of(by)
            if lease is None:
                _ensure_owner(book, by)
            return self._linked(book, book.account(by.id), by, lease)

        return await self.write(work)

    def _linked(self, book: AccountBook, account: Account, by: Actor, lease: Lease | None) -> NewLink:
        secret = self.secret()
        made = book.add_link(secret, account.id, by.id, lease)
        return NewLink(made, book.name(account.id), rules.LINK_PREFIX + secret)

    async def enter(self, text: str) -> Opened:
        """Open a session with the text of a link, which counts once.

        Raises:
            LinkRefusedError: it is wrong, used up, or expired, or what it opens is closed.
        """
        secret = rules.link_secret(text)
        link_id = rules.digest_of(secret)
        if not secret or not await self.read(lambda book: rules.link_counts(book.tx.get(LINKS, link_id), book.now)):
            raise LinkRefusedError  # before anything is written: who tries links keeps no writer busy

        def work(book: AccountBook) -> Opened:
            link = book.tx.get(LINKS, link_id)
            account = None if link is None else book.tx.get(ACCOUNTS, link.account)
            if link is None or not rules.link_counts(link, book.now) or not book.holds(link.lease):
                raise LinkRefusedError
            if account is None or account.closed:
                raise LinkRefusedError
            book.tx.replace(LINKS, link, replace(link, spent=book.time))
            return self.opened(book, account, Proof.LINK, link.lease)

        return await self.write(work)

    async def look(self, secret: str, *, touch: bool = True) -> Visitor:
        """Who is signed in with the secret of a session; with `touch` they use it now, and so it goes on.

        Raises:
            SessionEndedError: nobody.
        """
        found = await self.read(lambda book: _seen(book, secret))
        session_id = found.session.id
        if touch and self.clock.now() - instant(found.session.used) >= rules.TOUCH:
            with suppress(StorageError, SessionEndedError):  # a full disk keeps nobody out
                await self.write(lambda book: book.touch(book.session(session_id)[0]))
        return found

    async def look_together(self, secrets: Sequence[str]) -> list[Visitor | SessionEndedError]:
        """As `look` without `touch`, for many at once: who is signed in with each, or that nobody is."""

        def view(book: AccountBook) -> list[Visitor | SessionEndedError]:
            found: list[Visitor | SessionEndedError] = []
            for secret in secrets:
                try:
                    found.append(_seen(book, secret))
                except SessionEndedError as error:
                    found.append(error)
            return found

        return await self.read(view)

    async def leave(self, secret: str) -> None:
        """End the session of this secret, where there is one."""
        session_id = rules.digest_of(secret)

        def work(book: AccountBook) -> None:
            found = book.tx.get(SESSIONS, session_id)
            if found is not None:
                book.end(found, by=found.account)

        await self.write(work)

    async def leave_all(self, account: str) -> int:
        """End all sessions of an account, as its person wants it; how many they were."""
        return await self.write(lambda book: book.end_all(account, by=account))

    async def preferences(self, account: str, *, language: str, theme: str, shortcuts: bool) -> Account:
        """Keep how somebody wants the pages.

        Raises:
            PreferenceError, AccountUnknownError: there is no such setting, or no such account.
        """
        wanted = rules.check_preferences(language, theme)

        def work(book: AccountBook) -> Account:
            known = book.account(account)
            changed = replace(known, language=language, theme=wanted, shortcuts=shortcuts)
            book.tx.replace(ACCOUNTS, known, changed)
            return changed

        return await self.write(work)

    # What sessions and passkeys have in common.

    def secret(self) -> str:
        """A fresh secret of 256 bits; the shell draws that of a browser without a session by it too."""
        return self.randomness.token_bytes(rules.SECRET_BYTES).hex()

    def opened(self, book: AccountBook, account: Account, proof: Proof, lease: Lease | None = None) -> Opened:
        """A new session, within a unit of work."""
        secret = self.secret()
        return Opened(book.open(secret, account, proof, lease), account, secret)

    async def write(self, work: Callable[[AccountBook], T]) -> T:
        """Run a unit of work at the instant of now."""
        now = self.clock.now()
        return await self.database.write(lambda tx: work(AccountBook(tx, self.did, now)))

    async def read(self, view: Callable[[AccountBook], T]) -> T:
        """Look at the instant of now."""
        now = self.clock.now()
        return await self.database.read(lambda tx: view(AccountBook(tx, self.did, now)))


def _seen(book: AccountBook, secret: str) -> Visitor:
    if not rules.is_secret(secret):
        raise SessionEndedError
    session, account = book.session(rules.digest_of(secret))
    return Visitor(session, account, rules.actor_of(account, session), book.name(account.id), rules.form_of(secret))


def _made(book: AccountBook, account_id: str, roles: tuple[AccountRole, ...], by: Actor) -> Account:
    known = book.tx.get(ACCOUNTS, account_id)
    made = Account(account_id, roles, book.time)
    if known is None:
        if book.tx.count(ACCOUNTS, {}, rules.MOST_ACCOUNTS) >= rules.MOST_ACCOUNTS:
            raise AccountWishError(reason=Text(msgid("there are {most} already"), {"most": rules.MOST_ACCOUNTS}))
        book.tx.insert(ACCOUNTS, made)
    elif not known.closed:
        raise AccountWishError(reason=Text(msgid("there is an open one of that name")))
    else:
        made = replace(made, login=known.login)
        book.tx.replace(ACCOUNTS, known, made)
    book.note("account.made", _said(made, by))
    return made


def _ensure_owner(book: AccountBook, by: Actor) -> None:
    """The owner's own account, which is that of their actor."""
    rules.check_keeper(by)
    known = book.tx.get(ACCOUNTS, by.id)
    if known is None or known.closed:
        _made(book, by.id, (AccountRole.OWNER,), by)
    elif AccountRole.OWNER not in known.roles:
        changed = replace(known, roles=rules.check_roles([*known.roles, AccountRole.OWNER]))
        book.tx.replace(ACCOUNTS, known, changed)
        book.note("account.changed", _said(changed, by))


def _said(account: Account, by: Actor) -> Mapping[str, Json]:
    return {"account": account.id, "roles": [role.value for role in account.roles], "by": by.id}
