"""Status lists: one bit for each credential, as signed credentials (Bitstring Status List 1.0; StatusList2021).

A list counts only if the issuer of the credential signed it, its own id is the address that the credential names, its
purpose is the one asked for, and it is valid now. Decompression stops at a limit.
"""

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from medspace.core.text import Text, msgid
from medspace.trust.credentials.errors import (
    CredentialError,
    CredentialExpiredError,
    CredentialPrematureError,
    CredentialRevokedError,
    CredentialSuspendedError,
    StatusListError,
)
from medspace.trust.credentials.jose import SigningKey
from medspace.trust.credentials.model import Credential, CredentialProfile, KeyDocument, StatusEntry, StatusList
from medspace.trust.credentials.vcjwt import (
    LEEWAY,
    VALIDITY,
    CredentialDraft,
    check_times,
    sign_credential,
    verify_long_credential,
)
from medspace.trust.jws import JwsError, decode, encode

FEWEST_BITS = 131_072  # of a list that is made here: nobody can tell whose bit it is (Bitstring Status List 1.0 6.1)
MOST_BYTES = 1 << 20  # of a list, unpacked
LONGEST_LIST = 2 << 20  # characters, as it is signed
LIST_TYPES: Mapping[CredentialProfile, tuple[str, str]] = {
    CredentialProfile.VC20: ("BitstringStatusListCredential", "BitstringStatusList"),
    CredentialProfile.VC11: ("StatusList2021Credential", "StatusList2021"),
}
_MOST_PURPOSES = 8
_MOMENT = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class StatusDraft:
    """A status list that an issuer is about to sign; `url` is where it will be found."""

    url: str
    issuer: str
    purpose: str
    issued: datetime
    valid_until: datetime
    bits: bytes = field(repr=False)


