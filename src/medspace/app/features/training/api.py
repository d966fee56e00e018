"""Runs, forecasts and models, in the management API."""

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import Field

from medspace.app.doors.bodies import json_response, request_language
from medspace.app.doors.management.actors import Acting, named, needs
from medspace.app.doors.management.routing import (
    After,
    Agreements,
    Body,
    Limit,
    Polling,
    Text,
    paged,
    router,
    speak_to,
    waiting,
)
from medspace.app.doors.views import Speak
from medspace.app.features.training.choosing import Choosing
from medspace.app.features.training.runs import LARGEST_RUNS, Runs
from medspace.app.node.lists import PageRequest
from medspace.core.actors import Scope
from medspace.core.canonical import Json, JsonObject
from medspace.runs.model import RUNS

LONGEST_PATIENCE = 86_400.0  # seconds


class RunBody(Body):
    """What to train, under which agreements.

    `without_missing`: continue without hospitals that refuse or stay away, under masks only as far as their own
    contracts allow it. `patience`: seconds to wait for an unavailable hospital; 0 leaves it to the connector.
    `coordinator`: the DID of the member that leads the run; by default, this connector.
    """

    task: dict[str, Json]
    agreements: Agreements
    without_missing: bool = False
    patience: Annotated[float, Field(ge=0, le=LONGEST_PATIENCE)] = 0.0
    coordinator: Text = ""


class ForecastBody(Body):
    """A training task to forecast, under which agreements."""

    task: dict[str, Json]
    agreements: Agreements


class ChoiceBody(Body):
    """Under which agreements one means to train."""

    agreements: Agreements


class CardSignature(Body):
    """Who has signed the card of a model, and when: the digest of its facts, and the signature over all of it."""

    card: Text
    by: Text
    time: Text
    signature: Annotated[str, Field(max_length=8192)]


class CardBody(Body):
    """The card of a model, as `GET /models/{model}/card` answers it; what it says for people is not signed."""

    facts: dict[str, Json]
    signed: CardSignature
    said: dict[str, Json] = {}


async def shown(service: Runs, run: str, speak: Speak) -> JsonObject:
    """A run, with the names of who acted."""
    (told,) = await named(service.node.actors, [await service.run(run, speak)])
    return told


def routes(service: Runs, choosing: Choosing) -> APIRouter:
    """The routes of the management API."""
    routes = router("runs")

    @routes.post("/runs", **needs(Scope.USE))
    async def begin(request: Request, body: RunBody, by: Acting) -> Response:
        run = await service.train(
            body.task,
            body.agreements,
            without_missing=body.without_missing,
            patience=body.patience,
            coordinator=body.coordinator,
            by=by.id,
        )
        return json_response(await shown(service, run, speak_to(request)), 201)

    @routes.post("/forecasts", **needs(Scope.USE))
    async def forecast(request: Request, body: ForecastBody) -> Response:
        return json_response(await service.forecast(body.task, body.agreements, speak_to(request)))

    @routes.get("/forecasts/agreements", **needs(Scope.READ, Scope.USE))
    async def agreements() -> Response:
        return json_response({"agreements": await choosing.agreements()})

    @routes.post("/forecasts/columns", **needs(Scope.USE))
    async def columns(request: Request, body: ChoiceBody) -> Response:
        return json_response(await choosing.columns(body.agreements, speak_to(request)))

    @routes.get("/runs", **needs(Scope.READ, Scope.USE))
    async def runs(request: Request, limit: Limit = LARGEST_RUNS, after: After = "") -> Response:
        speak, most = speak_to(request), min(limit, LARGEST_RUNS)
        found = await service.runs(PageRequest(most, after))
        told = await named(service.node.actors, [service.shown(run, model, speak) for run, model in found])
        return paged("runs", told, [(run.created, run.id) for run, _ in found], most)

    @routes.get("/runs/{run:path}/course", **needs(Scope.READ, Scope.USE))
    async def course(run: str) -> Response:
        return json_response(await service.course(run))

    @routes.get("/runs/{run:path}", **needs(Scope.READ, Scope.USE))
    async def run(request: Request, run: str, poll: Polling) -> Response:
        speak = speak_to(request)
        return await waiting(request, service.node, RUNS.topic(run), poll, lambda: shown(service, run, speak))

    @routes.post("/runs/{run:path}/cancel", **needs(Scope.USE))
    async def cancel(request: Request, run: str, by: Acting) -> Response:
        await service.cancel(run, by=by.id)
        return json_response(await shown(service, run, speak_to(request)))

    routes.include_router(model_routes(service))
    return routes


def model_routes(service: Runs) -> APIRouter:
    """The routes on models and their cards."""
    routes = router("runs")

    @routes.post("/cards/check", **needs(Scope.READ, Scope.USE))
    async def check_card(body: CardBody) -> Response:
        return json_response(service.check_card({"facts": body.facts, "signed": body.signed.model_dump()}))

    @routes.get("/models/{model:path}/card", **needs(Scope.READ, Scope.USE))
    async def card(request: Request, model: str) -> Response:
        return json_response(await service.card(model, speak_to(request)))

    @routes.get("/models/{model:path}/card.html", response_class=HTMLResponse, **needs(Scope.READ, Scope.USE))
    async def card_to_print(request: Request, model: str) -> Response:
        from medspace.app.features.training.card.printing import printed  # noqa: PLC0415 - templates come with it

        made = await service.card(model, speak_to(request))
        page = printed(made, speak_to(request), request_language(request))
        return HTMLResponse(page, headers={"Content-Disposition": 'attachment; filename="model-card.html"'})

    @routes.get("/models/{model:path}/file.{form}", response_class=Response, **needs(Scope.READ, Scope.USE))
    async def file(request: Request, model: str, form: str) -> Response:
        content = await service.file(model, form, speak_to(request))
        headers = {"Content-Disposition": f'attachment; filename="model.{form}"'}
        return Response(content, media_type="application/octet-stream", headers=headers)

    @routes.get("/models/{model:path}", **needs(Scope.READ, Scope.USE))
    async def model(request: Request, model: str) -> Response:
        return json_response(await service.model(model, speak_to(request)))

    return routes
