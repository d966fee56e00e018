"""Servers that the contracts need."""

from tests.postgres import postgres

__all__ = ["postgres"]
