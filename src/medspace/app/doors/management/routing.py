"""Building blocks for the routes of all features: strict bodies, limits, pages, waiting for a change.

Answers are JSON; sentences are in the language of Accept-Language.
"""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Annotated, Any, Protocol

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from medspace.app.doors.bodies import json_response, request_language
from medspace.app.doors.management.actors import EVERYWHERE, actor_of, check_again
from medspace.app.doors.views import Speak
from medspace.app.node.changes import Changes
from medspace.app.node.language import speaker
from medspace.app.node.lists import LARGEST_PAGE
from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import Clock
from medspace.core.decoding import read_json
from medspace.core.paging import Cursor
from medspace.core.store import Topic
from medspace.services.tokens.model import TOKENS

LONGEST_WAIT = 30.0
LONGEST_TEXT = 2048
MOST_AGREEMENTS = 1000

WRITABLE = r"^[^\x00]*$"  # neither a file name nor a text in PostgreSQL can hold a NUL

Text = Annotated[str, Field(max_length=LONGEST_TEXT, pattern=WRITABLE)]
Agreements = Annotated[list[Text], Field(max_length=MOST_AGREEMENTS, min_length=1)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]
After = Annotated[str, Query(max_length=512, pattern=WRITABLE)]
Place = Annotated[str, Query(max_length=LONGEST_TEXT, pattern=WRITABLE)]
Wait = Annotated[float, Query(ge=0, le=LONGEST_WAIT)]


class Body(BaseModel):
    """The body of a request; unknown members are refused."""

    model_config = ConfigDict(extra="forbid")


class _OneWay(Request):
    """A request whose body must be unambiguous, as at the public door (`core.decoding`)."""

    async def json(self) -> Json:
        try:
            return read_json(await self.body())
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise JSONDecodeError(str(error), "", 0) from error  # FastAPI knows no other class


class _Route(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            return await handle(_OneWay(request.scope, request.receive))

        return handled


class _Routes(APIRouter):
    def include_router(self, router: APIRouter, **more: Any) -> None:  # noqa: ANN401 - whatever FastAPI allows
        """Take the routes of another router as they are: FastAPI would analyse each of them once more."""
        if more:
            raise TypeError("routes are taken as they are")
        self.routes += router.routes


def router(tag: str) -> APIRouter:
    """The routes of one feature, under a tag in the API's description; each checks the scopes of who calls."""
    return _Routes(tags=[tag], route_class=_Route, dependencies=[EVERYWHERE])


def speak_to(request: Request) -> Speak:
    """What renders sentences in the language that the client asks for."""
    return speaker(request_language(request))


@dataclass(frozen=True, slots=True)
class Poll:
    """What somebody has `seen` of a thing, and for how many seconds they wait for it to change."""

    seen: str
    wait: float


def _poll(seen: Annotated[str, Query(max_length=64)] = "", wait: Wait = 0) -> Poll:
    return Poll(seen, wait)


Polling = Annotated[Poll, Depends(_poll)]


class Watchtower(Protocol):
    """The connector, as far as waiting needs it."""

    @property
    def changes(self) -> Changes:
        """Tells what was written."""
        ...

    @property
    def clock(self) -> Clock:
        """Tells when a token expires."""
        ...


async def waiting(
    request: Request, node: Watchtower, topic: Topic, poll: Poll, look: Callable[[], Awaitable[JsonObject]]
) -> Response:
    """What `look` shows, as soon as its version is not the one that was seen, or after the seconds of `poll`.

    Who waits is looked at again before it is shown anything: it waits no longer than its token counts.

    Raises:
        TokenRefusedError, TokenRevokedError, AccessTokenExpiredError, TokenScopeError: it does not count any more.
    """
    if not poll.wait:
        return json_response(await look())
    actor = actor_of(request)
    own = (TOKENS.topic(actor.token),) if actor.token else ()
    left = poll.wait if actor.until is None else (actor.until - node.clock.now()).total_seconds()

    async def changed() -> JsonObject | None:
        shown = await look()
        await check_again(request)  # behind it nothing waits
        return shown if shown["version"] != poll.seen else None

    shown = await node.changes.until(changed, max(min(poll.wait, left), 0.0), topic, *own)
    if shown is None:
        shown = await look()
        await check_again(request)
    return json_response(shown)


def paged(name: str, shown: Sequence[JsonObject], places: Sequence[tuple[str, str]], limit: int) -> Response:
    """A page of a list by its `name`, and where the `next` one begins: behind the last one of a full page.

    `places` are where each of them stands in the list: its time and its identity.
    """
    after_it = str(Cursor(*places[-1])) if len(places) == limit else ""
    return json_response({name: list(shown), "next": after_it})
