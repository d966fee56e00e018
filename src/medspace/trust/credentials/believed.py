"""Which issuers are believed for which type of credential: a list that the authority signs.

Unknown issuers, types and claims never count. The list is a compact JWS of the authority, like the members list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from medspace.core.canonical import JsonObject
from medspace.core.credentials import ANY, Believed
from medspace.core.decoding import read_json
from medspace.core.signing import Signer
from medspace.core.text import Text, msgid
from medspace.trust import jws
from medspace.trust.credentials.errors import CredentialIssuerError, TrustListError
from medspace.trust.credentials.model import Credential
from medspace.trust.did import key_id

TYPE = "medspace-trust-list+jwt"
LARGEST_LIST = 512 * 1024  # characters
MOST_TYPES, MOST_ISSUERS, MOST_CLAIMS = 256, 256, 64


@dataclass(frozen=True, slots=True)
class TrustList:
    """Who is believed for what, by `issuer` (the authority), from `issued` until before `expires`."""

    issuer: str
    issued: datetime
    expires: datetime
    believed: tuple[Believed, ...]

    def of(self, credential_type: str) -> Believed | None:
        """What is believed of a type."""
        return next((one for one in self.believed if one.type == credential_type), None)


class _Form(msgspec.Struct, frozen=True):
    iss: str
    iat: int
    exp: int
    believed: list[Believed]


def sign_trust_list(trusted: TrustList, signer: Signer) -> str:
    """The list as the authority signs it."""
    claims: JsonObject = {
        "iss": trusted.issuer,
        "iat": int(trusted.issued.timestamp()),
        "exp": int(trusted.expires.timestamp()),
        "believed": [msgspec.to_builtins(one) for one in trusted.believed],
    }
    return jws.sign(signer, kid=key_id(trusted.issuer, signer.public_key), typ=TYPE, claims=claims)


def verify_trust_list(text: str, authority: str, authority_key: bytes, now: datetime) -> TrustList:
    """The list, verified with the authority's 32-byte Ed25519 key and valid at `now`.

    Raises:
        TrustListError: malformed, not signed by the authority, or not valid now.
    """
    if len(text) > LARGEST_LIST:
        raise _fault(msgid("it is too large"))
    try:
        signed = jws.split(text)
        form = read_json(signed.payload, _Form)
        issued, expires = (datetime.fromtimestamp(time, UTC) for time in (form.iat, form.exp))
    except (jws.JwsError, msgspec.DecodeError, RecursionError, ValueError, OverflowError, OSError):
        raise _fault(msgid("it is malformed")) from None
    if signed.typ != TYPE or form.iss != authority or not signed.holds(authority_key):
        raise _fault(msgid("it is not signed by the authority"))
    if not issued <= now < expires:
        raise _fault(msgid("it is not valid now"))
    if len(form.believed) > MOST_TYPES or len({one.type for one in form.believed}) != len(form.believed):
        raise _fault(msgid("it names a type twice, or too many"))
    if any(len(one.issuers) > MOST_ISSUERS or len(one.claims) > MOST_CLAIMS for one in form.believed):
        raise _fault(msgid("it is too large"))
    return TrustList(form.iss, issued, expires, tuple(form.believed))


def believed_type(listed: Sequence[Believed], credential: Credential) -> Believed:
    """The entry by which a credential counts: one of its types, for which its issuer is believed.

    Raises:
        CredentialIssuerError: there is none.
    """
    for one in listed:
        if one.type in credential.types and credential.issuer in one.issuers:
            return one
    raise CredentialIssuerError(issuer=credential.issuer, type=credential.types[-1])


def counted(entry: Believed, credential: Credential) -> Mapping[str, object]:
    """The claims of a credential that count under an entry."""
    if ANY in entry.claims:
        return credential.claims
    return {name: value for name, value in credential.claims.items() if name in entry.claims}


def _fault(reason: str) -> TrustListError:
    return TrustListError(reason=Text(reason))
