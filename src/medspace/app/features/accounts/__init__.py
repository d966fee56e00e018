"""The people behind the portal: their accounts and what each may do, links to sign in, sessions, passkeys."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from datetime import datetime

    import typer
    from fastapi import APIRouter

    from medspace.app.features.accounts.sdk import AccountsClient
    from medspace.app.features.accounts.service import AccountDesk
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages
    from medspace.core.store import Collection, Transaction
    from medspace.core.text import Text
    from medspace.ledger.kinds import EntryKind


def _collections() -> "tuple[Collection[Any], ...]":
    from medspace.services.accounts.model import COLLECTIONS

    return COLLECTIONS


def _kinds() -> "tuple[EntryKind, ...]":
    from medspace.app.features.accounts.kinds import KINDS

    return KINDS


def _service(node: "Node") -> "AccountDesk":
    from medspace.app.features.accounts.service import desk_of

    return desk_of(node)


def _routes(desk: "AccountDesk") -> "APIRouter":
    from medspace.app.features.accounts.api import routes

    return routes(desk)


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.accounts import verbs

    app.add_typer(verbs.app, name="account")
    app.command("portal")(verbs.portal)


def _restored(tx: "Transaction", did: str, now: "datetime", code: str) -> "Text":
    from medspace.app.features.accounts.restoring import restored

    return restored(tx, did, now, code)


def client() -> "type[AccountsClient]":
    """The methods of the SDK."""
    from medspace.app.features.accounts.sdk import AccountsClient

    return AccountsClient


def _pages() -> "PortalPages":
    from medspace.app.features.accounts.pages import PAGES

    return PAGES


FEATURE = Feature(
    name="accounts",
    collections=_collections,
    migrations=Path(__file__).with_name("migrations"),
    kinds=_kinds,
    service=_service,
    routes=_routes,
    pages=_pages,
    verbs=_verbs,
    client=client,
    restored=_restored,
)
