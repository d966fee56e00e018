"""What medspace asks of other parties, over the one HTTP client: messages, documents, members, steps."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated

import msgspec

from medspace.adapters.http.client import JSON, HttpClient
from medspace.adapters.http.connection import HttpResponse
from medspace.adapters.http.errors import AnswerTooLargeError, BadAnswerError, JobBusyError, JobRefusedError
from medspace.adapters.http.links import link_target
from medspace.adapters.http.parts import PartClient
from medspace.connector.errors import UnreachableError
from medspace.connector.ports import Reply
from medspace.connector.usage.errors import (
    JobClosedError,
    StepTooLargeError,
    StepTooLongError,
    StepUnknownError,
    UnknownJobError,
    UseFailedError,
    UseMemoryError,
)
from medspace.core import limits
from medspace.core.canonical import Json, JsonObject
from medspace.core.decoding import read_json
from medspace.core.limits import ANSWER
from medspace.core.parts import Blobs, BlobStore, Keeping, Part
from medspace.core.text import Text, msgid, plain
from medspace.core.usage import Step
from medspace.runs import covers
from medspace.runs.covers import Answers, Cover
from medspace.trust.did import LARGEST_DOCUMENT, document_url, parse_document
from medspace.trust.errors import DocumentError, EnvelopeUnreadableError, MembersSourceError
from medspace.trust.members import LARGEST_LIST
from medspace.trust.model import DidDocument
from medspace.trust.service import Identity

JOB_HEADER = "Medspace-Job"
OK, ACCEPTED, UNAUTHENTICATED = 200, 202, 401
LARGEST_REPLY = 1 << 20  # bytes; to a message: an acknowledgement, a state, one dataset
LARGEST_ANSWER = ANSWER  # bytes; to a step
LONGEST_REASON = 1000  # characters
_CODE = re.compile(r"[A-Za-z0-9._:-]{1,100}")
PATIENCE = 10.0  # seconds, for a document or a list while a caller waits at our door
ANSWER_TIME = 20.0  # seconds for the answer to a message; it is sent again
BUSY = frozenset((425, 429, 500, 502, 503, 504))
BROKEN = frozenset(
    error.code for error in (UseFailedError, StepTooLongError, StepTooLargeError)
)  # will break again: no patience helps
# What a site says before it has opened a question: it has no seat or job of that name, or nothing to open it with.
_BEFORE = (UnknownJobError, JobClosedError, EnvelopeUnreadableError, UseMemoryError, StepUnknownError)
CODES = frozenset(f"http.{status}" for status in range(100, 600))  # of an answer that says no other code
UNSEALED = frozenset(error.code for error in _BEFORE)
_encoder = msgspec.json.Encoder()
LONGEST_LEFT = 10**9  # seconds that a site may say it still needs
LONGEST_DATE = 64  # characters
_SECONDS = re.compile(r"[0-9]{1,9}")


def is_json(content_type: str) -> bool:
    """Whether a media type is JSON (RFC 6838 4.2.8); a server that does not say is given the benefit of the doubt."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in ("", "application/json") or (kind.startswith("application/") and kind.endswith("+json"))


def json_of(answer: HttpResponse) -> Json:
    """The decoded body of an answer, None where there is none.

    Raises:
        ValueError: the body is not JSON, or says that it is something else.
    """
    if not answer.body:
        return None
    if not is_json(answer.headers.get("content-type", "")):
        raise ValueError("not JSON")
    try:
        return read_json(answer.body)
    except RecursionError:
        raise ValueError("JSON too deep") from None


def _reply(answer: HttpResponse) -> Reply:
    try:
        body = json_of(answer)
    except ValueError:  # odd bodies have always been as good as none
        body = None
    return _reply_of(answer, body)


def _reply_of(answer: HttpResponse, body: Json) -> Reply:
    # A page for people comes from something in between.
    readable = "html" not in answer.headers.get("content-type", "").lower()
    date = http_date(answer.headers.get("date", ""))
    following = link_target(answer.headers.get("link", ""), "next")
    return Reply(answer.status, body, following, readable, date, _after(answer.headers, date), len(answer.body))


