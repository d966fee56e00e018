"""What features add to how a connector shows itself to others, and to how it recognises them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from medspace.core.canonical import JsonObject
from medspace.trust.model import Caller

# The token for a call to an address of a party, by its DID; None where the usual one does.
TokenFor: TypeAlias = Callable[[str, str], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class Announcement:
    """Services for the DID document (their addresses by type), and the `auth` of the version document (DSP 4.3)."""

    services: Mapping[str, str]
    auth: JsonObject


@dataclass(frozen=True, slots=True)
class Entrance:
    """Another way to prove who calls: `recognises` says which Authorization headers it reads, `prove` reads them."""

    recognises: Callable[[str | None], bool]
    prove: Callable[[str | None], Awaitable[Caller]]