def new_bits(size: int = FEWEST_BITS) -> bytes:
    """The bits of a list in which nothing is set.

    Raises:
        ValueError: fewer than 131,072, more than the limit, or not a multiple of 8.
    """
    if not FEWEST_BITS <= size <= MOST_BYTES * 8 or size % 8:
        raise ValueError(f"a status list cannot have {size} bits")
    return bytes(size // 8)


def set_bit(bits: bytes, index: int, *, on: bool) -> bytes:
    """The bits with one of them set or cleared.

    Raises:
        IndexError: there is no such bit.
    """
    if not 0 <= index < len(bits) * 8:
        raise IndexError(index)
    mask = 0x80 >> (index & 7)
    changed = bytearray(bits)
    changed[index >> 3] = changed[index >> 3] | mask if on else changed[index >> 3] & ~mask
    return bytes(changed)


def sign_status_list(draft: StatusDraft, key: SigningKey, profile: CredentialProfile = CredentialProfile.VC20) -> str:
    """The signed text of a status list."""
    credential_type, subject_type = LIST_TYPES[profile]
    packed = encode(gzip.compress(draft.bits, mtime=0))
    claims = {
        "type": subject_type,
        "statusPurpose": draft.purpose,
        "encodedList": f"u{packed}" if profile is CredentialProfile.VC20 else packed,
    }
    whole = CredentialDraft(
        draft.url,
        (credential_type,),
        draft.issuer,
        f"{draft.url}#list",
        claims,
        draft.issued,
        draft.valid_until,
    )
    return sign_credential(whole, key, profile)


@dataclass(frozen=True, slots=True)
class SignedList:
    """A status list as it was signed, with its times."""

    text: str = field(repr=False)
    issued: datetime
    until: datetime

    def is_due(self, now: datetime) -> bool:
        """Whether a quarter of its time is over: then it is signed anew, so that it never runs out."""
        return now - self.issued >= (self.until - self.issued) / 4


def sign_next_list(
    key: SigningKey,
    draft: StatusDraft,
    before: datetime | None,
    profile: CredentialProfile = CredentialProfile.VC20,
) -> SignedList:
    """The next list of an address, dated after the one `before`, so that of two lists one is always the newer.

    Its times are those of the draft in milliseconds, both later by as much as it takes.
    """
    issued = draft.issued.replace(microsecond=draft.issued.microsecond // 1000 * 1000)
    if before is not None:
        issued = max(issued, before + _MOMENT)
    dated = replace(draft, issued=issued, valid_until=issued + (draft.valid_until - draft.issued))
    return SignedList(sign_status_list(dated, key, profile), dated.issued, dated.valid_until)


def verify_status_list(
    text: str, document: KeyDocument, now: datetime, leeway: timedelta = LEEWAY, url: str = ""
) -> StatusList:
    """The status list, proved by the document of its issuer and valid at `now`; `url` is where it came from.

    Raises:
        StatusListError: it is malformed, not signed by that issuer, stale, or unpacks to too much.
    """
    try:
        credential = verify_long_credential(text, document, now, LONGEST_LIST, leeway)
    except (CredentialExpiredError, CredentialPrematureError) as error:
        raise StatusListError(url=url or document.id, reason=Text(msgid("it is not valid now"))) from error
    except CredentialError as error:
        reason = Text(msgid("it is not a list that {issuer} signed"), {"issuer": document.id})
        raise StatusListError(url=url or document.id, reason=reason) from error
    if url and credential.id != url:
        raise StatusListError(url=url, reason=Text(msgid("it is the list of another address")))
    return _list(credential)


def _list(credential: Credential) -> StatusList:
    claims, url = credential.claims, credential.id
    # Issuers write the newer kind of list in the older data model as well.
    if not any(kind in credential.types and claims.get("type") == said for kind, said in LIST_TYPES.values()):
        raise StatusListError(url=url, reason=Text(msgid("it is not a status list")))
    said = claims.get("statusPurpose")
    purposes = [said] if isinstance(said, str) else said
    texts = isinstance(purposes, list) and all(isinstance(one, str) for one in purposes)
    if not isinstance(purposes, list) or not texts or not 0 < len(purposes) <= _MOST_PURPOSES:
        raise StatusListError(url=url, reason=Text(msgid("it has no purpose")))
    return StatusList(
        url=url,
        issuer=credential.issuer,
        purposes=tuple(purposes),
        issued=credential.valid_from,
        valid_until=credential.valid_until,
        bits=unpack(str(claims.get("encodedList")), url),
        text=credential.text,
    )


def unpack(encoded: str, url: str = "") -> bytes:
    """The bits of an encoded list; at most `MOST_BYTES` of them are unpacked.

    Raises:
        StatusListError: not base64url of gzip, damaged, followed by something, or too large.
    """
    # Only a multibase prefix can be the first letter: gzip begins with H in base64url.
    try:
        packed = decode(encoded.removeprefix("u"))
        inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        bits = inflater.decompress(packed, MOST_BYTES + 1)
    except (JwsError, zlib.error):
        raise StatusListError(url=url, reason=Text(msgid("its bits are not packed with gzip"))) from None
    if len(bits) > MOST_BYTES:
        raise StatusListError(
            url=url, reason=Text(msgid("it unpacks to more than {most} bytes"), {"most": MOST_BYTES})
        )
    if not inflater.eof or inflater.unused_data or not bits:
        raise StatusListError(url=url, reason=Text(msgid("its bits are not packed with gzip")))
    return bits


def check_status(entry: StatusEntry, issuer: str, listed: StatusList, now: datetime) -> None:
    """Refuse a credential of `issuer` whose entry is set in the list.

    Raises:
        CredentialRevokedError, CredentialSuspendedError: it is.
        StatusListError: the list does not say: it is of another issuer, address or purpose, too short, or stale.
    """
    if entry.purpose not in VALIDITY:
        return  # such as `refresh`: says nothing of whether it counts
    if listed.url != entry.url or listed.issuer != issuer:
        raise StatusListError(url=entry.url, reason=Text(msgid("it is the list of somebody else")))
    if entry.purpose not in listed.purposes:
        raise StatusListError(url=entry.url, reason=Text(msgid("it is for another purpose")))
    try:
        check_times(issuer, listed.issued, listed.valid_until, now)
        on = listed.holds(entry.index)
    except IndexError:
        raise StatusListError(url=entry.url, reason=Text(msgid("it is shorter than the index"))) from None
    except CredentialError as error:
        raise StatusListError(url=entry.url, reason=Text(msgid("it is not valid now"))) from error
    if on:
        raise (CredentialRevokedError if entry.purpose == "revocation" else CredentialSuspendedError)(issuer=issuer)
