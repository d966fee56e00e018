"""Asking the management API within the process, as the person who is signed in."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote, urlencode

import msgspec
from starlette.types import ASGIApp, Message

from medspace.app.doors.management.actors import ACTOR, AGAIN, Again
from medspace.core.actors import Actor
from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import MedspaceError

FIRST_ERROR = 400
QueryValue: TypeAlias = str | float | Sequence[str]  # a sequence is a field that is there several times


class InquiryError(MedspaceError):
    """The management API has refused something; `problem` is what it said, in the language of the person."""

    code = "portal.refused"
    sentence = "{sentence}"
    next_step = "{next_step}"

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(sentence=problem.get("sentence", ""), next_step=problem.get("next_step", ""))
        self.status = status
        self.problem = dict(problem)


@dataclass(frozen=True, slots=True)
class Inquiry:
    """The management API as one person sees it: their scopes, their language."""

    api: ASGIApp
    actor: Actor
    again: Again = field(repr=False)
    language: str

    async def get(self, path: str, **query: QueryValue) -> JsonObject:
        """What a GET answers.

        Raises:
            InquiryError: it was refused.
        """
        return await self.ask("GET", path, query=query)

    async def post(self, path: str, body: Json = None) -> JsonObject:
        """What a POST answers.

        Raises:
            InquiryError: it was refused.
        """
        return await self.ask("POST", path, body)

    async def ask(
        self,
        method: str,
        path: str,
        body: Json = None,
        query: Mapping[str, QueryValue] | None = None,
        pieces: AsyncIterator[bytes] | None = None,
    ) -> JsonObject:
        """What the API answers to a request, whose body may still be on its way (`pieces`).

        The segments of its path are encoded (`core.paths`).

        Raises:
            InquiryError: it was refused.
        """
        whole = b"" if body is None else msgspec.json.encode(body)
        status, sent = await self._answered(self.scope(method, path, whole, query), _messages(whole, pieces))
        told: JsonObject = msgspec.json.decode(sent) if sent else {}
        if status >= FIRST_ERROR:
            raise InquiryError(status, told)
        return told

    async def _answered(self, scope: dict[str, Any], body: AsyncIterator[Message]) -> tuple[int, bytes]:
        status, parts = 500, list[bytes]()
        whole = asyncio.Event()

        async def receive() -> Message:
            async for message in body:
                return message
            await whole.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        try:
            await self.api(scope, receive, send)
        finally:
            whole.set()
        return status, b"".join(parts)

    def scope(
        self, method: str, path: str, body: bytes = b"", query: Mapping[str, QueryValue] | None = None
    ) -> dict[str, Any]:
        """The ASGI scope of a request, as `guarded.Guarded` would have let it in."""
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": urlencode(query or {}, doseq=True).encode(),
            "root_path": "",
            "headers": [
                (b"accept-language", self.language.replace("_", "-").encode()),
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
            ],
            "client": None,
            "server": None,
            ACTOR: self.actor,
            AGAIN: self.again,
        }


async def _messages(body: bytes, pieces: AsyncIterator[bytes] | None) -> AsyncIterator[Message]:
    """A body as an application receives it."""
    if pieces is not None:
        async for piece in pieces:
            yield {"type": "http.request", "body": piece, "more_body": True}
    yield {"type": "http.request", "body": body, "more_body": False}
