"""What speaks DCP 1.0, as a system under test: holder, issuer and verifier with a DID each.

    python -m tests.protocol.sut --dcp --host 127.0.0.1 --port 8181 --issuer did:web:localhost%3A8083:issuer

prints one line, `ready {"holder": DID, "issuer": DID, "verifier": DID, "sts": URL, "client_id": ..., "client_secret":
..., "trigger": URL}`, and serves until SIGTERM. The parts are those of the product, put together without a space
around them: believed are the issuers that are named, for the types of the conformance kit, and ourselves. The token
service is for the kit alone, which asks it in the holder's name; `POST {sts}/token` as OAuth 2 client credentials.
"""

import asyncio
import json
import secrets
import signal
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.credentials import (
    KEEP_LIST,
    HttpCredentialPeers,
    HttpKeyDocuments,
    HttpSchemas,
    HttpStatusLists,
)
from medspace.adapters.http.guard import Guard
from medspace.adapters.sql import create, open_database
from medspace.adapters.system import SystemClock, SystemRandomness
from medspace.app.doors.bodies import problem_response
from medspace.app.features.credentials.door import HOLDER, ISSUER, DcpDoor, DcpParty
from medspace.app.features.credentials.kinds import KINDS
from medspace.app.node.listening.listener import Listener, bind
from medspace.core.credentials import Believed
from medspace.core.errors import MedspaceError
from medspace.ledger import kinds
from medspace.services.credentials.gate import TokenGate
from medspace.services.credentials.holder import CredentialService
from medspace.services.credentials.issuer import CredentialIssuer
from medspace.services.credentials.messages import type_of
from medspace.services.credentials.model import COLLECTIONS
from medspace.services.credentials.ports import Issuable, IssuanceVerdict
from medspace.services.credentials.proving import Prover
from medspace.services.credentials.verifier import CredentialVerifier
from medspace.trust.credentials.jose import EcKey, PartyKeys
from medspace.trust.credentials.keys import CREDENTIAL_SERVICE, ISSUER_SERVICE, build_key_document
from medspace.trust.credentials.model import CredentialProfile
from medspace.trust.documents import DocumentCache
from medspace.trust.model import SEEN

TYPES = ("MembershipCredential", "SensitiveDataCredential")
ANOTHER = "ResearcherCredential"  # believed as well; no case is about it
DEFAULT_ISSUER = "did:web:localhost%3A8083:issuer"
# Both as older and as newer versions of the kit name what they ask for.
ISSUABLE_IDS = ("credential-object-id1", "credential-object-id2")
ROLES = ("holder", "issuer", "verifier")
kinds.learn(KINDS)  # as whoever loads the features does
ANYTHING = timedelta(0)  # of a cache: keys of the kit change from run to run


