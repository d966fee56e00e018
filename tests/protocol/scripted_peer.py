"""A connector of another make, in both roles, as one was seen to behave over the Dataspace Protocol 2025-1.

What matters here: it acknowledges a message before it has noted it, and answers everything about that process with
409 until it has. It names two contexts, its pids are bare UUIDs, it answers a request with 200 and not 201,
acknowledges with empty bodies that it calls JSON, and puts the address of a pull into endpoint properties.

The peer itself does no I/O and knows no time but `now`: `receive` and `read` answer, `due` says what it wants to
send, `told` what became of that. `Served` puts it behind HTTP.
"""

import asyncio
import json
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from medspace.app.node.listening.listener import Listener, bind

Message = dict[str, Any]
Answer = tuple[int, Any]

CONTEXTS = ["https://w3id.org/dspace/2025/1/context.jsonld", "https://w3id.org/edc/dspace/v0.0.1"]
NS = "https://w3id.org/edc/v0.0.1/ns/"
RETRY = 0.2  # seconds until it sends again what was not taken
PATHS = {"finalized": "events", "verification": "agreement/verification"}
TYPES = {
    "agreement": "ContractAgreementMessage",
    "verification": "ContractAgreementVerificationMessage",
    "finalized": "ContractNegotiationEventMessage",
    "start": "TransferStartMessage",
    "suspension": "TransferSuspensionMessage",
    "completion": "TransferCompletionMessage",
}
NEXT = {
    ("negotiations", "REQUESTED", "agreement"): "AGREED",
    ("negotiations", "AGREED", "verification"): "VERIFIED",
    ("negotiations", "VERIFIED", "finalized"): "FINALIZED",
    ("transfers", "REQUESTED", "start"): "STARTED",
    ("transfers", "STARTED", "suspension"): "SUSPENDED",
    ("transfers", "SUSPENDED", "start"): "STARTED",
    ("transfers", "STARTED", "completion"): "COMPLETED",
}
FINAL = ("FINALIZED", "COMPLETED", "TERMINATED")


@dataclass
class Process:
    """One negotiation or transfer, as the peer keeps it; `todo` is what it still has to send."""

    id: str
    kind: str
    consumer: bool  # whether the peer is the consumer
    address: str  # the other side's base
    other: str = ""  # the other side's pid
    state: str = "INITIAL"
    todo: list[str] = field(default_factory=list)
    first: Message = field(default_factory=dict)
    agreement: str = ""
    target: str = ""
    noted: float = 0.0  # from when on it has noted its state
    flying: bool = False
    seen: set[str] = field(default_factory=set)
    reason: list[str] = field(default_factory=list)

    @property
    def pids(self) -> Message:
        own, other = ("consumerPid", "providerPid") if self.consumer else ("providerPid", "consumerPid")
        return {own: self.id} | ({other: self.other} if self.other else {})


@dataclass(frozen=True)
class Outgoing:
    """A message that the peer wants to send."""

    process: Process
    verb: str
    url: str
    message: Message


