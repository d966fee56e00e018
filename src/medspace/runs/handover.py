"""What a user hands over to the coordinator of a run: the task, and where each use is asked, with its token.

It is sealed for a key that the coordinator makes for this one run and signs for its manifest, and signed by the user
(`trust.envelope`): nobody on the way reads a token, and nobody hands over a run that is not its own.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

import msgspec

from medspace.core import limits
from medspace.core.canonical import JsonObject, exact
from medspace.core.decoding import read_json
from medspace.core.hashing import digest
from medspace.core.signing import Signer
from medspace.core.text import Text, msgid
from medspace.runs import manifest as manifests
from medspace.runs.errors import HandoverInvalidError
from medspace.runs.manifest import COORDINATOR_KEY_TYPE, Manifest
from medspace.runs.model import Seat
from medspace.trust import envelope
from medspace.trust.envelope import Context, EnvelopeKey
from medspace.trust.errors import EnvelopeError
from medspace.trust.model import Member

LABEL = "hand-over"
LONGEST_PATIENCE = 7 * 24 * 3600.0  # seconds that a coordinator is told to wait for a site

_Address = Annotated[str, msgspec.Meta(pattern=r"^https?://[!-~]+\Z", max_length=2048)]
_Token = Annotated[str, msgspec.Meta(pattern=r"^[!-~]+\Z", max_length=256)]
_Least = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]


@dataclass(frozen=True, slots=True)
class SeatEndpoint:
    """Where the use of one seat is asked. `use` is the name that the site gave to it; `endpoint` is its address."""

    site: str
    agreement: _Token
    use: _Token
    endpoint: _Address
    token: _Token = field(repr=False)
    min_cohort: _Least = 1
    min_sites: _Least = 1

    @property
    def seat(self) -> Seat:
        """The seat, with the limits of its agreement."""
        return Seat(self.site, self.agreement, self.min_cohort, self.min_sites)


@dataclass(frozen=True, slots=True)
class Mandate:
    """What the coordinator needs to lead a run beside its manifest; see `model.Run` for the last two."""

    task: JsonObject
    places: Annotated[tuple[SeatEndpoint, ...], msgspec.Meta(min_length=1, max_length=limits.SEATS)]
    without_missing: bool = False
    patience: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_PATIENCE)] = 0.0

    @property
    def seats(self) -> tuple[Seat, ...]:
        """The seats, in the order in which answers are added up."""
        return tuple(place.seat for place in self.places)


def sign_key(manifest: Manifest, key: EnvelopeKey, signer: Signer) -> str:
    """The key of the coordinator for this run, as it signs it."""
    return manifests.sign_key(manifest, manifest.coordinator, key.public, signer, COORDINATOR_KEY_TYPE)


def seal(mandate: Mandate, manifest: Manifest, key: str, coordinator: Member, signer: Signer, at: datetime) -> str:
    """The mandate, sealed for the signed key of the coordinator.

    Raises:
        SeatKeyInvalidError: the coordinator did not sign that key for this manifest.
        EnvelopeError: it is too large.
    """
    public = manifests.read_key(key, manifest, coordinator, at, COORDINATOR_KEY_TYPE).public
    return envelope.seal(packed(mandate), _context(manifest), public, signer)


def unseal(sealed: str, manifest: Manifest, key: EnvelopeKey, user: Member, at: datetime) -> Mandate:
    """The mandate that the user of the manifest sealed, once it is that of the manifest.

    Raises:
        HandoverInvalidError: it is not.
    """
    try:
        content = envelope.open_sealed(sealed, _context(manifest), key, user, at, both=manifest.hybrid)
    except EnvelopeError:
        raise HandoverInvalidError(reason=Text(msgid("it is not sealed for this run by its user"))) from None
    mandate = unpacked(content)
    _check(mandate, manifest)
    return mandate


def packed(mandate: Mandate) -> bytes:
    """The mandate as bytes, to be sealed."""
    return msgspec.json.encode(mandate)


def unpacked(content: bytes) -> Mandate:
    """The mandate in these bytes.

    Raises:
        HandoverInvalidError: they hold something else, or are too many.
    """
    if len(content) > limits.MANDATE:
        raise HandoverInvalidError(reason=Text(msgid("it is too large")))
    try:
        return read_json(content, Mandate)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise HandoverInvalidError(reason=Text(msgid("a field is missing or of the wrong kind"))) from None


def _check(mandate: Mandate, manifest: Manifest) -> None:
    """What the sites were, or will be, shown is what is handed over."""
    if {(one.site, one.agreement) for one in mandate.places} != {(one.site, one.agreement) for one in manifest.seats}:
        raise HandoverInvalidError(reason=Text(msgid("its seats are not those of the manifest")))
    if len(mandate.places) != len(manifest.seats):
        raise HandoverInvalidError(reason=Text(msgid("a site is named twice")))
    if _digest(mandate.task) != manifest.task:
        raise HandoverInvalidError(reason=Text(msgid("its task is not that of the manifest")))


def _digest(task: JsonObject) -> str:
    try:
        return digest(exact(task))
    except (ValueError, RecursionError):  # it has no canonical form, so it is that of no manifest
        return ""


def _context(manifest: Manifest) -> Context:
    return Context(manifest.run, manifest.digest, manifest.user, manifest.coordinator, LABEL)
