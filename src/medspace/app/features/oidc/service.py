"""The hospital's login as the portal sees it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from medspace.adapters.http.client import HttpClient
from medspace.adapters.keys import read_secret
from medspace.adapters.oidc.provider import OidcClient, OidcProvider
from medspace.app.node.attempts import Attempts
from medspace.app.node.config import Config
from medspace.app.node.node import Node
from medspace.app.node.portal import CALLBACK, OidcSettings, origin_of
from medspace.core.clock import Clock
from medspace.core.errors import StorageError, WaitingError
from medspace.services.accounts.logins import BegunLogin, FinishedLogin, LoginAnswer, Logins
from medspace.services.accounts.model import AccountRole
from medspace.services.accounts.service import Accounts, Visitor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LoginDesk:
    """The hospital's login, called `name`.

    Wrong answers are counted by the address (`host`) that they come from, once the login would be asked: what no
    browser began costs nothing, and keeps nobody out.
    """

    logins: Logins
    attempts: Attempts
    name: str

    async def begin(self, back: str) -> BegunLogin:
        """Send somebody to the login.

        Raises:
            LoginUnavailableError: nobody can be sent there now.
        """
        return await self.logins.begin(back)

    async def begin_confirmation(self, visitor: Visitor, back: str) -> BegunLogin:
        """Send somebody who is signed in to prove anew who they are.

        Raises:
            LoginUnavailableError, LoginRefusedError: nobody can be sent there now, or they have no such login.
        """
        return await self.logins.begin_confirmation(visitor, back)

    async def knows(self, account: str) -> bool:
        """Whether an account is that of somebody who comes in by the login."""
        return await self.logins.knows(account)

    async def finish(self, kept: str, answer: LoginAnswer, host: str) -> FinishedLogin:
        """Take the answer with which a browser comes back.

        Raises:
            LoginRefusedError, LoginRoleError, LoginUnavailableError, SessionEndedError: it opens nothing.
            TooManyAttemptsError: too many wrong ones came from that address.
        """
        flow = await self.logins.flow(kept, answer.state)
        return await self._counted(host, answer.state, lambda: self.logins.finish(flow, answer))

    async def _counted(self, host: str, given: str, attempt: Callable[[], Awaitable[T]]) -> T:
        self.attempts.begin(host, given)
        try:
            done = await attempt()
        except (StorageError, WaitingError):
            self.attempts.forgive(host, given)
            raise
        self.attempts.forgive(host, given)
        return done


def desk_of(node: Node) -> LoginDesk | None:
    """The desk of a connector; None where it knows no such login."""
    config, login = node.config, node.config.portal.oidc
    if login is None:
        return None
    accounts = Accounts(config.did, node.database, node.clock, node.randomness)
    grants = {group: tuple(AccountRole(role) for role in roles) for group, roles in login.roles.items()}
    provider = provider_of(config, login, node.client, node.clock)
    host = urlsplit(login.issuer).hostname or login.issuer
    logins = Logins(accounts, provider, login.role_claim, grants, host)
    return LoginDesk(logins, Attempts(node.clock), login.name or host)


def provider_of(config: Config, login: OidcSettings, client: HttpClient, clock: Clock) -> OidcProvider:
    """The login that a configuration names."""

    def secret() -> str:
        if not login.client_secret:
            return ""
        return read_secret(config.path(login.client_secret)).decode("utf-8", "replace").strip()

    redirect = origin_of(config.portal.url, config.private.port) + CALLBACK
    known = OidcClient(login.issuer, login.client_id, login.scopes, login.role_claim, redirect, secret)
    return OidcProvider(known, client, clock)
