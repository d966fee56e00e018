"""Self-issued ID tokens (DCP 1.0 section 4.3; RFC 7519, RFC 8725): a JWT that proves who calls.

iss = sub = the caller's DID, aud = the DID that is called, a jti that is used once, valid for a minute at most.
Security model: whoever holds the caller's private key is the caller; an intercepted token cannot be used
elsewhere (aud), again (jti), or later (exp). It does not bind the message it accompanies: TLS does.
"""

from datetime import datetime, timedelta
from hashlib import sha256

import msgspec

from medspace.core.decoding import read_json
from medspace.core.signing import Signer
from medspace.trust import jws
from medspace.trust.did import key_id
from medspace.trust.errors import (
    TokenAlgorithmError,
    TokenAudienceError,
    TokenExpiredError,
    TokenHeaderError,
    TokenIdError,
    TokenIssuerError,
    TokenKeyError,
    TokenLifetimeError,
    TokenMalformedError,
    TokenOversizedError,
    TokenPrematureError,
    TokenSignatureError,
    TokenSubjectError,
    UnauthenticatedError,
)
from medspace.trust.model import CAPABILITY_INVOCATION, Caller, DidDocument

LONGEST_LIFETIME = 60  # seconds
LEEWAY = 10  # seconds that two clocks may differ
LONGEST_TOKEN = 4096  # bytes
LONGEST_TOKEN_ID = 256
TYPE = "JWT"


class Claims(msgspec.Struct, frozen=True):
    """The claims of an ID token as they stand on the wire."""

    iss: str
    sub: str
    aud: object
    exp: int
    iat: int
    nbf: int | None = None
    jti: object = None


class IdToken(msgspec.Struct, frozen=True):
    """An ID token that was read, not proven: `claims` are what it says, `signed` its parts."""

    claims: Claims
    signed: jws.Unverified


def issue(
    signer: Signer, did: str, audience: str, *, now: datetime, token_id: str, lifetime: int = LONGEST_LIFETIME
) -> str:
    """A token that proves to `audience` (a DID) that `did` calls; `lifetime` in seconds.

    Raises:
        ValueError: the lifetime is not between 1 and 60 seconds.
    """
    if not 0 < lifetime <= LONGEST_LIFETIME:
        raise ValueError(f"an ID token lives 1 to {LONGEST_LIFETIME} seconds, not {lifetime}")
    issued = int(now.timestamp())
    claims = {"iss": did, "sub": did, "aud": audience, "iat": issued, "exp": issued + lifetime, "jti": token_id}
    return jws.sign(signer, kid=key_id(did, signer.public_key), typ=TYPE, claims=claims)


def read(token: str) -> IdToken:
    """Parse a token without verifying it; its claimed issuer is in `claims.iss`.

    Raises:
        UnauthenticatedError: too long, malformed, another algorithm than EdDSA, or a forbidden header.
    """
    if len(token) > LONGEST_TOKEN:
        raise TokenOversizedError(limit=LONGEST_TOKEN)
    try:
        signed = jws.split(token)
        # RFC 8725 3.11: a members list is signed too, but it is no ID token.
        if signed.typ not in (None, TYPE):
            raise TokenMalformedError
        return IdToken(read_json(signed.payload, Claims), signed)
    except jws.JwsError as error:
        raise _fault(error) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise TokenMalformedError from None


def _fault(error: jws.JwsError) -> UnauthenticatedError:
    if error.fault == "algorithm":
        return TokenAlgorithmError()
    return TokenHeaderError(name=error.detail) if error.fault == "header" else TokenMalformedError()


def verify(token: str, document: DidDocument, audience: str, now: datetime, leeway: int = LEEWAY) -> Caller:
    """The caller that a token proves, by the caller's DID document; `leeway` in seconds.

    Whether the token was used before is not looked at: see `service.Gatekeeper`.

    Raises:
        UnauthenticatedError: one subclass, with its own code, for each rule.
    """
    return prove(read(token), document, audience, now, leeway)


def prove(token: IdToken, document: DidDocument, audience: str, now: datetime, leeway: int = LEEWAY) -> Caller:
    """As `verify`, for a parsed token."""
    claims = token.claims
    if claims.iss != document.id:
        raise TokenIssuerError
    key = next((key for key in document.keys if key.id == token.signed.kid), None)
    if key is None or CAPABILITY_INVOCATION not in key.purposes:
        raise TokenKeyError
    if not token.signed.holds(key.public_key):
        raise TokenSignatureError
    if claims.sub != claims.iss:
        raise TokenSubjectError
    if claims.aud != audience:
        raise TokenAudienceError
    within = timedelta(seconds=leeway)
    check_times(claims.exp, claims.iat, claims.nbf, now=now, leeway=within, longest=LONGEST_LIFETIME)
    return Caller(claims.iss, token_id_of(claims.jti))


def check_times(exp: float, iat: float, nbf: float | None, *, now: datetime, leeway: timedelta, longest: int) -> None:
    """Whether a token holds at an instant, and for no more than so many seconds in all.

    Raises:
        TokenExpiredError, TokenPrematureError, TokenLifetimeError: it does not.
    """
    earliest, latest = (now - leeway).timestamp(), (now + leeway).timestamp()
    if exp <= earliest:
        raise TokenExpiredError
    if iat > latest or (nbf is not None and nbf > latest):
        raise TokenPrematureError
    if exp - iat > longest:
        raise TokenLifetimeError(limit=longest)


def token_id_of(jti: object) -> str:
    """The identity of a token, which is used once.

    Raises:
        TokenIdError: it has none, or one that is too long.
    """
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_TOKEN_ID:
        raise TokenIdError
    return jti


def seen_id(caller: Caller) -> str:
    """The identity under which a used token is remembered."""
    return sha256(f"{caller.did}\n{caller.token_id}".encode()).hexdigest()
