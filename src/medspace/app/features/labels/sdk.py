"""The SDK's methods on what one's own datasets allow."""

from collections.abc import Sequence

from medspace.app.doors.sdk import MOST, Client
from medspace.core.canonical import JsonObject
from medspace.core.paths import path


class LabelsClient(Client):
    """The SDK's methods on what one's own datasets allow."""

    def labels(self, *, most: int = MOST) -> list[JsonObject]:
        """What one's own datasets allow, whatever a contract says, and whether configuration or a person set it."""
        return self._pages("labels", most)

    def label(self, dataset: str) -> JsonObject:
        """The label of one of one's own datasets."""
        return self._get(path("labels", dataset))

    def set_label(
        self, dataset: str, label: JsonObject, *, loosen: Sequence[str] = (), seen: str = "", dry: bool = False
    ) -> JsonObject:
        """Change what one of one's own datasets allows, at once.

        Uses that it no longer allows end at their next step. With `dry` nothing is changed: `changes` has each term
        with its old and new value. What `loosens`, and so allows more than before, is refused unless its `term` is
        named in `loosen`, together with the `seen` that a call with `dry` gave.

        The change survives restarts, until the configured label is edited or `reset_label` is called.
        """
        body: JsonObject = {"label": label, "loosen": list(loosen), "seen": seen, "dry": dry}
        return self._send("PUT", path("labels", dataset), json=body)

    def reset_label(
        self, dataset: str, *, loosen: Sequence[str] = (), seen: str = "", dry: bool = False
    ) -> JsonObject:
        """Put the configured label in force again, at once; `loosen`, `seen` and `dry` as for `set_label`."""
        asked = {"loosen": list(loosen), "seen": seen, "dry": dry}
        return self._send("DELETE", path("labels", dataset), params=asked)
