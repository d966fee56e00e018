"""What a connector keeps of credentials: those that it holds, asked for and was offered; and what it issued."""

from dataclasses import dataclass, field

from medspace.core.canonical import JsonObject
from medspace.core.store import Collection

RECEIVED, DELIVERED, REJECTED = "RECEIVED", "ISSUED", "REJECTED"  # states of a request (DCP 1.0, 6.8)


@dataclass(frozen=True, slots=True)
class HeldCredential:
    """A credential about this connector, as its issuer signed it; `until` is empty where it never ends.

    `id` identifies it here (by its issuer and its own id); times are RFC 3339.
    """

    id: str
    credential: str  # its own id
    type: str
    issuer: str
    received: str
    until: str
    text: str
    profile: str


@dataclass(frozen=True, slots=True)
class MadeRequest:
    """A request of this connector to an issuer: `id` is the holderPid, `status` where its state is told."""

    id: str
    issuer: str
    credentials: tuple[str, ...]
    state: str
    made: str
    status: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CredentialOffer:
    """What an issuer offered to this connector: the ids of credentials, and their types where it said them."""

    id: str
    issuer: str
    credentials: tuple[str, ...]
    types: tuple[str, ...]
    received: str


@dataclass(frozen=True, slots=True)
class TakenRequest:
    """A request that this connector, as issuer, took: `id` is the issuerPid.

    `due` is set until the outcome has been delivered to the holder: when it is tried (again). `waiting` is set while
    a person has to decide; `granted` once somebody has said yes, with the `claims` that this person stated.
    """

    id: str
    holder: str
    holder_pid: str
    credentials: tuple[str, ...]
    state: str
    taken: str
    due: str | None = None
    reason: str = ""
    tries: int = 0
    waiting: str | None = None
    granted: bool = False
    claims: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IssuedCredential:
    """A credential that this connector issued: `listing` is its status list here, `index` its bit.

    `revoked` is when it was revoked; empty while it holds.
    """

    id: str
    holder: str
    type: str
    request: str
    listing: str
    index: int
    issued: str
    until: str
    revoked: str = ""


@dataclass(frozen=True, slots=True)
class StatusBits:
    """A status list of this connector: `taken` bits are given out; `bits` are packed as in the list itself.

    `text` is the last list that was signed, `signed` and `until` are its times: the next one is later.
    """

    id: str
    purpose: str
    taken: int
    bits: str
    signed: str = ""
    until: str = ""
    text: str = ""


HELD = Collection("held_credentials", HeldCredential, ("type", "issuer", "received"))
MADE = Collection("credential_requests", MadeRequest, ("state", "made"))
OFFERS = Collection("credential_offers", CredentialOffer, ("received",))
TAKEN = Collection("issuance_requests", TakenRequest, ("holder", "due", "taken", "waiting"))
ISSUED = Collection("issued_credentials", IssuedCredential, ("holder", "request", "issued"))
STATUS = Collection("status_lists", StatusBits, ())
COLLECTIONS = (HELD, MADE, OFFERS, TAKEN, ISSUED, STATUS)
