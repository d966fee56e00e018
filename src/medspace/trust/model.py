"""The words of identity: documents, members, callers, and the records that are kept."""

from dataclasses import dataclass
from datetime import datetime

from medspace.core.credentials import Proved
from medspace.core.keys import MldsaKey
from medspace.core.store import Collection

# DCP 1.0 4.3.3: the key that signs an ID token is listed under `capabilityInvocation`.
CAPABILITY_INVOCATION = "capabilityInvocation"
AUTHENTICATION = "authentication"
ASSERTION_METHOD = "assertionMethod"
PURPOSES = (AUTHENTICATION, ASSERTION_METHOD, CAPABILITY_INVOCATION)


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """An Ed25519 key of a DID document: its DID URL, its 32 bytes, what it may be used for."""

    id: str
    public_key: bytes
    purposes: frozenset[str]


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """A service of a DID document; `type` is `DataService` or `CatalogService` (DSP 2025-1, DidService)."""

    id: str
    type: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class DidDocument:
    """What a party publishes about itself."""

    id: str
    keys: tuple[VerificationKey, ...]
    services: tuple[ServiceEntry, ...] = ()
    mldsa: tuple[MldsaKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated party: its DID, and the identity of the token that proved it."""

    did: str
    token_id: str


@dataclass(frozen=True, slots=True)
class Member:
    """A party that belongs to the space: DID, name, region (such as DE), roles, 32-byte Ed25519 key.

    `operator` is who runs its connector and sees what it sees, by DID or name; empty where the member does so itself.
    `mldsa` are its ML-DSA-65 keys over time; none if the authority has not accepted any.
    """

    did: str
    name: str
    region: str
    roles: tuple[str, ...]
    public_key: bytes
    operator: str = ""
    mldsa: tuple[MldsaKey, ...] = ()


@dataclass(frozen=True, slots=True)
class MemberList:
    """The members list of the authority `issuer`, valid from `issued` until before `expires`.

    `founded` is when the authority's log begins: a space that is founded anew with the same key has another one.
    """

    issuer: str
    issued: datetime
    expires: datetime
    members: tuple[Member, ...]
    founded: datetime | None = None  # to the second; lists of older versions do not say it

    def find(self, did: str) -> Member | None:
        """The member of that DID."""
        return next((member for member in self.members if member.did == did), None)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a participant from what others have signed: of a stranger, nothing but the DID."""

    did: str
    region: str | None = None  # such as DE
    roles: tuple[str, ...] = ()
    operator: str | None = None  # who sees what its connector sees: mostly the member itself; None of a stranger
    hybrid: bool = False  # whether it has a key of ML-DSA-65 that was not revoked
    credentials: tuple[Proved, ...] = ()  # what it has proved here, each with its own end


def facts(members: MemberList | None, did: str) -> Facts:
    """What the members list says of a participant."""
    member = members.find(did) if members is not None else None
    if member is None:
        return Facts(did)
    hybrid = any(not key.revoked for key in member.mldsa)
    return Facts(did, member.region or None, member.roles, member.operator or did, hybrid)


@dataclass(frozen=True, slots=True)
class SeenToken:
    """An ID token that was used: `id` is the hash of issuer and jti, `expires` in seconds since 1970."""

    id: str
    expires: int


@dataclass(frozen=True, slots=True)
class KeptList:
    """A members list that was seen, as the authority signed it: the newest, or the last of an earlier founding."""

    id: str
    text: str


SEEN = Collection("seen_tokens", SeenToken, keys=("expires",))
LISTS = Collection("members_lists", KeptList)
COLLECTIONS = (SEEN, LISTS)
