"""Digests and salted commitments."""

import hmac
from hashlib import sha256

from medspace.core.canonical import Json, canonical


def digest(value: Json) -> str:
    """`sha256:` and the hex digest of the canonical form of a JSON value."""
    return digest_bytes(canonical(value))


def digest_bytes(content: bytes) -> str:
    """`sha256:` and the hex digest of the bytes."""
    return "sha256:" + sha256(content).hexdigest()


def commitment(salt: bytes, content: bytes) -> str:
    """A commitment that reveals nothing once its salt is destroyed (HMAC-SHA-256, RFC 2104).

    A plain hash of a person's identifier can be found by trying all identifiers; this one cannot.
    """
    return "hmac-sha256:" + hmac.new(salt, content, sha256).hexdigest()


def same_secret(left: str, right: str) -> bool:
    """Compare two secrets in constant time; whatever somebody sends is compared, also half a character."""
    return hmac.compare_digest(left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))
