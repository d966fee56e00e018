"""What medspace asks of other parties, over the one HTTP client: messages, documents, members, steps."""

import re
from collections.abc import Mapping

import msgspec

from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.connection import Answer
from medspace.adapters.http.errors import BadAnswerError, JobBusyError, JobRefusedError
from medspace.connector.errors import UnreachableError
from medspace.connector.ports import Reply
from medspace.connector.usage.errors import UseFailedError
from medspace.core.canonical import Json, JsonObject
from medspace.core.text import Text, msgid, plain
from medspace.core.usage import Step
from medspace.trust.did import LARGEST_DOCUMENT, document_url, parse_document
from medspace.trust.errors import DocumentError, MembersSourceError
from medspace.trust.members import LARGEST_LIST
from medspace.trust.model import DidDocument
from medspace.trust.service import Identity

JOB_HEADER = "Medspace-Job"
OK = 200
LONGEST_REASON = 1000  # characters
_CODE = re.compile(r"[A-Za-z0-9._:-]{1,100}")
PATIENCE = 10.0  # seconds, for a document or a list while a caller waits at our door
BUSY = frozenset((425, 429, 500, 502, 503, 504))
_encoder = msgspec.json.Encoder()
_NEXT = re.compile(r'<(?P<url>[^>]{1,2048})>\s*;[^,]*rel="?next"?')


def is_json(content_type: str) -> bool:
    """Whether a media type is JSON (RFC 6838 4.2.8); a server that does not say is given the benefit of the doubt."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in ("", "application/json") or (kind.startswith("application/") and kind.endswith("+json"))


def json_of(answer: Answer) -> Json:
    """The decoded body of an answer, None where there is none.

    Raises:
        ValueError: the body is not JSON, or says that it is something else.
    """
    if not answer.body:
        return None
    if not is_json(answer.headers.get("content-type", "")):
        raise ValueError("not JSON")
    try:
        return msgspec.json.decode(answer.body)
    except RecursionError:
        raise ValueError("JSON too deep") from None


def _reply(answer: Answer) -> Reply:
    try:
        return Reply(answer.status, json_of(answer), _following(answer))
    except ValueError:
        return Reply(answer.status)


def _following(answer: Answer) -> str | None:
    """The target of the Link header's `next` relation."""
    found = _NEXT.search(answer.headers.get("link", ""))
    return found["url"] if found else None


class DspClient:
    """The connector's `Transport`: each call carries a fresh ID token for the party that it goes to."""

    def __init__(self, client: HttpClient, identity: Identity) -> None:
        self._client = client
        self._identity = identity

    async def post(self, url: str, message: JsonObject, audience: str) -> Reply:
        """Send one JSON message to `url`, with a token for the DID `audience`.

        Raises:
            UnreachableError: no answer; `NotSentError` where the message has surely not been delivered.
        """
        body = _encoder.encode(message)
        return _reply(await self._client.request("POST", url, headers=self._token(audience), body=body))

    async def get(self, url: str, audience: str) -> Reply:
        """Ask for the resource at `url`, with a token for the DID `audience`.

        Raises:
            UnreachableError: as for `post`.
        """
        return _reply(await self._client.request("GET", url, headers=self._token(audience)))

    def _token(self, audience: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._identity.token_for(audience)}"}


