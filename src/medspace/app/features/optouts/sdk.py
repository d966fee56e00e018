"""The SDK's methods on opt-outs at an authority."""

from collections.abc import Mapping, Sequence
from typing import Any

from medspace.app.doors.sdk import Client
from medspace.core.canonical import JsonObject
from medspace.core.paths import path

BATCH = 5_000  # persons that are sent at once


class OptOutsClient(Client):
    """The SDK's methods on opt-outs at an authority."""

    def opt_persons_out(self, persons: Sequence[str]) -> JsonObject:
        """As the authority, have persons opt out, by their identifiers."""
        return self._post("/optouts/registry/out", {"persons": list(persons)})

    def opt_persons_in(self, persons: Sequence[str]) -> JsonObject:
        """As the authority, have persons who opted out back in."""
        return self._post("/optouts/registry/back", {"persons": list(persons)})

    def opt_out_registry(self) -> JsonObject:
        """As the authority, the version of the registry, how many opted out, and who asked about how many."""
        return self._get("/optouts/registry")

    def allow_opt_out_questions(self, hospital: str, persons: int) -> JsonObject:
        """As the authority, say about how many persons a hospital (DID) may ask in all."""
        return self._post("/optouts/registry/allow", {"hospital": hospital, "persons": persons})

    def follow_opt_outs(self, dataset: str, column: str, persons: Mapping[str, str]) -> JsonObject:
        """As a hospital, leave out who opted out at the authority.

        `persons` has the identifier of the person for each value of the column. Rows with other values stay out too.
        """
        pairs, found = list(persons.items()), dict[str, Any]()
        for at in range(0, max(1, len(pairs)), BATCH):
            said: JsonObject = {"column": column, "persons": dict(pairs[at : at + BATCH]), "add": at > 0}
            found = self._post(path("optouts", "follow", dataset), said | {"ask": at + BATCH >= len(pairs)})
        return found

    def refresh_opt_outs(self, dataset: str) -> JsonObject:
        """As a hospital, ask the authority about a dataset anew."""
        return self._post(path("optouts", "refresh", dataset), {})

    def stop_opt_outs(self, dataset: str) -> JsonObject:
        """As a hospital, follow the authority no longer; what was named by hand counts alone."""
        return self._post(path("optouts", "stop", dataset), {})

    def followed_opt_outs(self) -> list[JsonObject]:
        """As a hospital, the datasets that follow the authority, and until when its last answers hold."""
        return list(self._get("/optouts/datasets")["datasets"])
