"""Sets of hospitals, in the management API."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import Body, Text, router
from medspace.app.features.sites.service import SetsOfSites
from medspace.core.actors import Scope
from medspace.core.limits import SEATS


class SitesBody(Body):
    """The set of holders with which to sum a dataset under masks; without `accept` only the effect is reported."""

    sites: Annotated[list[Text], Field(max_length=SEATS)]
    accept: bool = False


def routes(sets: SetsOfSites) -> APIRouter:
    """The routes of the management API."""
    routes = router("sites")

    @routes.get("/sites/{dataset:path}", **needs(Scope.READ, Scope.TERMS))
    async def sites(dataset: str) -> Response:
        return json_response(await sets.of(dataset))

    @routes.post("/sites/{dataset:path}", **needs(Scope.TERMS))
    async def change_sites(dataset: str, body: SitesBody, by: Acting) -> Response:
        return json_response(await sets.change(dataset, body.sites, accept=body.accept, by=by.id))

    return routes