def http_date(text: str) -> datetime | None:
    """The instant of an HTTP date (RFC 9110 5.6.7), None where it is none."""
    try:
        read = parsedate_to_datetime(text) if len(text) <= LONGEST_DATE else None
    except (ValueError, OverflowError):
        return None
    return read if read is None or read.tzinfo is not None else read.replace(tzinfo=UTC)


def _after(headers: Mapping[str, str], date: datetime | None) -> float | None:
    """The seconds of a Retry-After header; a date in it is counted from the server's own clock."""
    told = headers.get("retry-after", "")
    if _SECONDS.fullmatch(told):
        return float(told)
    then = http_date(told)
    return max(0.0, (then - date).total_seconds()) if then is not None and date is not None else None


class DspClient:
    """The connector's `Transport`: each call carries a fresh ID token for the party that it goes to.

    `limit` bounds each answer, packed and unpacked, in bytes.
    """

    def __init__(self, client: HttpClient, identity: Identity, limit: int = LARGEST_REPLY) -> None:
        self._client = client
        self._identity = identity
        self._limit = limit
        self.tokens: Callable[[str, str], Awaitable[str | None]] | None = None  # other tokens, by address and DID

    def limited(self, limit: int) -> "DspClient":
        """The same client, with the same tokens, with another bound on answers."""
        client = DspClient(self._client, self._identity, limit)
        client.tokens = self.tokens
        return client

    async def post(self, url: str, message: JsonObject, audience: str) -> Reply:
        """Send one JSON message to `url`, with a token for the DID `audience`.

        Raises:
            UnreachableError: no answer; `NotSentError` where the message has surely not been delivered.
        """
        return _reply(await self._post(url, message, audience))

    async def page(self, url: str, message: JsonObject, audience: str) -> Reply:
        """As `post`; JSON of status 200 stays as it came, in `Reply.packed`: it may be too much to decode at once.

        Raises:
            UnreachableError: as for `post`.
        """
        answer = await self._post(url, message, audience)
        if answer.status != OK or not is_json(answer.headers.get("content-type", "")):
            return _reply(answer)
        return replace(_reply_of(answer, None), packed=answer.body)

    async def get(self, url: str, audience: str) -> Reply:
        """Ask for the resource at `url`, with a token for the DID `audience`.

        Raises:
            UnreachableError: as for `post`.
        """
        headers = await self._token(url, audience)
        return _reply(await self._client.request("GET", url, headers=headers, limit=self._limit))

    async def _post(self, url: str, message: JsonObject, audience: str) -> HttpResponse:
        headers, body = await self._token(url, audience), _encoder.encode(message)
        return await self._client.request(
            "POST", url, headers=headers, body=body, timeout=ANSWER_TIME, limit=self._limit
        )

    async def _token(self, url: str, audience: str) -> dict[str, str]:
        other = None if self.tokens is None else await self.tokens(url, audience)
        return {"Authorization": f"Bearer {other or self._identity.token_for(audience)}"}


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


def _facts(url: str, answer: HttpResponse) -> Mapping[str, str | int]:
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
            return read_json(answer.body, _MembersReply).members
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise MembersSourceError(reason=Text(msgid("it answered with something else"))) from None


class _Problem(msgspec.Struct, frozen=True):
    code: str = ""
    cause: str = ""  # what is behind the code, where that says more
    reason: object = None


@dataclass(frozen=True, slots=True)
class PendingStep:
    """A step that is not done yet: its name within the use, its state in the site's word, when to ask again."""

    step: str
    state: str = ""
    after: float | None = None  # seconds
    percent: int | None = None  # how much of it is done, where the site says so
    left: int | None = None  # seconds that it may still take


class _Working(msgspec.Struct, frozen=True):
    step: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    state: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{0,20}\Z")] = ""
    percent: Annotated[int, msgspec.Meta(ge=0, le=100)] | None = None
    left: Annotated[int, msgspec.Meta(ge=0, le=LONGEST_LEFT)] | None = None


