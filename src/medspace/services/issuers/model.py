"""The records of credentials: received from others, with their status lists; one's own, and whom they are sent to."""

from dataclasses import dataclass

from medspace.core.canonical import JsonObject
from medspace.core.credentials import Believed
from medspace.core.store import Collection

SEND = "send"
CURRENT = "current"


@dataclass(frozen=True, slots=True)
class KeptTrust:
    """The newest trust list that is known here, verified; `text` is as the authority signed it."""

    id: str
    issued: str
    expires: str
    believed: tuple[Believed, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The issuers that this participant itself believes for a type; the identity is the type.

    Who is not on the list of the authority is not believed, whatever this says.
    """

    id: str
    issuers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReceivedCredential:
    """A credential about a participant that was verified here; the identity is the digest of its text.

    `types` are its types without the base type; `since` and `until` its own times (RFC 3339; "" where it has no end).
    `list` is the address of its status list, "" where it has none, with its `index` and the `purpose` of the list.
    `revoked` is the instant of the list that says so, "" while none does.
    """

    id: str
    subject: str  # DID
    issuer: str  # DID
    types: tuple[str, ...]
    claims: JsonObject
    since: str
    until: str
    received: str
    list: str = ""
    index: int = -1
    purpose: str = ""
    revoked: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class KnownStatus:
    """The newest status list of that address that is known here, verified; `text` is as its issuer signed it.

    `bits` are packed (`trust.credentials.status.unpack`).
    """

    id: str
    issuer: str  # DID
    issued: str
    until: str
    purposes: tuple[str, ...]
    bits: str
    text: str


@dataclass(frozen=True, slots=True)
class IssuedList:
    """A status list of one's own, by its address: the places that are taken, and those that were revoked."""

    id: str
    taken: tuple[int, ...]
    revoked: tuple[int, ...]
    issued: str
    until: str
    text: str


@dataclass(frozen=True, slots=True)
class SignedCredential:
    """A credential of one's own; `revoked` is when it was, "" while it is not."""

    id: str
    subject: str  # DID
    types: tuple[str, ...]
    list: str
    index: int
    issued: str
    until: str
    text: str
    revoked: str = ""


@dataclass(frozen=True, slots=True)
class OwedDelivery:
    """Who is sent a credential of one's own, and each new list that its status is on.

    The identity is the digest of credential and receiver. `step` is `send` while the receiver has not taken it.
    `code` is why it was refused the last time.
    """

    id: str
    receiver: str  # DID
    credential: str
    list: str
    step: str | None = SEND
    code: str = ""


TRUST = Collection("issuer_lists", KeptTrust)
NARROWED = Collection("narrowed_issuers", Narrowed)
RECEIVED = Collection("received_credentials", ReceivedCredential, keys=("subject", "list", "received"))
STATUSES = Collection("received_status_lists", KnownStatus, keys=("issuer", "until"))
LISTS = Collection("own_status_lists", IssuedList)
ISSUED = Collection("signed_credentials", SignedCredential, keys=("subject", "issued"))
DELIVERIES = Collection("credential_deliveries", OwedDelivery, keys=("list", "step"))
COLLECTIONS = (TRUST, NARROWED, RECEIVED, STATUSES, LISTS, ISSUED, DELIVERIES)
