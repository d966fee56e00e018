"""What credentials need from other parties: documents with their keys, status lists, schemas, messages.

did:key is read, not fetched. The client follows no redirect, and looks at each address at each connection, so a
document is where did:web says, or nowhere.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.connection import HttpResponse
from medspace.adapters.http.peers import ANSWER_TIME, OK, PATIENCE, is_json
from medspace.connector.errors import UnreachableError
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock
from medspace.core.decoding import read_json
from medspace.core.text import Text, msgid
from medspace.services.credentials.errors import CredentialPeerError
from medspace.services.credentials.ports import KeyDocuments, PeerAnswer
from medspace.trust.credentials.errors import (
    CredentialKeyError,
    CredentialSchemaError,
    CredentialSignatureError,
    StatusListError,
)
from medspace.trust.credentials.keys import did_key_document, parse_key_document
from medspace.trust.credentials.model import KeyDocument, StatusList
from medspace.trust.credentials.status import LONGEST_LIST, verify_status_list
from medspace.trust.did import LARGEST_DOCUMENT, document_url
from medspace.trust.errors import DidError, DocumentError

KEEP_LIST = timedelta(minutes=1)  # for which a status list is not fetched again, unless it ends before
MOST_LISTS = 64
LARGEST_SCHEMA = 64 * 1024
LONGEST_PATTERN = 128  # of a schema: a long one could take for ever
_encoder = msgspec.json.Encoder()


class HttpKeyDocuments:
    """Fetches the documents of did:web; reads did:key."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def document(self, did: str) -> KeyDocument:
        """The document, fetched anew.

        Raises:
            DidError: not a did:web or did:key.
            DocumentError: it could not be fetched, or is not the document of this DID.
        """
        if did.startswith("did:key:"):
            return did_key_document(did)
        url = document_url(did)
        try:
            answer = await self._client.request("GET", url, limit=LARGEST_DOCUMENT, timeout=PATIENCE)
        except UnreachableError as error:
            raise DocumentError(did=did, reason=error.text) from error
        if answer.status != OK:
            facts: Mapping[str, str | int] = {"url": url, "status": answer.status}
            raise DocumentError(did=did, reason=Text(msgid("{url} answered with status {status}"), facts))
        return parse_key_document(answer.body, did)


class HttpStatusLists:
    """Fetches status lists, and keeps each for a minute."""

    def __init__(self, client: HttpClient, documents: KeyDocuments, clock: Clock) -> None:
        self._client = client
        self._documents = documents
        self._clock = clock
        self._kept: dict[str, tuple[datetime, StatusList]] = {}

    async def status_list(self, url: str, issuer: str) -> StatusList:
        """The list at an address, signed by `issuer` and valid now.

        Raises:
            StatusListError: it cannot be had or does not hold.
        """
        now = self._clock.now()
        at, kept = self._kept.get(url, (now - KEEP_LIST, None))
        if kept is not None and kept.issuer == issuer and abs(now - at) < KEEP_LIST and _valid(kept, now):
            return kept
        return await self.fresh(url, issuer)

    async def fresh(self, url: str, issuer: str) -> StatusList:
        """The list as it is at its address now; never an older one than was seen before.

        Raises:
            StatusListError: it cannot be had or does not hold.
        """
        now, (_, kept) = self._clock.now(), self._kept.get(url, (None, None))
        found = await self._fetched(url, issuer)
        if kept is not None and kept.issuer == issuer and found.issued < kept.issued:
            raise StatusListError(url=url, reason=Text(msgid("it is older than one that was seen before")))
        self._kept.pop(url, None)
        while len(self._kept) >= MOST_LISTS:
            self._kept.pop(next(iter(self._kept)))
        self._kept[url] = (now, found)
        return found

    def age(self, by: timedelta) -> None:
        """Take what is kept for older than it is, so that it is fetched again; how new it was is still known."""
        self._kept = {url: (at - by, kept) for url, (at, kept) in self._kept.items()}

    async def _fetched(self, url: str, issuer: str) -> StatusList:
        try:
            answer = await self._client.request("GET", url, limit=LONGEST_LIST, timeout=PATIENCE)
            if answer.status != OK:
                reason = Text(msgid("it answered with status {status}"), {"status": answer.status})
                raise StatusListError(url=url, reason=reason)
            text = answer.body.decode("ascii", "replace").strip()
            try:
                return await self._verified(text, url, await self._documents.document(issuer))
            except StatusListError as error:
                if not isinstance(error.__cause__, CredentialKeyError | CredentialSignatureError):
                    raise
            return await self._verified(text, url, await self._documents.fresh(issuer))  # its key may have changed
        except (UnreachableError, DidError, DocumentError) as error:
            raise StatusListError(url=url, reason=error.text) from error

    async def _verified(self, text: str, url: str, document: KeyDocument) -> StatusList:
        # Unpacking and checking takes some milliseconds for a large list.
        return await asyncio.to_thread(verify_status_list, text, document, self._clock.now(), url=url)