class JobClient:
    """Asks job endpoints for steps: POST of a `Step`, with the ID token and the job's own token.

    A step that takes long is asked for again below the same endpoint, wherever the site's `Location` points to: the
    job's token goes nowhere else.
    """

    def __init__(self, client: HttpClient, identity: Identity) -> None:
        self._client = client
        self._identity = identity
        self._parts = PartClient(client, _refusal)

    async def ask(
        self,
        endpoint: str,
        job_token: str,
        step: Step,
        audience: str,
        timeout: float | None = None,  # noqa: ASYNC109 - a bound of the call, kept inside
        signature: str = "",
        cover: Cover | None = None,
    ) -> JsonObject | PendingStep:
        """The site's answer to one step, as JSON. `audience` is the site's DID, `timeout` in seconds.

        `signature` is that of who asks (`runs.statements`), where the run wants one, `cover` what nobody on the way
        looks under.

        Raises:
            UnreachableError: no answer (`NotSentError`: surely not delivered; `BadAnswerError`: not an answer).
            JobBusyError: the site asks for patience (statuses 425, 429, 500 to 504).
            JobRefusedError: the site refuses or its engine broke, with its code and reason.
        """
        said: object = step
        if signature:
            said = {field.name: getattr(step, field.name) for field in fields(step)} | {"signature": signature}
        body, headers = _encoder.encode(said), self._headers(job_token, audience)
        kind, answers, limit = JSON, None, LARGEST_ANSWER
        if cover is not None:
            body, kind, answers, limit = cover.question(body), covers.MEDIA_TYPE, cover.answers, covers.LARGEST_ANSWER
        with _covered(answers):
            answer = await self._client.request(
                "POST", endpoint, headers=headers, body=body, limit=limit, timeout=timeout, media_type=kind
            )
        return _step_answer(endpoint, _uncovered(endpoint, answer, answers, covers.to_question(body)))

    async def seat(self, endpoint: str, job_token: str, manifest: str, audience: str, timeout: float) -> JsonObject:  # noqa: ASYNC109 - a bound of the call, kept inside
        """The site's answer to a manifest of a run.

        Raises:
            UnreachableError, JobBusyError, JobRefusedError: as for `ask`.
        """
        return await self._send(f"{endpoint}/manifest", job_token, {"manifest": manifest}, audience, timeout)

    async def seated(
        self,
        endpoint: str,
        job_token: str,
        keys: Sequence[str],
        audience: str,
        timeout: float,  # noqa: ASYNC109 - a bound of the call, kept inside
    ) -> JsonObject:
        """The site's answer to the keys of all seats.

        Raises:
            UnreachableError, JobBusyError, JobRefusedError: as for `ask`.
        """
        return await self._send(f"{endpoint}/seats", job_token, {"keys": list(keys)}, audience, timeout)

    async def _send(self, url: str, job_token: str, said: JsonObject, audience: str, timeout: float) -> JsonObject:  # noqa: ASYNC109
        body, headers = _encoder.encode(said), self._headers(job_token, audience)
        answer = await self._client.request(
            "POST", url, headers=headers, body=body, limit=limits.ENVELOPE, timeout=timeout
        )
        return answered(url, answer)

    async def look(
        self,
        endpoint: str,
        job_token: str,
        step: str,
        audience: str,
        timeout: float | None = None,  # noqa: ASYNC109 - a bound of the call, kept inside
        answers: Answers | None = None,
    ) -> JsonObject | PendingStep:
        """The site's answer to a step that was asked for before, by its name; `answers` opens what comes sealed.

        Raises:
            UnreachableError, JobBusyError, JobRefusedError: as for `ask`.
        """
        url, headers = f"{endpoint}/steps/{step}", self._headers(job_token, audience)
        limit = LARGEST_ANSWER if answers is None else covers.LARGEST_ANSWER
        with _covered(answers):
            answer = await self._client.request("GET", url, headers=headers, limit=limit, timeout=timeout)
        return _step_answer(url, _uncovered(url, answer, answers, covers.to_step(step)))

    async def put_part(self, endpoint: str, job_token: str, part: Part, blobs: Blobs, audience: str) -> None:
        """Bring a part of a question, before the step that names it; it goes on where it broke off.

        Raises:
            KeyError: `blobs` has no such part.
            UnreachableError, JobBusyError, JobRefusedError: as for `ask`.
        """
        url = f"{endpoint}/parts/{part.digest}"
        await self._parts.put(url, lambda: self._headers(job_token, audience), part, blobs)

    async def fetch_part(
        self, endpoint: str, job_token: str, part: Part, store: BlobStore, keeping: Keeping, audience: str
    ) -> None:
        """Fetch a part that a release names into our own store; it goes on where it broke off.

        Raises:
            BadAnswerError: its content has a different digest.
            UnreachableError, JobBusyError, JobRefusedError: as for `ask`.
        """
        url = f"{endpoint}/parts/{part.digest}"
        await self._parts.fetch(url, lambda: self._headers(job_token, audience), part, store, keeping)

    def _headers(self, job_token: str, audience: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._identity.token_for(audience)}", JOB_HEADER: job_token}


