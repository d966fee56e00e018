"""The hospitals with which one's own datasets are summed under masks."""

from typing import TYPE_CHECKING

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    import typer
    from fastapi import APIRouter

    from medspace.app.features.sites.sdk import SitesClient
    from medspace.app.features.sites.service import SetsOfSites
    from medspace.app.node.node import Node


def _service(node: "Node") -> "SetsOfSites":
    from medspace.app.features.sites.service import SetsOfSites

    return SetsOfSites(node.database, node.local)


def _routes(sets: "SetsOfSites") -> "APIRouter":
    from medspace.app.features.sites.api import routes

    return routes(sets)


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.sites import verbs

    app.command("sites")(verbs.sites)


def client() -> "type[SitesClient]":
    """The methods of the SDK."""
    from medspace.app.features.sites.sdk import SitesClient

    return SitesClient


FEATURE = Feature(name="sites", service=_service, routes=_routes, verbs=_verbs, client=client)
