"""Compact JSON Web Signatures with Ed25519 and nothing else (RFC 7515, RFC 8037 3.1).

There is no choice of algorithm: a header that names another one, or a key, is refused before any key is touched
(RFC 8725 3.1, 3.2). Signing goes through the `Signer` port, so that the key may live in an HSM.
"""

import binascii
from base64 import urlsafe_b64encode
from dataclasses import dataclass

import msgspec

from medspace.core.canonical import JsonObject, canonical
from medspace.core.decoding import read_json
from medspace.core.signing import Signer, verify

ALGORITHM = "EdDSA"
SIGNATURE_BYTES = 64
_PLAIN = bytes.maketrans(b"-_+/=", b"+/...")  # to the alphabet of RFC 4648 4; anything outside section 5 is invalid


class JwsError(ValueError):
    """Not a compact JWS in this profile; `fault` says which rule it breaks, `detail` names the header parameter."""

    def __init__(self, fault: str, detail: str = "") -> None:
        super().__init__(fault, detail)
        self.fault = fault
        self.detail = detail


# RFC 7515 4.1: parameters that carry or point to a key, or change how the rest is read.
KEY_CARRIERS = ("jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "crit", "b64", "zip", "enc")


@dataclass(frozen=True, slots=True)
class Unverified:
    """The parts of a compact JWS before anything is proven."""

    kid: str | None
    typ: str | None
    payload: bytes
    signing_input: bytes
    signature: bytes

    def holds(self, public_key: bytes) -> bool:
        """Whether the signature is valid under the key."""
        return verify(public_key, self.signing_input, self.signature)


def sign(signer: Signer, *, kid: str, typ: str, claims: JsonObject) -> str:
    """The compact JWS of the claims."""
    header = canonical({"alg": ALGORITHM, "kid": kid, "typ": typ})
    signing_input = f"{encode(header)}.{encode(canonical(claims))}"
    return f"{signing_input}.{encode(signer.sign(signing_input.encode()))}"


def split(text: str) -> Unverified:
    """Take a compact JWS apart.

    Raises:
        JwsError: with `fault` "malformed", "algorithm" or "header".
    """
    parts = text.split(".")
    if len(parts) != 3 or not text.isascii():  # noqa: PLR2004 - header, payload, signature (RFC 7515 7.1)
        raise JwsError("malformed")
    header = _header(decode(parts[0]))
    signature = decode(parts[2])
    if len(signature) != SIGNATURE_BYTES:
        raise JwsError("malformed")
    signing_input = text.rpartition(".")[0].encode()
    return Unverified(header.get("kid"), header.get("typ"), decode(parts[1]), signing_input, signature)


def _header(content: bytes) -> JsonObject:
    try:
        header = read_json(content, JsonObject)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise JwsError("malformed") from None
    if header.get("alg") != ALGORITHM:
        raise JwsError("algorithm")
    carrier = next((name for name in KEY_CARRIERS if name in header), None)
    if carrier is not None:
        raise JwsError("header", carrier)
    if not all(isinstance(header.get(name, ""), str) for name in ("kid", "typ")):
        raise JwsError("malformed")
    return header


def encode(content: bytes) -> str:
    """Base64url without padding (RFC 7515 2)."""
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of base64url without padding; there is one spelling for each value only.

    Raises:
        JwsError: "malformed".
    """
    rest = len(text) % 4
    try:
        plain = text.encode("ascii").translate(_PLAIN)
        content = binascii.a2b_base64(plain + b"=" * (-rest % 4), strict_mode=True)
    except (binascii.Error, ValueError):
        raise JwsError("malformed") from None
    # Four characters have one spelling; in the last two or three the lowest bits are unused (RFC 4648 3.5).
    if rest and encode(content[1 - rest :]) != text[-rest:]:
        raise JwsError("malformed")
    return content
