"""Presentations: credentials that their holder signs for one verifier, as JSON Web Tokens of both data models.

A presentation of the data model 2.0 holds each credential as an `EnvelopedVerifiableCredential`; one of 1.1 holds the
texts themselves, within the claim `vp`. Times are bounded as those of an ID token, since it is made for one query.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid
from medspace.trust.credentials import jose
from medspace.trust.credentials.errors import PresentationError
from medspace.trust.credentials.jose import SigningKey
from medspace.trust.credentials.model import CredentialProfile, KeyDocument
from medspace.trust.credentials.vcjwt import CONTEXT_V1, CONTEXT_V2, LEEWAY, proven, split
from medspace.trust.model import ASSERTION_METHOD, AUTHENTICATION

LONGEST_PRESENTATION = 512 * 1024  # characters
MOST_CREDENTIALS = 32
LIFETIME = 300  # seconds of those that are made here
LONGEST_LIFETIME = 3600  # seconds
_TYPS = (None, "JWT", "vp+jwt", "vp+ld+jwt")
_ENVELOPE = "data:application/vc+jwt,"
_TYPE = "VerifiablePresentation"


def sign_presentation(
    texts: Sequence[str],
    key: SigningKey,
    *,
    holder: str,
    audience: str,
    now: datetime,
    token_id: str,
    profile: CredentialProfile = CredentialProfile.VC20,
) -> str:
    """The presentation of credentials (of that profile) by `holder` to the DID `audience`."""
    issued = int(now.timestamp())
    claims: JsonObject = {"iss": holder, "sub": holder, "aud": audience, "jti": token_id}
    claims |= {"iat": issued, "nbf": issued, "exp": issued + LIFETIME}
    if profile is CredentialProfile.VC11:
        held = {"@context": [CONTEXT_V1], "type": [_TYPE], "holder": holder, "verifiableCredential": list(texts)}
        return jose.sign(key, {**claims, "vp": held})
    enveloped = [
        {"@context": CONTEXT_V2, "id": _ENVELOPE + text, "type": "EnvelopedVerifiableCredential"} for text in texts
    ]
    envelopes: JsonObject = {
        "@context": [CONTEXT_V2],
        "type": [_TYPE],
        "holder": holder,
        "verifiableCredential": enveloped,
    }
    return jose.sign(key, {**claims, **envelopes}, typ="vp+jwt", cty="vp")


def verify_presentation(
    text: str, document: KeyDocument, *, audience: str, now: datetime, leeway: timedelta = LEEWAY
) -> tuple[str, ...]:
    """The texts of the credentials in a presentation that the holder, whose document that is, signed for `audience`.

    Raises:
        CredentialError: it is malformed, not signed by the holder, for somebody else, or not valid now.
    """
    signed = split(text, LONGEST_PRESENTATION, _TYPS)
    claims = signed.payload
    held = claims.get("vp", claims)
    if not isinstance(held, dict) or ("vp" in claims and "verifiableCredential" in claims):
        raise _fault(msgid("it is of two versions of the data model at once"))
    proven(signed, document, AUTHENTICATION, ASSERTION_METHOD)
    if any(claims.get(name, document.id) != document.id for name in ("iss", "sub")):
        raise _fault(msgid("it is not signed by its holder"))
    if _id(held.get("holder", document.id)) != document.id or "iss" not in claims:
        raise _fault(msgid("it is not signed by its holder"))
    if claims.get("aud") not in (audience, [audience]):
        raise _fault(msgid("it is meant for somebody else"))
    _check_times(claims, now, leeway)
    return _texts(held)


def _id(value: object) -> object:
    return value.get("id") if isinstance(value, dict) else value


def _check_times(claims: JsonObject, now: datetime, leeway: timedelta) -> None:
    try:
        issued, begins, ends = (
            datetime.fromtimestamp(int(claims[name]), UTC)
            for name in ("iat", "nbf" if "nbf" in claims else "iat", "exp")
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise _fault(msgid("one of its times is missing")) from None
    if max(issued, begins) > now + leeway or ends <= now - leeway:
        raise _fault(msgid("it is not valid now"))
    if ends - issued > timedelta(seconds=LONGEST_LIFETIME):
        raise _fault(msgid("it is valid for too long"))


def _texts(held: JsonObject) -> tuple[str, ...]:
    types, listed = held.get("type"), held.get("verifiableCredential", [])
    if _TYPE not in (types if isinstance(types, list) else [types]):
        raise _fault(msgid("it is not a presentation"))
    listed = listed if isinstance(listed, list) else [listed]
    if len(listed) > MOST_CREDENTIALS:
        raise _fault(msgid("it holds too many credentials"))
    return tuple(_bare(one) for one in listed)


def _bare(one: object) -> str:
    """A credential, out of its envelope if it is in one (VC Data Model 2.0 4.13)."""
    if isinstance(one, dict):
        one = one.get("id")
        if isinstance(one, str) and one.startswith(_ENVELOPE):
            return one.removeprefix(_ENVELOPE)
        one = None
    if not isinstance(one, str):
        raise _fault(msgid("it holds something other than signed credentials"))
    return one


def _fault(reason: str) -> PresentationError:
    return PresentationError(reason=Text(reason))
