"""The SDK's methods on the sets of hospitals with which one's own datasets are summed up."""

from collections.abc import Iterable

from medspace.app.doors.sdk import Client
from medspace.core.canonical import JsonObject
from medspace.core.paths import path


class SitesClient(Client):
    """The SDK's methods on the sets of hospitals with which one's own datasets are summed."""

    def sites(self, dataset: str) -> JsonObject:
        """The hospitals with which one of one's own datasets is summed under masks, and every set in which it was."""
        return self._get(path("sites", dataset))

    def set_sites(self, dataset: str, sites: Iterable[str], *, accept: bool = False) -> JsonObject:
        """What totals over another set of hospitals (DIDs) would expose; with `accept`, that set takes effect.

        `exposes` has the hospitals of each difference, those `given_away`, and those that are `nearly`.
        """
        return self._send("POST", path("sites", dataset), json={"sites": list(sites), "accept": accept})
