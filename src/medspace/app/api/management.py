"""The management API: what a participant's own people and programs ask of their connector. Private listener only.

Every call carries the private token. Answers are JSON; sentences come in the language of Accept-Language.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from json import JSONDecodeError
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from medspace import __version__
from medspace.adapters.metrics import CONTENT_TYPE
from medspace.app import exhibits, steps, views
from medspace.app.api.bodies import json_response, problem_of, request_language, status_of
from medspace.app.asset_checks import asset_checks
from medspace.app.desk import LARGEST_RUNS, Desk
from medspace.app.doctor import examine_config
from medspace.app.language import speaker
from medspace.app.lists import LARGEST_PAGE, PageRequest
from medspace.connector.usage.model import Question
from medspace.core.canonical import Json, JsonObject
from medspace.core.decoding import read_json
from medspace.core.errors import InvalidInputError, MedspaceError
from medspace.core.limits import SEATS
from medspace.core.paging import Cursor
from medspace.core.text import msgid

LONGEST_WAIT = 30.0
LONGEST_TEXT = 2048
MOST_AGREEMENTS = 1000
LONGEST_PATIENCE = 86_400.0  # seconds

Text = Annotated[str, Field(max_length=LONGEST_TEXT)]


class RequestError(InvalidInputError):
    """A request of the management API cannot be read."""

    code = "request.invalid"
    sentence = msgid("The request cannot be read: {reason}.")
    next_step = msgid("See the API's description at /openapi.json.")


class RouteUnknownError(InvalidInputError):
    """The management API has no such route."""

    code = "request.route"
    sentence = msgid("There is nothing at {method} {path}.")
    next_step = msgid("See the API's description at /openapi.json.")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MemberBody(_Body):
    """Whom the authority admits; the key is read from the DID document."""

    did: Text
    name: Text
    region: Text = ""
    roles: list[Text] = []
    operator: Text = ""


class MemberKeysBody(_Body):
    """Whose ML-DSA-65 keys the authority takes up."""

    did: Text


class NegotiationBody(_Body):
    """What to negotiate: a dataset of a participant, by one of its offers (the first, where none is named)."""

    participant: Text
    dataset: Text
    offer: Text = ""


class DownloadBody(_Body):
    """Which rows to ask for."""

    participant: Text
    dataset: Text


class AnswerBody(_Body):
    """A person's decision."""

    approve: bool
    reason: Text = ""


class CheckBody(_Body):
    """What a person decides about an output that waits."""

    approve: bool


class TransferBody(_Body):
    """A use under an agreement; `address` asks for a push."""

    agreement: Text
    format: Text
    address: dict[str, Json] | None = None


class ReasonBody(_Body):
    """Why."""

    reason: Text = ""


class RunBody(_Body):
    """What to train, under which agreements.

    `without_missing`: go on without hospitals that refuse or stay away, under masks as far as their own contracts let
    the run. `patience`: for how many seconds one that is away is waited for; 0 leaves it to the connector.
    `coordinator`: the DID of the member that leads the run; this connector, where none is named.
    """

    task: dict[str, Json]
    agreements: Annotated[list[Text], Field(max_length=MOST_AGREEMENTS, min_length=1)]
    without_missing: bool = False
    patience: Annotated[float, Field(ge=0, le=LONGEST_PATIENCE)] = 0.0
    coordinator: Text = ""


class ForecastBody(_Body):
    """What would be trained, under which agreements."""

    task: dict[str, Json]
    agreements: Annotated[list[Text], Field(max_length=MOST_AGREEMENTS, min_length=1)]


class LabelBody(_Body):
    """What a dataset allows from now on; `{}` is nothing."""

    label: dict[str, Json]


class SitesBody(_Body):
    """In which set of holders a dataset is summed up under masks; without `accept` it is only thought of."""

    sites: Annotated[list[Text], Field(max_length=SEATS)]
    accept: bool = False


class RenewalBody(_Body):
    """A new period of a privacy budget; `anyway`: also where nobody vouches for the time."""

    anyway: bool = False


class TryBody(_Body):
    """A use that is only thought of."""

    dataset: Text
    user: Text = ""
    purpose: Text = ""
    place: Text = ""
    format: Text = "medspace:train"
    at: Text = ""
    holders: Annotated[list[Text], Field(max_length=MOST_AGREEMENTS)] = []


Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]
After = Annotated[str, Query(max_length=512)]
Seen = Annotated[str, Query(max_length=64)]
State = Literal["", "working", "held", "released", "withheld", "refused", "failed"]
Wait = Annotated[float, Query(ge=0, le=LONGEST_WAIT)]


class _OneWay(Request):
    """A request whose body can be read in one way only, as at the public door (`core.decoding`)."""

    async def json(self) -> Json:
        try:
            return read_json(await self.body())
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise JSONDecodeError(str(error), "", 0) from error  # FastAPI knows no other


