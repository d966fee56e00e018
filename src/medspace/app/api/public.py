"""The public listener beside the Dataspace Protocol: the DID document, the members list, the job endpoints.

Only the DID document is answered without a proven caller.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from medspace.adapters.logs import ROOT
from medspace.app.api.bodies import LARGEST_STEP, json_response, problem_response, read_body
from medspace.app.api.callers import Authenticate, caller_of
from medspace.app.turns import BusyError, Share, Turns
from medspace.connector.errors import MessageError
from medspace.connector.usage.calls import Call
from medspace.connector.usage.errors import (
    JobClosedError,
    NotAdmittedError,
    StepError,
    UnknownJobError,
    UseFailedError,
    WithheldError,
)
from medspace.connector.usage.service import UsageControl
from medspace.core.canonical import JsonObject
from medspace.core.decoding import read_json
from medspace.core.errors import MedspaceError
from medspace.core.text import Text, msgid
from medspace.core.usage import Release, Step

LONGEST_JOB_TOKEN = 256
JOB_HEADER = "medspace-job"
MOST_SITES = 1000  # that one run may name
LONGEST_DID = 256
DID = r"^did:[a-z0-9]+:[A-Za-z0-9._:%-]+\Z"  # DID Core 3.1

_STATUS: dict[type[MedspaceError], int] = {
    UnknownJobError: 404,
    JobClosedError: 409,
    NotAdmittedError: 403,
    WithheldError: 403,
    UseFailedError: 500,
    StepError: 400,
    BusyError: 429,
}


_Did = Annotated[str, msgspec.Meta(max_length=LONGEST_DID, pattern=DID)]


class _Step(msgspec.Struct, frozen=True):
    task: JsonObject
    round: int
    name: str
    inputs: JsonObject = {}
    sites: Annotated[tuple[_Did, ...], msgspec.Meta(max_length=MOST_SITES)] = ()


def public_routes(
    document: JsonObject,
    path: str,
    members: Callable[[], str],
    usage: UsageControl,
    authenticate: Authenticate,
    share: Share | None = None,
) -> list[Route]:
    """The routes; `path` is where the DID document lives, `members` gives the signed list or, without one, ""."""
    turns = Turns(share)

    async def did_document(_: Request) -> Response:
        return json_response(document)

    async def members_list(request: Request) -> Response:
        await caller_of(request, authenticate)
        text = members()
        return json_response({"members": text}) if text else json_response({"code": "members.none"}, 404)

    async def job(request: Request) -> Response:
        caller = await caller_of(request, authenticate)
        step = _read_step(await read_body(request, LARGEST_STEP))
        token = request.headers.get(JOB_HEADER, "")[:LONGEST_JOB_TOKEN]
        async with turns.turn(caller.did):
            release = await usage.step(Call(caller.did, request.path_params["job"], token, step))
        return json_response(_answer(release))

    return [
        Route(path, did_document, methods=["GET"]),
        Route("/members", _guarded(members_list), methods=["GET"]),
        Route("/jobs/{job}", _guarded(job), methods=["POST"]),
    ]


def _guarded(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except MedspaceError as error:
            if isinstance(error, UseFailedError):
                logging.getLogger(ROOT).exception(error.code)
            return problem_response(_told(error), _STATUS.get(type(error)))

    return guarded


def _told(error: MedspaceError) -> MedspaceError:
    """What the asker is told: of a step that cannot be run, what the engine said of it, under the engine's code."""
    cause = error.__cause__
    return cause if isinstance(error, StepError) and isinstance(cause, MedspaceError) else error


def _read_step(body: bytes) -> Step:
    try:
        read = read_json(body, _Step)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise MessageError(reason=Text(msgid("it is not a step of a job"))) from error
    return Step(read.task, read.round, read.name, read.inputs, read.sites)


def _answer(release: Release) -> JsonObject:
    return {
        "release": release.id,
        "round": release.round,
        "kind": release.kind,
        "cohort": release.cohort,
        "values": dict(release.values),
        "digest": release.digest,
        "entry": release.entry,
    }
