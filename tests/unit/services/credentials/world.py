"""An issuer and a holder in memory: what one sends, the other is given at once."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import msgspec

from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.app.features.credentials.kinds import KINDS
from medspace.core.credentials import Believed
from medspace.core.errors import MedspaceError
from medspace.ledger import kinds
from medspace.services.credentials.errors import CredentialPeerError
from medspace.services.credentials.gate import TokenGate
from medspace.services.credentials.holder import CredentialService
from medspace.services.credentials.issuer import CredentialIssuer
from medspace.services.credentials.ports import Issuable, IssuanceVerdict, PeerAnswer
from medspace.services.credentials.proving import Prover
from medspace.trust.credentials.jose import PartyKeys
from medspace.trust.credentials.keys import CREDENTIAL_SERVICE, ISSUER_SERVICE
from medspace.trust.credentials.model import CredentialProfile
from medspace.trust.credentials.status import verify_status_list
from medspace.trust.errors import DocumentError
from tests.unit.trust.credentials.parties import HOLDER, ISSUER, NOW, document_of, key_of

MEMBERSHIP = "MembershipCredential"
BASE, STORE = "https://issuer.example/dcp", "https://hospital.example/dcp"

kinds.learn(KINDS)


class World:
    """The parties, and the wire between them; `down` are the services that do not answer."""

    def __init__(self, rule=lambda _: IssuanceVerdict({"role": "hospital"}), **kind):
        self.clock, self.randomness = ManualClock(NOW), SeededRandomness(1)
        self.keys = {did: key_of(did) for did in (ISSUER, HOLDER)}
        services = {ISSUER: {ISSUER_SERVICE: BASE, CREDENTIAL_SERVICE: BASE}, HOLDER: {CREDENTIAL_SERVICE: STORE}}
        self.known = {did: document_of(did, key, **services[did]) for did, key in self.keys.items()}
        self.down, self.delivered = set(), asyncio.Event()
        self.believed = (Believed(MEMBERSHIP, (ISSUER,)),)
        databases = {did: MemoryDatabase() for did in self.keys}
        self.databases = databases
        self.gates = {did: TokenGate(did, self, databases[did], self.clock) for did in self.keys}
        self.prover = Prover(self, self, self, self.counting, self.clock)
        self.holder = CredentialService(
            HOLDER,
            PartyKeys(self.keys[HOLDER]),
            self.prover,
            self,
            self,
            databases[HOLDER],
            self.clock,
            self.randomness,
        )
        issuables = [Issuable(one.name, MEMBERSHIP, one.value, rule, **kind) for one in CredentialProfile]
        self.issuer = CredentialIssuer(
            ISSUER,
            PartyKeys(self.keys[ISSUER]),
            BASE,
            issuables,
            self,
            self,
            databases[ISSUER],
            self.clock,
            self.randomness,
        )

    async def document(self, did):
        if did not in self.known:
            raise DocumentError(did=did, reason="not here")
        return self.known[did]

    fresh = document

    async def counting(self):
        return self.believed

    def without_services(self, did):
        self.known[did] = replace(self.known[did], services={})

    async def status_list(self, url, issuer):
        text = await self.issuer.status_list(url.rpartition("/")[2])
        return verify_status_list(text, self.known[issuer], self.clock.now(), url=url)

    async def check(self, url, credential):
        pass

    async def post(self, url, message, token, largest):
        if url in self.down:
            raise CredentialPeerError(did=url, reason="down")
        content = msgspec.json.encode(message)
        try:
            proven = await self.gates[ISSUER if url.startswith(BASE) else HOLDER].prove(f"Bearer {token}")
            if url == f"{BASE}/credentials":
                return PeerAnswer(201, None, await self.issuer.request(proven, content))
            if url == f"{STORE}/credentials":
                await self.holder.deliver(proven, content)
                self.delivered.set()
            else:
                await self.holder.offered(proven, content)
        except MedspaceError:
            return PeerAnswer(400, None)
        return PeerAnswer(200, {})

    async def get(self, url, token, largest):
        if url in self.down:
            return PeerAnswer(503, None)
        return PeerAnswer(200, self.issuer.metadata())

    def later(self, **span):
        self.clock.advance(timedelta(**span).total_seconds())
