"""The parts of DCP of one connector, wired from what the node has; imported once somebody needs them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from medspace.adapters.http.credentials import HttpCredentialPeers, HttpKeyDocuments, HttpSchemas, HttpStatusLists
from medspace.app.features.credentials.door import ISSUER, DcpParty
from medspace.app.features.credentials.eckey import open_ec_key
from medspace.app.features.credentials.issuables import issuables, issues
from medspace.app.features.credentials.keeping import KeptShown
from medspace.app.node.node import Node
from medspace.app.node.trusting import follower
from medspace.core.credentials import Believed
from medspace.core.ids import new_id
from medspace.services.credentials.gate import TokenGate
from medspace.services.credentials.holder import CredentialService
from medspace.services.credentials.issuer import CredentialIssuer
from medspace.services.credentials.model import HeldCredential
from medspace.services.credentials.ports import KeyDocuments
from medspace.services.credentials.proving import Prover
from medspace.services.credentials.verifier import CredentialVerifier
from medspace.trust.credentials.jose import Ed25519Key, PartyKeys
from medspace.trust.credentials.model import CredentialProfile, KeyDocument
from medspace.trust.credentials.presentations import sign_presentation
from medspace.trust.did import key_id
from medspace.trust.documents import DocumentCache
from medspace.trust.jws import encode

PAGE = 256


class CredentialParts:
    """Holder, verifier and, where it issues something, issuer."""

    def __init__(self, node: Node) -> None:
        self.node = node

    # --- its parts ------------------------------------------------------------------------------------------------

    @cached_property
    def keys(self) -> PartyKeys:
        """The keys that sign: toward members the one that the members list names, else as the configuration says."""
        node = self.node
        own = Ed25519Key(key_id(node.did, node.signing.public_key), node.signing)
        signing = own if node.config.credentials.algorithm == "EdDSA" else open_ec_key(node.config)

        def known(did: str) -> Ed25519Key | None:
            listed = node.book.current
            return own if listed is not None and listed.find(did) is not None else None

        return PartyKeys(signing, known)

    @cached_property
    def documents(self) -> DocumentCache[KeyDocument]:
        """The documents of others, with their keys."""
        return DocumentCache(HttpKeyDocuments(self.node.client), self.node.clock)

    @cached_property
    def lists(self) -> HttpStatusLists:
        """The status lists of others."""
        return HttpStatusLists(self.node.client, self.documents, self.node.clock)

    @cached_property
    def kept(self) -> KeptShown:
        """What was shown here, for terms."""
        return KeptShown(self.node, self.lists)

    @cached_property
    def prover(self) -> Prover:
        """Checks the credentials of others."""
        node = self.node
        return Prover(self.documents, self.lists, HttpSchemas(node.client), self.believed, node.clock)

    @cached_property
    def holder(self) -> CredentialService:
        """Its own credentials."""
        node = self.node
        peers = HttpCredentialPeers(node.client)
        return CredentialService(
            node.did, self.keys, self.prover, self.documents, peers, node.database, node.clock, node.randomness
        )

    @cached_property
    def issuer(self) -> CredentialIssuer | None:
        """What it issues, if it issues anything."""
        node = self.node
        if not issues(node.config):
            return None
        peers, base = HttpCredentialPeers(node.client), f"{node.config.base_url}{ISSUER}"
        return CredentialIssuer(
            node.did,
            self.keys,
            base,
            issuables(node),
            self.documents,
            peers,
            node.database,
            node.clock,
            node.randomness,
        )

    @cached_property
    def gate(self) -> TokenGate:
        """Proves callers; a member only by the key that the members list names."""
        node = self.node
        return TokenGate(node.did, PinnedDocuments(self.documents, node), node.database, node.clock)

    @cached_property
    def verifier(self) -> CredentialVerifier:
        """Asks callers for their credentials."""
        node = self.node
        peers = HttpCredentialPeers(node.client)
        return CredentialVerifier(
            self.gate, self.keys, self.prover, self.documents, peers, node.clock, node.randomness
        )

    async def party(self) -> DcpParty:
        """What the public door calls."""
        return DcpParty(self.gate, self.holder, self.issuer)

    # --- in the background ----------------------------------------------------------------------------------------

    async def work(self) -> None:
        """Deliver what was asked for, and follow the status lists of what was shown."""
        async with asyncio.TaskGroup() as tasks:
            if self.issuer is not None:
                tasks.create_task(self.issuer.run())
            tasks.create_task(self.kept.follow())

    async def believed(self) -> Sequence[Believed]:
        """Who is believed now; nobody where nothing keeps the trust list."""
        return await follower(self.node).counting() if "issuers" in self.node.features else ()

    # --- for people -----------------------------------------------------------------------------------------------

    def presented(self, held: HeldCredential, audience: str) -> str:
        """A presentation of a credential, which only `audience` can use."""
        node = self.node
        return sign_presentation(
            [held.text],
            self.keys.toward(audience),
            holder=node.did,
            audience=audience,
            now=node.clock.now(),
            token_id=new_id(node.randomness),
            profile=CredentialProfile(held.profile),
        )


class PinnedDocuments:
    """Documents of others in which a member of the space has no key but the one that the members list names."""

    def __init__(self, documents: KeyDocuments, node: Node) -> None:
        self._documents = documents
        self._node = node

    async def document(self, did: str) -> KeyDocument:
        """The document, as `KeyDocuments` says."""
        return self._pinned(await self._documents.document(did))

    async def fresh(self, did: str) -> KeyDocument:
        """The document as it is now."""
        return self._pinned(await self._documents.fresh(did))

    def _pinned(self, document: KeyDocument) -> KeyDocument:
        listed = self._node.book.current
        member = listed.find(document.id) if listed is not None else None
        if member is None:
            return document
        own = encode(member.public_key)
        return replace(
            document, keys=tuple(one for one in document.keys if one.key.x == own and one.key.kty == "OKP")
        )
