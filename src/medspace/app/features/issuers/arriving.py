"""Verify what arrives: the key of each issuer, its signature, its times; nothing is fetched for who is not believed.

The key of a member is the one that the members list names, so its credentials hold while its connector is away, and
no document that somebody puts in its place counts. Any other issuer's key comes from its DID document.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from medspace.app.node.node import Node
from medspace.app.node.trusting import follower
from medspace.connector.errors import UnreachableError
from medspace.core.decoding import read_json
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.services.issuers import facts, receiving, rules
from medspace.services.issuers.errors import PresentationMessageError, StatusUnneededError
from medspace.services.issuers.model import CURRENT, RECEIVED, TRUST, ReceivedCredential
from medspace.services.issuers.receiving import Arrival
from medspace.trust.credentials.errors import CredentialIssuerError, CredentialKeyError
from medspace.trust.credentials.keys import did_key_document, parse_key_document
from medspace.trust.credentials.model import Credential, KeyDocument, KeyMethod, PublicJwk, StatusList
from medspace.trust.credentials.status import verify_status_list
from medspace.trust.credentials.vcjwt import LONGEST_CREDENTIAL, issuer_of, verify_credential
from medspace.trust.did import LARGEST_DOCUMENT, document_url, key_id
from medspace.trust.errors import DidError, DocumentError, UnauthenticatedError
from medspace.trust.jws import encode
from medspace.trust.model import ASSERTION_METHOD, Member

LARGEST_MESSAGE = 4 << 20  # bytes
MOST_CREDENTIALS, MOST_LISTS = 16, 16

PATIENCE, OK = 10.0, 200
_Text = Annotated[str, msgspec.Meta(max_length=LONGEST_CREDENTIAL)]


class Presented(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Credentials as they were signed, and status lists by their address."""

    credentials: Annotated[list[_Text], msgspec.Meta(max_length=MOST_CREDENTIALS)] = []
    lists: Annotated[dict[str, str], msgspec.Meta(max_length=MOST_LISTS)] = {}


def read_presented(content: bytes) -> Presented:
    """The message in a body.

    Raises:
        PresentationMessageError: it holds none.
    """
    try:
        return read_json(content, Presented)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        reason = Text(msgid("it needs `credentials` and `lists`, and has a limit"))
        raise PresentationMessageError(reason=reason) from None


@dataclass(frozen=True, slots=True)
class Arriving:
    """Verifies and keeps what arrives."""

    node: Node

    async def take(self, presented: Presented, caller: str) -> list[ReceivedCredential]:
        """Keep what a member sent.

        Raises:
            CredentialError, ...: as `receiving.take`; nothing of the message is kept.
        """
        credentials = [await self._credential(text) for text in presented.credentials]
        lists = {url: await self._list(url, text, credentials) for url, text in presented.lists.items()}
        arrived, now = Arrival(credentials, lists), self.node.clock.now()
        did = self.node.did
        return await self.node.database.write(lambda tx: receiving.take(tx, did, arrived, caller, now))

    async def _credential(self, text: str) -> Credential:
        issuer = issuer_of(text)
        if not await self.node.database.read(lambda tx: believed_at_all(tx, issuer)):
            await refresh_trust(self.node)
            if not await self.node.database.read(lambda tx: believed_at_all(tx, issuer)):
                raise CredentialIssuerError(issuer=issuer[:200], type="-")
        return verify_credential(text, await self.document(issuer), self.node.clock.now())

    async def _list(self, url: str, text: str, credentials: Sequence[Credential]) -> StatusList:
        """A list, by the issuer of a credential that is on it."""
        came = {entry.url: one.issuer for one in credentials for entry in one.status}
        issuer = came.get(url) or await self.node.database.read(lambda tx: _issuer_of_list(tx, url))
        if issuer is None:
            raise StatusUnneededError(list=url[:200])
        return verify_status_list(text, await self.document(issuer), self.node.clock.now(), url=url)

    async def document(self, did: str) -> KeyDocument:
        """The keys of an issuer.

        Raises:
            CredentialKeyError: they cannot be had.
        """
        try:
            return pinned(self.node.book.member(did))
        except UnauthenticatedError:
            pass
        try:
            if did.startswith("did:key:"):
                return did_key_document(did)
            answer = await self.node.client.request(
                "GET", document_url(did), timeout=PATIENCE, limit=LARGEST_DOCUMENT
            )
            return parse_key_document(answer.body if answer.status == OK else b"", did)
        except (DidError, DocumentError, UnreachableError) as error:
            raise CredentialKeyError(issuer=did) from error


async def refresh_trust(node: Node) -> bool:
    """Fetch the trust list, unless one signs it oneself; whether a newer one came.

    Raises:
        TrustListError, TrustOlderError: what the authority handed out does not hold.
    """
    return node.authority is None and await follower(node).refresh()


def pinned(member: Member) -> KeyDocument:
    """The key of a member, as the authority has signed it."""
    key = PublicJwk("OKP", "Ed25519", encode(member.public_key))
    method = KeyMethod(key_id(member.did, member.public_key), key, frozenset({ASSERTION_METHOD}))
    return KeyDocument(member.did, (method,), {}, 1)


def believed_at_all(tx: Transaction, issuer: str) -> bool:
    """Whether an issuer is believed here for any type."""
    trust, own = tx.get(TRUST, CURRENT), facts.narrowing(tx)
    return trust is not None and any(rules.believed(trust, own, one.type, issuer) for one in trust.believed)


def _issuer_of_list(tx: Transaction, url: str) -> str | None:
    found = tx.find(RECEIVED, where={"list": url}, limit=1)
    return found[0].issuer if found else None
