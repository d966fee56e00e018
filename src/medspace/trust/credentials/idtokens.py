"""Self-issued ID tokens of DCP 1.0 (section 4.3) by any key that credentials are signed with, and access tokens.

As `trust.tokens`, which members of a space use among each other with Ed25519 alone, but for any party: iss = sub =
the caller's DID, aud = the DID that is called, a jti that is used once, and, where credentials are to be shown,
`token`: the access token for the caller's credential service. Ours is signed by ourselves and names the verifier and
the scopes, so nothing has to be kept until it is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from medspace.core.canonical import JsonObject
from medspace.trust.credentials import jose
from medspace.trust.credentials.errors import CredentialKeyError, CredentialSignatureError
from medspace.trust.credentials.jose import SignedParts, SigningKey
from medspace.trust.credentials.model import KeyDocument
from medspace.trust.credentials.vcjwt import proven
from medspace.trust.errors import (
    TokenAlgorithmError,
    TokenAudienceError,
    TokenExpiredError,
    TokenHeaderError,
    TokenIssuerError,
    TokenKeyError,
    TokenMalformedError,
    TokenOversizedError,
    TokenSignatureError,
    TokenSubjectError,
    UnauthenticatedError,
)
from medspace.trust.jws import JwsError
from medspace.trust.model import CAPABILITY_INVOCATION, Caller
from medspace.trust.tokens import check_times, token_id_of

LONGEST_LIFETIME = 3600  # seconds of a token of others; how long its jti has to be remembered follows from it
LIFETIME = 60  # seconds of our own
ACCESS_LIFETIME = 300  # seconds in which a verifier may ask
LEEWAY = 10  # seconds that two clocks may differ
LONGEST_TOKEN = 16 * 1024  # characters: it carries an access token of another maker
LONGEST_ACCESS_TOKEN = 8 * 1024
MOST_SCOPES, LONGEST_SCOPE = 32, 512
_ACCESS = "at+jwt"
_TYPS = (None, "JWT")


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    aud: object
    exp: int | float
    iat: int | float
    nbf: int | float | None = None
    jti: object = None
    token: object = None


class _Access(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    aud: str
    exp: int
    scope: list[str]


@dataclass(frozen=True, slots=True)
class IdTokenRead:
    """An ID token that was read, not proven: who it claims to be of, and its parts."""

    issuer: str
    signed: SignedParts
    claims: _Claims


@dataclass(frozen=True, slots=True)
class Proven:
    """A caller, the access token that it sent along (empty if none), and when its own token expires (since 1970)."""

    caller: Caller
    access_token: str
    expires: int


def issue_id_token(
    key: SigningKey, did: str, audience: str, *, now: datetime, token_id: str, access_token: str = ""
) -> str:
    """A token that proves to `audience` (a DID) that `did` calls."""
    issued = int(now.timestamp())
    claims: JsonObject = {"iss": did, "sub": did, "aud": audience, "iat": issued, "nbf": issued}
    claims |= {"exp": issued + LIFETIME, "jti": token_id}
    return jose.sign(key, claims | ({"token": access_token} if access_token else {}))


def issue_access_token(
    key: SigningKey, did: str, verifier: str, scopes: Sequence[str], *, now: datetime, token_id: str
) -> str:
    """A token with which `verifier` may ask our own credential service for these scopes, for some minutes."""
    expires = int(now.timestamp()) + ACCESS_LIFETIME
    claims = {"iss": did, "aud": did, "sub": verifier, "exp": expires, "scope": list(scopes), "jti": token_id}
    return jose.sign(key, claims, typ=_ACCESS)


def granted_scopes(text: str, key: SigningKey, did: str, verifier: str, now: datetime) -> tuple[str, ...]:
    """The scopes of an access token that we issued to `verifier`.

    Raises:
        UnauthenticatedError: it is not one of ours, of somebody else, or expired.
    """
    signed = _split(text, LONGEST_ACCESS_TOKEN)
    if signed.typ != _ACCESS or signed.kid != key.id or not signed.holds(key.public):
        raise TokenSignatureError
    try:
        claims = msgspec.convert(signed.payload, _Access)
    except msgspec.ValidationError:
        raise TokenMalformedError from None
    if claims.iss != did or claims.aud != did or claims.sub != verifier:
        raise TokenAudienceError
    if claims.exp <= now.timestamp():
        raise TokenExpiredError
    return tuple(claims.scope)


def read_id_token(text: str) -> IdTokenRead:
    """Parse a token without verifying it.

    Raises:
        UnauthenticatedError: too long, malformed, another algorithm, or a forbidden header.
    """
    signed = _split(text, LONGEST_TOKEN)
    if signed.typ not in _TYPS:  # RFC 8725 3.11: much else is signed with the same key
        raise TokenMalformedError
    try:
        claims = msgspec.convert(signed.payload, _Claims)
    except msgspec.ValidationError:
        raise TokenMalformedError from None
    if {"vc", "vp"} & signed.payload.keys():
        raise TokenMalformedError
    return IdTokenRead(claims.iss, signed, claims)


def _split(text: str, longest: int) -> SignedParts:
    if len(text) > longest:
        raise TokenOversizedError(limit=longest)
    try:
        return jose.split(text, longest)
    except JwsError as error:
        raise _fault(error) from None


def _fault(error: JwsError) -> UnauthenticatedError:
    if error.fault == "algorithm":
        return TokenAlgorithmError()
    return TokenHeaderError(name=error.detail) if error.fault == "header" else TokenMalformedError()


def prove_id_token(
    token: IdTokenRead, document: KeyDocument, audience: str, now: datetime, leeway: int = LEEWAY
) -> Proven:
    """The caller that a token proves, by the caller's DID document; not whether it was used before.

    Raises:
        UnauthenticatedError: one subclass, with its own code, for each rule.
    """
    claims = token.claims
    if claims.iss != document.id:
        raise TokenIssuerError
    try:
        proven(token.signed, document, CAPABILITY_INVOCATION)
    except CredentialKeyError:
        raise TokenKeyError from None
    except CredentialSignatureError:
        raise TokenSignatureError from None
    if claims.sub != claims.iss:
        raise TokenSubjectError
    if claims.aud not in (audience, [audience]):
        raise TokenAudienceError
    within = timedelta(seconds=leeway)
    check_times(claims.exp, claims.iat, claims.nbf, now=now, leeway=within, longest=LONGEST_LIFETIME)
    return Proven(Caller(claims.iss, token_id_of(claims.jti)), _access_token(claims), int(claims.exp))


def _access_token(claims: _Claims) -> str:
    token = claims.token if claims.token is not None else ""
    if not isinstance(token, str) or len(token) > LONGEST_ACCESS_TOKEN:
        raise TokenMalformedError
    return token