def answered(url: str, answer: HttpResponse) -> JsonObject:
    """The JSON object that an answer holds.

    Raises:
        BadAnswerError: it is none.
        JobBusyError, JobRefusedError: the other side asks for patience, or refuses.
    """
    read = _step_answer(url, answer)
    if isinstance(read, PendingStep):
        raise BadAnswerError(address=url, reason=Text(msgid("it is not a JSON object")))
    return read


@contextmanager
def _covered(answers: Answers | None) -> Iterator[None]:
    """Anybody on the way can make an answer too large: where it is to come sealed, the site has not said that."""
    try:
        yield
    except AnswerTooLargeError as error:
        if answers is None:
            raise
        raise BadAnswerError(address=error.facts["address"], reason=error.facts["reason"]) from error


def _uncovered(url: str, answer: HttpResponse, answers: Answers | None, to: str) -> HttpResponse:
    """An answer as it was sealed, its status as well.

    Raises:
        BadAnswerError: it cannot be opened, or is in the open and needs not be.
        JobBusyError, JobRefusedError: it is in the open, and could not come otherwise.
    """
    if answers is None:
        return answer
    if answer.headers.get("content-type", "") != covers.MEDIA_TYPE:
        raise _in_the_open(url, answer)
    try:
        said = answers.opened(answer.body, to)
    except ValueError:
        reason = Text(msgid("it is not sealed for this question"))
        raise BadAnswerError(address=url, reason=reason) from None
    return HttpResponse(said.status, {"content-type": JSON, "retry-after": said.after}, said.body)


def _in_the_open(url: str, answer: HttpResponse) -> JobRefusedError | JobBusyError | BadAnswerError:
    """What an answer that is not sealed stands for: anybody on the way may have made it, so the site is asked again.

    A refusal counts where the site has nothing to seal it with.
    """
    if answer.status not in (OK, ACCEPTED):
        refused = _refusal(answer)
        passes = isinstance(refused, JobBusyError) or answer.status == UNAUTHENTICATED
        if passes or refused.facts["refusal"] in UNSEALED:
            return refused
    return BadAnswerError(address=url, reason=Text(msgid("it is not sealed")))


def _step_answer(url: str, answer: HttpResponse) -> JsonObject | PendingStep:
    if answer.status not in (OK, ACCEPTED):
        raise _refusal(answer)
    try:
        read = json_of(answer)
        if answer.status == ACCEPTED:
            working = msgspec.convert(read, _Working)
            after = _after(answer.headers, http_date(answer.headers.get("date", "")))
            return PendingStep(working.step, working.state, after, working.percent, working.left)
    except ValueError:  # msgspec's validation error is one
        read = None
    if not isinstance(read, dict):
        raise BadAnswerError(address=url, reason=Text(msgid("it is not a JSON object")))
    return read


def _refusal(answer: HttpResponse) -> JobRefusedError | JobBusyError:
    try:
        problem = msgspec.convert(json_of(answer), _Problem)
    except ValueError:
        problem = _Problem()
    kind = JobBusyError if answer.status in BUSY and problem.code not in BROKEN else JobRefusedError
    codes = (code for code in (problem.cause, problem.code) if _CODE.fullmatch(code))
    reason, advice = _words(problem.reason)
    return kind(refusal=next(codes, f"http.{answer.status}"), reason=reason, advice=advice, status=answer.status)


def _words(reason: object) -> tuple[str, str]:
    """What happened and what to do, in the words of the other side: the first text, and the others."""
    texts = [text for text in (reason if isinstance(reason, list) else [reason]) if isinstance(text, str)]
    return plain(" ".join(texts[:1])[:LONGEST_REASON]), plain(" ".join(texts[1:])[:LONGEST_REASON])