class HttpDocuments:
    """Fetches DID documents from where did:web says that they are."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def document(self, did: str) -> DidDocument:
        """The document, fetched anew.

        Raises:
            DidError: not a did:web.
            DocumentError: it could not be fetched, or is not the document of this DID.
        """
        url = document_url(did)
        try:
            answer = await self._client.request("GET", url, limit=LARGEST_DOCUMENT, timeout=PATIENCE)
        except UnreachableError as error:
            raise DocumentError(did=did, reason=error.text) from error
        if answer.status != OK or not is_json(answer.headers.get("content-type", "")):
            reason = Text(msgid("{url} answered with status {status} or without JSON"), _facts(url, answer))
            raise DocumentError(did=did, reason=reason)
        return parse_document(answer.body, did)


def _facts(url: str, answer: Answer) -> Mapping[str, str | int]:
    return {"url": url, "status": answer.status}


class _MembersReply(msgspec.Struct, frozen=True):
    members: str


class HttpMembers:
    """Fetches the signed members list: GET {authority's base URL}/members answers `{"members": "<compact JWS>"}`."""

    def __init__(self, client: HttpClient, identity: Identity, *, authority: str, url: str) -> None:
        self._client = client
        self._identity = identity
        self._authority = authority
        self._url = f"{url.rstrip('/')}/members"

    async def members(self) -> str:
        """The list as the authority signed it.

        Raises:
            MembersSourceError: it could not be fetched.
        """
        token = self._identity.token_for(self._authority)
        headers = {"Authorization": f"Bearer {token}"}
        try:
            answer = await self._client.request(
                "GET", self._url, headers=headers, limit=LARGEST_LIST + 1024, timeout=PATIENCE
            )
        except UnreachableError as error:
            raise MembersSourceError(reason=error.text) from error
        if answer.status != OK:
            reason = Text(msgid("{url} answered with status {status}"), _facts(self._url, answer))
            raise MembersSourceError(reason=reason)
        try:
            return msgspec.json.decode(answer.body, type=_MembersReply).members
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise MembersSourceError(reason=Text(msgid("it answered with something else"))) from None


class _Problem(msgspec.Struct, frozen=True):
    code: str = ""
    reason: object = None


class JobClient:
    """Asks job endpoints for steps: POST of a `Step`, with the ID token and the job's own token."""

    def __init__(self, client: HttpClient, identity: Identity) -> None:
        self._client = client
        self._identity = identity

    async def ask(
        self,
        endpoint: str,
        job_token: str,
        step: Step,
        audience: str,
        named: tuple[str, ...] = (),
        timeout: float | None = None,  # noqa: ASYNC109 - a bound of the call, kept inside
    ) -> JsonObject:
        """The site's answer to one step, as JSON. `audience` is the site's DID, `timeout` in seconds.

        `named` are the DIDs of all sites that the run asks: a site refuses where its contract wants more.

        Raises:
            UnreachableError: no answer (`NotSentError`: surely not delivered; `BadAnswerError`: not an answer).
            JobBusyError: the site asks for patience (statuses 425, 429, 500 to 504).
            JobRefusedError: the site refuses or its engine broke, with its code and reason.
        """
        token = self._identity.token_for(audience)
        headers = {"Authorization": f"Bearer {token}", JOB_HEADER: job_token}
        said = {"task": step.task, "round": step.round, "name": step.name, "inputs": step.inputs}
        body = _encoder.encode(said | {"sites": named})
        answer = await self._client.request("POST", endpoint, headers=headers, body=body, timeout=timeout)
        if answer.status != OK:
            raise _refusal(answer)
        try:
            read = json_of(answer)
        except ValueError:
            read = None
        if not isinstance(read, dict):
            raise BadAnswerError(address=endpoint, reason=Text(msgid("it is not a JSON object")))
        return read


def _refusal(answer: Answer) -> JobRefusedError | JobBusyError:
    try:
        problem = msgspec.convert(json_of(answer), _Problem)
    except ValueError:
        problem = _Problem()
    # What broke inside will break again: no patience helps.
    kind = JobBusyError if answer.status in BUSY and problem.code != UseFailedError.code else JobRefusedError
    code = problem.code if _CODE.fullmatch(problem.code) else f"http.{answer.status}"
    return kind(refusal=code, reason=_words(problem.reason), status=answer.status)


def _words(reason: object) -> str:
    texts = reason if isinstance(reason, list) else [reason]
    said = " ".join(text for text in texts if isinstance(text, str))[:LONGEST_REASON]
    return plain(said)
