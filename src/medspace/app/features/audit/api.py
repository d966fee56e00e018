"""The signed log and the evidence beside it, in the management API."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import needs
from medspace.app.doors.management.routing import (
    LONGEST_TEXT,
    After,
    Limit,
    Place,
    router,
    speak_to,
)
from medspace.app.features.audit.logbook import EntryWishes, Logbook
from medspace.app.features.audit.service import Proofs
from medspace.app.node.lists import LARGEST_PAGE, PageRequest, page_of
from medspace.core.actors import Scope
from medspace.core.canonical import JsonObject

Before = Annotated[int | None, Query(ge=0)]  # an index of the log
Short = Annotated[str, Query(max_length=64)]


def routes(proofs: Proofs) -> APIRouter:
    """The routes of the management API."""
    routes = router("proofs")

    @routes.get("/audit/bundle", **needs(Scope.AUDIT))
    async def bundle() -> Response:
        return Response(await proofs.bundle(), media_type="application/json")

    @routes.get("/audit/near-repeats", **needs(Scope.AUDIT))
    async def near_repeats(
        request: Request, dataset: After = "", limit: Limit = LARGEST_PAGE, after: After = ""
    ) -> Response:
        found = await proofs.near_repeats(dataset, speak_to(request))
        shown, after_it = page_of(found, _repeat, PageRequest(limit, after))
        return json_response({"near_repeats": shown, "next": after_it})

    @routes.get("/audit/questions", **needs(Scope.AUDIT))
    async def questions(
        use: Annotated[str, Query(max_length=LONGEST_TEXT)] = "",
        dataset: Annotated[str, Query(max_length=LONGEST_TEXT)] = "",
    ) -> Response:
        return Response(msgspec.json.encode(await proofs.questions(use, dataset)), media_type="application/json")

    @routes.get("/audit/records/{run:path}", **needs(Scope.AUDIT))
    async def records(run: str) -> Response:
        return Response(msgspec.json.encode(await proofs.records(run)), media_type="application/json")

    @routes.get("/audit/models/{model:path}", **needs(Scope.AUDIT))
    async def exported_model(model: str) -> Response:
        return Response(msgspec.json.encode(await proofs.model(model)), media_type="application/json")

    @routes.get("/audit/checkpoints", **needs(Scope.AUDIT))
    async def checkpoints(limit: Limit = LARGEST_PAGE, after: Annotated[int | None, Query(ge=0)] = None) -> Response:
        found = await proofs.checkpoints(limit, after)
        after_it = str(found[-1]["size"]) if len(found) == limit else ""
        return json_response({"checkpoints": found, "next": after_it})

    @routes.get("/audit/entries", **needs(Scope.AUDIT))
    async def entries(
        after: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> Response:
        found = await proofs.entries(after, limit)
        return json_response({"entries": found, "next": str(after + limit) if len(found) == limit else ""})

    routes.include_router(log_routes(Logbook(proofs.node)))
    return routes


def log_routes(logbook: Logbook) -> APIRouter:
    """The routes on one's own log, as people look at it."""
    routes = router("proofs")

    @routes.get("/audit/search", **needs(Scope.AUDIT))
    async def search(
        request: Request,
        kind: Short = "",
        dataset: Place = "",
        party: Place = "",
        actor: Short = "",
        since: Short = "",
        until: Short = "",
        before: Before = None,
        limit: Limit = LARGEST_PAGE,
    ) -> Response:
        wishes = EntryWishes(kind, dataset, party, actor, since, until)
        return json_response(await logbook.search(wishes, before, limit, speak_to(request)))

    @routes.get("/audit/entries/{index}", **needs(Scope.AUDIT))
    async def entry(request: Request, index: int) -> Response:
        return json_response(await logbook.entry(index, speak_to(request)))

    @routes.get("/audit/texts", **needs(Scope.AUDIT))
    async def texts(
        after: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=1000)] = 1000
    ) -> Response:
        return json_response({"texts": await logbook.texts(after, limit)})

    @routes.get("/audit/proofs/{index}", **needs(Scope.AUDIT))
    async def proof(index: int) -> Response:
        return Response(msgspec.json.encode(await logbook.proof(index)), media_type="application/json")

    @routes.get("/audit/head", **needs(Scope.AUDIT))
    async def head() -> Response:
        return json_response(await logbook.head())

    @routes.get("/audit/uses", **needs(Scope.AUDIT))
    async def uses(dataset: Place = "", user: Place = "") -> Response:
        return json_response(await logbook.uses(dataset, user))

    @routes.get("/audit/runs", **needs(Scope.AUDIT))
    async def runs() -> Response:
        return json_response(await logbook.runs())

    @routes.get("/audit/lineage/{run:path}", **needs(Scope.AUDIT))
    async def lineage(request: Request, run: str) -> Response:
        return json_response(await logbook.lineage(run, speak_to(request)))

    return routes


def _repeat(found: JsonObject) -> str:
    """The parts that identify one near repeat."""
    return f"{found['dataset']} {found['entry']} {found['earlier']}"
