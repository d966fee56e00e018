"""What credentials need from outside: documents with keys, status lists, schemas, other parties."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from medspace.core.canonical import Json, JsonObject
from medspace.trust.credentials.model import KeyDocument, StatusList


class KeyDocuments(Protocol):
    """Where the keys and services of DIDs come from (`trust.documents.DocumentCache`)."""

    async def document(self, did: str) -> KeyDocument:
        """The document, from a cache or fetched.

        Raises:
            DidError, DocumentError: it cannot be had or used.
        """
        ...

    async def fresh(self, did: str) -> KeyDocument:
        """The document as it is now, where a key may have changed.

        Raises:
            DidError, DocumentError: it cannot be had or used.
        """
        ...


class StatusLists(Protocol):
    """Where status lists come from."""

    async def status_list(self, url: str, issuer: str) -> StatusList:
        """The list at an address, signed by `issuer` and valid now.

        Raises:
            StatusListError: it cannot be had or does not hold.
        """
        ...

    async def fresh(self, url: str, issuer: str) -> StatusList:
        """The list as it is now, whatever was kept of it.

        Raises:
            StatusListError: it cannot be had or does not hold.
        """
        ...


class Schemas(Protocol):
    """Checks what is said against the JSON schema at an address."""

    async def check(self, url: str, credential: JsonObject) -> None:
        """Refuse a credential that its schema does not allow.

        Raises:
            CredentialSchemaError: it breaks the schema, or the schema cannot be had or used.
        """
        ...


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """What another party answered: its body where it is a JSON object, its `Location` header."""

    status: int
    body: JsonObject | None
    location: str = ""


class CredentialPeers(Protocol):
    """Calls the credential services and issuers of others."""

    async def post(self, url: str, message: Mapping[str, Any], token: str, largest: int) -> PeerAnswer:
        """Send a message; the answer has at most `largest` bytes.

        Raises:
            CredentialPeerError: there was no answer.
        """
        ...

    async def get(self, url: str, token: str, largest: int) -> PeerAnswer:
        """Ask for something.

        Raises:
            CredentialPeerError: there was no answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class IssuanceVerdict:
    """What an issuer says to a request: `claims` where it issues, a reason where not; else a person decides."""

    claims: JsonObject | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Issuable:
    """A credential that an issuer issues: its id in requests, type, profile and rule, and for how many days.

    Where a person decides, `claims` are in each credential, and `stated` names those that this person states.
    """

    id: str
    type: str
    profile: str
    rule: Callable[[str], IssuanceVerdict]
    days: int = 30
    schemas: Sequence[str] = ()
    claims: Mapping[str, Json] = field(default_factory=dict)
    stated: Sequence[str] = ()
