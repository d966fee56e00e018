"""ID tokens: whether they hold, for whom, and what they say (OpenID Connect Core 3.1.3.7).

Which algorithm counts is decided here and by the kind of the key, never by the token: neither `none`, nor a public
key taken for a shared secret, nor a key that the token brings along itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from medspace.adapters.extras import require
from medspace.core.canonical import Json, JsonObject
from medspace.core.decoding import read_json
from medspace.core.hashing import same_secret
from medspace.core.text import Text, msgid
from medspace.services.accounts.ceremonies import decoded
from medspace.services.accounts.errors import LoginRefusedError, PasskeyRefusedError

PACKAGE, EXTRA = "joserfc", "oidc"
KINDS: Final[Mapping[str, str]] = {
    "RS256": "RSA",
    "PS256": "RSA",
    "ES256": "EC",
    "ES384": "EC",
}  # of key, by algorithm
CURVES: Final[Mapping[str, str]] = {"ES256": "P-256", "ES384": "P-384"}
SHORTEST_RSA = 2048
LARGEST_TOKEN = 64 << 10
LARGEST_HEAD = 16 << 10
MOST_KEYS = 100
LEEWAY = timedelta(seconds=60)
OLDEST = timedelta(minutes=15)  # of an ID token that was made for a code
LONGEST_TEXT, MOST_GROUPS = 255, 1_000
MALFORMED = msgid("its ID token cannot be read")
UNPROVEN = msgid("its ID token is not signed by it")
FOREIGN = msgid("its ID token is for another program, or of another login")
LATE = msgid("its ID token is too old, or the clocks differ")
OTHER = msgid("its ID token answers another question")


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token has to say."""

    issuer: str
    client: str
    nonce: str
    now: datetime


def key_of(token: str, keys: Sequence[JsonObject]) -> JsonObject | None:
    """The key that a token names, or the only one that could be meant; None where there is none.

    Raises:
        LoginRefusedError: the token cannot be read, or is signed in a way that does not count here.
    """
    head = _head(token)
    kind, curve = KINDS[head["alg"]], CURVES.get(head["alg"])
    fit = [
        key
        for key in keys
        if key.get("kty") == kind
        and key.get("use", "sig") == "sig"
        and key.get("alg", head["alg"]) == head["alg"]
        and (curve is None or key.get("crv") == curve)
    ]
    if "kid" in head:
        fit = [key for key in fit if key.get("kid") == head["kid"]]
    return fit[0] if len(fit) == 1 else None


def claims_of(token: str, key: JsonObject, expected: Expected) -> JsonObject:
    """What a token says that holds.

    Raises:
        LoginRefusedError: it does not.
        MissingExtraError: `joserfc` is not installed.
    """
    payload = _proven(token, key)
    try:
        claims = read_json(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise _refused(MALFORMED) from None
    if not isinstance(claims, dict):
        raise _refused(MALFORMED)
    _check(claims, expected)
    return claims


def groups_of(claims: JsonObject, name: str) -> tuple[str, ...]:
    """The values of a claim: of that name, or at the end of a path with dots, such as `realm_access.roles`."""
    value: Any = claims.get(name)
    if value is None:
        value = claims
        for step in name.split("."):
            value = value.get(step) if isinstance(value, dict) else None
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or len(found) > MOST_GROUPS:
        return ()
    return tuple(one for one in found if isinstance(one, str) and len(one) <= LONGEST_TEXT)


def time_of(value: Json) -> datetime | None:
    """The instant of a claim, in seconds since 1970; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _head(token: str) -> JsonObject:
    """The head of a token, signed in a way that counts."""
    parts = token.split(".")
    if len(token) > LARGEST_TOKEN or len(parts) != 3:  # noqa: PLR2004 - RFC 7515 7.1
        raise _refused(MALFORMED)
    try:
        head = read_json(decoded(parts[0]))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, PasskeyRefusedError):
        raise _refused(MALFORMED) from None
    if not isinstance(head, dict) or head.get("alg") not in KINDS or not isinstance(head.get("kid", ""), str):
        raise _refused(UNPROVEN)
    return head


def _proven(token: str, key: JsonObject) -> bytes:
    require(PACKAGE, extra=EXTRA)
    from joserfc import jwk, jws  # noqa: PLC0415 - it is an extra
    from joserfc.errors import JoseError  # noqa: PLC0415

    algorithm = _head(token)["alg"]
    public: Any = {name: value for name, value in key.items() if name in ("kty", "n", "e", "crv", "x", "y")}
    try:
        if public["kty"] == "RSA" and int.from_bytes(decoded(public["n"]), "big").bit_length() < SHORTEST_RSA:
            raise _refused(UNPROVEN)
        # What a head says besides is not looked at (RFC 7515 4), but for `crit`; some have a chain of certificates.
        registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
        registry.max_header_length = LARGEST_HEAD
        return jws.deserialize_compact(token.encode(), jwk.import_key(public), registry=registry).payload
    except (JoseError, PasskeyRefusedError, ValueError, TypeError, LookupError):
        raise _refused(UNPROVEN) from None


def _check(claims: JsonObject, expected: Expected) -> None:
    said = claims.get("aud")
    audience = said if isinstance(said, list) else [said]
    if claims.get("iss") != expected.issuer or expected.client not in audience:
        raise _refused(FOREIGN)
    if claims.get("azp", None if len(audience) > 1 else expected.client) != expected.client:
        raise _refused(FOREIGN)
    made, ends, begins = time_of(claims.get("iat")), time_of(claims.get("exp")), time_of(claims.get("nbf", 0))
    if made is None or ends is None or begins is None:
        raise _refused(LATE)
    if ends + LEEWAY <= expected.now or not -LEEWAY <= expected.now - made <= OLDEST:
        raise _refused(LATE)
    if begins > expected.now + LEEWAY:
        raise _refused(LATE)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not same_secret(expected.nonce, nonce):
        raise _refused(OTHER)


def _refused(reason: str) -> LoginRefusedError:
    return LoginRefusedError(reason=Text(reason))
