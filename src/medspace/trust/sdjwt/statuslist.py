"""Token Status List (draft-ietf-oauth-status-list): one, two, four or eight bits for each card, signed by its issuer.

A list counts only if the issuer of the card signed it, its `sub` is the address that the card names, and it is valid
now. Decompression stops at a limit.
"""

import zlib
from dataclasses import dataclass, field
from datetime import datetime

from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid
from medspace.trust.credentials import jose
from medspace.trust.credentials.jose import SigningKey
from medspace.trust.jws import JwsError, decode, encode
from medspace.trust.sdjwt.errors import CardRevokedError, CardSuspendedError, SdJwtError, TokenStatusError
from medspace.trust.sdjwt.model import IssuerKeys, StatusReference, TokenStatusList
from medspace.trust.sdjwt.proving import check_times, time_of

TYP = "statuslist+jwt"
WIDTHS = (1, 2, 4, 8)  # bits of a status
VALID, INVALID, SUSPENDED = 0, 1, 2
FEWEST = 131_072  # statuses of a list that is made here: nobody can tell whose it is
MOST_BYTES = 1 << 20  # of a list, unpacked
LONGEST_LIST = 2 << 20  # characters, as it is signed


@dataclass(frozen=True, slots=True)
class TokenStatusDraft:
    """A list that an issuer is about to sign; `url` is where it will be found, `packed` its statuses."""

    url: str
    issuer: str
    issued: datetime
    expires: datetime
    packed: bytes = field(repr=False)
    bits: int = 1


def pack(statuses: dict[int, int], size: int = FEWEST, bits: int = 1) -> bytes:
    """The bytes of a list in which all are valid but those named.

    Raises:
        ValueError: a width, a size, an index or a status that a list cannot have.
    """
    if bits not in WIDTHS or size * bits % 8 or not 0 < size * bits <= MOST_BYTES * 8:
        raise ValueError("no such list")
    packed, each = bytearray(size * bits // 8), 8 // bits
    for index, status in statuses.items():
        if not 0 <= index < size or not 0 <= status < 1 << bits:
            raise ValueError("no such status")
        packed[index // each] |= status << (index % each * bits)
    return bytes(packed)


def sign_token_status_list(draft: TokenStatusDraft, key: SigningKey) -> str:
    """The signed text of a list."""
    lifetime = int((draft.expires - draft.issued).total_seconds())
    payload: JsonObject = {
        "iss": draft.issuer,
        "sub": draft.url,
        "iat": int(draft.issued.timestamp()),
        "exp": int(draft.expires.timestamp()),
        "ttl": max(lifetime // 4, 1),
        "status_list": {"bits": draft.bits, "lst": encode(zlib.compress(draft.packed, 9))},
    }
    return jose.sign(key, payload, typ=TYP)


def verify_token_status_list(text: str, keys: IssuerKeys, url: str, now: datetime) -> TokenStatusList:
    """The list at `url`, signed by the issuer of the card and valid at `now`.

    Raises:
        TokenStatusError: it is malformed, of another address or issuer, stale, or unpacks to too much.
    """
    try:
        signed = jose.split(text, LONGEST_LIST)
    except JwsError:
        raise _fault(url, msgid("it is malformed")) from None
    if signed.typ != TYP or not any(signed.holds(key) for name, key in keys.keys if signed.kid in (name, None)):
        raise _fault(url, msgid("it is not signed by the issuer of the card"))
    claims = signed.payload
    if claims.get("sub") != url or claims.get("iss", keys.issuer) != keys.issuer:
        raise _fault(url, msgid("it is the list of another address"))
    try:
        check_times(keys.issuer, claims, now)
        issued, expires = time_of(claims.get("iat")), time_of(claims.get("exp"))
    except SdJwtError:
        raise _fault(url, msgid("it is not valid now")) from None
    if issued is None or expires is None:  # without an end, an old list could be shown for ever
        raise _fault(url, msgid("it does not say until when it is valid"))
    bits, packed = _statuses(claims, url)
    return TokenStatusList(url, keys.issuer, issued, expires, bits, packed)


def _statuses(claims: JsonObject, url: str) -> tuple[int, bytes]:
    said = claims.get("status_list")
    bits, packed = (said.get("bits"), said.get("lst")) if isinstance(said, dict) else (None, None)
    if isinstance(bits, bool) or bits not in WIDTHS or not isinstance(packed, str):
        raise _fault(url, msgid("it is malformed"))
    return int(bits), unpack(packed, url)


def unpack(encoded: str, url: str = "") -> bytes:
    """The bytes of an encoded list; at most `MOST_BYTES` of them are unpacked.

    Raises:
        TokenStatusError: not base64url of ZLIB, damaged, followed by something, or too large.
    """
    try:
        inflater = zlib.decompressobj()
        content = inflater.decompress(decode(encoded), MOST_BYTES + 1)
    except (JwsError, zlib.error):
        raise _fault(url, msgid("it is malformed")) from None
    if len(content) > MOST_BYTES:
        raise TokenStatusError(
            url=url, reason=Text(msgid("it unpacks to more than {most} bytes"), {"most": MOST_BYTES})
        )
    if not inflater.eof or inflater.unused_data or not content:
        raise _fault(url, msgid("it is malformed"))
    return content


def check_token_status(reference: StatusReference, issuer: str, listed: TokenStatusList, now: datetime) -> None:
    """Refuse a card of `issuer` whose status in the list is not valid.

    Raises:
        CardRevokedError, CardSuspendedError: it is not; a status that is not known here counts as revoked.
        TokenStatusError: the list is of another issuer or address, too short, or stale.
    """
    if listed.url != reference.url or listed.issuer != issuer:
        raise _fault(reference.url, msgid("it is the list of another address"))
    if not listed.issued <= now.replace(microsecond=999_999) or now >= listed.expires:
        raise _fault(reference.url, msgid("it is not valid now"))
    try:
        status = listed.status(reference.index)
    except IndexError:
        raise _fault(reference.url, msgid("it is shorter than the index")) from None
    if status != VALID:
        raise (CardSuspendedError if status == SUSPENDED else CardRevokedError)(issuer=issuer)


def _fault(url: str, reason: str) -> TokenStatusError:
    return TokenStatusError(url=url, reason=Text(reason))
