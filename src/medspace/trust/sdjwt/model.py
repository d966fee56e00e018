"""The words of SD-JWT: what was signed, what is disclosed of it, who holds it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import TypeAlias

from medspace.core.canonical import Json, JsonObject
from medspace.trust.credentials.model import PublicJwk
from medspace.trust.jws import encode

# Names and indices from the top of the payload; None in a path that selects stands for all elements of an array.
ClaimPath: TypeAlias = tuple[str | int | None, ...]
SD, SD_ALG, DOTS = "_sd", "_sd_alg", "..."
SHA256 = "sha-256"  # the only hash that is used here: RFC 9901 4.1.1 has it as the default


class _Hidden:
    """Stands for an element of an array that is not disclosed; equal to itself only."""

    def __repr__(self) -> str:
        return "HIDDEN"


HIDDEN = _Hidden()


def hash_of(text: str) -> str:
    """The digest of an ASCII text as SD-JWT writes it: base64url of SHA-256."""
    return encode(sha256(text.encode("ascii")).digest())


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One disclosure: the text as it travels, the claim's name (None for an element of an array), its value."""

    text: str = field(repr=False)
    name: str | None
    value: Json = field(repr=False)

    @property
    def digest(self) -> str:
        """What the issuer has signed in its place."""
        return hash_of(self.text)


@dataclass(frozen=True, slots=True)
class SdJwt:
    """An SD-JWT taken apart, before anything is proven: the issuer's JWS, the disclosures, the holder's JWS or ""."""

    issued: str = field(repr=False)
    disclosures: tuple[str, ...] = field(repr=False)
    binding: str = field(default="", repr=False)

    @property
    def unbound(self) -> str:
        """The text without the holder's signature, with the last `~`; what `sd_hash` is over."""
        return "~".join((self.issued, *self.disclosures, ""))

    @property
    def text(self) -> str:
        """The whole text."""
        return self.unbound + self.binding


@dataclass(frozen=True, slots=True)
class DisclosedClaims:
    """The claims of an SD-JWT: `claims` as RFC 9901 7.1 gives them, `placed` with `HIDDEN` for elements not shown.

    `paths` says for each disclosure, by its text, where its claim is in `placed`.
    """

    claims: JsonObject
    placed: JsonObject
    paths: Mapping[str, ClaimPath]


@dataclass(frozen=True, slots=True)
class Held:
    """A card whose signature and times held: of `issuer`, of the type `vct`, for the holder of `holder_key`."""

    sd_jwt: SdJwt = field(repr=False)
    issuer: str
    vct: str
    holder_key: PublicJwk
    disclosed: DisclosedClaims = field(repr=False)
    valid_until: datetime | None
    status: "StatusReference | None"


@dataclass(frozen=True, slots=True)
class PresentedCard:
    """A presentation that held: the card with the claims that were shown, and when its holder signed."""

    card: Held
    signed_at: datetime
    transaction_hashes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusReference:
    """Where the status of a card stands: the address of the list, and the index in it."""

    url: str
    index: int


@dataclass(frozen=True, slots=True)
class IssuerKeys:
    """The keys of an issuer by their `kid`, as it publishes them now."""

    issuer: str
    keys: Sequence[tuple[str, PublicJwk]]


@dataclass(frozen=True, slots=True)
class TokenStatusList:
    """A Token Status List whose signature and times held: `bits` bits a status, the first in the lowest ones."""

    url: str
    issuer: str
    issued: datetime
    expires: datetime
    bits: int
    packed: bytes = field(repr=False)

    def status(self, index: int) -> int:
        """The status at an index: 0 valid, 1 invalid, 2 suspended, others as the issuer says.

        Raises:
            IndexError: the list is shorter.
        """
        each = 8 // self.bits
        if not 0 <= index < len(self.packed) * each:
            raise IndexError(index)
        return self.packed[index // each] >> (index % each * self.bits) & ((1 << self.bits) - 1)
