"""The hospital's own login: people sign in at the portal with what they sign in with elsewhere (OpenID Connect)."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from datetime import datetime

    from medspace.app.features.oidc.service import LoginDesk
    from medspace.app.node.checks import Examination, HealthCheck
    from medspace.app.node.node import Node
    from medspace.core.store import Collection, Transaction
    from medspace.core.text import Text


def _collections() -> "tuple[Collection[Any], ...]":
    from medspace.services.accounts.model import LOGIN_COLLECTIONS

    return LOGIN_COLLECTIONS


def _service(node: "Node") -> "LoginDesk | None":
    from medspace.app.features.oidc.service import desk_of

    return desk_of(node)


def _checks(examined: "Examination") -> "Iterator[HealthCheck]":
    from medspace.app.features.oidc.checking import checks

    yield from checks(examined)


def _restored(tx: "Transaction", did: str, now: "datetime", code: str) -> "Text":
    from medspace.app.features.oidc.restoring import restored

    return restored(tx, did, now, code)


FEATURE: "Feature[LoginDesk | None]" = Feature(
    name="oidc",
    collections=_collections,
    migrations=Path(__file__).with_name("migrations"),
    service=_service,
    checks=_checks,
    restored=_restored,
)
