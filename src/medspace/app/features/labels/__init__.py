"""The labels of one's own datasets: what they allow, whatever a contract says."""

from typing import TYPE_CHECKING

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer
    from fastapi import APIRouter

    from medspace.app.features.labels.sdk import LabelsClient
    from medspace.app.features.labels.service import Labels
    from medspace.app.node.checks import Examination, HealthCheck
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages


def _service(node: "Node") -> "Labels":
    from medspace.app.features.labels.service import Labels

    return Labels(node.database, node.local, node.actors)


def _routes(labels: "Labels") -> "APIRouter":
    from medspace.app.features.labels.api import routes

    return routes(labels)


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.labels import verbs

    app.command("label")(verbs.label)


def client() -> "type[LabelsClient]":
    """The methods of the SDK."""
    from medspace.app.features.labels.sdk import LabelsClient

    return LabelsClient


def _checks(examined: "Examination") -> "Iterator[HealthCheck]":
    from medspace.app.features.labels.checks import relabelled

    return relabelled(examined.space.labels() if examined.space else ())


def _pages() -> "PortalPages":
    from medspace.app.features.labels.pages import PAGES

    return PAGES


FEATURE = Feature(
    name="labels", service=_service, routes=_routes, pages=_pages, verbs=_verbs, client=client, checks=_checks
)
