"""The Dataspace Protocol 2025-1 over HTTP: the public door of a connector. Plain Starlette, for speed.

One set of paths serves both roles: a pid identifies one process, which knows its role. So our callback address is our
protocol base URL. A reply is sent before the messages that it causes.
"""

import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from medspace.app.doors.bodies import LARGEST_MESSAGE, json_response, problem_response, read_body, retry_after
from medspace.app.doors.callers import Authenticate, caller_of
from medspace.connector import wire
from medspace.connector.catalogue.service import Catalogue
from medspace.connector.dispatch.service import Dispatcher
from medspace.connector.errors import (
    MessageError,
    MessageTooLargeError,
    QuotaError,
    UnknownDatasetError,
    UnknownProcessError,
    UseRefusedError,
)
from medspace.connector.model import Intent, Negotiation, Transfer
from medspace.connector.negotiation.messages import NEGOTIATION
from medspace.connector.negotiation.rules import NegotiationMessage
from medspace.connector.negotiation.service import Negotiations
from medspace.connector.reasons import sentences
from medspace.connector.transfer.messages import TRANSFER
from medspace.connector.transfer.rules import TransferMessage
from medspace.connector.transfer.service import Transfers
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError, MedspaceError, RefusedError
from medspace.trust.errors import UnauthenticatedError
from medspace.trust.model import Caller

BASE = "/dsp/2025-1"
VERSIONS = "/.well-known/dspace-version"
_WORTH_PACKING = 1000  # bytes

Handler: TypeAlias = Callable[[Request, Caller], Awaitable[Response]]

_NEGOTIATION = "ContractNegotiationError"
_TRANSFER = "TransferError"
_CATALOGUE = "CatalogError"


@dataclass(frozen=True, slots=True)
class ProtocolEndpoints:
    """The services behind the protocol's endpoints; `authenticate` raises unless the caller proves its identity."""

    authenticate: Authenticate
    catalogue: Catalogue
    negotiations: Negotiations
    transfers: Transfers
    dispatcher: Dispatcher

    # --- catalogue --------------------------------------------------------------------------------------------

    async def request_catalogue(self, request: Request, _: Caller) -> Response:
        """POST /catalog/request."""
        query = request.query_params
        page = await self.catalogue.request(
            await read_body(request, LARGEST_MESSAGE), query.get("after"), query.get("before")
        )
        return _packed(request, page.content, {} if page.links is None else {"Link": page.links})

    async def get_dataset(self, request: Request, _: Caller) -> Response:
        """GET /catalog/datasets/{id}."""
        return _packed(request, await self.catalogue.dataset(request.path_params["id"]), {})

    # --- negotiations -----------------------------------------------------------------------------------------

    def open_negotiation(self, message: NegotiationMessage) -> Handler:
        """POST /negotiations/request and /negotiations/offers."""

        async def handle(request: Request, caller: Caller) -> Response:
            outcome = await self.negotiations.open(caller, await _content(request), message)
            return self._reply(NEGOTIATION.shown(outcome.process), outcome.intent, created=outcome.fresh)

        return handle

    def receive_negotiation(self, *expected: NegotiationMessage) -> Handler:
        """POST /negotiations/{pid}/..."""

        async def handle(request: Request, caller: Caller) -> Response:
            pid, content = request.path_params["pid"], await _content(request)
            outcome = await self.negotiations.receive(caller, pid, content, *expected)
            return self._reply(NEGOTIATION.shown(outcome.process), outcome.intent)

        return handle

    async def get_negotiation(self, request: Request, caller: Caller) -> Response:
        """GET /negotiations/{pid}."""
        negotiation: Negotiation = await self.negotiations.get(caller, request.path_params["pid"])
        return json_response(NEGOTIATION.shown(negotiation))

    # --- transfers --------------------------------------------------------------------------------------------

    async def open_transfer(self, request: Request, caller: Caller) -> Response:
        """POST /transfers/request."""
        outcome = await self.transfers.open(caller, await _content(request))
        return self._reply(TRANSFER.shown(outcome.process), outcome.intent, created=outcome.fresh)

    def receive_transfer(self, message: TransferMessage) -> Handler:
        """POST /transfers/{pid}/..."""

        async def handle(request: Request, caller: Caller) -> Response:
            pid, content = request.path_params["pid"], await _content(request)
            outcome = await self.transfers.receive(caller, pid, content, message)
            return self._reply(TRANSFER.shown(outcome.process), outcome.intent)

        return handle

    async def get_transfer(self, request: Request, caller: Caller) -> Response:
        """GET /transfers/{pid}."""
        transfer: Transfer = await self.transfers.get(caller, request.path_params["pid"])
        return json_response(TRANSFER.shown(transfer))

    def _reply(self, body: JsonObject, intent: Intent | None, *, created: bool = False) -> Response:
        return _ReplyFirst(wire.encode(body), 201 if created else 200, self.dispatcher, intent)


class _ReplyFirst(Response):
    """Sends the reply, then launches what it caused, even if sending the reply fails."""

    def __init__(self, content: bytes, status: int, dispatcher: Dispatcher, intent: Intent | None) -> None:
        super().__init__(content, status, media_type="application/json")
        self._dispatcher = dispatcher
        self._intent = intent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._dispatcher.launch(self._intent)