def new_key(did: str) -> EcKey:
    """A new key of P-256, as the kit wants it."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return EcKey(f"{did}#key-1", pem)


@dataclass
class System:
    """The parts of the system; tests replace some of them before it serves."""

    root: str
    issuers: Sequence[str]
    database: Any
    client: HttpClient
    keep: timedelta = ANYTHING
    client_id: str = "kit"
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def __post_init__(self) -> None:
        self.clock, self.randomness = SystemClock(), SystemRandomness()
        authority = self.root.partition("://")[2].replace(":", "%3A")
        self.dids = {role: f"did:web:{authority}:{role}" for role in ROLES}
        self.keys = {role: new_key(did) for role, did in self.dids.items()}
        self.documents = DocumentCache(
            HttpKeyDocuments(self.client), self.clock, keep=self.keep, keep_failure=self.keep
        )
        self.peers = HttpCredentialPeers(self.client)
        self.prover = Prover(
            self.documents,
            HttpStatusLists(self.client, self.documents, self.clock),
            HttpSchemas(self.client),
            self._believed,
            self.clock,
        )
        self.gates = {
            role: TokenGate(did, self.documents, self.database, self.clock) for role, did in self.dids.items()
        }
        self.holder = CredentialService(
            self.dids["holder"],
            PartyKeys(self.keys["holder"]),
            self.prover,
            self.documents,
            self.peers,
            *self._foundations(),
        )
        base = f"{self.root}/issuer{ISSUER}"
        self.issuer = CredentialIssuer(
            self.dids["issuer"],
            PartyKeys(self.keys["issuer"]),
            base,
            _issuables(),
            self.documents,
            self.peers,
            *self._foundations(),
        )
        self.verifier = CredentialVerifier(
            self.gates["verifier"],
            PartyKeys(self.keys["verifier"]),
            self.prover,
            self.documents,
            self.peers,
            self.clock,
            self.randomness,
        )

    def forget(self) -> None:
        """As after the time for which status lists are kept: they are looked at again."""
        lists: Any = self.prover.lists
        lists.age(KEEP_LIST)

    def _foundations(self) -> tuple[Any, ...]:
        return self.database, self.clock, self.randomness

    async def _believed(self) -> tuple[Believed, ...]:
        return tuple(Believed(kind, (*self.issuers, self.dids["issuer"])) for kind in (*TYPES, ANOTHER))

    def ready(self) -> dict[str, str]:
        """What a kit has to know."""
        return {
            **self.dids,
            "sts": f"{self.root}/sts",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "trigger": f"{self.root}/verifier/trigger",
        }

    async def party(self, role: str) -> DcpParty:
        """The parts of one role."""
        return DcpParty(self.gates[role], self.holder, self.issuer if role == "issuer" else None)

    def document(self, role: str) -> dict[str, Any]:
        """The DID document of one role."""
        services = {CREDENTIAL_SERVICE: f"{self.root}/{role}{HOLDER}"}
        if role == "issuer":
            services[ISSUER_SERVICE] = self.issuer.base
        key = self.keys[role]
        start = {"@context": ["https://www.w3.org/ns/did/v1"], "id": self.dids[role]}
        return build_key_document(start, [(key.id, key.public)], services)

    async def token(self, request: Request) -> Response:
        """POST {sts}/token."""
        form = await request.form()
        told = {name: str(form.get(name, "")) for name in ("grant_type", "client_id", "client_secret", "audience")}
        proven = secrets.compare_digest(told["client_secret"], self.client_secret)
        if told["grant_type"] != "client_credentials" or told["client_id"] != self.client_id or not proven:
            return JSONResponse({"error": "invalid_client"}, 401)
        try:
            types = [type_of(scope) for scope in str(form.get("bearer_access_scope", "")).split()]
        except MedspaceError:
            return JSONResponse({"error": "invalid_scope"}, 400)
        token = self.holder.id_token(told["audience"], types)
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": 60})

    async def trigger(self, request: Request) -> Response:
        """The trigger: 200 if the caller shows a membership credential, whatever the body."""
        try:
            await self.verifier.authenticate(request.headers.get("authorization"), TYPES[:1])
        except MedspaceError as error:
            return problem_response(error, 401)
        return Response(status_code=200)

    def application(self) -> Starlette:
        """All of it."""
        routes = [
            Route("/sts/token", self.token, methods=["POST"]),
            Route("/verifier/trigger", self.trigger, methods=["POST"]),
        ]
        for role in ROLES:
            routes.append(Route(f"/{role}/did.json", self._told(role), methods=["GET"]))
            routes += DcpDoor(self._party(role)).routes(f"/{role}")
        return Starlette(routes=routes)

    def _told(self, role: str) -> Callable[[Request], Response]:
        async def endpoint(_: Request) -> Response:
            return JSONResponse(self.document(role))

        return endpoint

    def _party(self, role: str) -> Callable[[], Any]:
        return lambda: self.party(role)


def _issuables() -> tuple[Issuable, ...]:
    return tuple(
        Issuable(name, kind, CredentialProfile.VC11.value, lambda _: IssuanceVerdict({"issued": "here"}))
        for name, kind in zip(ISSUABLE_IDS, TYPES, strict=True)
    )


async def serve(
    host: str,
    port: int,
    issuers: Sequence[str],
    told: Callable[[dict[str, str]], None],
    stop: asyncio.Event,
    change: Callable[[System], None] = lambda _: None,
    keep: timedelta = ANYTHING,
) -> None:
    """Serve until `stop`; `told` is called once it answers, `change` before."""
    listener = bind(host, port)
    name = "localhost" if host == "127.0.0.1" else host
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="medspace-dcp-"))
        collections = (SEEN, *COLLECTIONS)
        url = f"sqlite:///{folder}/connector.db"
        create(url, collections)
        database = await stack.enter_async_context(open_database(url, collections))
        client = HttpClient(Guard.of(loopback=True))
        stack.push_async_callback(client.close)
        system = System(f"http://{name}:{listener.getsockname()[1]}", issuers, database, client, keep)
        change(system)
        server = Listener(system.application())
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        delivering = asyncio.create_task(system.issuer.run())
        await server.ready.wait()
        told(system.ready())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([serving, delivering, stopping], return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        for task in (delivering, stopping):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await serving


def main(host: str, port: int, issuers: Sequence[str] | None) -> None:
    """Serve until SIGTERM."""

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(host, port, issuers or [DEFAULT_ISSUER], _say, stop)

    asyncio.run(run())


def _say(ready: dict[str, str]) -> None:
    print(f"ready {json.dumps(ready)}", flush=True)  # noqa: T201 - what the kit waits for
