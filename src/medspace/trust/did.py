"""The DID method `web` and DID documents (W3C did:web 2023, DID Core 1.0), with keys of Ed25519 and ML-DSA-65.

Lenient about what else a document holds, strict about what is used of it: the document must be the one of its DID,
and a key is valid for a purpose only where the document lists it for that purpose.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from medspace.core.canonical import JsonObject, canonical
from medspace.core.clock import instant
from medspace.core.decoding import read_json
from medspace.core.keys import MldsaKey
from medspace.core.signing import MLDSA_PUBLIC_BYTES
from medspace.core.text import Text, msgid
from medspace.trust.errors import DidError, DocumentError
from medspace.trust.jws import JwsError, decode, encode
from medspace.trust.model import ASSERTION_METHOD, PURPOSES, DidDocument, ServiceEntry, VerificationKey

CONTEXTS = (
    "https://www.w3.org/ns/did/v1",
    "https://w3id.org/security/suites/jws-2020/v1",
    "https://w3id.org/dspace/2025/1/context.jsonld",
)
SERVICE_TYPES = ("DataService", "CatalogService")
LONGEST_DID = 512
LARGEST_DOCUMENT = 64 * 1024  # bytes
MOST_ENTRIES = 64  # keys, services or references of one document
PUBLIC_KEY_BYTES = 32
MOST_KEYS = 16  # of ML-DSA-65 of one party, over time
MLDSA = "ML-DSA-65"
KEPT = 1024  # DIDs, hosts and keys whose forms are remembered: every call asks for those of a few parties again

_PREFIX = "did:web:"
_HOST = re.compile(r"(?=.{1,253}(%3A|$))([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_LARGEST_PORT = 65535


@lru_cache(maxsize=KEPT)
def is_loopback(host: str) -> bool:
    """Whether a host name is this machine: `localhost`, or an address of 127.0.0.0/8 or ::1 in its usual form."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@lru_cache(maxsize=KEPT)
def base_url(did: str) -> str:
    """The base URL of a did:web: `https://HOST[:PORT][/PATH]`; plain http on this machine only.

    Raises:
        DidError: not a did:web in canonical spelling (lower case, no IP address but loopback, no invalid characters).
    """
    if not did.startswith(_PREFIX) or len(did) > LONGEST_DID:
        raise DidError(did=did[:LONGEST_DID], reason=Text(msgid("it does not start with did:web: or is too long")))
    authority, *path = did.removeprefix(_PREFIX).split(":")
    host, _, port = authority.partition("%3A")
    _check_host(did, host)
    if "%3A" in authority and not (_PORT.fullmatch(port) and int(port) <= _LARGEST_PORT):
        raise DidError(did=did, reason=Text(msgid("its port is not a number from 1 to 65535")))
    if not all(_SEGMENT.fullmatch(segment) for segment in path):
        raise DidError(did=did, reason=Text(msgid("its path has an empty part or invalid characters")))
    scheme = "http" if is_loopback(host) else "https"
    return f"{scheme}://" + "/".join([authority.replace("%3A", ":"), *path])


def _check_host(did: str, host: str) -> None:
    if not _HOST.fullmatch(host):
        raise DidError(did=did, reason=Text(msgid("its host is not a domain name in lower case")))
    last = host.rpartition(".")[2]
    # WHATWG URL 3.5: a host whose last label is a number is an IPv4 address, in one of its many spellings.
    if (last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last)) and not is_loopback(host):
        raise DidError(did=did, reason=Text(msgid("its host is an IP address")))


def document_url(did: str) -> str:
    """Where the document of a did:web is (did:web 3.2).

    Raises:
        DidError: not a did:web.
    """
    base = base_url(did)
    return f"{base}/did.json" if "/" in base.partition("://")[2] else f"{base}/.well-known/did.json"


def did_web(url: str) -> str:
    """The did:web of a base URL.

    Raises:
        DidError: there is no did:web for that URL.
    """
    parts = urlsplit(url)
    segments = [segment for segment in parts.path.split("/") if segment]
    did = _PREFIX + ":".join([parts.netloc.replace(":", "%3A"), *segments])
    if base_url(did) != url.rstrip("/"):
        raise DidError(did=did, reason=Text(msgid("it does not lead back to {url}"), {"url": url}))
    return did