def protocol_routes(door: ProtocolEndpoints, auth: JsonObject | None = None) -> list[Route]:
    """Every endpoint of the protocol, under its base path, and the version document, with its `auth` if any."""
    n, t = NegotiationMessage, TransferMessage
    posts: list[tuple[str, str, Handler]] = [
        ("/catalog/request", _CATALOGUE, door.request_catalogue),
        ("/negotiations/request", _NEGOTIATION, door.open_negotiation(n.REQUEST)),
        ("/negotiations/offers", _NEGOTIATION, door.open_negotiation(n.OFFER)),
        ("/negotiations/{pid}/request", _NEGOTIATION, door.receive_negotiation(n.REQUEST)),
        ("/negotiations/{pid}/offers", _NEGOTIATION, door.receive_negotiation(n.OFFER)),
        ("/negotiations/{pid}/events", _NEGOTIATION, door.receive_negotiation(n.ACCEPTED, n.FINALIZED)),
        ("/negotiations/{pid}/agreement", _NEGOTIATION, door.receive_negotiation(n.AGREEMENT)),
        ("/negotiations/{pid}/agreement/verification", _NEGOTIATION, door.receive_negotiation(n.VERIFICATION)),
        ("/negotiations/{pid}/termination", _NEGOTIATION, door.receive_negotiation(n.TERMINATION)),
        ("/transfers/request", _TRANSFER, door.open_transfer),
        ("/transfers/{pid}/start", _TRANSFER, door.receive_transfer(t.START)),
        ("/transfers/{pid}/suspension", _TRANSFER, door.receive_transfer(t.SUSPENSION)),
        ("/transfers/{pid}/completion", _TRANSFER, door.receive_transfer(t.COMPLETION)),
        ("/transfers/{pid}/termination", _TRANSFER, door.receive_transfer(t.TERMINATION)),
    ]
    gets: list[tuple[str, str, Handler]] = [
        ("/catalog/datasets/{id:path}", _CATALOGUE, door.get_dataset),
        ("/negotiations/{pid}", _NEGOTIATION, door.get_negotiation),
        ("/transfers/{pid}", _TRANSFER, door.get_transfer),
    ]
    routes = [_route(door, "POST", *endpoint) for endpoint in posts]
    routes += [_route(door, "GET", *endpoint) for endpoint in gets]
    return [*_slashed(routes), Route(VERSIONS, _versions(auth or {}), methods=["GET"])]


def _route(door: ProtocolEndpoints, method: str, path: str, kind: str, handler: Handler) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request, await caller_of(request, door.authenticate))
        except MedspaceError as error:
            return _refusal(request, kind, error)

    return Route(BASE + path, endpoint, methods=[method])


def _slashed(routes: list[Route]) -> list[Route]:
    # A callback base URL may end in a slash, and some clients append one to the path: no redirects for them.
    twins = [Route(f"{route.path}/", route.endpoint, methods=list(route.methods or ())) for route in routes]
    return routes + [twin for twin in twins if ":path" not in twin.path]


def _versions(auth: JsonObject) -> Callable[[Request], Awaitable[Response]]:
    version: JsonObject = {"version": wire.VERSION, "path": BASE, "binding": "HTTPS", "identifierType": "did:web"}
    shown = {"protocolVersions": [version | ({"auth": auth} if auth else {})]}

    async def versions(_: Request) -> Response:
        return json_response(shown)

    return versions


def _refusal(request: Request, kind: str, error: MedspaceError) -> Response:
    if isinstance(error, UnauthenticatedError):
        return problem_response(error)
    body: JsonObject = {"@context": [wire.CONTEXT], "@type": kind}
    if kind != _CATALOGUE:
        body |= _named(request)
    return json_response(body | _why(error), _status(error), retry_after(error))


def _named(request: Request) -> JsonObject:
    # The pids as the sender named them; if it named none, the one in the path stands for both.
    try:
        told = wire.decode(getattr(request.state, "content", b"{}"))
    except MessageError:
        told = {}
    path = request.path_params.get("pid", "urn:medspace:pid:unknown")
    named = {name: told.get(name) for name in ("providerPid", "consumerPid")}
    return {name: value if isinstance(value, str) else path for name, value in named.items()}


async def _content(request: Request) -> bytes:
    request.state.content = await read_body(request, LARGEST_MESSAGE)
    return bytes(request.state.content)


def _why(error: MedspaceError) -> JsonObject:
    if isinstance(error, UseRefusedError):
        told = (str(error.text), *sentences(error.decision))
        return wire.reason_members(error.decision.code, told, error.clause)
    return wire.reason_members(error.code, (str(error.text), str(error.advice)), None)


def _status(error: MedspaceError) -> int:
    if isinstance(error, UnknownProcessError | UnknownDatasetError):
        return 404
    if isinstance(error, MessageTooLargeError):
        return 413
    if isinstance(error, QuotaError):
        return 429
    return 400 if isinstance(error, InvalidInputError | RefusedError) else 503


def _packed(request: Request, content: bytes, headers: dict[str, str]) -> Response:
    if len(content) > _WORTH_PACKING and _accepts_gzip(request.headers.get("accept-encoding", "")):
        content = gzip.compress(content, compresslevel=3, mtime=0)
        headers = headers | {"Content-Encoding": "gzip"}
    return Response(content, 200, headers | {"Vary": "Accept-Encoding"}, "application/json")


def _accepts_gzip(header: str) -> bool:
    for item in header.lower().split(","):
        name, _, weight = item.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
