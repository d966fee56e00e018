"""The Decentralized Claims Protocol 1.0 at the public door: the credential service, and the issuer if there is one.

    POST /dcp/holder/presentations/query   200 with presentations by scope
    POST /dcp/holder/credentials           200: credentials that an issuer delivers
    POST /dcp/holder/offers                200: an offer, kept for a person
    POST /dcp/issuer/credentials           201 with `Location`: a request
    GET  /dcp/issuer/requests/{id}         200: what has become of it
    GET  /dcp/issuer/metadata              200: what is issued here; nobody has to say who asks
    GET  /dcp/issuer/status/{list}         200: a signed status list; nobody has to say who asks

A refused caller gets the code and nothing else; contents of credentials are in no answer to anybody but a verifier
with an access token of ours, and in no log.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from medspace.app.doors.bodies import json_response, problem_response, read_body, status_of
from medspace.app.doors.callers import welcome
from medspace.core.errors import MedspaceError, ProofError
from medspace.services.credentials.errors import CredentialUnknownError, PresentationDefinitionError
from medspace.services.credentials.gate import TokenGate
from medspace.services.credentials.holder import CredentialService
from medspace.services.credentials.issuer import CredentialIssuer
from medspace.services.credentials.messages import LARGEST_MESSAGE, LARGEST_QUERY
from medspace.trust.credentials.idtokens import Proven
from medspace.trust.errors import UnauthenticatedError

HOLDER, ISSUER = "/dcp/holder", "/dcp/issuer"
BAD, UNKNOWN, NOT_IMPLEMENTED, UNAUTHENTICATED = 400, 404, 501, 401
_JWT = "application/jwt"
Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class DcpParty:
    """The parts of DCP that one party has."""

    gate: TokenGate
    holder: CredentialService
    issuer: CredentialIssuer | None = None


@dataclass(frozen=True, slots=True)
class DcpDoor:
    """The endpoints of one party; `party` is asked for at each call, since its parts come late."""

    party: Callable[[], Awaitable[DcpParty]]

    def routes(self, prefix: str = "") -> list[Route]:
        """The routes of the public door."""
        table: list[tuple[str, str, Handler]] = [
            ("POST", f"{HOLDER}/presentations/query", self.query),
            ("POST", f"{HOLDER}/credentials", self.deliver),
            ("POST", f"{HOLDER}/offers", self.offer),
            ("POST", f"{ISSUER}/credentials", self.request),
            ("GET", f"{ISSUER}/requests/{{id}}", self.status),
            ("GET", f"{ISSUER}/metadata", self.metadata),
            ("GET", f"{ISSUER}/status/{{list}}", self.status_list),
        ]
        return [Route(prefix + path, _answering(handler), methods=[method]) for method, path, handler in table]

    async def _proven(self, request: Request, party: DcpParty) -> Proven:
        proven = await party.gate.prove(request.headers.get("authorization"))
        welcome(request.scope)
        return proven

    async def query(self, request: Request) -> Response:
        """POST /presentations/query (5.4)."""
        party = await self.party()
        proven = await self._proven(request, party)
        return json_response(await party.holder.query(proven, await read_body(request, LARGEST_QUERY)))

    async def deliver(self, request: Request) -> Response:
        """POST /credentials of the holder (6.5)."""
        party = await self.party()
        proven = await self._proven(request, party)
        await party.holder.deliver(proven, await read_body(request, LARGEST_MESSAGE))
        return Response(status_code=200)

    async def offer(self, request: Request) -> Response:
        """POST /offers (6.6)."""
        party = await self.party()
        proven = await self._proven(request, party)
        await party.holder.offered(proven, await read_body(request, LARGEST_QUERY))
        return Response(status_code=200)

    async def request(self, request: Request) -> Response:
        """POST /credentials of the issuer (6.4)."""
        party, issuer = await self._issuer()
        proven = await self._proven(request, party)
        taken = await issuer.request(proven, await read_body(request, LARGEST_QUERY))
        return Response(status_code=201, headers={"Location": f"{issuer.base}/requests/{taken}"})

    async def status(self, request: Request) -> Response:
        """GET /requests/{id} (6.8)."""
        party, issuer = await self._issuer()
        proven = await self._proven(request, party)
        return json_response(await issuer.status(proven, request.path_params["id"]))

    async def metadata(self, _: Request) -> Response:
        """GET /metadata (6.7)."""
        issuer = (await self._issuer())[1]
        return json_response(issuer.metadata())

    async def status_list(self, request: Request) -> Response:
        """GET /status/{list}: as a signed text."""
        issuer = (await self._issuer())[1]
        return Response(await issuer.status_list(request.path_params["list"]), media_type=_JWT)

    async def _issuer(self) -> tuple[DcpParty, CredentialIssuer]:
        party = await self.party()
        if party.issuer is None:
            raise CredentialUnknownError(id=ISSUER)
        return party, party.issuer


def _answering(handler: Handler) -> Handler:
    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request)
        except MedspaceError as error:
            return problem_response(error, _status(error))

    return endpoint


def _status(error: MedspaceError) -> int:
    if isinstance(error, UnauthenticatedError):
        return UNAUTHENTICATED
    if isinstance(error, PresentationDefinitionError):
        return NOT_IMPLEMENTED
    if isinstance(error, CredentialUnknownError):
        return UNKNOWN
    return BAD if isinstance(error, ProofError) else status_of(error)
