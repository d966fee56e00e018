"""The public listener beside the Dataspace Protocol: the DID document, the members list, the job endpoints.

Only the DID document is answered without a proven caller.

    POST /jobs/{job}/manifest       the signed manifest of the run: 200 with this seat's signed key
    POST /jobs/{job}/seats          the signed keys of all seats: 200 with the digest of the manifest
    POST /jobs/{job}                a step: 200 with its release, or 202 with `Location` and `Retry-After`
    GET  /jobs/{job}/steps/{step}   the same for a step that was asked for before
    PUT  /jobs/{job}/parts/{digest} a part of a question (`parts.py`)
    GET  /jobs/{job}/parts/{digest} a part of a release

Steps of runs of masked sums come sealed, and so does what is said of them (`runs.covers`).
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from medspace.adapters.logs import ROOT
from medspace.app.doors.bodies import LARGEST_STEP, json_response, problem_response, read_body
from medspace.app.doors.callers import Authenticate, caller_of
from medspace.app.doors.protocol.parts import (
    PartEndpoint,
    PartLengthError,
    PartOffsetError,
    PartRangeError,
    UnknownPartError,
)
from medspace.connector.errors import MessageError
from medspace.connector.turns import BusyError, TurnLimits, Turns
from medspace.connector.usage.calls import Call
from medspace.connector.usage.errors import (
    JobClosedError,
    NotAdmittedError,
    StepError,
    StepTooLargeError,
    StepTooLongError,
    StepUnknownError,
    StepUnsealedError,
    StepUnsignedError,
    UnknownJobError,
    UseFailedError,
    UseRestoredError,
    WithheldError,
)
from medspace.connector.usage.going import StepStatus
from medspace.connector.usage.service import UsageControl
from medspace.core import limits
from medspace.core.canonical import JsonObject
from medspace.core.decoding import read_json
from medspace.core.errors import MedspaceError
from medspace.core.limits import PARTS
from medspace.core.parts import Part, PartBusyError, PartsFullError
from medspace.core.text import Text, msgid
from medspace.core.usage import Release, Step
from medspace.runs import covers
from medspace.runs.covers import Answers, CoveredAnswer
from medspace.runs.statements import SIGNATURE
from medspace.trust.model import Caller

T = TypeVar("T")
LONGEST_JOB_TOKEN = 256
PATIENCE = 5.0  # seconds that the caller of a step waits before it is told where to ask for the result later
SHA256 = "sha256:"
JOB_HEADER = "medspace-job"
_NO_LIST = "members.none"
CODES = frozenset({_NO_LIST})
LONGEST_DID = 256
DID = r"^did:[a-z0-9]+:[A-Za-z0-9._:%-]+\Z"  # DID Core 3.1

_STATUS: dict[type[MedspaceError], int] = {
    UnknownJobError: 404,
    StepUnknownError: 404,
    StepUnsealedError: 403,
    StepUnsignedError: 403,
    JobClosedError: 409,
    NotAdmittedError: 403,
    WithheldError: 403,
    UseFailedError: 500,
    UseRestoredError: 409,
    StepTooLongError: 500,
    StepTooLargeError: 500,
    StepError: 400,
    BusyError: 429,
    UnknownPartError: 404,
    PartLengthError: 411,
    PartOffsetError: 409,
    PartBusyError: 409,
    PartRangeError: 416,
    PartsFullError: 429,
}


_Did = Annotated[str, msgspec.Meta(max_length=LONGEST_DID, pattern=DID)]


class _StepMessage(msgspec.Struct, frozen=True):
    task: JsonObject
    round: int
    name: str
    inputs: JsonObject = {}
    parts: Annotated[tuple[Part, ...], msgspec.Meta(max_length=PARTS)] = ()
    inbox: Annotated[dict[_Did, str], msgspec.Meta(max_length=limits.SEATS)] = {}
    signature: Annotated[str, msgspec.Meta(max_length=SIGNATURE)] = ""


class _ManifestMessage(msgspec.Struct, frozen=True):
    manifest: str


class _Keys(msgspec.Struct, frozen=True):
    keys: Annotated[list[str], msgspec.Meta(max_length=limits.SEATS)]


@dataclass(frozen=True, slots=True)
class _Steps:
    """Steps, encrypted or not; a caller waits at most `patience` seconds."""

    usage: UsageControl
    authenticate: Authenticate
    turns: Turns
    patience: float

    async def ask(self, request: Request) -> Response:
        """Answer a requested step."""
        caller = await caller_of(request, self.authenticate)
        call = _call(request, caller)
        if request.headers.get("content-type", "") != covers.MEDIA_TYPE:
            return await self._asked(call, await read_body(request, LARGEST_STEP))
        sealed = await read_body(request, covers.LARGEST_QUESTION)
        async with self.turns.turn(caller.did):
            body, answers = await self.usage.seats.uncovered(call, sealed)
        asked = replace(call, sealed=True)
        return await _covered(lambda: self._asked(asked, body, answers), answers, covers.to_question(sealed))

    async def look(self, request: Request) -> Response:
        """Report the status of a step that was requested before."""
        call = _call(request, await caller_of(request, self.authenticate))
        answers = await self.usage.seats.answers(call)

        async def looked() -> Response:
            standing = await self.usage.look(call, f"{SHA256}{request.path_params['step']}", self.patience)
            return await _told_of(self.usage, call, standing)

        if answers is None:
            return await looked()
        return await _covered(looked, answers, covers.to_step(request.path_params["step"]))

    async def _asked(self, call: Call, body: bytes, answers: Answers | None = None) -> Response:
        step, signature = _read_step(body)
        asked = replace(call, step=step, signature=signature, small=len(body) <= limits.SMALL)
        async with self.turns.turn(call.user):
            standing = await self.usage.ask(asked, self.patience, answers)
        return await _told_of(self.usage, asked, standing)


def public_routes(
    document: Callable[[], JsonObject],
    path: str,
    members: Callable[[], str],
    usage: UsageControl,
    authenticate: Authenticate,
    share: TurnLimits | None = None,
    patience: float = PATIENCE,
) -> list[Route]:
    """The routes; `document` is the DID document, at `path`; `members` returns the signed list or, without one, "".

    The caller of a step gets its result within `patience` seconds, or is told where to ask for it.
    """
    turns = Turns(share)
    steps = _Steps(usage, authenticate, turns, patience)

    async def did_document(_: Request) -> Response:
        return json_response(document())

    async def members_list(request: Request) -> Response:
        await caller_of(request, authenticate)
        text = members()
        return json_response({"members": text}) if text else json_response({"code": _NO_LIST}, 404)

    async def job_manifest(request: Request) -> Response:
        caller = await caller_of(request, authenticate)
        shown = _read(await read_body(request, LARGEST_STEP), _ManifestMessage)
        async with turns.turn(caller.did):
            return json_response({"key": await usage.seats.take(_call(request, caller), shown.manifest)})

    async def job_seats(request: Request) -> Response:
        caller = await caller_of(request, authenticate)
        handed = _read(await read_body(request, limits.SEAT_KEYS), _Keys)
        async with turns.turn(caller.did):
            return json_response({"manifest": await usage.seats.seat(_call(request, caller), handed.keys)})

    return [
        Route(path, did_document, methods=["GET"]),
        Route("/members", _guarded(members_list), methods=["GET"]),
        Route("/jobs/{job}", _guarded(steps.ask), methods=["POST"]),
        Route("/jobs/{job}/manifest", _guarded(job_manifest), methods=["POST"]),
        Route("/jobs/{job}/seats", _guarded(job_seats), methods=["POST"]),
        Route("/jobs/{job}/steps/{step}", _guarded(steps.look), methods=["GET"]),
    ]


def part_routes(parts: PartEndpoint) -> list[Route]:
    """The routes of the parts of questions and releases."""
    path = "/jobs/{job}/parts/{digest}"
    return [
        Route(path, _guarded(parts.put), methods=["PUT"]),
        Route(path, _guarded(parts.get), methods=["GET"]),
    ]


def _guarded(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def guarded(request: Request) -> Response:
        return await _answer_or_problem(lambda: handler(request))

    return guarded


async def _answer_or_problem(answer: Callable[[], Awaitable[Response]]) -> Response:
    """An answer, or why there is none."""
    try:
        return await answer()
    except MedspaceError as error:
        if isinstance(error, UseFailedError):
            logging.getLogger(ROOT).exception(error.code)
        return problem_response(_error_shown(error), _STATUS.get(type(error)))


async def _covered(answer: Callable[[], Awaitable[Response]], answers: Answers, to: str) -> Response:
    """As `_answer_or_problem`, but encrypted and authenticated: a refusal may name columns too."""
    said = await _answer_or_problem(answer)
    sealed = CoveredAnswer(said.status_code, bytes(said.body), said.headers.get("retry-after", ""))
    return Response(answers.sealed(sealed, to), said.status_code, media_type=covers.MEDIA_TYPE)


def _error_shown(error: MedspaceError) -> MedspaceError:
    """What the caller is told: if a step cannot be run, the engine's own words, under the engine's code."""
    cause = error.__cause__
    return cause if isinstance(error, StepError) and isinstance(cause, MedspaceError) else error


def _read(body: bytes, kind: type[T]) -> T:
    try:
        return read_json(body, kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise MessageError(reason=Text(msgid("it is not what a job is asked"))) from error


def _read_step(body: bytes) -> tuple[Step, str]:
    """The question and its signature, if there is one."""
    read = _read(body, _StepMessage)
    if sum(map(len, read.inbox.values())) > limits.MAIL:
        raise MessageError(reason=Text(msgid("its messages are larger than {most} bytes"), {"most": limits.MAIL}))
    return Step(read.task, read.round, read.name, read.inputs, read.parts, read.inbox), read.signature


NO_STEP = Step(task={}, round=0, name="")  # for a call that has not named one, or only asks for the status


def _call(request: Request, caller: Caller) -> Call:
    token = request.headers.get(JOB_HEADER, "")[:LONGEST_JOB_TOKEN]
    return Call(caller.did, request.path_params["job"], token, NO_STEP)


async def _told_of(usage: UsageControl, asked: Call, standing: StepStatus) -> Response:
    """200 with the release, or 202 with where it will be, and when to ask for it (RFC 9110 15.3.3)."""
    if standing.release is not None:
        signature = await usage.seats.sign_answer(asked, standing.step, standing.release)
        return json_response(_answer(standing.release) | ({"signature": signature} if signature else {}))
    step = standing.step.removeprefix(SHA256)
    headers = {"Location": f"/jobs/{asked.job}/steps/{step}", "Retry-After": str(standing.seconds)}
    far = {"percent": standing.percent, "left": standing.left}
    told = {name: value for name, value in far.items() if value is not None}
    return json_response({"step": step, "state": standing.state.value} | told, 202, headers)


def _answer(release: Release) -> JsonObject:
    parts = [{"digest": part.digest, "media_type": part.media_type, "size": part.size} for part in release.parts]
    return (
        {
            "release": release.id,
            "round": release.round,
            "kind": release.kind,
            "cohort": release.cohort,
            "values": dict(release.values),
            "digest": release.digest,
            "entry": release.entry,
        }
        | ({"parts": parts} if parts else {})
        | ({"outbox": dict(release.outbox)} if release.outbox else {})
    )
