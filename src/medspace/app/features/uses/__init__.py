"""Uses: those that one requests, and the steps of others on one's own datasets."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import typer
    from fastapi import APIRouter
    from starlette.routing import Route

    from medspace.app.features.uses.sdk import UsesClient
    from medspace.app.features.uses.service import Uses
    from medspace.app.node.checks import Examination, HealthCheck
    from medspace.app.node.feature import Later
    from medspace.app.node.feeds import Watched
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages
    from medspace.core.canonical import JsonObject
    from medspace.core.store import Collection


LATEST = 50  # uses that the doctor looks at


def _service(node: "Node") -> "Uses":
    from medspace.app.features.uses.ending import AgreementEnding
    from medspace.app.features.uses.service import Uses

    return Uses(node, AgreementEnding(node))


def _routes(uses: "Uses") -> "APIRouter":
    from medspace.app.features.uses.api import routes

    return routes(uses)


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.uses import use_verbs, verbs

    app.command("steps")(verbs.steps)
    app.command("uses")(use_verbs.uses)
    app.add_typer(use_verbs.use, name="use")
    app.add_typer(use_verbs.agreement, name="agreement")


def client() -> "type[UsesClient]":
    """The methods of the SDK."""
    from medspace.app.features.uses.sdk import UsesClient

    return UsesClient


def _checks(examined: "Examination") -> "Iterator[HealthCheck]":
    from medspace.app.features.uses.checks import used
    from medspace.app.features.uses.leaking import leak_checks

    space = examined.space
    yield from used(space.agreements() if space else ())
    yield from leak_checks(space.uses(role="provider", most=LATEST) if space else ())


def _watched(uses: "Uses") -> "Mapping[str, Watched]":
    from medspace.app.features.uses.api import shown
    from medspace.app.node.feeds import Watched
    from medspace.app.node.language import speaker
    from medspace.connector.model import TRANSFERS
    from medspace.core.actors import Scope

    async def show(pid: str, language: str) -> "JsonObject":
        return await shown(uses, await uses.transfer(pid), speaker(language))

    return {"transfers": Watched(TRANSFERS, show, (Scope.READ, Scope.USE))}


def _pages() -> "PortalPages":
    from medspace.app.features.uses.pages import PAGES

    return PAGES


def _collections() -> "tuple[Collection[Any], ...]":
    from medspace.app.features.uses.ending import COLLECTIONS

    return COLLECTIONS


def _public(node: "Node", _: "Later[Uses]") -> "list[Route]":
    from medspace.app.features.uses.endings import EndedDoor

    return EndedDoor(node).routes()


async def _work(uses: "Uses") -> None:
    from medspace.app.features.uses.endings import Endings

    await Endings(uses.node, uses.ending).work()


FEATURE = Feature(
    name="uses",
    collections=_collections,
    migrations=Path(__file__).with_name("migrations"),
    public=_public,
    service=_service,
    routes=_routes,
    pages=_pages,
    verbs=_verbs,
    client=client,
    watched=_watched,
    checks=_checks,
    work=_work,
)
