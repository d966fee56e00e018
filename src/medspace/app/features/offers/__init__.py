"""One's own offers: added, changed, withdrawn and put in force while the connector is running."""

from typing import TYPE_CHECKING

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    import typer
    from fastapi import APIRouter

    from medspace.app.features.offers.sdk import OffersClient
    from medspace.app.features.offers.service import Offers
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages


def _service(node: "Node") -> "Offers":
    from medspace.app.features.offers.service import Offers

    return Offers(node)


def _routes(offers: "Offers") -> "APIRouter":
    from medspace.app.features.offers.api import routes
    from medspace.app.features.offers.draft_api import draft_routes
    from medspace.app.features.offers.drafts import OfferDrafts

    made = routes(offers)
    made.include_router(draft_routes(OfferDrafts(offers)))
    return made


def _pages() -> "PortalPages":
    from medspace.app.features.offers.pages import PAGES

    return PAGES


async def _work(offers: "Offers") -> None:
    from medspace.app.features.offers.keeping import sweeping

    await sweeping(offers.node)


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.offers import verbs

    app.add_typer(verbs.listing, name="offers")
    app.add_typer(verbs.offering, name="offer")


def client() -> "type[OffersClient]":
    """The methods of the SDK."""
    from medspace.app.features.offers.sdk import OffersClient

    return OffersClient


FEATURE = Feature(
    name="offers", service=_service, routes=_routes, pages=_pages, verbs=_verbs, client=client, work=_work
)
