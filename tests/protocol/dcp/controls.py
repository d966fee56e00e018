"""Checks switched off, one by one: what each makes of the system, so that the cases that need the check must fail."""

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from medspace.core.canonical import JsonObject
from medspace.services.credentials import messages
from medspace.services.credentials.gate import TokenGate
from medspace.services.credentials.holder import CredentialService
from medspace.services.credentials.issuer import CredentialIssuer
from medspace.services.credentials.proving import Prover
from medspace.services.credentials.verifier import CredentialVerifier
from medspace.trust.credentials import jose
from medspace.trust.credentials.idtokens import Proven
from medspace.trust.credentials.model import Credential, CredentialProfile
from medspace.trust.errors import TokenMissingError
from medspace.trust.model import Caller
from tests.protocol.dcp.system import TYPES, System


def as_a(kind: type[Any], part: Any) -> Any:
    """The same part, of a class with a check less."""
    return kind(**{one.name: getattr(part, one.name) for one in fields(part)})


class Credulous(TokenGate):
    """Believes whatever a token says, any number of times; without one, that it is who usually calls."""

    usual = ""

    async def prove(self, authorization: str | None) -> Proven:
        text = (authorization or "").rpartition(" ")[2]
        if not text:
            return Proven(Caller(self.usual, ""), "", 0)
        claims = jose.split(text, 100_000).payload
        return Proven(Caller(claims["iss"], ""), claims.get("token", ""), 0)


class Closed(TokenGate):
    """Lets nobody in."""

    async def prove(self, authorization: str | None) -> Proven:
        raise TokenMissingError


class AnyAccess(CredentialService):
    """Takes any access token, for everything."""

    def _allowed(self, proven: Proven) -> frozenset[str]:
        return frozenset(TYPES)


class AnyQuery(CredentialService):
    """Shows everything, whatever is asked."""

    def _wanted(self, asked: messages.PresentationQuery, allowed: frozenset[str]) -> list[str]:
        return list(TYPES)


class AnyDelivery(CredentialService):
    """Takes any delivery and any offer, unread."""

    async def deliver(self, proven: Proven, content: bytes) -> None:
        pass

    async def offered(self, proven: Proven, content: bytes) -> None:
        pass


class AnyRequest(CredentialIssuer):
    """Takes any request unread, says the same of all, and issues nothing that it would name."""

    async def request(self, proven: Proven, content: bytes) -> str:
        return "taken"

    async def status(self, proven: Proven, name: str) -> JsonObject:
        return messages.written("CredentialStatus", issuerPid=name, holderPid="", status="RECEIVED")

    def metadata(self) -> JsonObject:
        return messages.written("IssuerMetadata", issuer=self.did, credentialsSupported=[])


class AnyCredential(Prover):
    """Believes any credential."""

    async def holds(self, text: str, holder: str) -> Credential:
        body = jose.split(text, 100_000).payload["vc"]
        types, now = tuple(body["type"]), datetime.now(UTC)
        return Credential("", types, body["issuer"], holder, {}, now, None, (), (), CredentialProfile.VC11, text)


class NothingAsked(CredentialVerifier):
    """Takes whatever presentation comes as good enough."""

    async def shown(self, holder: str, access_token: str, types: Any) -> list[Credential]:
        return []


class NoAccess(CredentialVerifier):
    """Asks for credentials whether there is an access token or not."""

    async def authenticate(self, authorization: str | None, types: Any) -> tuple[Proven, list[Credential]]:
        proven = await self.gate.prove(authorization)
        return proven, await self.shown(proven.caller.did, proven.access_token, types)


def _gates(kind: type[TokenGate]) -> Callable[[System], None]:
    def change(system: System) -> None:
        for role, did in system.dids.items():
            gate: Any = kind(did, system.documents, system.database, system.clock)
            gate.usual = system.issuers[0].replace(":issuer", ":issuer" if role == "holder" else ":holder")
            system.gates[role] = gate
        system.verifier = as_a_with(system.verifier, gate=system.gates["verifier"])

    return change


def as_a_with(part: Any, **changes: Any) -> Any:
    """The same part with another of its own parts."""
    return type(part)(**({one.name: getattr(part, one.name) for one in fields(part)} | changes))


def _holder(kind: type[CredentialService]) -> Callable[[System], None]:
    def change(system: System) -> None:
        system.holder = as_a(kind, system.holder)

    return change


def _issuer(system: System) -> None:
    system.issuer = as_a(AnyRequest, system.issuer)


def _prover(system: System) -> None:
    system.verifier = as_a_with(system.verifier, prover=as_a(AnyCredential, system.prover))


def _verifier(kind: type[CredentialVerifier]) -> Callable[[System], None]:
    def change(system: System) -> None:
        system.verifier = as_a(kind, system.verifier)

    return change


def _unpublished(system: System) -> None:
    told = system.document
    system.document = lambda role: told(role) | {"service": [{"type": "Other", "serviceEndpoint": "http://x"}]}


def _any_credential_and_access(system: System) -> None:
    _gates(Credulous)(system)
    _holder(AnyAccess)(system)


def _anybody_as_good_enough(system: System) -> None:
    _gates(Credulous)(system)
    _verifier(NothingAsked)(system)


CONTROLS: dict[str, Callable[[System], None]] = {
    "tokens are believed": _gates(Credulous),
    "tokens and access tokens are believed": _any_credential_and_access,
    "tokens and presentations are believed": _anybody_as_good_enough,
    "nobody is let in": _gates(Closed),
    "access tokens are believed": _holder(AnyAccess),
    "queries are not read": _holder(AnyQuery),
    "deliveries and offers are not read": _holder(AnyDelivery),
    "requests are not read": _issuer,
    "credentials are believed": _prover,
    "presentations are not looked into": _verifier(NothingAsked),
    "access tokens are not needed": _verifier(NoAccess),
    "services are not published": _unpublished,
}
