"""The SDK's methods on who belongs to the space, and on one's own signing keys."""

from collections.abc import Iterable

from medspace.app.doors.sdk import MOST, Client
from medspace.core.canonical import JsonObject
from medspace.core.paths import path


class MembersClient(Client):
    """The SDK's methods on the members of the space, and on one's own signing keys."""

    def members(self, *, most: int = MOST) -> list[JsonObject]:
        """The members of the space, as the authority signed them."""
        return self._pages("members", most)

    def admit(
        self, did: str, *, name: str, region: str = "", roles: Iterable[str] = (), operator: str = ""
    ) -> JsonObject:
        """As the authority: put a participant on the members list.

        `operator` is who runs its connector, if not itself.
        """
        said = {"did": did, "name": name, "region": region, "roles": list(roles), "operator": operator}
        return self._post("/members", said)

    def remove(self, did: str) -> JsonObject:
        """As the authority: take a member off the list; the others learn of it within an hour."""
        return self._send("DELETE", path("members", did))

    def keys(self) -> list[JsonObject]:
        """One's own ML-DSA-65 keys, oldest first, with their times and whether other members know them."""
        return list(self._get("/keys")["keys"])

    def rotate_key(self) -> JsonObject:
        """Create a new ML-DSA-65 key.

        Earlier ones stay valid for one more day, until the authority has accepted it.
        """
        return self._post("/keys", {})

    def revoke_key(self, key: str) -> JsonObject:
        """Revoke one of one's own ML-DSA-65 keys, at once."""
        return self._send("DELETE", path("keys", key))

    def take_keys(self, did: str) -> JsonObject:
        """As the authority: accept the ML-DSA-65 keys that a member's document shows now."""
        return self._post("/members/keys", {"did": did})

    def refresh(self) -> list[JsonObject]:
        """Fetch the members list now instead of waiting for the next refresh."""
        found = self._post("/members/refresh", {})
        return self.members() if found.get("next") else list(found["members"])
