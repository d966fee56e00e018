"""The SDK's method on the set-up."""

from medspace.app.doors.sdk import Client
from medspace.core.canonical import JsonObject


class SetupClient(Client):
    """The SDK's method on the set-up."""

    def setup(self) -> JsonObject:
        """What still is to do until this connector works: `{file, left, steps: [...]}`."""
        return self._get("/setup")
