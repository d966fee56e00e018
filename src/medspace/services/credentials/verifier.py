"""The verifier: who calls, and which credentials its own credential service shows (DCP 1.0, sections 4 and 5)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from medspace.core.clock import Clock, Randomness
from medspace.core.errors import MedspaceError
from medspace.core.ids import new_id
from medspace.core.text import Text, msgid
from medspace.services.credentials import messages
from medspace.services.credentials.errors import (
    AccessTokenError,
    CredentialMessageError,
    CredentialPeerError,
    NotShownError,
)
from medspace.services.credentials.gate import TokenGate
from medspace.services.credentials.ports import CredentialPeers, KeyDocuments
from medspace.services.credentials.proving import Prover
from medspace.trust.credentials import jose
from medspace.trust.credentials.errors import CredentialError, CredentialTypeError
from medspace.trust.credentials.idtokens import Proven, issue_id_token
from medspace.trust.credentials.jose import PartyKeys
from medspace.trust.credentials.keys import CREDENTIAL_SERVICE
from medspace.trust.credentials.model import Credential
from medspace.trust.credentials.presentations import verify_presentation
from medspace.trust.credentials.vcjwt import LONGEST_CREDENTIAL
from medspace.trust.jws import JwsError

OK = 200
QUERY = "/presentations/query"
MOST_PRESENTATIONS = 8


@dataclass(frozen=True, slots=True)
class CredentialVerifier:
    """Asks callers for credentials of certain types, and believes what holds."""

    gate: TokenGate
    keys: PartyKeys
    prover: Prover
    documents: KeyDocuments
    peers: CredentialPeers
    clock: Clock
    randomness: Randomness

    async def authenticate(self, authorization: str | None, types: Sequence[str]) -> tuple[Proven, list[Credential]]:
        """The caller, and a credential that holds of each of the types.

        Raises:
            UnauthenticatedError: one subclass, with its own code, for each reason; for credentials, `NotShownError`
                with what is behind it as its cause.
        """
        proven = await self.gate.prove(authorization)
        if not proven.access_token:
            raise AccessTokenError
        return proven, await self.shown(proven.caller.did, proven.access_token, types)

    async def shown(self, holder: str, access_token: str, types: Sequence[str]) -> list[Credential]:
        """A credential that holds of each of the types, as the holder's credential service shows them now.

        More than what was asked for is neither looked at nor kept.

        Raises:
            NotShownError: one is missing, or does not hold.
        """
        try:
            texts = await self._texts(holder, access_token, types)
        except MedspaceError as error:
            raise _not_shown(holder, types[0], error) from error
        return [await self._of_type(one, texts, holder) for one in types]

    async def _texts(self, holder: str, access_token: str, types: Sequence[str]) -> list[str]:
        document = await self.documents.document(holder)
        service = document.services.get(CREDENTIAL_SERVICE)
        if service is None:
            raise CredentialPeerError(did=holder, reason=Text(msgid("its DID document names no such service")))
        now = self.clock.now()
        token = issue_id_token(
            self.keys.toward(holder),
            self.gate.did,
            holder,
            now=now,
            token_id=new_id(self.randomness),
            access_token=access_token,
        )
        query = messages.written("PresentationQueryMessage", scope=[messages.scope_of(one) for one in types])
        answer = await self.peers.post(service + QUERY, query, token, messages.LARGEST_MESSAGE)
        if answer.status != OK or answer.body is None:
            reason = Text(msgid("it answered with status {status}"), {"status": answer.status})
            raise CredentialPeerError(did=holder, reason=reason)
        presentations = messages.read(answer.body, messages.Shown).presentation
        if len(presentations) > MOST_PRESENTATIONS or not all(isinstance(one, str) for one in presentations):
            raise CredentialMessageError(reason=Text(msgid("its presentations are too many, or no signed texts")))
        found: list[str] = []
        for one in presentations:
            found += verify_presentation(str(one), document, audience=self.gate.did, now=self.clock.now())
        return found

    async def _of_type(self, wanted: str, texts: Iterable[str], holder: str) -> Credential:
        fault: MedspaceError = CredentialTypeError(type=wanted)
        for text in texts:
            if wanted not in _types(text):
                continue
            try:
                credential = await self.prover.holds(text, holder)
            except CredentialError as error:
                fault = error
                continue
            if wanted in credential.types and await self._believed(wanted, credential):
                return credential
        raise _not_shown(holder, wanted, fault) from fault

    async def _believed(self, wanted: str, credential: Credential) -> bool:
        believed = await self.prover.believed()
        return any(one.type == wanted and credential.issuer in one.issuers for one in believed)


def _types(text: str) -> tuple[str, ...]:
    """The types that an unverified credential claims to have: those of others are not looked at further."""
    try:
        payload = jose.split(text, LONGEST_CREDENTIAL).payload
    except JwsError:
        return ()
    body = payload.get("vc", payload)
    types = body.get("type") if isinstance(body, dict) else None
    return tuple(one for one in (types if isinstance(types, list) else [types]) if isinstance(one, str))


def _not_shown(did: str, wanted: str, error: MedspaceError) -> NotShownError:
    return NotShownError(did=did, type=wanted, reason=error.text)
