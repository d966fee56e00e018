"""The credential service: keeps the credentials about this connector, and shows them by scope (DCP 1.0, section 5).

Credentials are taken from issuers that are believed here, about ourselves, and nothing else. Of several of one type
and issuer the newest is shown, so that nobody learns more than what counts now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock, Randomness, stamp
from medspace.core.ids import new_id
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.services.credentials import messages
from medspace.services.credentials.errors import (
    AccessTokenError,
    CredentialMessageError,
    CredentialPeerError,
    CredentialUnknownError,
    PresentationDefinitionError,
    ScopeExceededError,
)
from medspace.services.credentials.model import HELD, MADE, OFFERS, CredentialOffer, HeldCredential, MadeRequest
from medspace.services.credentials.ports import CredentialPeers, KeyDocuments
from medspace.services.credentials.proving import Prover
from medspace.trust.credentials.errors import CredentialIssuerError, CredentialSubjectError
from medspace.trust.credentials.idtokens import Proven, granted_scopes, issue_access_token, issue_id_token
from medspace.trust.credentials.jose import PartyKeys
from medspace.trust.credentials.keys import ISSUER_SERVICE
from medspace.trust.credentials.model import Credential, CredentialProfile
from medspace.trust.credentials.presentations import MOST_CREDENTIALS, sign_presentation
from medspace.trust.errors import DocumentError, UnauthenticatedError

MOST_HELD = 256  # credentials, and offers
CREATED, OK = 201, 200
PAGE = 256


@dataclass(frozen=True, slots=True)
class CredentialService:
    """The credentials of one connector."""

    did: str
    keys: PartyKeys
    prover: Prover
    documents: KeyDocuments
    peers: CredentialPeers
    database: Database
    clock: Clock
    randomness: Randomness

    # --- asked by verifiers ---------------------------------------------------------------------------------------

    def access_token(self, verifier: str, types: Sequence[str]) -> str:
        """The access token with which `verifier` may ask for credentials of these types, for some minutes."""
        scopes = [messages.scope_of(one) for one in types]
        now = self.clock.now()
        return issue_access_token(
            self.keys.toward(verifier), self.did, verifier, scopes, now=now, token_id=new_id(self.randomness)
        )

    def id_token(self, audience: str, types: Sequence[str] = ()) -> str:
        """A self-issued ID token for one call; with an access token for credentials of these types, if any."""
        access = self.access_token(audience, types) if types else ""
        token_id = new_id(self.randomness)
        return issue_id_token(
            self.keys.toward(audience),
            self.did,
            audience,
            now=self.clock.now(),
            token_id=token_id,
            access_token=access,
        )

    async def query(self, proven: Proven, content: bytes) -> JsonObject:
        """Answer POST /presentations/query of a proven caller.

        Raises:
            AccessTokenError: it has no access token of ours.
            CredentialMessageError, PresentationDefinitionError: the query cannot be read.
            ScopeExceededError: it asks for more than its token allows.
        """
        allowed = self._allowed(proven)
        asked = messages.read(content, messages.PresentationQuery)
        wanted = self._wanted(asked, allowed)
        held = await self.database.read(lambda tx: self._newest(tx, wanted))
        return messages.written("PresentationResponseMessage", presentation=self._presented(held, proven.caller.did))

    def _allowed(self, proven: Proven) -> frozenset[str]:
        try:
            scopes = granted_scopes(
                proven.access_token,
                self.keys.toward(proven.caller.did),
                self.did,
                proven.caller.did,
                self.clock.now(),
            )
        except UnauthenticatedError as error:
            raise AccessTokenError from error
        return frozenset(messages.type_of(scope) for scope in scopes)

    def _wanted(self, asked: messages.PresentationQuery, allowed: frozenset[str]) -> list[str]:
        if asked.scope is None and isinstance(asked.definition, dict) and asked.definition:
            raise PresentationDefinitionError
        if not asked.scope or isinstance(asked.definition, dict):
            raise CredentialMessageError(reason=Text(msgid("it needs a scope, and nothing else")))
        wanted = list(dict.fromkeys(messages.type_of(scope) for scope in asked.scope))
        refused = next((scope for scope in wanted if scope not in allowed), None)
        if refused is not None:
            raise ScopeExceededError(scope=refused)
        return wanted

    def _newest(self, tx: Transaction, kinds: Sequence[str]) -> list[HeldCredential]:
        """Of each type and issuer the newest credential that is not over."""
        now = stamp(self.clock.now())
        newest: dict[tuple[str, str], HeldCredential] = {}
        for kind in kinds:
            for one in tx.find(HELD, where={"type": kind}, order_by="received", descending=True, limit=PAGE):
                if not one.until or one.until > now:
                    newest.setdefault((kind, one.issuer), one)
        return list(newest.values())[:MOST_CREDENTIALS]

    def _presented(self, held: Sequence[HeldCredential], audience: str) -> list[str]:
        """One presentation for the credentials of each data model."""
        made = []
        for profile in CredentialProfile:
            texts = [one.text for one in held if one.profile == profile]
            if texts:
                now, token_id = self.clock.now(), new_id(self.randomness)
                made.append(
                    sign_presentation(
                        texts,
                        self.keys.toward(audience),
                        holder=self.did,
                        audience=audience,
                        now=now,
                        token_id=token_id,
                        profile=profile,
                    )
                )
        return made

    # --- brought by issuers ---------------------------------------------------------------------------------------

    async def deliver(self, proven: Proven, content: bytes) -> None:
        """Answer POST /credentials: keep what a believed issuer delivers, all of it or nothing.

        Raises:
            CredentialMessageError: it cannot be read.
            CredentialError: one of the credentials does not hold, or is about somebody else.
        """
        message = messages.read(content, messages.Delivery)
        issuer = proven.caller.did
        credentials = [await self._delivered(one, issuer) for one in message.credentials]
        if message.status == "ISSUED" and not credentials:
            raise CredentialMessageError(reason=Text(msgid("it brings no credentials")))
        now = stamp(self.clock.now())
        held = [
            _held(one, kind.credential_type, now) for one, kind in zip(credentials, message.credentials, strict=True)
        ]

        def work(tx: Transaction) -> None:
            for one in held:
                _keep(tx, one)
            made = tx.get(MADE, message.holder_pid)
            if made is not None and made.issuer == issuer:
                told = MadeRequest(
                    made.id,
                    made.issuer,
                    made.credentials,
                    message.status,
                    made.made,
                    made.status,
                    message.rejection_reason[: messages.LONGEST_NAME],
                )
                tx.replace(MADE, made, told)

        await self.database.write(work)

    async def _delivered(self, container: messages.Container, issuer: str) -> Credential:
        credential = await self.prover.signed(container.payload)
        if credential.subject != self.did:
            raise CredentialSubjectError(subject=credential.subject, holder=self.did)
        if container.credential_type not in credential.types or credential.issuer != issuer:
            raise CredentialMessageError(reason=Text(msgid("a credential in it is of another type or issuer")))
        return credential

    async def offered(self, proven: Proven, content: bytes) -> None:
        """Answer POST /offers: keep what an issuer offers, for a person to ask for it.

        Raises:
            CredentialMessageError: it cannot be read, or it is in the name of somebody else.
            CredentialIssuerError: its sender is not believed for anything.
        """
        message = messages.read(content, messages.OfferMessage)
        if not any(proven.caller.did in one.issuers for one in await self.prover.believed()):
            raise CredentialIssuerError(issuer=proven.caller.did, type="*")
        if message.issuer != proven.caller.did or not message.credentials:
            raise CredentialMessageError(reason=Text(msgid("it offers nothing, or in the name of somebody else")))
        ids = tuple(one.id[: messages.LONGEST_NAME] for one in message.credentials)
        types = tuple(one.credential_type[: messages.LONGEST_NAME] for one in message.credentials)
        now = stamp(self.clock.now())
        # One offer of an issuer for the same credentials: a repeated one takes its place.
        name = sha256("\n".join([message.issuer, *ids]).encode()).hexdigest()
        offer = CredentialOffer(name, message.issuer, ids, types, now)

        def work(tx: Transaction) -> None:
            known = tx.get(OFFERS, name)
            if known is not None:
                tx.replace(OFFERS, known, offer)
                return
            kept = tx.find(OFFERS, order_by="received", limit=MOST_HELD)
            for old in kept[: max(0, len(kept) - MOST_HELD + 1)]:
                tx.delete(OFFERS, old)
            tx.insert(OFFERS, offer)

        await self.database.write(work)

    # --- asked for by ourselves -----------------------------------------------------------------------------------

    async def metadata(self, issuer: str) -> list[messages.Supported]:
        """What an issuer issues, by its own metadata.

        Raises:
            DidError, CredentialPeerError, CredentialMessageError: it cannot be had or read.
        """
        service = await self._issuer_service(issuer)
        answer = await self.peers.get(f"{service}/metadata", self.id_token(issuer), messages.LARGEST_MESSAGE)
        if answer.status != OK or answer.body is None:
            raise _silent(issuer, answer.status)
        return messages.read(answer.body, messages.Metadata).credentials_supported

    async def request(self, issuer: str, credential: str) -> MadeRequest:
        """Ask an issuer for a credential, by its id or its type in the issuer's metadata.

        Raises:
            DidError: that is no DID.
            CredentialUnknownError: it issues no such credential.
            CredentialPeerError: its document cannot be had, it did not answer, or it refused.
        """
        offered = await self.metadata(issuer)
        chosen = next((one for one in offered if credential in (one.id, one.credential_type)), None)
        if chosen is None:
            raise CredentialUnknownError(id=credential)
        made = MadeRequest(new_id(self.randomness), issuer, (chosen.id,), "RECEIVED", stamp(self.clock.now()))
        await self.database.write(lambda tx: tx.insert(MADE, made))  # before the delivery can come
        service = await self._issuer_service(issuer)
        body = messages.written("CredentialRequestMessage", holderPid=made.id, credentials=[{"id": chosen.id}])
        answer = await self.peers.post(f"{service}/credentials", body, self.id_token(issuer), messages.LARGEST_QUERY)
        if answer.status != CREATED:
            await self._settle(made.id, "REJECTED", f"{answer.status}")
            raise _silent(issuer, answer.status)
        return made

    async def _settle(self, made_id: str, state: str, reason: str) -> None:
        def work(tx: Transaction) -> None:
            made = tx.get(MADE, made_id)
            if made is not None and made.state == "RECEIVED":
                told = MadeRequest(made.id, made.issuer, made.credentials, state, made.made, made.status, reason)
                tx.replace(MADE, made, told)

        await self.database.write(work)

    async def _issuer_service(self, issuer: str) -> str:
        try:
            service = (await self.documents.document(issuer)).services.get(ISSUER_SERVICE)
        except DocumentError as error:
            raise CredentialPeerError(did=issuer, reason=error.facts["reason"]) from error
        if service is None:
            raise CredentialPeerError(did=issuer, reason=Text(msgid("its DID document names no such service")))
        return service


def _silent(did: str, status: int) -> CredentialPeerError:
    return CredentialPeerError(did=did, reason=Text(msgid("it answered with status {status}"), {"status": status}))


def _held(credential: Credential, kind: str, now: str) -> HeldCredential:
    name = sha256(f"{credential.issuer}\n{credential.id}".encode()).hexdigest()
    until = "" if credential.valid_until is None else stamp(credential.valid_until)
    return HeldCredential(
        name, credential.id, kind, credential.issuer, now, until, credential.text, credential.profile.value
    )


def _keep(tx: Transaction, held: HeldCredential) -> None:
    known = tx.get(HELD, held.id)
    if known is not None:
        tx.replace(HELD, known, held)
        return
    # Older ones of the same type and issuer are never shown: the new one takes their place.
    for old in tx.find(HELD, where={"type": held.type, "issuer": held.issuer}, limit=PAGE):
        tx.delete(HELD, old)
    if len(tx.find(HELD, limit=MOST_HELD)) >= MOST_HELD:
        raise CredentialMessageError(reason=Text(msgid("too many credentials are held here")))
    tx.insert(HELD, held)
