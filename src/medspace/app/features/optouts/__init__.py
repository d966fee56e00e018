"""Opt-outs at an authority: persons opt out there, and hospitals ask in keyed pseudonyms of their own."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterable

    import typer
    from fastapi import APIRouter
    from starlette.routing import Route

    from medspace.app.features.optouts.sdk import OptOutsClient
    from medspace.app.features.optouts.service import OptOutsService
    from medspace.app.node.feature import Later
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages
    from medspace.core.store import Collection
    from medspace.ledger.kinds import EntryKind


def _collections() -> "tuple[Collection[Any], ...]":
    from medspace.services.optouts.model import COLLECTIONS

    return COLLECTIONS


def _kinds() -> "tuple[EntryKind, ...]":
    from medspace.app.features.optouts.kinds import KINDS

    return KINDS


def _codes() -> "Iterable[str]":
    from medspace.connector.codes import said_by
    from medspace.services.optouts import errors

    return said_by(errors)


def _service(node: "Node") -> "OptOutsService":
    from medspace.app.features.optouts.service import OptOutsService

    return OptOutsService(node)


def _routes(optouts: "OptOutsService") -> "APIRouter":
    from medspace.app.features.optouts.api import routes

    return routes(optouts)


def _public(node: "Node", optouts: "Later[OptOutsService]") -> "list[Route]":
    from medspace.app.features.optouts.door import OptOutsDoor

    return OptOutsDoor(node, optouts).routes()


def _pages() -> "PortalPages":
    from medspace.app.features.optouts.pages import PAGES

    return PAGES


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.optouts import verbs

    app.add_typer(verbs.app, name="optouts")


def client() -> "type[OptOutsClient]":
    """The methods of the SDK."""
    from medspace.app.features.optouts.sdk import OptOutsClient

    return OptOutsClient


async def _work(optouts: "OptOutsService") -> None:
    from medspace.app.features.optouts.work import work

    await work(optouts)


FEATURE = Feature(
    name="optouts",
    collections=_collections,
    migrations=Path(__file__).with_name("migrations"),
    kinds=_kinds,
    codes=_codes,
    service=_service,
    routes=_routes,
    public=_public,
    pages=_pages,
    verbs=_verbs,
    client=client,
    work=_work,
)
