"""What terms can say and what holds: usage policy classes, codes of consent, rule packs of laws."""

from typing import TYPE_CHECKING

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    import typer
    from fastapi import APIRouter

    from medspace.app.features.rulebook.sdk import RulebookClient
    from medspace.app.features.rulebook.service import Rulebook
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages


def _service(node: "Node") -> "Rulebook":
    from medspace.app.features.rulebook.service import Rulebook

    return Rulebook(node.usage.duties)


def _routes(rulebook: "Rulebook") -> "APIRouter":
    from medspace.app.features.rulebook.api import routes

    return routes(rulebook)


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.rulebook import verbs

    app.add_typer(verbs.app, name="rulebook")


def client() -> "type[RulebookClient]":
    """The methods of the SDK."""
    from medspace.app.features.rulebook.sdk import RulebookClient

    return RulebookClient


def _pages() -> "PortalPages":
    from medspace.app.features.rulebook.pages import PAGES

    return PAGES


FEATURE = Feature(name="rulebook", service=_service, routes=_routes, pages=_pages, verbs=_verbs, client=client)
