"""Hybrid signatures: Ed25519 (RFC 8032) and ML-DSA-65 (FIPS 204) over one message.

Security model: a signature is valid only if both parts are, so breaking one of the two, by a quantum computer or a
flaw in a young scheme, forges nothing. Both sign which algorithms and keys are used, and there is no choice: from a
member whose ML-DSA-65 keys the authority's list names, nothing signed with less is accepted (no downgrade). From a
member without any (a connector of an older version, a signer that has none) Ed25519 alone is accepted, but not where
`both` is required. Each message is signed for one type (`typ`): a signature for one is invalid for another, and
neither half is a JSON Web Signature. What is signed is the SHA-512 of the content, so that a long one is read once.

A key is valid for what is signed during its time, according to the current list: a revoked key is valid for nothing.
"""

from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha512
from typing import Annotated

import msgspec

from medspace.core.canonical import JsonObject, canonical
from medspace.core.decoding import read_json
from medspace.core.keys import MldsaKey
from medspace.core.signing import (
    ED25519_SIGNATURE_BYTES,
    MLDSA_SIGNATURE_BYTES,
    HybridSigner,
    Signer,
    verify,
    verify_mldsa,
)
from medspace.trust import jws
from medspace.trust.did import MOST_KEYS, key_id, mldsa_id
from medspace.trust.errors import (
    MldsaKeyEndedError,
    MldsaKeyMissingError,
    MldsaKeyRevokedError,
    MldsaKeyUnknownError,
    SignatureError,
    SignatureSingleError,
)
from medspace.trust.model import Member

ALGORITHM = "Ed25519+ML-DSA-65"
LEEWAY = timedelta(minutes=1)  # between the clocks of two parties
KEPT = 256  # cached headers, parsed and written: all signatures of a member for one type share theirs
LONGEST = 6 * 1024  # characters of a signature without what is signed: 4 497 and its header
_PREFIX = b"medspace signature, version 1\n"


class _SignatureHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: str
    by: str
    kid: Annotated[list[str], msgspec.Meta(min_length=1, max_length=2)]
    typ: str


def sign(signer: Signer, did: str, typ: str, content: bytes) -> str:
    """A detached signature: header and signature, both base64url.

    Raises:
        MedspaceError: the signer has ML-DSA-65 keys, and none of them is valid now.
    """
    mldsa = signer.mldsa.current() if isinstance(signer, HybridSigner) else None
    keys = key_id(did, signer.public_key), *([mldsa_id(did, mldsa.public_key)] if mldsa else ())
    header = _header(ALGORITHM if mldsa else jws.ALGORITHM, did, keys, typ)
    message = _message(header, content)
    signature = signer.sign(message) + (mldsa.sign(message) if mldsa else b"")
    return f"{header}.{jws.encode(signature)}"


def check(signature: str, member: Member, typ: str, content: bytes, at: datetime, *, both: bool = False) -> None:
    """Check that a member signed this content for this type at that time. With `both`, Ed25519 alone is not enough.

    Raises:
        SignatureError: it did not.
        SignatureSingleError, MldsaKeyMissingError: it has signed, or could only sign, with one algorithm.
        MldsaKeyUnknownError, MldsaKeyEndedError, MldsaKeyRevokedError: the key is not valid by the list.
    """
    text, _, encoded = signature.partition(".")
    header = _header_of(signature, text, member)
    hybrid = header.alg == ALGORITHM
    if both and not member.mldsa:
        raise MldsaKeyMissingError(did=member.did)
    if header.alg == jws.ALGORITHM and member.mldsa:
        raise SignatureSingleError(did=member.did)
    # The header is compared, not trusted: a signature of this member has exactly one valid header.
    names = key_id(member.did, member.public_key), *(header.kid[1:] if hybrid else ())
    if text != _header(ALGORITHM if hybrid else jws.ALGORITHM, member.did, names, typ):
        raise SignatureError(did=member.did)
    key = _key(member, names[-1], at) if hybrid and member.mldsa else None
    if not _holds(_message(text, content), _raw(encoded, member), member, key, hybrid=hybrid):
        raise SignatureError(did=member.did)


def signed(signer: Signer, did: str, typ: str, claims: JsonObject) -> str:
    """Claims with their signature, as one text; of a signer without ML-DSA-65 a JSON Web Signature (RFC 7515)."""
    if not isinstance(signer, HybridSigner):
        return jws.sign(signer, kid=key_id(did, signer.public_key), typ=typ, claims=claims)
    payload = canonical(claims)
    header, _, signature = sign(signer, did, typ, payload).partition(".")
    return f"{header}.{jws.encode(payload)}.{signature}"


