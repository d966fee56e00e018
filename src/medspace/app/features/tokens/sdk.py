"""The SDK's methods on tokens."""

from collections.abc import Iterable

from medspace.app.doors.sdk import MOST, Client
from medspace.core.canonical import JsonObject
from medspace.core.paths import path


class TokensClient(Client):
    """The SDK's methods on tokens."""

    def new_token(self, name: str, scopes: Iterable[str], *, days: int = 90, person: bool = False) -> JsonObject:
        """Create a token for a program or a `person`; its `text` is returned once, and stored nowhere.

        Raises:
            SpaceError: it would have more rights, or a longer life, than one's own.
        """
        return self._post("/tokens", {"name": name, "scopes": list(scopes), "days": days, "person": person})

    def tokens(self, *, most: int = MOST) -> list[JsonObject]:
        """The newest tokens, without their secrets; up to `most`."""
        return self._pages("tokens", most)

    def own_token(self) -> JsonObject:
        """Who the caller is here, and what it may do."""
        return self._get("/tokens/self")

    def revoke_token(self, token: str, *, forget: bool = False) -> JsonObject:
        """Revoke a token, and those that were created with it, at once.

        With `forget` the name of its actor is deleted, if none of its tokens is valid any more: the log keeps the
        pseudonym.
        """
        return self._send("DELETE", path("tokens", token), params={"forget": forget})
