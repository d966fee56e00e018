"""`medspace init`: a folder with configuration and keys for a new connector, and what is still to do once it runs."""

from typing import TYPE_CHECKING

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    import typer
    from fastapi import APIRouter

    from medspace.app.features.setup.progress import SetupProgress
    from medspace.app.features.setup.sdk import SetupClient
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.setup import verbs

    app.command("init")(verbs.init)


def _service(node: "Node") -> "SetupProgress":
    from medspace.app.features.setup.progress import SetupProgress

    return SetupProgress(node)


def _routes(progress: "SetupProgress") -> "APIRouter":
    from medspace.app.features.setup.api import routes

    return routes(progress)


def _pages() -> "PortalPages":
    from medspace.app.features.setup.pages import PAGES

    return PAGES


def client() -> "type[SetupClient]":
    """The methods of the SDK."""
    from medspace.app.features.setup.sdk import SetupClient

    return SetupClient


FEATURE = Feature(
    name="setup",
    service=_service,
    routes=_routes,
    pages=_pages,
    verbs=_verbs,
    local_verbs=("init",),
    client=client,
)
