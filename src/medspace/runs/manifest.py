"""The manifest of a run: what the user signs, the same for every site, and the keys that its seats add to it.

A seat signs a key of this run together with the run, the task and the digest of the manifest, so a key proves for
which seats and which task it was made: nobody can substitute a key of another run, or one of their own. Showing
two sites two manifests yields two digests, which every site writes into its log with what it admits.

Both are signed with Ed25519 and ML-DSA-65 (`trust.hybrid`) by the keys that the members list names. A run of masked
sums takes nothing less; in others a party that has no ML-DSA-65 key yet signs with Ed25519 alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Annotated

import msgspec

from medspace.core import limits
from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import Randomness
from medspace.core.decoding import read_json
from medspace.core.engine import MASKED
from medspace.core.hashing import digest, digest_bytes
from medspace.core.signing import Signer
from medspace.core.text import Text, msgid
from medspace.runs.errors import ManifestInvalidError, SeatKeyInvalidError
from medspace.runs.model import Seat
from medspace.trust import hybrid, jws
from medspace.trust.envelope import public_key
from medspace.trust.errors import EnvelopeKeyError, SignatureError
from medspace.trust.model import Member

TYPE, KEY_TYPE = "medspace-manifest+jwt", "medspace-seat+jwt"
COORDINATOR_KEY_TYPE = "medspace-coordinator+jwt"  # of the key that a run is handed over with
NONCE_BYTES = 32
KEPT = 64  # cached parsed manifests: each step of a run reads its own several times

_Did = Annotated[str, msgspec.Meta(pattern=r"^did:[a-z0-9]+:[A-Za-z0-9._:%-]+\Z", max_length=256)]  # DID Core 3.1
_Token = Annotated[str, msgspec.Meta(pattern=r"^[!-~]+\Z", max_length=256)]
_Digest = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]


@dataclass(frozen=True)
class Manifest:
    """The user's statement of one run: which task, at which seats, by which protocol, with how many sites at least.

    A seat is a site with the agreement that admits the use there. `coordinator` leads the run: the user itself, or
    another member. The nonce makes two runs of one task two.
    """

    run: str
    user: str  # DID
    coordinator: str  # DID
    task: str  # digest
    seats: tuple[Seat, ...]  # in the order of their DIDs
    protocol: str  # the protection that the task gets, such as coordinator-sees-sums
    min_sites: int
    nonce: str
    colluders: int | None = None  # seats that may tell one another everything; under masks only

    @cached_property
    def sites(self) -> tuple[str, ...]:
        """The DIDs of the seats, sorted."""
        return tuple(seat.site for seat in self.seats)

    @property
    def delegated(self) -> bool:
        """Whether another member than the user leads the run."""
        return self.coordinator != self.user

    @property
    def claims(self) -> JsonObject:
        """What is signed."""
        return {
            "run": self.run,
            "user": self.user,
            "coordinator": self.coordinator,
            "task": self.task,
            "seats": [{"site": seat.site, "agreement": seat.agreement} for seat in self.seats],
            "protocol": self.protocol,
            "min_sites": self.min_sites,
            "nonce": self.nonce,
        } | ({} if self.colluders is None else {"colluders": self.colluders})

    @cached_property
    def digest(self) -> str:
        """By which everybody refers to it."""
        return digest(self.claims)

    @property
    def parties(self) -> tuple[str, ...]:
        """Everybody who has a part in the run, each once."""
        return tuple(dict.fromkeys((*self.sites, self.user, self.coordinator)))

    @property
    def hybrid(self) -> bool:
        """Whether Ed25519 alone is never enough in this run."""
        return self.protocol in MASKED

    def agreement(self, site: str) -> str | None:
        """The agreement under which a site has its seat; None where it has none."""
        return next((seat.agreement for seat in self.seats if seat.site == site), None)


class _Seat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    site: _Did
    agreement: _Token


class _ManifestForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    run: _Token
    user: _Did
    coordinator: _Did
    task: _Digest
    seats: Annotated[list[_Seat], msgspec.Meta(min_length=1, max_length=limits.SEATS)]
    protocol: _Token
    min_sites: Annotated[int, msgspec.Meta(ge=1, le=limits.SEATS)]
    nonce: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    colluders: Annotated[int, msgspec.Meta(ge=0, le=limits.SEATS)] | None = None


class _ManifestKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    run: str
    task: str
    manifest: str
    site: str
    key: str
    leaves: bool = False
    label: dict[str, Json] | None = None


def draw(
    run: str,
    parties: tuple[str, str],
    task: str,
    seats: Sequence[Seat],
    protocol: str,
    least: int,
    randomness: Randomness,
    colluders: int | None = None,
) -> Manifest:
    """A new manifest; `parties` are the user and the coordinator, `least` is how many sites must take part."""
    placed = tuple(sorted((Seat(seat.site, seat.agreement) for seat in seats), key=lambda seat: seat.site))
    nonce = randomness.token_bytes(NONCE_BYTES).hex()
    return Manifest(run, parties[0], parties[1], task, placed, protocol, least, nonce, colluders)


def sign(manifest: Manifest, signer: Signer) -> str:
    """The manifest as its user signs it."""
    return hybrid.signed(signer, manifest.user, TYPE, manifest.claims)


def read(text: str, user: Member, at: datetime) -> Manifest:
    """The manifest, proven by the user's keys, as they count at that time.

    Raises:
        ManifestInvalidError: malformed, too large, or not signed by that user.
        SignatureSingleError, MldsaKeyMissingError, MldsaKeyUnknownError, ...: the keys do not count
            (`trust.hybrid.check`).
    """
    if len(text) > limits.MANIFEST:
        raise ManifestInvalidError(reason=Text(msgid("it is too large")))
    try:
        manifest = _read(hybrid.proven(text, user, TYPE, at))
    except SignatureError:
        raise ManifestInvalidError(reason=Text(msgid("it is not signed by the user of the agreement"))) from None
    if manifest.hybrid:
        hybrid.proven(text, user, TYPE, at, both=True)
    return manifest


def named(text: str) -> str:
    """The digest of a manifest that was signed here."""
    return digest_bytes(hybrid.unproven(text))


@lru_cache(maxsize=KEPT)
def kept(text: str) -> Manifest:
    """A manifest that was proven, or signed, before it was kept."""
    return _checked(read_json(hybrid.unproven(text), _ManifestForm))


def _read(said: bytes) -> Manifest:
    try:
        found = read_json(said, _ManifestForm)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise ManifestInvalidError(reason=Text(msgid("a field is missing or of the wrong kind"))) from None
    return _checked(found)


def _checked(found: _ManifestForm) -> Manifest:
    seats = tuple(Seat(seat.site, seat.agreement) for seat in found.seats)
    sites = [seat.site for seat in seats]
    if sites != sorted(set(sites)) or len({seat.agreement for seat in seats}) < len(seats):
        raise ManifestInvalidError(reason=Text(msgid("its seats are not in order, or one is there twice")))
    if found.min_sites > len(seats):
        raise ManifestInvalidError(reason=Text(msgid("it wants more sites than it names")))
    return Manifest(
        found.run,
        found.user,
        found.coordinator,
        found.task,
        seats,
        found.protocol,
        found.min_sites,
        found.nonce,
        found.colluders,
    )


# --- the keys of the seats ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SeatKey:
    """A seat's public key of this run (`trust.envelope`), with the signed text that says so.

    `leaves`: the seat's own terms let the run go on without it, which gives away its part of the difference.
    """

    site: str
    public: bytes = field(repr=False)
    text: str = field(repr=False)
    leaves: bool = False


def sign_key(
    manifest: Manifest,
    site: str,
    public: bytes,
    signer: Signer,
    typ: str = KEY_TYPE,
    *,
    leaves: bool = False,
    label: JsonObject | None = None,
) -> str:
    """A seat's key of this run, as the seat signs it; of another type, the coordinator's.

    `label` is what results carry of the label of the seat's data.
    """
    claims: dict[str, Json] = {
        "run": manifest.run,
        "task": manifest.task,
        "manifest": manifest.digest,
        "site": site,
        "key": jws.encode(public),
    }
    claims |= {"leaves": True} if leaves else {}
    claims |= {"label": label} if label is not None else {}
    return hybrid.signed(signer, site, typ, claims)


def read_key(text: str, manifest: Manifest, seat: Member, at: datetime, typ: str = KEY_TYPE) -> SeatKey:
    """The key that a seat added to a manifest, proven by the seat's keys, as they count at that time.

    Raises:
        SeatKeyInvalidError: not signed by that seat, or for another run, task, manifest or seat, or no key at all.
        SignatureSingleError, MldsaKeyMissingError, MldsaKeyUnknownError, ...: the keys do not count
            (`trust.hybrid.check`).
    """
    site = seat.did
    try:
        if len(text) > limits.SEAT_KEY:
            raise SeatKeyInvalidError(site=site)
        found = read_json(hybrid.proven(text, seat, typ, at, both=manifest.hybrid), _ManifestKey)
        public = jws.decode(found.key)
        public_key(public)
    except (msgspec.DecodeError, RecursionError, ValueError, EnvelopeKeyError, SignatureError):
        raise SeatKeyInvalidError(site=site) from None
    made_for = (found.run, found.task, found.manifest, found.site)
    if made_for != (manifest.run, manifest.task, manifest.digest, site):
        raise SeatKeyInvalidError(site=site)
    return SeatKey(site, public, text, found.leaves)


def read_keys(
    texts: Sequence[str], manifest: Manifest, member: Callable[[str], Member], at: datetime
) -> tuple[SeatKey, ...]:
    """The keys of all seats, in the order of the seats; `member` knows each seat by its DID.

    Raises:
        SeatKeyInvalidError: a seat has none, or not one that it signed for this manifest.
        SignatureSingleError, ...: as `read_key`.
    """
    given = {_site(text): text for text in texts[: len(manifest.seats)]}
    if len(given) < len(texts):
        raise SeatKeyInvalidError(site=next((site for site in given if site not in manifest.sites), ""))
    return tuple(read_key(given.get(site, ""), manifest, member(site), at) for site in manifest.sites)


def leaving(texts: Sequence[str]) -> tuple[str, ...]:
    """The seats whose own terms let the run go on without them, as their keys say; proves nothing."""
    said = map(_unproven, texts)
    return tuple(key.site for key in said if key is not None and key.leaves)


def carried(texts: Sequence[str]) -> list[JsonObject]:
    """What results carry of the labels of each seat's data, as their keys say; of a seat that says none, nothing.

    It proves nothing by itself: whoever gathers the keys has verified them.
    """
    said = map(_unproven, texts)
    return [{} if key is None or key.label is None else dict(key.label) for key in said]


def _site(text: str) -> str:
    """Whose key it says to be; proves nothing."""
    said = _unproven(text)
    return "" if said is None else said.site


def _unproven(text: str) -> _ManifestKey | None:
    try:
        return read_json(hybrid.unproven(text[: limits.SEAT_KEY]), _ManifestKey)
    except (ValueError, RecursionError):
        return None
