"""Credentials: what this connector holds, shows, asks others for and, as an issuer, issues (DCP 1.0)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import typer
    from fastapi import APIRouter
    from starlette.routing import Route

    from medspace.app.features.credentials.sdk import CredentialsClient
    from medspace.app.features.credentials.service import CredentialDesk
    from medspace.app.node.announcing import Announcement, Entrance, TokenFor
    from medspace.app.node.checks import Examination, HealthCheck
    from medspace.app.node.config import Config
    from medspace.app.node.feature import Later
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages
    from medspace.core.store import Collection
    from medspace.ledger.kinds import EntryKind


def _collections() -> "tuple[Collection[Any], ...]":
    from medspace.services.credentials.model import COLLECTIONS

    return COLLECTIONS


def _kinds() -> "tuple[EntryKind, ...]":
    from medspace.app.features.credentials.kinds import KINDS

    return KINDS


def _codes() -> "Iterable[str]":
    from medspace.connector.codes import said_by
    from medspace.services.credentials import errors

    return said_by(errors)


def _service(node: "Node") -> "CredentialDesk":
    from medspace.app.features.credentials.service import CredentialDesk

    return CredentialDesk(node)


def _routes(desk: "CredentialDesk") -> "APIRouter":
    from medspace.app.features.credentials.api import routes

    return routes(desk)


def _public(node: "Node", later: "Later[CredentialDesk]") -> "list[Route]":
    if not node.config.credentials.dcp:
        return []
    from medspace.app.features.credentials.outside import outside

    return outside(later)


def _announced(config: "Config") -> "Announcement | None":
    if not config.credentials.dcp:
        return None
    from medspace.app.features.credentials.outside import announcement

    return announcement(config)


def _entrance(node: "Node", later: "Later[CredentialDesk]") -> "Entrance | None":
    if not node.config.credentials.dcp:
        return None
    from medspace.app.features.credentials.outside import entrance

    return entrance(later)


def _tokens(node: "Node", later: "Later[CredentialDesk]") -> "TokenFor | None":
    if not node.config.credentials.dcp:
        return None
    from medspace.app.features.credentials.outside import token_for

    return token_for(node, later)


def _pages() -> "PortalPages":
    from medspace.app.features.credentials.pages import PAGES

    return PAGES


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.credentials import verbs

    app.add_typer(verbs.app, name="credentials")


def client() -> "type[CredentialsClient]":
    """The methods of the SDK."""
    from medspace.app.features.credentials.sdk import CredentialsClient

    return CredentialsClient


def _checks(examined: "Examination") -> "Iterator[HealthCheck]":
    from medspace.app.features.credentials.checks import checks

    return checks(examined)


async def _work(desk: "CredentialDesk") -> None:
    if desk.node.config.credentials.dcp:
        await desk.parts.work()


FEATURE = Feature(
    name="credentials",
    collections=_collections,
    migrations=Path(__file__).with_name("migrations"),
    kinds=_kinds,
    codes=_codes,
    service=_service,
    routes=_routes,
    public=_public,
    announced=_announced,
    entrance=_entrance,
    tokens=_tokens,
    pages=_pages,
    verbs=_verbs,
    client=client,
    checks=_checks,
    work=_work,
)
