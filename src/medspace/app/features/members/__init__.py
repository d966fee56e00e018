"""Who belongs to the space: the members list, and one's own signing keys."""

from typing import TYPE_CHECKING

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer
    from fastapi import APIRouter

    from medspace.app.features.members.sdk import MembersClient
    from medspace.app.features.members.service import Members
    from medspace.app.node.checks import Examination, HealthCheck
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages


def _service(node: "Node") -> "Members":
    from medspace.app.features.members.keys import SigningKeys
    from medspace.app.features.members.service import Members

    return Members(
        node, SigningKeys(node.config, node.mldsa, node.documents, node.authority, node.database, node.local)
    )


def _routes(members: "Members") -> "APIRouter":
    from medspace.app.features.members.api import routes

    return routes(members)


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.members import key_verbs, verbs

    app.command("members")(verbs.members)
    app.command("admit")(verbs.admit)
    app.command("remove")(verbs.remove)
    app.add_typer(key_verbs.app, name="keys")


def client() -> "type[MembersClient]":
    """The methods of the SDK."""
    from medspace.app.features.members.sdk import MembersClient

    return MembersClient


def _pages() -> "PortalPages":
    from medspace.app.features.members.pages import PAGES

    return PAGES


def _checks(examined: "Examination") -> "Iterator[HealthCheck]":
    from medspace.app.features.members.checks import authority_checks

    return authority_checks(examined.config)


FEATURE = Feature(
    name="members",
    service=_service,
    routes=_routes,
    pages=_pages,
    verbs=_verbs,
    client=client,
    checks=_checks,
)