@lru_cache(maxsize=KEPT)
@lru_cache(maxsize=1024)
def key_id(did: str, public_key: bytes) -> str:
    """The DID URL of a key: its fragment is the key's JWK thumbprint (RFC 7638, RFC 8037 2)."""
    return f"{did}#{encode(sha256(canonical(_jwk(public_key))).digest())}"


def _jwk(public_key: bytes) -> JsonObject:
    return {"crv": "Ed25519", "kty": "OKP", "x": encode(public_key)}


@lru_cache(maxsize=1024)
def mldsa_id(did: str, public_key: bytes) -> str:
    """The DID URL of an ML-DSA-65 key, by its JWK thumbprint as well."""
    return f"{did}#{encode(sha256(canonical(_akp(public_key))).digest())}"


def _akp(public_key: bytes) -> JsonObject:
    return {"alg": MLDSA, "kty": "AKP", "pub": encode(public_key)}  # draft-ietf-cose-dilithium 3, JWK


def build_document(
    did: str, public_key: bytes, services: Iterable[ServiceEntry] = (), mldsa: Sequence[MldsaKey] = ()
) -> JsonObject:
    """The DID document of a party with one Ed25519 key and its ML-DSA-65 keys over time, as JSON.

    An ML-DSA-65 key states its time of validity, by the terms of Controlled Identifiers 1.0 2.2 (`expires`,
    `revoked`) and by `validFrom`.

    Raises:
        DidError: not a did:web.
        ValueError: a service is not one of DSP, or its endpoint does not end with `/catalog` (DSP 2025-1 DidService).
    """
    base_url(did)
    method = key_id(did, public_key)
    return {
        "@context": list(CONTEXTS),
        "id": did,
        "verificationMethod": [
            {"id": method, "type": "JsonWebKey2020", "controller": did, "publicKeyJwk": _jwk(public_key)},
            *(_mldsa_method(did, key) for key in mldsa),
        ],
        **{purpose: [method] for purpose in PURPOSES},
        ASSERTION_METHOD: [method, *(mldsa_id(did, key.public) for key in mldsa if not key.revoked)],
        "service": [_service(entry) for entry in services],
    }


def _mldsa_method(did: str, key: MldsaKey) -> JsonObject:
    times = {"validFrom": key.since, "expires": key.until, "revoked": key.revoked}
    said = {name: datetime.fromtimestamp(time, UTC).isoformat() for name, time in times.items() if time}
    named = {"id": mldsa_id(did, key.public), "type": "JsonWebKey2020", "controller": did}
    return {**named, "publicKeyJwk": _akp(key.public), **said}


def _service(entry: ServiceEntry) -> JsonObject:
    if entry.type not in SERVICE_TYPES or not re.fullmatch(r"https?://.+/catalog", entry.endpoint):
        raise ValueError(f"not a service of the Dataspace Protocol: {entry}")
    return {"id": entry.id, "type": entry.type, "serviceEndpoint": entry.endpoint}


class _Method(msgspec.Struct, frozen=True):
    id: str
    controller: str
    publicKeyJwk: dict[str, object] = {}  # noqa: N815 - the name on the wire
    validFrom: str = ""  # noqa: N815 - the name on the wire
    expires: str = ""
    revoked: str = ""


class _DidDocumentForm(msgspec.Struct, frozen=True):
    id: str
    verificationMethod: list[_Method] = []  # noqa: N815 - the name on the wire
    authentication: list[object] = []
    assertionMethod: list[object] = []  # noqa: N815 - the name on the wire
    capabilityInvocation: list[object] = []  # noqa: N815 - the name on the wire
    service: list[object] = []


Form = TypeVar("Form", bound=msgspec.Struct)


def read_document(content: bytes, did: str, form: type[Form]) -> Form:
    """The DID document of `did`, in a form that says which of its keys are read.

    Raises:
        DocumentError: too large, not a DID document, or the document of another DID.
    """
    if len(content) > LARGEST_DOCUMENT:
        raise DocumentError(
            did=did, reason=Text(msgid("it is larger than {limit} bytes"), {"limit": LARGEST_DOCUMENT})
        )
    try:
        document: Any = read_json(content, form)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise DocumentError(did=did, reason=Text(msgid("it is not a DID document"))) from None
    if document.id != did:
        raise DocumentError(did=did, reason=Text(msgid("it is the document of another DID")))
    lists = [document.verificationMethod, *(getattr(document, name) for name in PURPOSES), document.service]
    if any(len(entries) > MOST_ENTRIES for entries in lists):
        raise DocumentError(
            did=did, reason=Text(msgid("it has more than {limit} entries of one sort"), {"limit": MOST_ENTRIES})
        )
    made: Form = document
    return made