class _Route(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            return await handle(_OneWay(request.scope, request.receive))

        return handled


def _router(tag: str) -> APIRouter:
    return APIRouter(tags=[tag], route_class=_Route)


def management_app(desk: Desk) -> FastAPI:
    """The application of the private listener, to be put behind `guarded.Guarded`."""
    app = FastAPI(
        title="medspace management API",
        version=__version__,
        docs_url=None,  # the interactive pages would be loaded from elsewhere
        redoc_url=None,
        exception_handlers={MedspaceError: _told, RequestValidationError: _unreadable, HTTPException: _unrouted},
    )
    makers = (_space, _keys, _terms, _labels, _sets, _budgets, _uses, _steps, _runs, _proofs)
    for router in (make(desk) for make in makers):
        app.include_router(router)
    return app


async def _told(request: Request, error: Exception) -> Response:
    language = request_language(request)
    if not isinstance(error, MedspaceError):
        raise error
    return json_response(problem_of(error, language), status_of(error))


async def _unreadable(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    reasons = "; ".join(f"{'.'.join(map(str, one['loc']))}: {_flaw(one)}" for one in found)
    problem = RequestError(reason=reasons)
    return json_response(problem_of(problem, request_language(request)), 400)


def _flaw(one: dict[str, Any]) -> str:
    return str(one["ctx"]["error"] if one["type"] == "json_invalid" else one["msg"])


async def _unrouted(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    problem = RouteUnknownError(method=request.method, path=request.url.path[:LONGEST_TEXT])
    return json_response(problem_of(problem, request_language(request)), status)


async def _waiting(desk: Desk, seen: str, wait: float, look: Callable[[], Awaitable[JsonObject]]) -> Response:
    """What `look` shows, as soon as its version is not the one that was seen, or after `wait` seconds."""

    async def changed() -> JsonObject | None:
        shown = await look()
        return shown if shown["version"] != seen else None

    shown = await desk.bell.until(changed, wait) if wait else None
    return json_response(shown or await look())


def _following(places: list[tuple[str, str]], limit: int) -> str:
    """Where the next page begins: behind the last one of a full page; nowhere, where the page is not full."""
    return str(Cursor(*places[-1])) if len(places) == limit else ""


def _space(desk: Desk) -> APIRouter:
    router = _router("space")

    @router.get("/status")
    async def status() -> Response:
        return json_response(await desk.status())

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(await desk.metrics(), media_type=CONTENT_TYPE)

    @router.get("/members")
    async def members() -> Response:
        if not desk.members():  # admitted a moment ago, perhaps
            await desk.refresh()
        return json_response({"members": [views.member(member) for member in desk.members()]})

    @router.post("/members")
    async def admit(body: MemberBody) -> Response:
        admitted = await desk.admit(body.did, body.name, body.region, body.roles, body.operator)
        return json_response(views.member(admitted), 201)

    @router.delete("/members/{did:path}")
    async def remove(did: str) -> Response:
        await desk.remove(did)
        return json_response({"did": did})

    @router.get("/doctor")
    async def doctor(request: Request) -> Response:
        language = request_language(request)
        members = [member.did for member in desk.members()]
        return json_response(
            await asyncio.to_thread(examine_config, desk.config, language, members, None, desk.assets.states)
        )

    @router.get("/doctor/assets")
    async def assets(request: Request) -> Response:
        speak = speaker(request_language(request))
        found = await asyncio.to_thread(lambda: list(asset_checks(desk.assets.states)))
        return json_response({"checks": [check.told(speak) for check in found]})

    @router.post("/members/refresh")
    async def refresh() -> Response:
        await desk.refresh()
        return json_response({"members": [views.member(member) for member in desk.members()]})

    return router


def _keys(desk: Desk) -> APIRouter:
    router = _router("space")

    @router.post("/members/keys")
    async def take_keys(body: MemberKeysBody) -> Response:
        return json_response(views.member(await desk.signing.take(body.did)))

    @router.get("/keys")
    async def keys() -> Response:
        return json_response({"keys": desk.signing.show()})

    @router.post("/keys")
    async def rotate() -> Response:
        return json_response(await desk.signing.rotate(), 201)

    @router.delete("/keys/{key}")
    async def revoke(key: str) -> Response:
        return json_response(await desk.signing.revoke(key))

    return router


def _terms(desk: Desk) -> APIRouter:
    router = _router("terms")

    @router.get("/catalog")
    async def catalog(search: Annotated[str, Query(max_length=200)] = "", participant: str = "") -> Response:
        datasets, problems = await desk.catalog(participant, search)
        return json_response({"datasets": datasets, "problems": problems})

    @router.get("/datasets")
    async def datasets(request: Request, limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        speak = speaker(request_language(request))
        found = await desk.datasets(PageRequest(limit, after))
        following = found[-1].id if len(found) == limit else ""
        return json_response({"datasets": [views.dataset(d, speak) for d in found], "next": following})

    @router.post("/negotiations")
    async def negotiate(request: Request, body: NegotiationBody) -> Response:
        begun = await desk.negotiate(body.participant, body.dataset, body.offer)
        return json_response(views.negotiation(begun, speaker(request_language(request))), 201)

    @router.get("/negotiations")
    async def negotiations(request: Request, limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        speak = speaker(request_language(request))
        found = await desk.negotiations(PageRequest(limit, after))
        following = _following([(n.created, n.id) for n in found], limit)
        return json_response({"negotiations": [views.negotiation(n, speak) for n in found], "next": following})

    @router.get("/negotiations/{pid:path}")
    async def negotiation(request: Request, pid: str, seen: Seen = "", wait: Wait = 0) -> Response:
        speak = speaker(request_language(request))

        async def look() -> JsonObject:
            return views.negotiation(await desk.negotiation(pid), speak)

        return await _waiting(desk, seen, wait, look)

    @router.post("/negotiations/{pid:path}/answer")
    async def answer(request: Request, pid: str, body: AnswerBody) -> Response:
        decided = await desk.answer(pid, approve=body.approve, reason=body.reason)
        return json_response(views.negotiation(decided, speaker(request_language(request))))

    @router.get("/agreements")
    async def agreements(request: Request, limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        found = await desk.agreements(PageRequest(limit, after))
        following = _following([(a.finalized, a.id) for a in found], limit)
        shown = await desk.agreed(found, speaker(request_language(request)))
        return json_response({"agreements": shown, "next": following})

    @router.post("/policy/try")
    async def try_policy(request: Request, body: TryBody) -> Response:
        speak = speaker(request_language(request))
        return json_response(await desk.try_policy(body.model_dump(), speak))

    return router


def _labels(desk: Desk) -> APIRouter:
    router = _router("labels")

    @router.get("/labels")
    async def labels(limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        found = await desk.labels.page(after, limit)
        return json_response({"labels": found, "next": found[-1]["dataset"] if len(found) == limit else ""})

    @router.get("/labels/{dataset:path}")
    async def label(dataset: str) -> Response:
        return json_response(await desk.labels.of(dataset))

    @router.put("/labels/{dataset:path}")
    async def set_label(dataset: str, body: LabelBody) -> Response:
        return json_response(await desk.labels.put(dataset, body.label))

    @router.delete("/labels/{dataset:path}")
    async def reset_label(dataset: str) -> Response:
        return json_response(await desk.labels.reset(dataset))

    return router


def _sets(desk: Desk) -> APIRouter:
    router = _router("sites")

    @router.get("/sites/{dataset:path}")
    async def sites(dataset: str) -> Response:
        return json_response(await desk.sets.of(dataset))

    @router.post("/sites/{dataset:path}")
    async def change_sites(dataset: str, body: SitesBody) -> Response:
        return json_response(await desk.sets.change(dataset, body.sites, accept=body.accept))

    return router


def _budgets(desk: Desk) -> APIRouter:
    router = _router("budgets")

    @router.get("/budgets")
    async def budgets() -> Response:
        return json_response({"budgets": await desk.budgets.all()})

    @router.get("/budgets/{dataset:path}")
    async def budget(dataset: str, limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        page = PageRequest(limit, after)
        return json_response(await desk.budgets.of(dataset, page.cursor(), page.limit))

    @router.post("/budgets/{dataset:path}/renew")
    async def renew(dataset: str, body: RenewalBody) -> Response:
        return json_response(await desk.budgets.renew(dataset, anyway=body.anyway))

    return router


def _uses(desk: Desk) -> APIRouter:
    router = _router("uses")

    @router.post("/downloads")
    async def download(body: DownloadBody) -> Response:
        return json_response(await desk.download(body.participant, body.dataset), 201)

    @router.post("/transfers")
    async def request_transfer(request: Request, body: TransferBody) -> Response:
        begun = await desk.request(body.agreement, body.format, body.address)
        return json_response(views.transfer(begun, speaker(request_language(request))), 201)

    @router.get("/transfers")
    async def transfers(request: Request, limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        speak = speaker(request_language(request))
        found = await desk.transfers(PageRequest(limit, after))
        following = _following([(t.created, t.id) for t in found], limit)
        return json_response({"transfers": [views.transfer(t, speak) for t in found], "next": following})

    @router.get("/transfers/{pid:path}")
    async def transfer(request: Request, pid: str, seen: Seen = "", wait: Wait = 0) -> Response:
        speak = speaker(request_language(request))

        async def look() -> JsonObject:
            return views.transfer(await desk.transfer(pid), speak)

        return await _waiting(desk, seen, wait, look)

    @router.post("/transfers/{pid:path}/{verb}")
    async def steer(request: Request, pid: str, verb: str, body: ReasonBody) -> Response:
        steered = await desk.steer(pid, verb, body.reason)
        return json_response(views.transfer(steered, speaker(request_language(request))))

    return router


def _steps(desk: Desk) -> APIRouter:
    router = _router("steps")

    def shown(question: Question) -> JsonObject:
        return steps.shown(question, desk.usage.progress(question), desk.clock.now())

    async def whole(step: str) -> Response:
        found = await desk.usage.checking.step(step)
        return json_response(shown(found[0]) | steps.opened(*found))

    @router.get("/steps")
    async def listed(state: State = "", limit: Limit = LARGEST_PAGE, after: After = "") -> Response:
        found = await desk.usage.checking.steps(steps.KEPT.get(state), PageRequest(limit, after).cursor(), limit)
        following = _following([(question.time, question.id) for question in found], limit)
        return json_response({"steps": [shown(question) for question in found], "next": following})

    @router.get("/steps/{step:path}")
    async def one(step: str) -> Response:
        return await whole(step)

    @router.post("/steps/{step:path}/check")
    async def check(step: str, body: CheckBody) -> Response:
        await desk.usage.checking.decide(step, approve=body.approve)
        return await whole(step)

    return router


def _runs(desk: Desk) -> APIRouter:
    router = _router("runs")

    @router.post("/runs")
    async def begin(request: Request, body: RunBody) -> Response:
        run = await desk.train(
            body.task,
            body.agreements,
            without_missing=body.without_missing,
            patience=body.patience,
            coordinator=body.coordinator,
        )
        return json_response(await desk.run(run, speaker(request_language(request))), 201)

    @router.post("/forecasts")
    async def forecast(request: Request, body: ForecastBody) -> Response:
        return json_response(await desk.forecast(body.task, body.agreements, speaker(request_language(request))))

    @router.get("/runs")
    async def runs(request: Request, limit: Limit = LARGEST_RUNS, after: After = "") -> Response:
        speak, most = speaker(request_language(request)), min(limit, LARGEST_RUNS)
        found = await desk.runs(PageRequest(most, after))
        following = _following([(run.created, run.id) for run, _ in found], most)
        shown = [desk.shown(run, model, speak) for run, model in found]
        return json_response({"runs": shown, "next": following})

    @router.get("/runs/{run:path}")
    async def run(request: Request, run: str, seen: Seen = "", wait: Wait = 0) -> Response:
        speak = speaker(request_language(request))
        return await _waiting(desk, seen, wait, lambda: desk.run(run, speak))

    @router.post("/runs/{run:path}/cancel")
    async def cancel(request: Request, run: str) -> Response:
        return json_response(await desk.cancel(run, speaker(request_language(request))))

    @router.get("/models/{model:path}")
    async def model(request: Request, model: str) -> Response:
        return json_response(await desk.model(model, speaker(request_language(request))))

    return router


def _proofs(desk: Desk) -> APIRouter:
    router = _router("proofs")

    @router.get("/audit/bundle")
    async def bundle() -> Response:
        return Response(await desk.bundle(), media_type="application/json")

    @router.get("/audit/near-repeats")
    async def near_repeats(request: Request, dataset: Seen = "") -> Response:
        speak = speaker(request_language(request))
        return json_response({"near_repeats": await desk.near_repeats(dataset, speak)})

    @router.get("/audit/questions")
    async def questions(
        use: Annotated[str, Query(max_length=LONGEST_TEXT)] = "",
        dataset: Annotated[str, Query(max_length=LONGEST_TEXT)] = "",
    ) -> Response:
        return Response(
            msgspec.json.encode(await exhibits.questions(desk, use, dataset)), media_type="application/json"
        )

    @router.get("/audit/records/{run:path}")
    async def records(run: str) -> Response:
        return Response(msgspec.json.encode(await exhibits.records(desk, run)), media_type="application/json")

    @router.get("/audit/models/{model:path}")
    async def exported_model(model: str) -> Response:
        return Response(msgspec.json.encode(await exhibits.model(desk, model)), media_type="application/json")

    @router.get("/audit/uses")
    async def uses() -> Response:
        return json_response({"uses": await desk.uses()})

    @router.get("/audit/checkpoints")
    async def checkpoints(limit: Limit = LARGEST_PAGE) -> Response:
        return json_response({"checkpoints": await desk.checkpoints(limit)})

    @router.get("/audit/entries")
    async def entries(
        after: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> Response:
        return json_response({"entries": await desk.entries(after, limit)})

    @router.get("/audit/inclusion/{index}")
    async def inclusion(index: int) -> Response:
        return json_response(await desk.inclusion(index))

    return router
