"""Does a credential hold? Its signature, issuer, subject, status and schema, in that order; fetched only as needed.

Nothing is fetched for an issuer that is not believed for the type, so a holder cannot make us call an address of its
choice by a credential of its own.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from medspace.core.clock import Clock
from medspace.core.credentials import Believed
from medspace.core.text import Text, msgid
from medspace.services.credentials.ports import KeyDocuments, Schemas, StatusLists
from medspace.trust.credentials import jose
from medspace.trust.credentials.believed import believed_type
from medspace.trust.credentials.errors import (
    CredentialError,
    CredentialIssuerError,
    CredentialKeyError,
    CredentialSignatureError,
    CredentialSubjectError,
)
from medspace.trust.credentials.model import Credential, KeyDocument
from medspace.trust.credentials.status import check_status
from medspace.trust.credentials.vcjwt import LONGEST_CREDENTIAL, issuer_of, verify_credential
from medspace.trust.errors import DidError, DocumentError


@dataclass(frozen=True, slots=True)
class Prover:
    """Checks credentials; `believed` are the issuers that count now."""

    documents: KeyDocuments
    lists: StatusLists
    schemas: Schemas
    believed: Callable[[], Awaitable[Sequence[Believed]]]
    clock: Clock

    async def signed(self, text: str) -> Credential:
        """The credential, if an issuer that is believed for one of its types signed it and its times hold.

        Raises:
            CredentialError: one subclass for each reason.
        """
        issuer = issuer_of(text)
        believed = await self.believed()
        if not any(issuer in one.issuers for one in believed):
            raise CredentialIssuerError(issuer=issuer, type="*")
        credential = await self._verified(text, issuer)
        believed_type(believed, credential)
        return credential

    async def holds(self, text: str, holder: str) -> Credential:
        """The credential, if everything about it holds now and it is about `holder`.

        Raises:
            CredentialError: one subclass for each reason.
        """
        credential = await self.signed(text)
        if credential.subject != holder:
            raise CredentialSubjectError(subject=credential.subject, holder=holder)
        await self.check_status(credential)
        for url in credential.schemas:
            payload = jose.split(text, LONGEST_CREDENTIAL).payload
            await self.schemas.check(url, payload.get("vc", payload))
        return credential

    async def check_status(self, credential: Credential) -> None:
        """Refuse a credential that its issuer has revoked or suspended, or of which that cannot be said.

        Raises:
            CredentialRevokedError, CredentialSuspendedError, StatusListError: by what is wrong.
        """
        for entry in credential.status:
            listed = await self.lists.status_list(entry.url, credential.issuer)
            check_status(entry, credential.issuer, listed, self.clock.now())

    async def _verified(self, text: str, issuer: str) -> Credential:
        try:
            return verify_credential(text, await self._document(issuer), self.clock.now())
        except (CredentialKeyError, CredentialSignatureError):  # the key may have changed since
            return verify_credential(text, await self._document(issuer, again=True), self.clock.now())

    async def _document(self, did: str, *, again: bool = False) -> KeyDocument:
        try:
            return await (self.documents.fresh(did) if again else self.documents.document(did))
        except (DidError, DocumentError) as error:
            reason = Text(msgid("the DID document of {did} cannot be had"), {"did": did})
            raise CredentialError(reason=reason) from error
