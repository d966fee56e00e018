"""Identifiers in URLs: the one place that writes them there. A server decodes a path once, so this encodes once."""

from urllib.parse import quote

_DOTS = {".": "%2E", "..": "%2E%2E"}


def segment(identifier: str) -> str:
    """An identifier as one segment of a path (RFC 3986 3.3), whatever it contains.

    A colon may stand there as it is; everything else that is not unreserved is percent-encoded, a percent sign too:
    `did:web:h%3A8100` becomes `did:web:h%253A8100`. A segment of dots alone would name another folder (5.2.4).
    """
    return _DOTS.get(identifier) or quote(identifier, safe=":")


def path(*parts: str) -> str:
    """An absolute path whose segments are these, each encoded: `path("members", did)`."""
    return "".join(f"/{segment(part)}" for part in parts)
