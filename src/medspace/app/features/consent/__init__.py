"""Consents of patients: import and withdraw them, say which datasets are used under them, explain, replay."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterable

    import typer
    from fastapi import APIRouter

    from medspace.app.features.consent.sdk import ConsentClient
    from medspace.app.features.consent.service import Consents
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages
    from medspace.connector.usage.conditions import Maker
    from medspace.core.store import Collection
    from medspace.ledger.kinds import EntryKind
    from medspace.services.wallets.ports import PatientOffice


def _collections() -> "tuple[Collection[Any], ...]":
    from medspace.services.consents.model import COLLECTIONS

    return COLLECTIONS


def _conditions() -> "tuple[Maker, ...]":
    from medspace.services.consents.conditions import ConsentCondition

    return (ConsentCondition,)


def _kinds() -> "tuple[EntryKind, ...]":
    from medspace.app.features.consent.kinds import KINDS

    return KINDS


def _codes() -> "Iterable[str]":
    from medspace.connector.codes import said_by
    from medspace.services.consents import conditions, errors

    return said_by(errors) | said_by(conditions)


def _service(node: "Node") -> "Consents":
    from medspace.app.features.consent.service import Consents

    return Consents(node)


def _patients(node: "Node") -> "PatientOffice":
    from medspace.app.features.consent.signed import SignedConsents

    return SignedConsents(_service(node))


def _routes(consents: "Consents") -> "APIRouter":
    from medspace.app.features.consent.api import routes

    return routes(consents)


def _pages() -> "PortalPages":
    from medspace.app.features.consent.pages import PAGES

    return PAGES


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.consent import verbs

    app.add_typer(verbs.app, name="consent")
    verbs.beside_audit(app)


def client() -> "type[ConsentClient]":
    """The methods of the SDK."""
    from medspace.app.features.consent.sdk import ConsentClient

    return ConsentClient


FEATURE = Feature(
    name="consent",
    collections=_collections,
    migrations=Path(__file__).with_name("migrations"),
    conditions=_conditions,
    kinds=_kinds,
    codes=_codes,
    service=_service,
    routes=_routes,
    pages=_pages,
    patients=_patients,
    verbs=_verbs,
    local_verbs=("consent verify",),
    client=client,
)
