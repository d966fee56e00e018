"""One's own offers: added, changed, withdrawn and put in force while the connector is running."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    import typer
    from fastapi import APIRouter

    from medspace.app.features.offers.sdk import OffersClient
    from medspace.app.features.offers.service import Offers
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages
    from medspace.core.store import Collection


def _collections() -> "tuple[Collection[Any], ...]":
    from medspace.app.features.offers.kept_terms import COLLECTIONS

    return COLLECTIONS


def _service(node: "Node") -> "Offers":
    from medspace.app.features.offers.service import Offers

    return Offers(node)


def _routes(offers: "Offers") -> "APIRouter":
    from medspace.app.features.offers.api import routes
    from medspace.app.features.offers.draft_api import draft_routes
    from medspace.app.features.offers.drafts import OfferDrafts
    from medspace.app.features.offers.own_templates import OwnTemplates
    from medspace.app.features.offers.own_templates_api import template_routes

    own = OwnTemplates(offers)
    made = routes(offers, own)
    made.include_router(draft_routes(OfferDrafts(offers), own))
    made.include_router(template_routes(own))
    return made


def _pages() -> "PortalPages":
    from medspace.app.features.offers.pages import PAGES

    return PAGES


async def _work(offers: "Offers") -> None:
    from medspace.app.features.offers.keeping import sweeping

    await sweeping(offers.node)


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.offers import terms_verbs, verbs

    app.add_typer(verbs.listing, name="offers")
    app.add_typer(verbs.offering, name="offer")
    app.add_typer(terms_verbs.app, name="terms")


def client() -> "type[OffersClient]":
    """The methods of the SDK."""
    from medspace.app.features.offers.sdk import OffersClient

    return OffersClient


FEATURE = Feature(
    name="offers",
    collections=_collections,
    migrations=Path(__file__).with_name("migrations"),
    service=_service,
    routes=_routes,
    pages=_pages,
    verbs=_verbs,
    client=client,
    work=_work,
)
