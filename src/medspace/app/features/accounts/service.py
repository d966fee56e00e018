"""Accounts as their doors see them: the management API, and the shell of the portal."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from medspace.adapters.passkeys import WebauthnVerifier
from medspace.app.node.attempts import Attempts
from medspace.app.node.node import Node
from medspace.app.node.portal import entrance, origin_of, party_of
from medspace.core.actors import Actor, ActorKind
from medspace.core.canonical import JsonObject
from medspace.core.errors import StorageError
from medspace.core.paging import Cursor
from medspace.services.accounts.model import Account, AccountRole
from medspace.services.accounts.passkeys import Passkeys
from medspace.services.accounts.service import Accounts, NewLink, Opened, Visitor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AccountDesk:
    """The accounts and passkeys of one connector; `origin` is where its pages are.

    What opens something for nobody in particular comes through here, so that wrong attempts are counted by the
    address (`host`) that they come from.
    """

    accounts: Accounts
    passkeys: Passkeys
    attempts: Attempts
    origin: str

    async def enter(self, link: str, host: str) -> Opened:
        """Open a session with the text of a link.

        Raises:
            LinkRefusedError: it opens nothing.
            TooManyAttemptsError: too many wrong ones came from that address.
        """
        return await self._counted(host, link, lambda: self.accounts.enter(link))

    async def sign_in(self, visit: str, answer: bytes, host: str) -> Opened:
        """Open a session with what a passkey answered.

        Raises:
            PasskeyRefusedError: it opens nothing.
            TooManyAttemptsError: too many wrong ones came from that address.
        """
        return await self._counted(host, visit, lambda: self.passkeys.finish_sign_in(visit, answer))

    async def confirm(self, visitor: Visitor, answer: bytes, host: str) -> Visitor:
        """Confirm with what a passkey answered that it is still the same person.

        Raises:
            PasskeyRefusedError: it proves nothing.
            TooManyAttemptsError: too many wrong ones came from that address.
        """
        confirming = self.passkeys.finish_confirmation
        return await self._counted(host, visitor.session.id, lambda: confirming(visitor, answer))

    async def _counted(self, host: str, given: str, attempt: Callable[[], Awaitable[T]]) -> T:
        self.attempts.begin(host, given)
        try:
            done = await attempt()
        except StorageError:
            self.attempts.forgive(host, given)
            raise
        self.attempts.forgive(host, given)
        return done

    async def make(self, name: str, roles: Sequence[AccountRole], by: Actor) -> JsonObject:
        """A new account, as it is shown."""
        return await self._told(await self.accounts.make(name, roles, by))

    async def change(self, account: str, roles: Sequence[AccountRole], by: Actor) -> JsonObject:
        """An account with other roles, as it is shown."""
        return await self._told(await self.accounts.change(account, roles, by))

    async def close(self, account: str, by: Actor, *, forget: bool) -> JsonObject:
        """A closed account, as it is shown."""
        return await self._told(await self.accounts.close(account, by, forget=forget))

    async def page(self, after: Cursor | None, limit: int) -> list[JsonObject]:
        """A page of accounts, the newest first."""
        return [_shown(account, name) for account, name in await self.accounts.page(after, limit)]

    async def link(self, account: str, by: Actor, *, reset: bool) -> JsonObject:
        """A link for somebody, whose text is in this answer and nowhere else."""
        return self._linked(await self.accounts.link(account, by, reset=reset))

    async def own_link(self, by: Actor) -> JsonObject:
        """A link for whoever asks; `first` where it is the owner, who has no passkey yet."""
        first = by.kind is ActorKind.OWNER and not await self.passkeys.of(by.id)
        return self._linked(await self.accounts.own_link(by)) | {"first": first}

    def _linked(self, made: NewLink) -> JsonObject:
        return {
            "account": made.link.account,
            "name": made.name,
            "expires": made.link.expires,
            "text": made.text,
            "url": entrance(self.origin, made.text),
        }

    async def _told(self, account: Account) -> JsonObject:
        return _shown(account, await self.accounts.read(lambda book: book.name(account.id)))


def desk_of(node: Node) -> AccountDesk:
    """The desk of a connector."""
    config = node.config
    origin = origin_of(config.portal.url, config.private.port)
    accounts = Accounts(config.did, node.database, node.clock, node.randomness)
    passkeys = Passkeys(accounts, WebauthnVerifier(), party_of(origin, config.participant.name))
    return AccountDesk(accounts, passkeys, Attempts(node.clock), origin)


def _shown(account: Account, name: str) -> JsonObject:
    return {
        "id": account.id,
        "name": name,
        "roles": [role.value for role in account.roles],
        "created": account.created,
        "closed": account.closed,
    }
