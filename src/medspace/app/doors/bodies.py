"""Reading bodies within limits, writing JSON, and reporting problems: shared by both listeners."""

import asyncio

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from medspace.app.node.language import header_language, speaker
from medspace.app.node.listening.http1 import STREAMED
from medspace.app.node.retelling import rendered
from medspace.connector.errors import MessageError, MessageTooLargeError, QuotaError
from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import (
    InvalidInputError,
    MedspaceError,
    RefusedError,
    StorageError,
    StorageFullError,
    WaitingError,
)
from medspace.core.limits import STEP
from medspace.core.text import Text, msgid
from medspace.trust.errors import UnauthenticatedError

LARGEST_BODY = 1 << 20
LARGEST_MESSAGE = 1 << 17  # of the Dataspace Protocol; a contract of a hundred clauses has a tenth of it
LARGEST_STEP = STEP
SLOWEST_BODY = 10.0  # seconds for a whole body: a slow client must not occupy a place for ever

_encoder = msgspec.json.Encoder()

_STATUS: tuple[tuple[type[MedspaceError], int], ...] = (
    (UnauthenticatedError, 401),
    (MessageTooLargeError, 413),
    (StorageFullError, 507),
    (StorageError, 503),
    (InvalidInputError, 400),
    (QuotaError, 429),
    (WaitingError, 503),
    (RefusedError, 403),
)


async def read_body(request: Request, largest: int = LARGEST_BODY) -> bytes:
    """The whole body; one above the listener's limits, from an authenticated caller, has a minimum pace instead.

    Raises:
        MessageTooLargeError: more than `largest` bytes.
        MessageError: it did not arrive in time, or the client went away.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > largest:
        raise MessageTooLargeError(limit=largest)
    if declared.isdigit() and int(declared) > LARGEST_BODY and STREAMED in request.scope:
        request.scope[STREAMED](int(declared))
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(SLOWEST_BODY):
            async for part in request.stream():
                size += len(part)
                if size > largest:
                    raise MessageTooLargeError(limit=largest)
                parts.append(part)
    except TimeoutError:
        reason = Text(msgid("its body did not arrive within {seconds} seconds"), {"seconds": int(SLOWEST_BODY)})
        raise MessageError(reason=reason) from None
    except ClientDisconnect:
        raise MessageError(reason=Text(msgid("the client went away"))) from None
    return b"".join(parts)


def json_response(body: Json, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(_encoder.encode(body), status, headers, "application/json")


def problem_of(error: MedspaceError, language: str) -> JsonObject:
    """An error in the form in which both APIs and the command line report it."""
    speak = speaker(language)
    return {
        "code": error.code,
        "sentence": rendered(error.text, speak),
        "next_step": error.advice.render(speak),
        "exit_code": error.exit_code,
    }


def status_of(error: MedspaceError) -> int:
    """The HTTP status of an error. If authentication failed for a temporary reason, the caller may retry: 503."""
    if isinstance(error, UnauthenticatedError) and error.temporary:
        return 503
    return next((code for kind, code in _STATUS if isinstance(error, kind)), 500)


def problem_response(error: MedspaceError, status: int | None = None, language: str = "en") -> Response:
    """An error to another connector: `code` and `reason`, as in the Dataspace Protocol's error messages.

    `cause` names the rule behind the code, if there is one. An unauthenticated caller gets the code and nothing else.
    """
    chosen = status or status_of(error)
    if isinstance(error, UnauthenticatedError):
        return json_response({"code": error.code, "reason": []}, chosen, {"WWW-Authenticate": "Bearer"})
    told = problem_of(error, language)
    cause = {"cause": error.facts["decision"]} if "decision" in error.facts else {}
    reason = [told["sentence"], told["next_step"]]
    return json_response({"code": error.code, "reason": reason, **cause}, chosen, retry_after(error))


def retry_after(error: MedspaceError) -> dict[str, str]:
    """The header that says when to ask again (RFC 9110 10.2.3), if the error has a time."""
    seconds = error.facts.get("seconds") if isinstance(error, WaitingError) else None
    return {} if seconds is None else {"Retry-After": str(seconds)}


def request_language(request: Request) -> str:
    """The language that the client asks for."""
    return header_language(request.headers.get("accept-language", ""))
