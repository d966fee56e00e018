"""Who is believed for which credentials, what others have proved here, and what one issues oneself."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import typer
    from fastapi import APIRouter
    from starlette.routing import Route

    from medspace.app.features.issuers.sdk import IssuersClient
    from medspace.app.features.issuers.service import Issuers
    from medspace.app.node.checks import Examination, HealthCheck
    from medspace.app.node.feature import Knows, Later
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages
    from medspace.core.store import Collection
    from medspace.ledger.kinds import EntryKind


def _collections() -> "tuple[Collection[Any], ...]":
    from medspace.services.issuers.model import COLLECTIONS

    return COLLECTIONS


def _knows() -> "Knows":
    from medspace.services.issuers.facts import known

    return known


def _kinds() -> "tuple[EntryKind, ...]":
    from medspace.app.features.issuers.kinds import KINDS

    return KINDS


def _codes() -> "Iterable[str]":
    from medspace.connector.codes import said_by
    from medspace.services.issuers import errors

    return said_by(errors)


def _service(node: "Node") -> "Issuers":
    from medspace.app.features.issuers.service import Issuers

    return Issuers(node)


def _routes(issuers: "Issuers") -> "APIRouter":
    from medspace.app.features.issuers.api import routes

    return routes(issuers)


def _public(node: "Node", _: "Later[Issuers]") -> "list[Route]":
    from medspace.app.features.issuers.door import CredentialDoor

    return CredentialDoor(node).routes()


def _pages() -> "PortalPages":
    from medspace.app.features.issuers.pages import PAGES

    return PAGES


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.issuers import verbs

    app.add_typer(verbs.app, name="issuers")


def client() -> "type[IssuersClient]":
    """The methods of the SDK."""
    from medspace.app.features.issuers.sdk import IssuersClient

    return IssuersClient


def _checks(examined: "Examination") -> "Iterator[HealthCheck]":
    from medspace.app.features.issuers.checks import ending

    return ending(examined.space.received_credentials(), examined.clock.now()) if examined.space else iter(())


async def _work(issuers: "Issuers") -> None:
    from medspace.app.features.issuers.work import work

    await work(issuers.node)


FEATURE = Feature(
    name="issuers",
    collections=_collections,
    migrations=Path(__file__).with_name("migrations"),
    knows=_knows,
    kinds=_kinds,
    codes=_codes,
    service=_service,
    routes=_routes,
    public=_public,
    pages=_pages,
    verbs=_verbs,
    client=client,
    checks=_checks,
    work=_work,
)