def _valid(kept: StatusList, now: datetime) -> bool:
    return kept.valid_until is None or now < kept.valid_until


class HttpSchemas:
    """Fetches JSON schemas, and holds credentials against them (`jsonschema`); what they refer to is not fetched."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def check(self, url: str, credential: JsonObject) -> None:
        """Refuse a credential that its schema does not allow.

        Raises:
            CredentialSchemaError: it breaks the schema, or the schema cannot be had or used.
        """
        try:
            answer = await self._client.request("GET", url, limit=LARGEST_SCHEMA, timeout=PATIENCE)
        except UnreachableError as error:
            raise CredentialSchemaError(reason=error.text) from error
        if answer.status != OK:
            reason = Text(msgid("it answered with status {status}"), {"status": answer.status})
            raise CredentialSchemaError(reason=reason)
        flaw = await asyncio.to_thread(_flaw, answer.body, credential)
        if flaw is not None:
            raise CredentialSchemaError(reason=flaw)


def _flaw(content: bytes, credential: JsonObject) -> Text | None:
    """What is wrong with a credential by a schema, or with the schema; None if nothing is."""
    from jsonschema.exceptions import SchemaError, ValidationError  # noqa: PLC0415 - few credentials name a schema
    from jsonschema.validators import validator_for  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    try:
        schema = read_json(content)
        if not isinstance(schema, dict) or _has_long_pattern(schema):
            return Text(msgid("the schema cannot be used"))
        kind = validator_for(schema)
        kind.check_schema(schema)
        kind(schema, registry=Registry()).validate(credential)
    except ValidationError as error:
        place = ".".join(str(step) for step in error.absolute_path)[:100]
        return Text(msgid("{place} is not as the schema wants it"), {"place": place or "-"})
    except (SchemaError, Unresolvable, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return Text(msgid("the schema cannot be used"))
    return None


def _has_long_pattern(schema: Any) -> bool:  # noqa: ANN401 - JSON
    if isinstance(schema, list):
        return any(_has_long_pattern(one) for one in schema)
    if not isinstance(schema, dict):
        return False
    patterns = [schema.get("pattern"), *(schema.get("patternProperties") or {})]
    if any(isinstance(one, str) and len(one) > LONGEST_PATTERN for one in patterns):
        return True
    return any(_has_long_pattern(one) for one in schema.values())


class HttpCredentialPeers:
    """Calls the credential services and issuers of others."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def post(self, url: str, message: Mapping[str, Any], token: str, largest: int) -> PeerAnswer:
        """Send a message.

        Raises:
            CredentialPeerError: there was no answer.
        """
        return await self._call("POST", url, token, largest, _encoder.encode(message))

    async def get(self, url: str, token: str, largest: int) -> PeerAnswer:
        """Ask for something.

        Raises:
            CredentialPeerError: there was no answer.
        """
        return await self._call("GET", url, token, largest, b"")

    async def _call(self, method: str, url: str, token: str, largest: int, body: bytes) -> PeerAnswer:
        headers = {"Authorization": f"Bearer {token}"}
        try:
            answer = await self._client.request(
                method, url, headers=headers, body=body, timeout=ANSWER_TIME, limit=largest
            )
        except UnreachableError as error:
            raise CredentialPeerError(did=url, reason=error.text) from error
        return PeerAnswer(answer.status, _object(answer), answer.headers.get("location", ""))


def _object(answer: HttpResponse) -> JsonObject | None:
    if not is_json(answer.headers.get("content-type", "")):
        return None
    try:
        found = read_json(answer.body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None
