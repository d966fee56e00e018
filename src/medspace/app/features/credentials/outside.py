"""How a connector that speaks DCP shows itself, recognises others that do, and calls them."""

from datetime import datetime, timedelta

import msgspec
from starlette.routing import Route

from medspace.app.doors.protocol.endpoints import BASE, VERSIONS
from medspace.app.features.credentials.door import HOLDER, ISSUER, DcpDoor, DcpParty
from medspace.app.features.credentials.issuables import issues
from medspace.app.features.credentials.service import CredentialDesk
from medspace.app.node.announcing import Announcement, Entrance, TokenFor
from medspace.app.node.config import Config
from medspace.app.node.feature import Later
from medspace.app.node.node import Node
from medspace.connector.errors import UnreachableError
from medspace.core.canonical import JsonObject
from medspace.core.decoding import read_json
from medspace.services.credentials.errors import AccessTokenError
from medspace.trust.credentials.idtokens import Proven
from medspace.trust.credentials.keys import CREDENTIAL_SERVICE, ISSUER_SERVICE
from medspace.trust.credentials.model import CredentialProfile
from medspace.trust.jws import JwsError, decode
from medspace.trust.model import Caller

AUTH: JsonObject = {"protocol": "dcp", "version": "1.0", "profile": [one.value for one in CredentialProfile]}
LARGEST_VERSIONS = 64 * 1024
PATIENCE = 5.0
KEEP, KEEP_FAILURE = (
    timedelta(minutes=5),
    timedelta(seconds=30),
)  # for which it is remembered whether a party speaks DCP
MOST_KEPT = 1024
OK = 200


def announcement(config: Config) -> Announcement:
    """The services of DCP in the DID document, and `auth` in the version document."""
    services = {CREDENTIAL_SERVICE: f"{config.base_url}{HOLDER}"}
    if issues(config):
        services[ISSUER_SERVICE] = f"{config.base_url}{ISSUER}"
    if config.credentials.algorithm == "EdDSA":
        return Announcement(services, AUTH)
    from medspace.app.features.credentials.eckey import method  # noqa: PLC0415 - most have no such key

    return Announcement(services, AUTH, [method(config)])


def outside(later: Later[CredentialDesk]) -> list[Route]:
    """The routes of the public door."""

    async def party() -> DcpParty:
        return await (await later()).parts.party()

    return DcpDoor(party).routes()


def entrance(later: Later[CredentialDesk]) -> Entrance:
    """Callers with a token of DCP: members as such, others by the credentials that they show."""

    async def prove(authorization: str | None) -> Caller:
        desk = await later()
        proven = await desk.parts.gate.prove(authorization)
        listed = desk.node.book.current
        if listed is None or listed.find(proven.caller.did) is None:
            if not proven.access_token:
                raise AccessTokenError
            await _shown(desk, proven)
        return proven.caller

    return Entrance(_is_of_dcp, prove)


async def _shown(desk: CredentialDesk, proven: Proven) -> None:
    """Have a stranger show what is asked for: what holds is a fact for terms, what was revoked is none any more."""
    parts, did = desk.parts, proven.caller.did
    await parts.kept.renew(did)
    shown = await parts.verifier.shown(did, proven.access_token, desk.node.config.credentials.ask)
    await parts.kept.keep(shown, did)


def _is_of_dcp(authorization: str | None) -> bool:
    """Whether a token is one of DCP: it brings an access token, or is not signed as members of a space do."""
    parts = (authorization or "").partition(" ")[2].split(".")
    try:
        head, payload = (read_json(decode(part)) for part in parts[:2])
    except (JwsError, msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError):
        return False
    if not isinstance(head, dict) or not isinstance(payload, dict):
        return False
    return "token" in payload or head.get("alg") != "EdDSA"


def token_for(node: Node, later: Later[CredentialDesk]) -> TokenFor:
    """The tokens of calls to parties that announce DCP; None for all others."""
    known: dict[str, tuple[datetime, bool]] = {}

    async def speaks(address: str) -> bool:
        now = node.clock.now()
        at, answer = known.get(address, (now - KEEP, False))
        if abs(now - at) >= (KEEP if answer else KEEP_FAILURE):
            answer = await _announces(node, address)
            known.pop(address, None)
            while len(known) >= MOST_KEPT:
                known.pop(next(iter(known)))
            known[address] = (now, answer)
        return answer

    async def token(url: str, audience: str) -> str | None:
        if not await speaks(_root(url)):
            return None
        desk = await later()
        return desk.parts.holder.id_token(audience, node.config.credentials.show)

    return token


def _root(url: str) -> str:
    """Where the version document of a party is looked for: before our own path of the protocol, else at its host."""
    before, found, _ = url.partition(BASE)
    return before if found else "/".join(url.split("/", 3)[:3])


async def _announces(node: Node, root: str) -> bool:
    try:
        answer = await node.client.request("GET", root + VERSIONS, limit=LARGEST_VERSIONS, timeout=PATIENCE)
        told = read_json(answer.body) if answer.status == OK else None
    except (UnreachableError, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    versions = told.get("protocolVersions") if isinstance(told, dict) else None
    return any(_is_dcp(one) for one in versions) if isinstance(versions, list) else False


def _is_dcp(version: object) -> bool:
    auth = version.get("auth") if isinstance(version, dict) else None
    return isinstance(auth, dict) and str(auth.get("protocol", "")).lower() == AUTH["protocol"]
