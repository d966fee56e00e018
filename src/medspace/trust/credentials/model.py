"""The words of credentials: credentials, what they depend on, and the keys of who signs them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from medspace.core.canonical import canonical
from medspace.trust.jws import encode


class CredentialProfile(StrEnum):
    """The profiles of DCP 1.0, by their alias."""

    VC20 = "vc20-bssl/jwt"
    VC11 = "vc11-sl2021/jwt"


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """Where the status of a credential stands: the address of the signed list, the index in it, its purpose."""

    url: str
    index: int
    purpose: str  # such as revocation


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential whose signature and times held: what `issuer` says of `subject`.

    `claims` are those of its subject without the id. `valid_until` is None where it never ends. `schemas` are the
    addresses of the JSON schemas that it promises to follow. `text` is the credential as it was signed.
    """

    id: str
    types: tuple[str, ...]
    issuer: str
    subject: str
    claims: Mapping[str, Any]
    valid_from: datetime
    valid_until: datetime | None
    status: tuple[StatusEntry, ...]
    schemas: tuple[str, ...]
    profile: CredentialProfile
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StatusList:
    """A status list whose signature and times held: `bits` is one bit a credential, the first is the highest.

    A second list of the same `url` is newer if its `issued` is later.
    """

    url: str
    issuer: str
    purposes: tuple[str, ...]
    issued: datetime
    valid_until: datetime | None
    bits: bytes = field(repr=False)
    text: str = field(repr=False)

    def holds(self, index: int) -> bool:
        """Whether the bit at `index` is set.

        Raises:
            IndexError: the list is shorter.
        """
        if not 0 <= index < len(self.bits) * 8:
            raise IndexError(index)
        return bool(self.bits[index >> 3] & (0x80 >> (index & 7)))


@dataclass(frozen=True, slots=True)
class PublicJwk:
    """A public key: `kty` and `crv` of RFC 7518 and 8037, and its coordinates in base64url (`y` for EC only)."""

    kty: str
    crv: str
    x: str
    y: str = ""

    def json(self) -> dict[str, str]:
        """As it is written in a DID document."""
        point = {"kty": self.kty, "crv": self.crv, "x": self.x}
        return point | {"y": self.y} if self.y else point

    @property
    def thumbprint(self) -> str:
        """What names the key: RFC 7638, with SHA-256."""
        return encode(sha256(canonical(self.json())).digest())


@dataclass(frozen=True, slots=True)
class KeyMethod:
    """A key of a DID document: its DID URL, the key, what it may be used for."""

    id: str
    key: PublicJwk
    purposes: frozenset[str]


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """Of a DID document what credentials need: its keys, and the addresses of its services by type.

    `methods` counts all its keys, those that are left out as well.
    """

    id: str
    keys: tuple[KeyMethod, ...]
    services: Mapping[str, str]
    methods: int = 0
