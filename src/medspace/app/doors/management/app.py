"""The management API: what a participant's own people and programs ask of their connector. Private listener only.

Every call carries a token, and each route declares which scopes open it (`actors.needs`). Answers are JSON; sentences
are in the language of Accept-Language. The routes come from the features.
"""

from collections.abc import Iterable

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from medspace import __version__
from medspace.app.doors import flaws
from medspace.app.doors.bodies import json_response, problem_of, request_language, status_of
from medspace.app.doors.management.actors import EVERYWHERE
from medspace.app.doors.management.describing import DescribedApi
from medspace.app.doors.management.routing import LONGEST_TEXT
from medspace.core.errors import InvalidInputError, MedspaceError
from medspace.core.text import msgid


class RequestError(InvalidInputError):
    """A request of the management API cannot be read."""

    code = "request.invalid"
    sentence = msgid("The request cannot be read: {reason}.")
    next_step = msgid("See the API's description at /openapi.json.")


class RouteUnknownError(InvalidInputError):
    """The management API has no such route."""

    code = "request.route"
    sentence = msgid("There is nothing at {method} {path}.")
    next_step = msgid("See the API's description at /openapi.json.")


def management_app(routers: Iterable[APIRouter]) -> FastAPI:
    """The application of the private listener, to be wrapped in `guarded.Guarded`."""
    app = DescribedApi(
        title="medspace management API",
        version=__version__,
        docs_url=None,  # the interactive pages would load resources from elsewhere
        redoc_url=None,
        exception_handlers={
            MedspaceError: _problem_response,
            RequestValidationError: _unreadable,
            HTTPException: _unrouted,
        },
    )
    for router in routers:
        # As they are: FastAPI would analyse each of them once more, at every start.
        app.router.routes += [_closed(route) for route in router.routes]
    return app


def _closed(route: BaseRoute) -> BaseRoute:
    if EVERYWHERE not in getattr(route, "dependencies", ()):
        raise TypeError(f"{route} checks no scope: make its router with `routing.router`")
    return route


async def _problem_response(request: Request, error: Exception) -> Response:
    language = request_language(request)
    if not isinstance(error, MedspaceError):
        raise error
    return json_response(problem_of(error, language), status_of(error))


async def _unreadable(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    problem = RequestError(reason=flaws.told(found))
    return json_response(problem_of(problem, request_language(request)), 400)


async def _unrouted(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    problem = RouteUnknownError(method=request.method, path=request.url.path[:LONGEST_TEXT])
    return json_response(problem_of(problem, request_language(request)), status)
