"""What features add to how a connector shows itself to others, and to how it recognises them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from medspace.core.canonical import JsonObject
from medspace.trust.model import PURPOSES, Caller

# The token for a call to an address of a party, by its DID; None where the usual one does.
TokenFor: TypeAlias = Callable[[str, str], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class Announcement:
    """Services for the DID document (their addresses by type), and the `auth` of the version document (DSP 4.3).

    `methods` are further keys for the DID document, each for all purposes.
    """

    services: Mapping[str, str]
    auth: JsonObject
    methods: Sequence[JsonObject] = ()

    def added(self, document: JsonObject) -> JsonObject:
        """A DID document with these services and keys."""
        did = document["id"]
        services = [
            {"id": f"{did}#{kind}", "type": kind, "serviceEndpoint": url} for kind, url in self.services.items()
        ]
        names = [one["id"] for one in self.methods]
        return {
            **document,
            "verificationMethod": [*document["verificationMethod"], *self.methods],
            **{purpose: [*document[purpose], *names] for purpose in PURPOSES},
            "service": [*document["service"], *services],
        }


@dataclass(frozen=True, slots=True)
class Entrance:
    """Another way to prove who calls: `recognises` says which Authorization headers it reads, `prove` reads them."""

    recognises: Callable[[str | None], bool]
    prove: Callable[[str | None], Awaitable[Caller]]
