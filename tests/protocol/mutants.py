"""Broken connectors: each mutant is the system under test with one deliberate fault at its door.

A fault sits on the way in (an ASGI application around the connector's) or on the way out (a transport around the
connector's), so that no product code knows of it. The conformance cases must notice every one of them.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from medspace.connector.errors import UnreachableError
from medspace.connector.ports import Reply, Transport

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Exchange:
    """A request to the connector and its answer; a fault changes the answer."""

    method: str
    path: str
    status: int
    body: Any

    def __matmul__(self, end: str) -> bool:
        return self.method == "POST" and self.path.rstrip("/").endswith(end)


Fault = Callable[[Exchange], tuple[int, Any]]


class FaultyDoor:
    """The connector's application with a fault in its answers; what `swallow` names never reaches the connector."""

    def __init__(self, app: Application, fault: Fault, swallow: str | None = None) -> None:
        self.app = app
        self.fault = fault
        self.swallow = swallow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = Exchange(scope["method"], scope["path"], 200, None)
        if self.swallow is None or not exchange @ self.swallow:
            exchange = await self._through(scope, receive)
        status, body = self.fault(exchange)
        content = b"" if body is None else json.dumps(body).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _through(self, scope: Scope, receive: Receive) -> Exchange:
        """Let the connector answer, uncompressed, and read what it says."""
        sent: list[MutableMapping[str, Any]] = []

        async def keep(event: MutableMapping[str, Any]) -> None:
            sent.append(event)

        headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self.app({**scope, "headers": headers}, receive, keep)
        content = b"".join(event.get("body", b"") for event in sent[1:])
        return Exchange(scope["method"], scope["path"], sent[0]["status"], json.loads(content) if content else None)


def _unchanged(exchange: Exchange) -> tuple[int, Any]:
    return exchange.status, exchange.body


def _refusals_become(status: int) -> Fault:
    def fault(exchange: Exchange) -> tuple[int, Any]:
        refused = exchange.method == "POST" and 400 <= exchange.status < 500
        return (status, exchange.body) if refused else _unchanged(exchange)

    return fault


def _member(name: str, value: Any, type_: str) -> Fault:
    """Answers of this type say something else in one member."""

    def fault(exchange: Exchange) -> tuple[int, Any]:
        if isinstance(exchange.body, dict) and exchange.body.get("@type") == type_:
            return exchange.status, {**exchange.body, name: value}
        return _unchanged(exchange)

    return fault


def _half_catalogue(exchange: Exchange) -> tuple[int, Any]:
    if isinstance(exchange.body, dict) and exchange.body.get("@type") == "Catalog":
        kept = [dataset for dataset in exchange.body["dataset"] if "CAT" not in dataset["@id"]]
        return exchange.status, {**exchange.body, "dataset": kept}
    return _unchanged(exchange)


def _always_created(exchange: Exchange) -> tuple[int, Any]:
    """Each initial request seems to make a process of its own."""
    if exchange @ "s/request" and exchange.status in {200, 201}:
        return 201, {**exchange.body, "providerPid": uuid4().urn}
    return _unchanged(exchange)


def _other_version(exchange: Exchange) -> tuple[int, Any]:
    if exchange.path.endswith("dspace-version"):
        return 200, {"protocolVersions": [{"version": "2024-1", "path": "/", "binding": "HTTPS"}]}
    return _unchanged(exchange)


class FaultyWay:
    """The connector's transport with a fault in what goes out or comes back."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    async def post(self, url: str, message: dict[str, Any], audience: str) -> Reply:
        return await self.transport.post(url, message, audience)

    async def get(self, url: str, audience: str) -> Reply:
        return await self.transport.get(url, audience)


class BelievesItself(FaultyWay):
    """Takes every message for acknowledged: the state is written on sending."""

    async def post(self, url: str, message: dict[str, Any], audience: str) -> Reply:
        reply = await self.transport.post(url, message, audience)
        return reply if 200 <= reply.status < 300 else Reply(200)


class GivesUp(FaultyWay):
    """Sends nothing twice."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self.sent: set[tuple[str, str]] = set()

    async def post(self, url: str, message: dict[str, Any], audience: str) -> Reply:
        if (url, message["@type"]) in self.sent:
            raise UnreachableError(address=url, reason="given up")
        self.sent.add((url, message["@type"]))
        return await self.transport.post(url, message, audience)


class DropsMember(FaultyWay):
    """Sends messages that their schema does not accept."""

    async def post(self, url: str, message: dict[str, Any], audience: str) -> Reply:
        return await self.transport.post(url, {**message, "@context": "https://example.org/"}, audience)


class RenamesOffer(FaultyWay):
    """Asks for an offer that nobody made."""

    async def post(self, url: str, message: dict[str, Any], audience: str) -> Reply:
        if "offer" in message:
            message = {**message, "offer": {**message["offer"], "@id": uuid4().urn}}
        return await self.transport.post(url, message, audience)


@dataclass(frozen=True)
class Mutant:
    """One fault, and the cases that must notice it."""

    killers: tuple[str, ...]
    fault: Fault | None = None
    swallow: str | None = None
    way: type[FaultyWay] | None = None

    def door(self, app: Application) -> Application:
        """The application with the fault."""
        if self.fault is None and self.swallow is None:
            return app
        return FaultyDoor(app, self.fault or _unchanged, self.swallow)

    def transport(self, transport: Transport) -> Transport:
        """The transport with the fault."""
        return self.way(transport) if self.way else transport


MUTANTS = {
    "accepts everything": Mutant(("CN:03-01", "CN:03-02", "CN_C:03-01", "TP:03-01"), _refusals_become(200)),
    "refuses by 404": Mutant(("CN:03-01", "CN_C:03-05", "TP:03-04", "TP_C:03-02"), _refusals_become(404)),
    "refuses by 500": Mutant(("CN:03-02", "CN_C:03-03", "TP:03-02", "TP_C:03-06"), _refusals_become(500)),
    "ignores termination": Mutant(("CN:02-02", "CN_C:02-01", "TP:02-05", "TP_C:01-05"), swallow="/termination"),
    "ignores suspension": Mutant(("TP:02-03", "TP:03-03", "TP_C:01-03"), swallow="/suspension"),
    "ignores the agreement": Mutant(("CN_C:01-04", "CN_C:02-03"), swallow="/agreement"),
    "names another type": Mutant(("CN:02-02", "CN:01-04"), _member("@type", "Negotiation", "ContractNegotiation")),
    "names another error": Mutant(("CAT:01-03",), _member("@type", "Error", "CatalogError")),
    "names another state": Mutant(("CN:02-02", "CN_C:03-02"), _member("state", "REQUESTED", "ContractNegotiation")),
    "speaks another version": Mutant(("MET:01-01",), _other_version),
    "hides datasets": Mutant(("CAT:01-01",), _half_catalogue),
    "makes a process of each repetition": Mutant(("X_CN:01", "X_TP:01"), _always_created),
    "writes the state on sending": Mutant(
        ("CN:03-03",), way=BelievesItself
    ),  # as consumer it waits before it verifies
    "never sends again": Mutant(("X_CN:07", "X_CN_C:06"), way=GivesUp),
    "sends another vocabulary": Mutant(("CN:01-01", "CN_C:01-01", "TP:01-02"), way=DropsMember),
    "asks for another offer": Mutant(("CN_C:01-01", "CN_C:02-01"), way=RenamesOffer),
}
