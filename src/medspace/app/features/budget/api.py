"""Privacy budgets, in the management API."""

from fastapi import APIRouter
from fastapi.responses import Response

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import After, Body, Limit, router
from medspace.app.features.budget.service import Budgets
from medspace.app.node.lists import LARGEST_PAGE, PageRequest
from medspace.core.actors import Scope


class RenewalBody(Body):
    """A new period of a privacy budget; `anyway`: even if no other party confirms the time."""

    anyway: bool = False


def routes(kept: Budgets) -> APIRouter:
    """The routes of the management API."""
    routes = router("budgets")

    @routes.get("/budgets", **needs(Scope.READ, Scope.TERMS))
    async def budgets(limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        shown, after_it = await kept.page(PageRequest(limit, after))
        return json_response({"budgets": shown, "next": after_it})

    @routes.get("/budgets/{dataset:path}", **needs(Scope.READ, Scope.TERMS))
    async def budget(dataset: str, limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        page = PageRequest(limit, after)
        return json_response(await kept.of(dataset, page.cursor(), page.limit))

    @routes.post("/budgets/{dataset:path}/renew", **needs(Scope.TERMS))
    async def renew(dataset: str, body: RenewalBody, by: Acting) -> Response:
        return json_response(await kept.renew(dataset, anyway=body.anyway, by=by.id))

    return routes
