"""The SDK's methods on accounts of the portal."""

from collections.abc import Iterable

from medspace.app.doors.sdk import MOST, Client
from medspace.core.canonical import JsonObject
from medspace.core.paths import path


class AccountsClient(Client):
    """The SDK's methods on accounts of the portal."""

    def accounts(self, *, most: int = MOST) -> list[JsonObject]:
        """The newest accounts, each with its name and roles; up to `most`."""
        return self._pages("accounts", most)

    def new_account(self, name: str, roles: Iterable[str]) -> JsonObject:
        """Make an account for a person; one of that name that was closed is opened anew.

        Raises:
            SpaceError: there is an open one, or the token is not the owner's.
        """
        return self._post("/accounts", {"name": name, "roles": list(roles)})

    def account_roles(self, account: str, roles: Iterable[str]) -> JsonObject:
        """Give an account other roles."""
        return self._post(path("accounts", account, "roles"), {"roles": list(roles)})

    def close_account(self, account: str, *, forget: bool = False) -> JsonObject:
        """Close an account: its sessions end, its links and passkeys count no more.

        With `forget` the name is deleted as well, where no token of it counts: the log keeps the pseudonym.
        """
        return self._post(path("accounts", account, "close"), {"forget": forget})

    def account_link(self, account: str, *, reset: bool = False) -> JsonObject:
        """Make a link that signs somebody in once; its `url` is given once, and kept nowhere.

        With `reset` their passkeys and sessions are gone first, such as after a lost telephone.
        """
        return self._post(path("accounts", account, "link"), {"reset": reset})

    def portal_link(self) -> JsonObject:
        """Make a link that signs oneself in at the portal, once; its `url` is given once, and kept nowhere."""
        return self._post("/links", {})
