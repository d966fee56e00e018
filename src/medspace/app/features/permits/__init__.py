"""Data permits: apply for one, decide on applications, leave out who opted out, keep a register of decisions."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterable

    import typer
    from fastapi import APIRouter
    from starlette.routing import Route

    from medspace.app.features.permits.sdk import PermitsClient
    from medspace.app.features.permits.service import Permits
    from medspace.app.node.feature import Later
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages
    from medspace.connector.transfer.service import Objection
    from medspace.connector.usage.conditions import Maker
    from medspace.core.clock import Clock
    from medspace.core.store import Collection
    from medspace.ledger.kinds import EntryKind


def _collections() -> "tuple[Collection[Any], ...]":
    from medspace.services.permits.model import COLLECTIONS

    return COLLECTIONS


def _conditions() -> "tuple[Maker, ...]":
    from medspace.services.permits.conditions import PermitCondition

    return (PermitCondition,)


def _objections(clock: "Clock") -> "Objection":
    from medspace.app.features.permits.people import NamedPeople

    return NamedPeople(clock)


def _kinds() -> "tuple[EntryKind, ...]":
    from medspace.app.features.permits.kinds import KINDS

    return KINDS


def _codes() -> "Iterable[str]":
    from medspace.connector.codes import said_by
    from medspace.services.permits import credential, errors

    return said_by(errors) | said_by(credential)


def _service(node: "Node") -> "Permits":
    from medspace.app.features.permits.service import Permits

    return Permits(node)


def _routes(permits: "Permits") -> "APIRouter":
    from medspace.app.features.permits.api import routes

    return routes(permits)


def _public(node: "Node", _: "Later[Permits]") -> "list[Route]":
    from medspace.app.features.permits.door import PermitDoor

    return PermitDoor(node).routes()


def _pages() -> "PortalPages":
    from medspace.app.features.permits.pages import PAGES

    return PAGES


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.permits import verbs

    app.add_typer(verbs.app, name="permits")


def client() -> "type[PermitsClient]":
    """The methods of the SDK."""
    from medspace.app.features.permits.sdk import PermitsClient

    return PermitsClient


async def _work(permits: "Permits") -> None:
    from medspace.app.features.permits.work import work

    await work(permits.node)


FEATURE = Feature(
    name="permits",
    collections=_collections,
    migrations=Path(__file__).with_name("migrations"),
    conditions=_conditions,
    objections=_objections,
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
