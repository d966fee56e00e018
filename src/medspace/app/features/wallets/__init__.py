"""Wallets of patients: cards, consents and withdrawals at a door of their own; and the wallet itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterable

    import typer
    from fastapi import APIRouter
    from starlette.routing import Route

    from medspace.app.features.wallets.sdk import WalletsClient
    from medspace.app.features.wallets.service import Wallets
    from medspace.app.node.feature import Later
    from medspace.app.node.node import Node
    from medspace.core.store import Collection
    from medspace.ledger.kinds import EntryKind


def _collections() -> "tuple[Collection[Any], ...]":
    from medspace.services.wallets.model import COLLECTIONS

    return COLLECTIONS


def _kinds() -> "tuple[EntryKind, ...]":
    from medspace.app.features.wallets.kinds import KINDS

    return KINDS


def _codes() -> "Iterable[str]":
    from medspace.connector.codes import said_by
    from medspace.services.wallets import errors, holder

    return said_by(errors) | said_by(holder)


def _service(node: "Node") -> "Wallets":
    from medspace.app.features.wallets.service import wallets_of

    return wallets_of(node)


def _routes(wallets: "Wallets") -> "APIRouter":
    from medspace.app.features.wallets.api import routes

    return routes(wallets)


def _public(node: "Node", _: "Later[Wallets]") -> "list[Route]":
    if not node.config.wallets.url and not node.config.is_authority:
        return []
    from medspace.app.features.wallets.door import WalletDoor

    return WalletDoor(node).routes()


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.wallets import verbs, wallet_verbs

    app.add_typer(verbs.app, name="wallets")
    app.add_typer(wallet_verbs.app, name="wallet")


def client() -> "type[WalletsClient]":
    """The methods of the SDK."""
    from medspace.app.features.wallets.sdk import WalletsClient

    return WalletsClient


FEATURE = Feature(
    name="wallets",
    collections=_collections,
    migrations=Path(__file__).with_name("migrations"),
    kinds=_kinds,
    codes=_codes,
    service=_service,
    routes=_routes,
    public=_public,
    verbs=_verbs,
    local_verbs=tuple(
        f"wallet {verb}"
        for verb in (
            "cards",
            "consent",
            "devices",
            "forms",
            "invite",
            "new",
            "receive",
            "recover",
            "uses",
            "withdraw",
        )
    ),
    client=client,
)