class ScriptedPeer:
    """The peer; `slow` gives how many seconds it takes to note a state, `never` are verbs it refuses for good."""

    def __init__(
        self, did: str, address: str, now: Callable[[], float], slow: Callable[[], float], seed: int = 1
    ) -> None:
        self.did, self.address = did, address
        self.now, self.slow = now, slow
        self.never: set[str] = set()
        self.processes: dict[str, Process] = {}
        self.refusals = 0
        self.as_provider: dict[str, list[str]] = {}  # agreement -> what it sends about a transfer that it provides
        self._chance = random.Random(seed)

    def identity(self) -> str:
        """A fresh identity, as bare as the peer's are."""
        return str(UUID(int=self._chance.getrandbits(128), version=4))

    # --- begun by the peer ------------------------------------------------------------------------------------

    def negotiate(self, address: str, offer: Message) -> Process:
        """As consumer, ask for an agreement on an offer (with target and assigner)."""
        return self._begin("negotiations", address, "ContractRequestMessage", ["verification"], offer=offer)

    def request(self, address: str, agreement: str, kind: str, *verbs: str) -> Process:
        """As consumer, ask for a use, and send these verbs one after the other as the state lets it."""
        begun = self._begin(
            "transfers", address, "TransferRequestMessage", list(verbs), agreementId=agreement, format=kind
        )
        begun.agreement = agreement
        return begun

    def _begin(self, kind: str, address: str, type_: str, todo: list[str], **members: Any) -> Process:
        process = Process(self.identity(), kind, consumer=True, address=address, todo=["request", *todo])
        process.first = self._message(type_, process, callbackAddress=self.address, **members)
        self.processes[process.id] = process
        return process

    # --- what comes in ----------------------------------------------------------------------------------------

    def receive(self, path: str, message: Message) -> Answer:
        """Answer a message to `path` below the peer's address."""
        kind, *rest = path.strip("/").split("/")
        if kind == "catalog":
            return 200, self.catalogue()
        if rest == ["request"]:
            return self._open(kind, message)
        process = self.processes.get(rest[0])
        if process is None:
            return 404, self._error(kind, "there is no such process")
        return self._take(process, self._verb("/".join(rest[1:])), message)

    def read(self, path: str) -> Answer:
        """Answer a question for a process."""
        kind, pid = path.strip("/").split("/")
        process = self.processes.get(pid)
        return (404, self._error(kind, "unknown")) if process is None else (200, self._document(process))

    def _open(self, kind: str, message: Message) -> Answer:
        known = (p for p in self.processes.values() if p.other == message["consumerPid"] and not p.consumer)
        process = next(known, None)
        if process is None:
            agreement = message.get("agreementId", "")
            uses = list(self.as_provider.get(agreement, ["start"]))
            todo = ["agreement", "finalized"] if kind == "negotiations" else uses
            process = Process(self.identity(), kind, consumer=False, address=message["callbackAddress"], todo=todo)
            process.other, process.state = message["consumerPid"], "REQUESTED"
            process.first = message
            process.agreement = agreement
            process.noted = self.now() + self.slow()
            self.processes[process.id] = process
        return 200, self._document(process)

    def _take(self, process: Process, verb: str, message: Message) -> Answer:
        if message["@id"] in process.seen:
            return 200, None
        state = "TERMINATED" if verb == "termination" else NEXT.get((process.kind, process.state, verb))
        if process.state in FINAL or process.flying or self.now() < process.noted or verb in self.never or not state:
            self.refusals += 1
            return 409, self._error(process.kind, f"Cannot process {message['@type']} in {process.state}")
        process.seen.add(message["@id"])
        process.state, process.noted = state, self.now() + self.slow()
        process.reason = message.get("reason", process.reason)
        if verb == "agreement":
            process.agreement = message["agreement"]["@id"]
        return 200, None

    def _verb(self, path: str) -> str:
        return next((verb for verb, at in PATHS.items() if at == path), path)

    # --- what goes out ----------------------------------------------------------------------------------------

    def due(self) -> list[Outgoing]:
        """What it wants to send now."""
        found = []
        for process in list(self.processes.values()):
            if process.todo and not process.flying and self.now() >= process.noted and process.state not in FINAL:
                verb = process.todo[0]
                if verb == "request" or (process.kind, process.state, verb) in NEXT:
                    process.flying = True
                    found.append(self._outgoing(process, verb))
        return found

    def told(self, sent: Outgoing, status: int, body: Any) -> None:
        """What became of a message."""
        process = sent.process
        process.flying = False
        if not 200 <= status < 300:
            process.noted = self.now() + RETRY
            return
        process.noted = self.now() + self.slow()
        process.todo.pop(0)
        if sent.verb == "request":
            process.other, process.state = body["providerPid"], "REQUESTED"
        elif process.state not in FINAL:
            process.state = NEXT[process.kind, process.state, sent.verb]

    def _outgoing(self, process: Process, verb: str) -> Outgoing:
        base = f"{process.address}/{process.kind}"
        if verb == "request":
            return Outgoing(process, verb, f"{base}/request", process.first)
        message = self._message(TYPES[verb], process, **self._content(process, verb))
        return Outgoing(process, verb, f"{base}/{process.other}/{PATHS.get(verb, verb)}", message)

    def _content(self, process: Process, verb: str) -> Message:
        if verb == "agreement":
            process.agreement = process.agreement or self.identity()
            offer = {name: value for name, value in process.first["offer"].items() if name != "@id"}
            parties = {"assigner": self.did, "assignee": process.first.get("assignee", self.customer)}
            stamp = {"timestamp": "2026-01-01T00:00:00Z", "@id": process.agreement, "@type": "Agreement"}
            return {"agreement": {**offer, **parties, **stamp}}
        if verb == "finalized":
            return {"eventType": "FINALIZED"}
        if verb == "start" and not process.consumer and process.state == "REQUESTED":
            return {"dataAddress": self.data_address()}
        return {"code": "peer", "reason": ["because"]} if verb == "suspension" else {}

    customer = ""  # the DID of whoever it makes agreements with

    def data_address(self) -> Message:
        """Where a pull goes: nothing but endpoint properties."""
        told = {"endpoint": f"{self.address}/public", "authorization": "token", "authType": "bearer"}
        properties = [{"@type": "EndpointProperty", "name": NS + name, "value": text} for name, text in told.items()]
        kind = "https://w3id.org/idsa/v4.1/HTTP"
        return {"@type": "DataAddress", "endpointType": kind, "endpointProperties": properties}

    def catalogue(self) -> Message:
        """One dataset as an object; an offer without any rule; members of its own; no participant."""
        service = {"@id": self.identity(), "@type": "DataService", "endpointURL": self.address}
        dataset = {
            "@id": "asset",
            "@type": "Dataset",
            "id": "asset",
            "edc:name": "An asset",
            "edc:contenttype": "application/json",
            "hasPolicy": [
                {"@id": "bare", "@type": "Offer"},
                {"@id": "usable", "@type": "Offer", "permission": {"action": "use"}},
            ],
            "distribution": {"@type": "Distribution", "format": "HttpData-PULL", "accessService": service},
        }
        return {"@id": self.identity(), "@type": "Catalog", "dataset": dataset, "@context": CONTEXTS}

    def _message(self, type_: str, process: Process, **members: Any) -> Message:
        return {"@id": self.identity(), "@type": type_, **process.pids, **members, "@context": CONTEXTS}

    def _document(self, process: Process) -> Message:
        kind = "ContractNegotiation" if process.kind == "negotiations" else "TransferProcess"
        return self._message(kind, process, state=process.state) | {"@id": process.id}

    def _error(self, kind: str, reason: str) -> Message:
        name = "ContractNegotiationError" if kind == "negotiations" else "TransferError"
        return {"@type": name, "code": "409", "reason": [reason], "@context": CONTEXTS}


