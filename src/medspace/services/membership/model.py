"""What the authority keeps: who was admitted, with which key."""

from dataclasses import dataclass

from medspace.core.store import Collection
from medspace.trust.model import Member


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A member as the authority admitted it; the identity is its DID."""

    id: str
    member: Member


REGISTER = Collection("register", Enrolled)
COLLECTIONS = (REGISTER,)
