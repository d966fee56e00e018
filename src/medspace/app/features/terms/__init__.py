"""Finding what others offer, agreeing on it, and dry runs of one's own terms."""

from typing import TYPE_CHECKING

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Mapping

    import typer
    from fastapi import APIRouter

    from medspace.app.features.terms.sdk import TermsClient
    from medspace.app.features.terms.service import Terms
    from medspace.app.node.feeds import Watched
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages
    from medspace.core.canonical import JsonObject


def _service(node: "Node") -> "Terms":
    from medspace.app.features.terms.service import Terms
    from medspace.connector.catalogue.finding import Budget, Finder

    budget = Budget()
    pages = node.transport.limited(budget.page)
    return Terms(node, Finder(node.documents, pages, budget, clock=node.clock))


def _routes(terms: "Terms") -> "APIRouter":
    from medspace.app.features.terms.agreements import Agreements
    from medspace.app.features.terms.api import routes
    from medspace.app.features.terms.searching import Searching
    from medspace.app.features.terms.showing import Showing
    from medspace.app.features.terms.trying import Trying

    return routes(terms, Searching(terms), Trying(terms), Agreements(terms.node), Showing(terms))


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.terms import catalog_verbs, policy_verbs, show_verbs, verbs

    for verb in (
        catalog_verbs.catalog,
        catalog_verbs.could,
        verbs.negotiate,
        verbs.renew,
        verbs.amend,
        verbs.negotiations,
        verbs.answer,
        verbs.agreements,
        verbs.contracts,
        verbs.download,
    ):
        app.command(verb.__name__)(verb)
    app.command("show")(show_verbs.show)
    app.add_typer(policy_verbs.app, name="policy")


def client() -> "type[TermsClient]":
    """The methods of the SDK."""
    from medspace.app.features.terms.sdk import TermsClient

    return TermsClient


def _watched(terms: "Terms") -> "Mapping[str, Watched]":
    from medspace.app.features.terms.api import shown
    from medspace.app.node.feeds import Watched
    from medspace.app.node.language import speaker
    from medspace.connector.model import NEGOTIATIONS
    from medspace.core.actors import Scope

    async def show(pid: str, language: str) -> "JsonObject":
        return await shown(terms, await terms.negotiation(pid), speaker(language))

    return {"negotiations": Watched(NEGOTIATIONS, show, (Scope.READ, Scope.TERMS))}


def _pages() -> "PortalPages":
    from medspace.app.features.terms.pages import PAGES

    return PAGES


FEATURE = Feature(
    name="terms",
    service=_service,
    routes=_routes,
    pages=_pages,
    verbs=_verbs,
    local_verbs=("policy check", "policy evaluate"),
    client=client,
    watched=_watched,
)
