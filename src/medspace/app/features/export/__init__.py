"""Exporting everything that a participant has to a folder, in open formats."""

from typing import TYPE_CHECKING

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    import typer
    from fastapi import APIRouter

    from medspace.app.features.export.sdk import ExportClient
    from medspace.app.features.export.service import Exported
    from medspace.app.node.node import Node


def _service(node: "Node") -> "Exported":
    from medspace.app.features.export.service import Exported

    return Exported(node)


def _routes(exported: "Exported") -> "APIRouter":
    from medspace.app.features.export.api import routes

    return routes(exported)


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.export import verbs

    app.command("export")(verbs.export)


def client() -> "type[ExportClient]":
    """The methods of the SDK."""
    from medspace.app.features.export.sdk import ExportClient

    return ExportClient


FEATURE = Feature(name="export", service=_service, routes=_routes, verbs=_verbs, client=client)
