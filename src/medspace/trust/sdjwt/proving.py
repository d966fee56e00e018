"""Prove an SD-JWT: the issuer's signature and times, and the holder's signature over what is shown (RFC 9901 7)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from medspace.core.canonical import Json, JsonObject
from medspace.core.hashing import same_secret
from medspace.core.text import msgid
from medspace.trust.credentials import jose
from medspace.trust.credentials.jose import SignedParts
from medspace.trust.credentials.keys import read_jwk
from medspace.trust.credentials.model import PublicJwk
from medspace.trust.jws import JwsError
from medspace.trust.sdjwt.errors import (
    HolderKeyError,
    KeyBindingAudienceError,
    KeyBindingError,
    KeyBindingHashError,
    KeyBindingMissingError,
    KeyBindingNonceError,
    KeyBindingTimeError,
    SdJwtAlgorithmError,
    SdJwtError,
    SdJwtExpiredError,
    SdJwtHeaderError,
    SdJwtPrematureError,
    SdJwtSignatureError,
    SdJwtTypeError,
)
from medspace.trust.sdjwt.model import DisclosedClaims, IssuerKeys, SdJwt, hash_of
from medspace.trust.sdjwt.reading import LONGEST, disclosed, malformed

KB_TYP = "kb+jwt"
LEEWAY = timedelta(seconds=10)
LONGEST_BINDING = 8 * 1024
LONGEST_SHOWING = timedelta(minutes=5)  # between the holder's signature and its verification
LONGEST_TEXT = 1024  # characters of a nonce or a verifier's name
MOST_HASHES = 16


@dataclass(frozen=True, slots=True)
class IssuerProof:
    """What an issuer's signature proves: the signed payload, and its claims with what is disclosed."""

    payload: JsonObject
    disclosed: DisclosedClaims


@dataclass(frozen=True, slots=True)
class Binding:
    """What a holder has to sign for: the verifier's own name, and the nonce of its request.

    Raises:
        ValueError: one of them is empty, so that nothing would be checked.
    """

    audience: str
    nonce: str

    def __post_init__(self) -> None:
        """Refuse to check nothing."""
        if not self.audience or not self.nonce:
            raise ValueError("a binding needs an audience and a nonce")


def prove_issued(sd_jwt: SdJwt, keys: IssuerKeys, now: datetime, typs: tuple[str, ...]) -> IssuerProof:
    """The claims of an SD-JWT that one of these keys has signed, valid at `now`, of one of these `typ`s.

    Raises:
        SdJwtError: one subclass, with its own code, for each rule.
    """
    signed = _split(sd_jwt.issued, LONGEST)
    if signed.typ not in typs:
        raise SdJwtTypeError(found=(signed.typ or "")[:80], wanted=typs[0])
    if not any(signed.holds(key) for name, key in keys.keys if signed.kid in (name, None)):
        raise SdJwtSignatureError(issuer=keys.issuer)
    found = disclosed(signed.payload, sd_jwt.disclosures)
    check_times(keys.issuer, found.claims, now)
    return IssuerProof(signed.payload, found)


def _split(text: str, longest: int) -> SignedParts:
    try:
        return jose.split(text, longest)
    except JwsError as error:
        raise _fault(error) from None


def _fault(error: JwsError) -> SdJwtError:
    if error.fault == "algorithm":
        return SdJwtAlgorithmError()
    return (
        SdJwtHeaderError(name=error.detail) if error.fault == "header" else malformed(msgid("it is no signed text"))
    )


def check_times(issuer: str, claims: JsonObject, now: datetime) -> None:
    """Refuse what is not valid at `now` by its `iat`, `nbf` and `exp`.

    Raises:
        SdJwtPrematureError, SdJwtExpiredError: it is not.
        SdJwtMalformedError: one of them is no time.
    """
    for name in ("iat", "nbf"):
        since = time_of(claims.get(name))
        if since is not None and since > now + LEEWAY:
            raise SdJwtPrematureError(issuer=issuer, since=since.isoformat())
    until = time_of(claims.get("exp"))
    if until is not None and until <= now:
        raise SdJwtExpiredError(issuer=issuer, until=until.isoformat())


def time_of(value: Json) -> datetime | None:
    """The instant that a NumericDate names (RFC 7519 2); None where there is none.

    Raises:
        SdJwtMalformedError: it is no number of seconds.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise malformed(msgid("one of its times is no time"))
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        raise malformed(msgid("one of its times is no time")) from None


def holder_key(payload: JsonObject) -> PublicJwk:
    """The key of the holder, from the signed `cnf` (RFC 7800); it is never disclosed selectively.

    Raises:
        HolderKeyError: there is none of a kind that is used here.
    """
    confirmation = payload.get("cnf")
    jwk = confirmation.get("jwk") if isinstance(confirmation, dict) else None
    try:
        key = read_jwk(jwk) if isinstance(jwk, dict) else None
    except ValueError:
        key = None
    if key is None:
        raise HolderKeyError
    return key


def prove_bound(sd_jwt: SdJwt, key: PublicJwk, binding: Binding, now: datetime) -> tuple[datetime, tuple[str, ...]]:
    """When the holder has signed for this binding and these disclosures, and the hashes of what was signed with it.

    Raises:
        KeyBindingError: one subclass, with its own code, for each rule.
    """
    if not sd_jwt.binding:
        raise KeyBindingMissingError
    signed = _split(sd_jwt.binding, LONGEST_BINDING)
    if signed.typ != KB_TYP or not signed.holds(key):
        raise KeyBindingError
    claims = signed.payload
    if claims.get("aud") != binding.audience:
        raise KeyBindingAudienceError
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not same_secret(nonce, binding.nonce):
        raise KeyBindingNonceError
    if claims.get("sd_hash") != hash_of(sd_jwt.unbound):
        raise KeyBindingHashError
    return _signed_at(claims, now), _hashes(claims)


def _signed_at(claims: JsonObject, now: datetime) -> datetime:
    at, until = time_of(claims.get("iat")), time_of(claims.get("exp"))
    if at is None or not now - LONGEST_SHOWING <= at <= now + LEEWAY or (until is not None and until <= now):
        raise KeyBindingTimeError
    return at


def _hashes(claims: JsonObject) -> tuple[str, ...]:
    """The hashes of transaction data (OpenID4VP 1.0 8.4), as SHA-256."""
    said = claims.get("transaction_data_hashes", [])
    texts = isinstance(said, list) and len(said) <= MOST_HASHES and all(isinstance(one, str) for one in said)
    if not texts or claims.get("transaction_data_hashes_alg", "sha-256") != "sha-256":
        raise KeyBindingError
    return tuple(said)