def proven(text: str, member: Member, typ: str, at: datetime, *, both: bool = False) -> bytes:
    """The claims that a member signed for this type, as canonical JSON.

    Raises:
        SignatureError, ...: as `check`.
    """
    try:
        header, payload, signature = text.split(".")
        if len(header) > LONGEST or not text.isascii():
            raise SignatureError(did=member.did)
        content = jws.decode(payload)
        if _plain(header):
            return _proven_alone(text, member, typ, both=both)
    except ValueError:  # also for an invalid JSON Web Signature
        raise SignatureError(did=member.did) from None
    check(f"{header}.{signature}", member, typ, content, at, both=both)
    return content


def unproven(text: str) -> bytes:
    """The claims of a signed text, whoever signed it.

    Raises:
        ValueError: it is not a signed text.
    """
    _, payload, _ = text.split(".")
    return jws.decode(payload)


def _plain(header: str) -> bool:
    """Whether it is the header of a JSON Web Signature."""
    try:
        said = read_json(jws.decode(header), JsonObject)
        return said.get("alg") == jws.ALGORITHM and "by" not in said
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False


def _proven_alone(text: str, member: Member, typ: str, *, both: bool) -> bytes:
    if member.mldsa:
        raise SignatureSingleError(did=member.did)
    if both:
        raise MldsaKeyMissingError(did=member.did)
    found = jws.split(text)
    if found.typ != typ or not found.holds(member.public_key):
        raise SignatureError(did=member.did)
    return found.payload


@lru_cache(maxsize=KEPT)
def _header(algorithm: str, did: str, keys: tuple[str, ...], typ: str) -> str:
    return jws.encode(canonical({"alg": algorithm, "by": did, "kid": list(keys), "typ": typ}))


def _message(header: str, content: bytes) -> bytes:
    return _PREFIX + header.encode() + b"." + sha512(content).digest()


def _header_of(signature: str, header: str, member: Member) -> _SignatureHeader:
    try:
        if len(signature) <= LONGEST and signature.isascii():
            return _read(header)
    except (ValueError, RecursionError):
        pass
    raise SignatureError(did=member.did)


@lru_cache(maxsize=KEPT)
def _read(header: str) -> _SignatureHeader:
    return read_json(jws.decode(header), _SignatureHeader)


def _raw(encoded: str, member: Member) -> bytes:
    try:
        return jws.decode(encoded)
    except jws.JwsError:
        raise SignatureError(did=member.did) from None


def _key(member: Member, name: str, at: datetime) -> MldsaKey:
    """The ML-DSA-65 key of that name, if it is valid at that time."""
    key = next((key for key in member.mldsa if mldsa_id(member.did, key.public) == name), None)
    if key is None:
        raise MldsaKeyUnknownError(did=member.did)
    if key.revoked:
        raise MldsaKeyRevokedError(did=member.did)
    if not any(key.valid((at + shift).timestamp()) for shift in (timedelta(0), LEEWAY, -LEEWAY)):
        raise MldsaKeyEndedError(did=member.did)
    return key


def _holds(message: bytes, signature: bytes, member: Member, key: MldsaKey | None, *, hybrid: bool) -> bool:
    first, second = signature[:ED25519_SIGNATURE_BYTES], signature[ED25519_SIGNATURE_BYTES:]
    if len(second) != (MLDSA_SIGNATURE_BYTES if hybrid else 0):
        return False
    return verify(member.public_key, message, first) and (key is None or verify_mldsa(key.public, message, second))


def merged(known: tuple[MldsaKey, ...], shown: tuple[MldsaKey, ...], at: datetime) -> tuple[MldsaKey, ...]:
    """A member's valid keys after it shows them again: expired or revoked keys never come back.

    A key that is no longer shown expires; the oldest are dropped if there are too many.
    """
    seconds, new = int(at.timestamp()), {key.public: key for key in shown}
    kept = [_later(old, new.pop(old.public, None), seconds) for old in known]
    return tuple(sorted([*kept, *new.values()], key=lambda key: (key.since, key.public))[-MOST_KEYS:])


def _later(old: MldsaKey, new: MldsaKey | None, seconds: int) -> MldsaKey:
    ends = [end for end in (old.until, seconds if new is None else new.until) if end]
    revoked = [time for time in (old.revoked, new.revoked if new else 0) if time]
    return MldsaKey(old.public, old.since, min(ends, default=0), min(revoked, default=0))
