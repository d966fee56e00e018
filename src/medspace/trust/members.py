"""The members list: who belongs to the space, signed by its authority as a compact JWS.

Anybody who knows the authority's public key can check a list offline. Security model: the authority alone admits
and removes; an expired or not yet valid list is ignored, so a connector that cannot reach the
authority closes when its list expires (fail closed).
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

from medspace.core.decoding import read_json
from medspace.core.keys import MldsaKey
from medspace.core.signing import MLDSA_PUBLIC_BYTES, Signer
from medspace.core.text import Text, msgid
from medspace.trust import jws
from medspace.trust.did import MOST_KEYS, PUBLIC_KEY_BYTES, base_url, key_id
from medspace.trust.errors import (
    DidError,
    MembersExpiredError,
    MembersListError,
    MembersPrematureError,
    MembersSignatureError,
)
from medspace.trust.model import Member, MemberList

TYPE = "medspace-members+jwt"
LARGEST_LIST = 8 * 1024 * 1024  # bytes
LEEWAY = timedelta(seconds=10)
_Time = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]  # seconds since 1970


class _Mldsa(msgspec.Struct, frozen=True):
    key: str
    since: _Time
    until: _Time = 0
    revoked: _Time = 0


class _Entry(msgspec.Struct, frozen=True):
    did: str
    name: str
    region: str
    roles: list[str]
    public_key: str
    operator: str = ""
    mldsa: Annotated[list[_Mldsa], msgspec.Meta(max_length=MOST_KEYS)] = []


class _List(msgspec.Struct, frozen=True):
    iss: str
    iat: int
    exp: int
    members: list[_Entry]
    founded: int | None = None


def sign_members(signer: Signer, members: MemberList) -> str:
    """The list as its authority signs it; instants are kept to the second.

    Raises:
        MembersListError: the list could not be read back: two members with one DID, an invalid DID or key.
    """
    claims = {
        "iss": members.issuer,
        "iat": int(members.issued.timestamp()),
        "exp": int(members.expires.timestamp()),
        "members": [_entry(member) for member in members.members],
        **({} if members.founded is None else {"founded": int(members.founded.timestamp())}),
    }
    text = jws.sign(signer, kid=key_id(members.issuer, signer.public_key), typ=TYPE, claims=claims)
    read_members(text, signer.public_key)
    return text


def _entry(member: Member) -> dict[str, object]:
    return {
        "did": member.did,
        "name": member.name,
        "region": member.region,
        "roles": list(member.roles),
        "public_key": jws.encode(member.public_key),
        **({"operator": member.operator} if member.operator else {}),
        **({"mldsa": [_key_json(key) for key in member.mldsa]} if member.mldsa else {}),
    }


def _key_json(key: MldsaKey) -> dict[str, object]:
    times = {"until": key.until, "revoked": key.revoked}
    return {"key": jws.encode(key.public), "since": key.since} | {name: time for name, time in times.items() if time}


def verify_members(text: str, authority_key: bytes, now: datetime) -> MemberList:
    """The list, verified with the authority's 32-byte public key and valid at `now`.

    Raises:
        MembersListError: malformed, not signed by the authority, expired, or dated in the future.
    """
    members = read_members(text, authority_key)
    check_time(members, now)
    return members


def check_time(members: MemberList, now: datetime) -> None:
    """Refuse a list that is not valid at `now`.

    Raises:
        MembersListError: expired, or dated in the future.
    """
    if members.issued > now + LEEWAY:
        raise MembersPrematureError(issued=members.issued.isoformat())
    if now >= members.expires:
        raise MembersExpiredError(expires=members.expires.isoformat())


def read_members(text: str, authority_key: bytes) -> MemberList:
    """The list, verified with the authority's public key, whether it is valid now or not.

    Raises:
        MembersListError: malformed, or not signed by the authority.
    """
    if len(text) > LARGEST_LIST:
        raise MembersListError(reason=Text(msgid("it is larger than {limit} bytes"), {"limit": LARGEST_LIST}))
    try:
        signed = jws.split(text)
    except jws.JwsError:
        raise MembersListError(reason=Text(msgid("it is not a token signed with EdDSA"))) from None
    if signed.typ != TYPE:
        raise MembersListError(reason=Text(msgid("its type is not {type}"), {"type": TYPE}))
    if not signed.holds(authority_key):
        raise MembersSignatureError
    return _members(signed.payload)


def _members(payload: bytes) -> MemberList:
    try:
        read = read_json(payload, _List)
        listed = tuple(_member(entry) for entry in read.members)
        issued, expires = datetime.fromtimestamp(read.iat, UTC), datetime.fromtimestamp(read.exp, UTC)
        founded = None if read.founded is None else datetime.fromtimestamp(read.founded, UTC)
    except DidError as error:
        raise MembersListError(reason=error.text) from None
    except (msgspec.DecodeError, RecursionError, ValueError, OverflowError, OSError):
        raise MembersListError(reason=Text(msgid("a field is missing or of the wrong kind"))) from None
    if len({member.did for member in listed}) != len(listed):
        raise MembersListError(reason=Text(msgid("it names a member twice")))
    return MemberList(read.iss, issued, expires, listed, founded)


def _member(entry: _Entry) -> Member:
    base_url(entry.did)
    public_key = jws.decode(entry.public_key)
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise ValueError(f"the key of {entry.did} is not 32 bytes")
    mldsa = tuple(MldsaKey(jws.decode(one.key), one.since, one.until, one.revoked) for one in entry.mldsa)
    if any(len(key.public) != MLDSA_PUBLIC_BYTES for key in mldsa) or len({key.public for key in mldsa}) < len(mldsa):
        raise ValueError(f"an ML-DSA-65 key of {entry.did} is none, or there twice")
    return Member(entry.did, entry.name, entry.region, tuple(entry.roles), public_key, entry.operator, mldsa)
