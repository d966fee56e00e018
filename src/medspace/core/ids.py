"""Identifiers."""

from uuid import UUID

from medspace.core.clock import Randomness


def new_id(randomness: Randomness) -> str:
    """A fresh version 4 UUID as a URN (RFC 9562)."""
    return UUID(bytes=randomness.token_bytes(16), version=4).urn
