"""Duties after the contract: what users owe once a use is over, kept by their connectors, seen kept or broken."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import typer
    from fastapi import APIRouter
    from starlette.routing import Route

    from medspace.app.features.duties.sdk import DutiesClient
    from medspace.app.features.duties.service import Duties
    from medspace.app.node.checks import Examination, HealthCheck
    from medspace.app.node.feature import Later
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages
    from medspace.connector.usage.conditions import Maker
    from medspace.core.store import Collection
    from medspace.ledger.kinds import EntryKind


def _collections() -> "tuple[Collection[Any], ...]":
    from medspace.connector.duties import heads, model

    return *model.COLLECTIONS, *heads.COLLECTIONS


def _conditions() -> "tuple[Maker, ...]":
    from medspace.connector.duties.conditions import DutyCondition, MemberCondition

    return DutyCondition, MemberCondition


def _kinds() -> "tuple[EntryKind, ...]":
    from medspace.app.features.duties.kinds import KINDS

    return KINDS


def _codes() -> "Iterable[str]":
    from medspace.connector.codes import said_by
    from medspace.connector.duties import conditions, errors

    return said_by(errors) | said_by(conditions)


def _service(node: "Node") -> "Duties":
    from medspace.app.features.duties.service import Duties

    return Duties(node)


def _routes(duties: "Duties") -> "APIRouter":
    from medspace.app.features.duties.api import routes

    return routes(duties)


def _public(node: "Node", _: "Later[Duties]") -> "list[Route]":
    from medspace.app.features.duties.door import DutyDoor

    return DutyDoor(node).routes()


def _pages() -> "PortalPages":
    from medspace.app.features.duties.pages import PAGES

    return PAGES


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.duties import verbs

    app.add_typer(verbs.app, name="duties")


def client() -> "type[DutiesClient]":
    """The methods of the SDK."""
    from medspace.app.features.duties.sdk import DutiesClient

    return DutiesClient


def _checks(examined: "Examination") -> "Iterator[HealthCheck]":
    from medspace.app.features.duties.checks import broken

    return broken(examined.space.duties(state="broken") if examined.space else ())


async def _work(duties: "Duties") -> None:
    from medspace.app.features.duties.work import work

    await work(duties.node)


FEATURE = Feature(
    name="duties",
    collections=_collections,
    migrations=Path(__file__).with_name("migrations"),
    conditions=_conditions,
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