def parse_document(content: bytes, did: str) -> DidDocument:
    """Read the document of `did`. Keys other than Ed25519 and ML-DSA-65 and foreign services are left out.

    Raises:
        DocumentError: too large, not a DID document, the document of another DID, or without any Ed25519 key.
    """
    document = read_document(content, did, _DidDocumentForm)
    return DidDocument(did, _keys(document), _services(document), _mldsa_keys(document))


def _keys(document: _DidDocumentForm) -> tuple[VerificationKey, ...]:
    did = document.id
    listed = {purpose: {_absolute(did, name) for name in getattr(document, purpose)} for purpose in PURPOSES}
    found = []
    for method in document.verificationMethod:
        public_key = _public_key(did, method)
        if public_key is None:
            continue
        name = _absolute(did, method.id)
        purposes = frozenset(purpose for purpose in PURPOSES if name in listed[purpose])
        found.append(VerificationKey(name, public_key, purposes))
    if not found or len({key.id for key in found}) != len(found):
        raise DocumentError(did=did, reason=Text(msgid("it has no Ed25519 key, or two of one name")))
    return tuple(found)


def _absolute(did: str, name: object) -> str:
    # A purpose may hold a whole key instead of its name (DID Core 5.3.1): not used, so that key counts for nothing.
    if not isinstance(name, str):
        return ""
    return did + name if name.startswith("#") else name


def _public_key(did: str, method: _Method) -> bytes | None:
    jwk = method.publicKeyJwk
    if "d" in jwk:
        raise DocumentError(did=did, reason=Text(msgid("it publishes a private key")))
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
        return None
    name = _absolute(did, method.id)
    if method.controller != did or not name.startswith(f"{did}#"):
        raise DocumentError(did=did, reason=Text(msgid("it holds a key of somebody else")))
    try:
        public_key = decode(str(jwk.get("x")))
    except JwsError:
        public_key = b""
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise DocumentError(did=did, reason=Text(msgid("its Ed25519 key is not 32 bytes in base64url")))
    return public_key


def _mldsa_keys(document: _DidDocumentForm) -> tuple[MldsaKey, ...]:
    did, found = document.id, []
    listed = {_absolute(did, name) for name in document.assertionMethod}
    for method in document.verificationMethod:
        jwk = method.publicKeyJwk
        if jwk.get("kty") != "AKP" or jwk.get("alg") != MLDSA:
            continue
        if "priv" in jwk:
            raise DocumentError(did=did, reason=Text(msgid("it publishes a private key")))
        key = _mldsa_key(did, method)
        if _absolute(did, method.id) != mldsa_id(did, key.public) or method.controller != did:
            raise DocumentError(did=did, reason=Text(msgid("it holds a key of somebody else")))
        if key.revoked or mldsa_id(did, key.public) in listed:
            found.append(key)
    if len(found) > MOST_KEYS or len({key.public for key in found}) != len(found):
        raise DocumentError(did=did, reason=Text(msgid("it has too many ML-DSA-65 keys, or one of them twice")))
    return tuple(found)


def _mldsa_key(did: str, method: _Method) -> MldsaKey:
    try:
        public = decode(str(method.publicKeyJwk.get("pub")))
        times = [int(instant(text).timestamp()) if text else 0 for text in (method.expires, method.revoked)]
        key = MldsaKey(public, int(instant(method.validFrom).timestamp()), *times)
    except (ValueError, OverflowError, OSError):
        raise DocumentError(did=did, reason=Text(msgid("an ML-DSA-65 key has no time or is invalid"))) from None
    if len(key.public) != MLDSA_PUBLIC_BYTES or min(key.since, key.until, key.revoked) < 0:
        raise DocumentError(did=did, reason=Text(msgid("an ML-DSA-65 key has no time or is invalid")))
    return key


def _services(document: _DidDocumentForm) -> tuple[ServiceEntry, ...]:
    found = []
    for entry in document.service:
        try:
            read = msgspec.convert(entry, _Service)
        except msgspec.ValidationError:
            continue
        if read.type in SERVICE_TYPES:
            found.append(ServiceEntry(_absolute(document.id, read.id), read.type, read.serviceEndpoint))
    return tuple(found)


class _Service(msgspec.Struct, frozen=True):
    id: str
    type: str
    serviceEndpoint: str  # noqa: N815 - the name on the wire