class Served:
    """A scripted peer behind HTTP on a free port of this machine; it looks for what it has to send all the time."""

    EVERY = 0.01  # seconds

    def __init__(self, did: str, slow: Callable[[], float], headers: dict[str, str] | None = None) -> None:
        self._socket = bind("127.0.0.1", 0)
        loop = asyncio.get_running_loop()
        address = f"http://127.0.0.1:{self._socket.getsockname()[1]}/protocol/2025-1"
        self.peer = ScriptedPeer(did, address, loop.time, slow)
        routes = [Route("/protocol/2025-1/{path:path}", self._answer, methods=["GET", "POST"])]
        self._server = Listener(Starlette(routes=routes))
        self._client = httpx.AsyncClient(timeout=20, trust_env=False, headers=headers)
        self._tasks: list[asyncio.Task[Any]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._server.serve(sockets=[self._socket]))]
        await self._server.ready.wait()
        self._tasks.append(asyncio.create_task(self._work()))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._tasks[1].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    async def _answer(self, request: Request) -> Response:
        path = request.path_params["path"]
        if request.method == "GET":
            status, body = self.peer.read(path)
        else:
            status, body = self.peer.receive(path, json.loads(await request.body()))
        content = b"" if body is None else json.dumps(body).encode()
        return Response(content, status, media_type="application/json; charset=utf-8")

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                for sent in self.peer.due():
                    group.create_task(self._send(sent))
                await asyncio.sleep(self.EVERY)

    async def _send(self, sent: Outgoing) -> None:
        status, body = 503, None
        with suppress(httpx.TransportError, ValueError):
            answer = await self._client.post(sent.url, json=sent.message)
            status = answer.status_code
            body = answer.json()
        self.peer.told(sent, status, body)
