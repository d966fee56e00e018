"""Proof: the signed log, evidence to accompany it, and what an auditor concludes from both."""

from typing import TYPE_CHECKING

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer
    from fastapi import APIRouter

    from medspace.app.features.audit.sdk import AuditClient
    from medspace.app.features.audit.service import Proofs
    from medspace.app.node.checks import Examination, HealthCheck
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages


def _service(node: "Node") -> "Proofs":
    from medspace.app.features.audit.service import Proofs

    return Proofs(node)


def _routes(proofs: "Proofs") -> "APIRouter":
    from medspace.app.features.audit.api import routes

    return routes(proofs)


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.audit import verbs

    app.add_typer(verbs.app, name="audit")


def client() -> "type[AuditClient]":
    """The methods of the SDK."""
    from medspace.app.features.audit.sdk import AuditClient

    return AuditClient


def _checks(examined: "Examination") -> "Iterator[HealthCheck]":
    from medspace.app.features.audit.checks import near_repeats

    return near_repeats(examined.space.near_repeats() if examined.space else ())


def _pages() -> "PortalPages":
    from medspace.app.features.audit.pages import PAGES

    return PAGES


FEATURE = Feature(
    name="audit",
    service=_service,
    routes=_routes,
    pages=_pages,
    verbs=_verbs,
    local_verbs=("audit lineage", "audit verify", "audit verify-entry"),
    client=client,
    checks=_checks,
)
