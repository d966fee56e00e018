"""The keys of a DID: of did:web documents, and of did:key (W3C CCG 0.9), for P-256, P-384 and Ed25519.

Lenient about what else a document holds, strict about what is used of it, as `trust.did` is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid
from medspace.trust.credentials.model import KeyDocument, KeyMethod, PublicJwk
from medspace.trust.did import LONGEST_DID, read_document
from medspace.trust.errors import DidError, DocumentError
from medspace.trust.jws import JwsError, decode, encode
from medspace.trust.model import PURPOSES

CREDENTIAL_SERVICE, ISSUER_SERVICE = "CredentialService", "IssuerService"  # DCP 1.0 5.2, 6.2
LONGEST_ENDPOINT = 2048
_KEY_PREFIX = "did:key:z"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# The registered multicodecs, as varints.
_CODECS: Mapping[bytes, str] = {b"\xed\x01": "Ed25519", b"\x80\x24": "P-256", b"\x81\x24": "P-384"}
_CURVES: Mapping[str, tuple[ec.EllipticCurve, int]] = {"P-256": (ec.SECP256R1(), 32), "P-384": (ec.SECP384R1(), 48)}
_LONGEST_KEY = 128  # characters of a did:key


def read_jwk(jwk: Mapping[str, Any]) -> PublicJwk | None:
    """The public key of a JWK; None for kinds that are not used here.

    Raises:
        ValueError: it is of a kind that is used, and no key; or it publishes a private key.
    """
    kind, curve = jwk.get("kty"), jwk.get("crv")
    if "d" in jwk:
        raise ValueError("a private key")
    try:
        if kind == "OKP" and curve == "Ed25519":
            Ed25519PublicKey.from_public_bytes(decode(str(jwk.get("x"))))
            return PublicJwk("OKP", "Ed25519", str(jwk["x"]))
        if kind == "EC" and curve in _CURVES:
            return _ec_key(str(curve), decode(str(jwk.get("x"))), decode(str(jwk.get("y"))))
    except JwsError:
        raise ValueError("not base64url") from None
    return None


def _ec_key(curve: str, x: bytes, y: bytes) -> PublicJwk:
    form, size = _CURVES[curve]
    if (len(x), len(y)) != (size, size):
        raise ValueError("a coordinate has another length")
    ec.EllipticCurvePublicKey.from_encoded_point(form, b"\x04" + x + y)  # on the curve
    return PublicJwk("EC", curve, encode(x), encode(y))


def did_key(key: PublicJwk) -> str:
    """The did:key of a public key."""
    codec = next(prefix for prefix, curve in _CODECS.items() if curve == key.crv)
    return _KEY_PREFIX + _base58(codec + _compressed(key))


def _compressed(key: PublicJwk) -> bytes:
    if key.kty == "OKP":
        return decode(key.x)
    point = b"\x04" + decode(key.x) + decode(key.y)
    read = ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[key.crv][0], point)
    return read.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def did_key_document(did: str) -> KeyDocument:
    """The document that a did:key stands for: one key, for all purposes, no services.

    Raises:
        DidError: not a did:key of P-256, P-384 or Ed25519.
    """
    try:
        key = _from_multibase(did.removeprefix("did:key:")) if len(did) <= _LONGEST_KEY else None
    except ValueError:
        key = None
    if key is None or not did.startswith(_KEY_PREFIX) or did_key(key) != did:
        raise DidError(did=did[:LONGEST_DID], reason=Text(msgid("it is not a did:key of a kind that is used here")))
    method = KeyMethod(f"{did}#{did.removeprefix('did:key:')}", key, frozenset(PURPOSES))
    return KeyDocument(did, (method,), {}, 1)


def _from_multibase(text: str) -> PublicJwk | None:
    if not text.startswith("z") or len(text) > _LONGEST_KEY:
        raise ValueError("not base58btc")
    content = _unbase58(text[1:])
    curve = _CODECS.get(content[:2])
    if curve == "Ed25519":
        return read_jwk({"kty": "OKP", "crv": curve, "x": encode(content[2:])})
    if curve is None:
        return None
    read = ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[curve][0], content[2:])
    point = read.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
    half = len(point) // 2
    return _ec_key(curve, point[:half], point[half:])


def _base58(content: bytes) -> str:
    number, digits = int.from_bytes(content), ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    return "1" * (len(content) - len(content.lstrip(b"\0"))) + digits


def _unbase58(text: str) -> bytes:
    number = 0
    for letter in text:
        number = number * 58 + _BASE58.index(letter)
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8)


class _KeyForm(msgspec.Struct, frozen=True):
    id: str
    controller: str = ""
    publicKeyJwk: dict[str, object] = {}  # noqa: N815 - the name on the wire
    publicKeyMultibase: str = ""  # noqa: N815 - the name on the wire


class _Document(msgspec.Struct, frozen=True):
    id: str
    verificationMethod: list[_KeyForm] = []  # noqa: N815 - the name on the wire
    authentication: list[object] = []
    assertionMethod: list[object] = []  # noqa: N815 - the name on the wire
    capabilityInvocation: list[object] = []  # noqa: N815 - the name on the wire
    service: list[object] = []


class _ServiceForm(msgspec.Struct, frozen=True):
    type: str
    serviceEndpoint: str  # noqa: N815 - the name on the wire


def parse_key_document(content: bytes, did: str) -> KeyDocument:
    """Read the document of `did`: the keys of the kinds that credentials are signed with, and its services.

    Raises:
        DocumentError: too large, not a DID document, of another DID, or with a key of somebody else.
    """
    document = read_document(content, did, _Document)
    return KeyDocument(did, _methods(document), _services(document), len(document.verificationMethod))


def _methods(document: _Document) -> tuple[KeyMethod, ...]:
    did, found = document.id, []
    listed = {purpose: {_absolute(did, name) for name in getattr(document, purpose)} for purpose in PURPOSES}
    for method in document.verificationMethod:
        key = _key(did, method)
        name = _absolute(did, method.id)
        if key is None:
            continue
        if method.controller not in ("", did) or not name.startswith(f"{did}#"):
            raise DocumentError(did=did, reason=Text(msgid("it holds a key of somebody else")))
        purposes = frozenset(purpose for purpose in PURPOSES if name in listed[purpose])
        found.append(KeyMethod(name, key, purposes))
    if len({key.id for key in found}) != len(found):
        raise DocumentError(did=did, reason=Text(msgid("it has two keys of one name")))
    return tuple(found)


def _key(did: str, method: _KeyForm) -> PublicJwk | None:
    try:
        if method.publicKeyMultibase:
            return _from_multibase(method.publicKeyMultibase)
        return read_jwk(method.publicKeyJwk)
    except ValueError:
        if "d" in method.publicKeyJwk:
            raise DocumentError(did=did, reason=Text(msgid("it publishes a private key"))) from None
        raise DocumentError(did=did, reason=Text(msgid("one of its keys is invalid"))) from None


def _absolute(did: str, name: object) -> str:
    # A purpose may hold a whole key instead of its name (DID Core 5.3.1): not used, so that key counts for nothing.
    if not isinstance(name, str):
        return ""
    return did + name if name.startswith("#") else name


def _services(document: _Document) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for entry in document.service:
        try:
            read = msgspec.convert(entry, _ServiceForm)
        except msgspec.ValidationError:
            continue
        if len(read.serviceEndpoint) <= LONGEST_ENDPOINT:
            found.setdefault(read.type, read.serviceEndpoint.rstrip("/"))
    return found


def build_key_document(
    document: JsonObject, keys: Sequence[tuple[str, PublicJwk]], services: Mapping[str, str]
) -> JsonObject:
    """A DID document as JSON, with more keys (for all purposes; by their DID URL) and services (by their type)."""
    did = document["id"]
    methods = [
        {"id": name, "type": "JsonWebKey2020", "controller": did, "publicKeyJwk": key.json()} for name, key in keys
    ]
    entries = [
        {"id": f"{did}#{kind}", "type": kind, "serviceEndpoint": address} for kind, address in services.items()
    ]
    names = [name for name, _ in keys]
    return {
        **document,
        "verificationMethod": [*document.get("verificationMethod", ()), *methods],
        **{purpose: [*document.get(purpose, ()), *names] for purpose in PURPOSES},
        "service": [*document.get("service", ()), *entries],
    }
