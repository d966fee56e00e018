"""Credentials as JSON Web Tokens: VC Data Model 1.1 (section 6.3.1) and 2.0 (VC-JOSE-COSE 3.1.1).

Strict where two places of a token say the same: they must agree, and of two times the narrower one holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from medspace.core.canonical import JsonObject
from medspace.core.clock import instant, stamp
from medspace.core.text import Text, msgid
from medspace.trust.credentials import jose
from medspace.trust.credentials.errors import (
    CredentialAlgorithmError,
    CredentialError,
    CredentialExpiredError,
    CredentialHeaderError,
    CredentialKeyError,
    CredentialMalformedError,
    CredentialPrematureError,
    CredentialSignatureError,
)
from medspace.trust.credentials.jose import SignedParts, SigningKey
from medspace.trust.credentials.model import Credential, CredentialProfile, KeyDocument, KeyMethod, StatusEntry
from medspace.trust.jws import JwsError
from medspace.trust.model import ASSERTION_METHOD

LONGEST_CREDENTIAL = 64 * 1024  # characters
LONGEST_TEXT = 2048  # of an id, a type, an address
MOST_TYPES, MOST_STATUS, MOST_SCHEMAS = 16, 8, 8
LEEWAY = timedelta(seconds=10)
CONTEXT_V1, CONTEXT_V2 = "https://www.w3.org/2018/credentials/v1", "https://www.w3.org/ns/credentials/v2"
_STATUS_LIST_2021 = "https://w3id.org/vc/status-list/2021/v1"
ENTRY_TYPES: Mapping[CredentialProfile, str] = {
    CredentialProfile.VC20: "BitstringStatusListEntry",
    CredentialProfile.VC11: "StatusList2021Entry",
}
VALIDITY = ("revocation", "suspension")  # the purposes that decide whether a credential counts
TYPS = (None, "JWT", "vc+jwt", "vc+ld+jwt")
_BASE_TYPE = "VerifiableCredential"


@dataclass(frozen=True, slots=True)
class CredentialDraft:
    """What an issuer is about to sign; `types` without `VerifiableCredential`."""

    id: str
    types: tuple[str, ...]
    issuer: str
    subject: str
    claims: Mapping[str, Any]
    valid_from: datetime
    valid_until: datetime | None
    status: Sequence[StatusEntry] = field(default=())
    schemas: Sequence[str] = field(default=())


def sign_credential(
    draft: CredentialDraft, key: SigningKey, profile: CredentialProfile = CredentialProfile.VC20
) -> str:
    """The signed text of a credential."""
    body = _body(draft, profile)
    if profile is CredentialProfile.VC20:
        return jose.sign(key, {**body, "iat": _seconds(draft.valid_from)}, typ="vc+jwt", cty="vc")
    ends = {} if draft.valid_until is None else {"exp": _seconds(draft.valid_until)}
    begins = _seconds(draft.valid_from)
    payload = {"iss": draft.issuer, "sub": draft.subject, "jti": draft.id, "nbf": begins, "iat": begins, **ends}
    return jose.sign(key, {**payload, "vc": body})


def _body(draft: CredentialDraft, profile: CredentialProfile) -> JsonObject:
    new = profile is CredentialProfile.VC20
    begins, ends = ("validFrom", "validUntil") if new else ("issuanceDate", "expirationDate")
    contexts = [CONTEXT_V2] if new else [CONTEXT_V1, _STATUS_LIST_2021]
    body: JsonObject = {
        "@context": contexts,
        "id": draft.id,
        "type": [_BASE_TYPE, *draft.types],
        "issuer": draft.issuer,
        begins: stamp(draft.valid_from),
        "credentialSubject": {"id": draft.subject, **draft.claims},
    }
    if draft.valid_until is not None:
        body[ends] = stamp(draft.valid_until)
    if draft.status:
        body["credentialStatus"] = [_entry(one, profile) for one in draft.status]
    if draft.schemas:
        body["credentialSchema"] = [{"id": one, "type": "JsonSchema"} for one in draft.schemas]
    return body


def _entry(entry: StatusEntry, profile: CredentialProfile) -> JsonObject:
    return {
        "id": f"{entry.url}#{entry.index}",
        "type": ENTRY_TYPES[profile],
        "statusPurpose": entry.purpose,
        "statusListIndex": str(entry.index),
        "statusListCredential": entry.url,
    }


def _seconds(time: datetime) -> int:
    return int(time.timestamp())


def issuer_of(text: str) -> str:
    """Who claims to have signed the credential: the DID whose document is needed to verify it.

    Raises:
        CredentialError: too long, malformed, another algorithm, or a forbidden header.
    """
    return _issuer(_body_of(split(text, LONGEST_CREDENTIAL))[0])


def split(text: str, longest: int, typs: Sequence[str | None] = TYPS) -> SignedParts:
    """The parts of a signed text, with the errors of credentials.

    Raises:
        CredentialMalformedError, CredentialAlgorithmError, CredentialHeaderError: by what is wrong.
    """
    try:
        signed = jose.split(text, longest)
    except JwsError as error:
        raise _fault(error) from None
    if signed.typ not in typs:
        raise malformed(msgid("its type is not one of a credential"))
    return signed


def _fault(error: JwsError) -> CredentialError:
    if error.fault == "algorithm":
        return CredentialAlgorithmError()
    if error.fault == "header":
        return CredentialHeaderError(name=error.detail)
    return malformed(msgid("it is not a token in compact form, or too long"))


def malformed(reason: str) -> CredentialMalformedError:
    """The error for what cannot be read."""
    return CredentialMalformedError(reason=Text(reason))


def proven(signed: SignedParts, document: KeyDocument, *purposes: str) -> KeyMethod:
    """The key of the document, for one of these purposes, that signed.

    Without a `kid` only the single key of a document can have signed (DCP 1.0 4.3.3).

    Raises:
        CredentialKeyError: the document has no such key for any of them.
        CredentialSignatureError: the signature is invalid.
    """
    keys = document.keys
    if signed.kid is None:
        found = keys[0] if len(keys) == document.methods == 1 else None
    else:
        name = f"{document.id}{signed.kid}" if signed.kid.startswith("#") else signed.kid
        found = next((key for key in keys if key.id == name), None)
    if found is None or found.purposes.isdisjoint(purposes):
        raise CredentialKeyError(issuer=document.id)
    if not signed.holds(found.key):
        raise CredentialSignatureError(issuer=document.id)
    return found


def verify_credential(text: str, document: KeyDocument, now: datetime, leeway: timedelta = LEEWAY) -> Credential:
    """The credential, proved by the document of its issuer and valid at `now`.

    Raises:
        CredentialError: one subclass, with its own code, for each rule.
    """
    return verify_long_credential(text, document, now, LONGEST_CREDENTIAL, leeway)


def verify_long_credential(
    text: str, document: KeyDocument, now: datetime, longest: int, leeway: timedelta = LEEWAY
) -> Credential:
    """As `verify_credential`, for a credential of at most `longest` characters."""
    signed = split(text, longest)
    body, profile = _body_of(signed)
    if _issuer(body) != document.id:
        raise CredentialKeyError(issuer=document.id)
    proven(signed, document, ASSERTION_METHOD)
    credential = _credential(body, signed.payload, profile, text)
    check_times(credential.issuer, credential.valid_from, credential.valid_until, now, leeway)
    return credential


def check_times(
    issuer: str, since: datetime, until: datetime | None, now: datetime, leeway: timedelta = LEEWAY
) -> None:
    """Refuse what is not valid at `now`.

    Raises:
        CredentialPrematureError, CredentialExpiredError: it is not.
    """
    if since > now + leeway:
        raise CredentialPrematureError(issuer=issuer, since=since.isoformat())
    if until is not None and until <= now:
        raise CredentialExpiredError(issuer=issuer, until=until.isoformat())


def _body_of(signed: SignedParts) -> tuple[JsonObject, CredentialProfile]:
    payload = signed.payload
    if "vc" in payload:
        body = payload["vc"]
        if not isinstance(body, dict) or "credentialSubject" in payload or signed.typ not in (None, "JWT"):
            raise malformed(msgid("it is of two versions of the data model at once"))
        return body, CredentialProfile.VC11
    contexts = payload.get("@context")
    if not isinstance(contexts, list) or not contexts or contexts[0] != CONTEXT_V2:
        raise malformed(msgid("it has no context of the data model 2.0, and no claim of the data model 1.1"))
    return payload, CredentialProfile.VC20


def _issuer(body: JsonObject) -> str:
    issuer = body.get("issuer")
    return _text(issuer.get("id") if isinstance(issuer, dict) else issuer)


def _text(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT:
        raise malformed(msgid("a field is missing, too long or of the wrong kind"))
    return value


def _credential(body: JsonObject, payload: JsonObject, profile: CredentialProfile, text: str) -> Credential:
    issuer, (subject, claims) = _issuer(body), _subject(body)
    since, until = _times(body, payload, profile)
    credential_id = _text(body.get("id") or payload.get("jti"))
    said = {"iss": issuer, "sub": subject, "jti": credential_id}
    # A token without a claim says nothing with it; one that says something else is two credentials in one.
    checked = ("iss", "sub") if profile is CredentialProfile.VC11 else tuple(said)
    if any(payload.get(name, said[name]) != said[name] for name in checked):
        raise malformed(msgid("its token and its content contradict each other"))
    return Credential(
        id=credential_id,
        types=_types(body),
        issuer=issuer,
        subject=subject,
        claims=claims,
        valid_from=since,
        valid_until=until,
        status=_status(body, profile),
        schemas=tuple(_text(one.get("id")) for one in _objects(body, "credentialSchema", MOST_SCHEMAS)),
        profile=profile,
        text=text,
    )


def _types(body: JsonObject) -> tuple[str, ...]:
    types = body.get("type")
    listed = [types] if isinstance(types, str) else types
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_TYPES:
        raise malformed(msgid("a field is missing, too long or of the wrong kind"))
    return tuple(_text(one) for one in listed)


def _subject(body: JsonObject) -> tuple[str, JsonObject]:
    subject = body.get("credentialSubject")
    if isinstance(subject, list) and len(subject) == 1:
        subject = subject[0]
    if not isinstance(subject, dict):
        raise malformed(msgid("it is not about exactly one subject"))
    return _text(subject.get("id")), {name: value for name, value in subject.items() if name != "id"}


def _times(body: JsonObject, payload: JsonObject, profile: CredentialProfile) -> tuple[datetime, datetime | None]:
    begins, ends = (
        ("validFrom", "validUntil") if profile is CredentialProfile.VC20 else ("issuanceDate", "expirationDate")
    )
    starts = [
        time
        for time in (_instant(body.get(begins)), _numeric(payload.get("nbf")), _numeric(payload.get("iat")))
        if time is not None
    ]
    stops = [time for time in (_instant(body.get(ends)), _numeric(payload.get("exp"))) if time is not None]
    if not starts:
        raise malformed(msgid("it does not say from when on it is valid"))
    return max(starts), min(stops, default=None)


def _instant(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return instant(_text(value))
    except ValueError:
        raise malformed(msgid("one of its times is none")) from None


def _numeric(value: object) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise malformed(msgid("one of its times is none"))
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise malformed(msgid("one of its times is none")) from None


def _objects(body: JsonObject, name: str, most: int) -> list[JsonObject]:
    found = body.get(name)
    listed = [] if found is None else [found] if isinstance(found, dict) else found
    if not isinstance(listed, list) or len(listed) > most or not all(isinstance(one, dict) for one in listed):
        raise malformed(msgid("a field is missing, too long or of the wrong kind"))
    return listed


def _status(body: JsonObject, profile: CredentialProfile) -> tuple[StatusEntry, ...]:
    entries = []
    for one in _objects(body, "credentialStatus", MOST_STATUS):
        if one.get("type") not in ENTRY_TYPES.values():
            raise malformed(msgid("its status stands in a kind of list that is not read here"))
        if one.get("type") != ENTRY_TYPES[profile] and profile is CredentialProfile.VC20:
            raise malformed(msgid("its status stands in a kind of list that is not read here"))
        if one.get("statusSize", 1) != 1:
            raise malformed(msgid("its status stands in a kind of list that is not read here"))
        index = str(one.get("statusListIndex"))
        if not index.isascii() or not index.isdigit() or len(index) > len(str(2**31)):
            raise malformed(msgid("the index of its status is not a number"))
        entries.append(
            StatusEntry(_text(one.get("statusListCredential")), int(index), _text(one.get("statusPurpose")))
        )
    return tuple(entries)
