"""One request to a page: who asks, in which language, and what a page needs in order to answer."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from medspace.app.doors.bodies import problem_of, status_of
from medspace.app.doors.portal.incoming import IncomingFile
from medspace.app.doors.portal.inquiry import Inquiry, InquiryError, QueryValue
from medspace.app.doors.portal.passing import Passed
from medspace.app.doors.portal.rendering import Frame, Renderer
from medspace.app.doors.portal.sharing import Block, SharedBlocks
from medspace.app.doors.views import Speak
from medspace.app.node.language import speaker
from medspace.app.node.pages import TONES, HomeNotice, PortalPages
from medspace.core.actors import Actor, Scope
from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import InvalidInputError

ROOT = "/portal"
INVALID, SEE_OTHER = 400, 303
LONGEST_VERSION = 64  # characters


@dataclass(slots=True)
class PortalVisit:
    """What a page is given. `path` arguments are below /portal."""

    request: Request
    actor: Actor
    api: Inquiry
    frame: Frame = field(repr=False)
    renderer: Renderer = field(repr=False)
    blocks: SharedBlocks = field(repr=False)
    features: Sequence[PortalPages] = field(default=(), repr=False)
    form: FormData = field(default_factory=FormData, repr=False)
    incoming: IncomingFile | None = None  # the file of a streamed action, where one was chosen

    @property
    def language(self) -> str:
        """The language of the person."""
        return self.frame.language

    @property
    def speak(self) -> Speak:
        """What says sentences in it."""
        return speaker(self.language)

    def may(self, *scopes: Scope) -> bool:
        """Whether the person may do what one of these scopes opens."""
        return self.actor.may(scopes)

    def part(self, name: str) -> str:
        """A part of the path, by its name there."""
        return str(self.request.path_params[name])

    def query(self, name: str, default: str = "") -> str:
        """A field of the address."""
        return self.request.query_params.get(name, default)

    def field(self, name: str, default: str = "") -> str:
        """A field of the form; a file is none."""
        value = self.form.get(name, default)
        return value.strip() if isinstance(value, str) else default

    def fields(self, name: str) -> list[str]:
        """All that a form says under one name."""
        return [value.strip() for value in self.form.getlist(name) if isinstance(value, str) and value.strip()]

    def file(self, name: str) -> UploadFile | None:
        """A file of the form, where one was chosen."""
        value = self.form.get(name)
        return value if isinstance(value, UploadFile) and value.filename else None

    async def get(self, path: str, **query: QueryValue) -> JsonObject:
        """What the management API answers to a GET.

        Raises:
            InquiryError: it was refused.
        """
        return await self.api.get(path, **query)

    async def post(self, path: str, body: Json = None) -> JsonObject:
        """What the management API answers to a POST.

        Raises:
            InquiryError: it was refused.
        """
        return await self.api.post(path, body)

    async def send(self, path: str, pieces: AsyncIterator[bytes], **query: QueryValue) -> JsonObject:
        """What the management API answers to a POST of bytes that are on their way.

        Raises:
            InquiryError: it was refused.
        """
        return await self.api.ask("POST", path, query=query, pieces=pieces)

    def download(self, path: str) -> Response:
        """The file that the management API answers to a GET, passed on as it comes."""
        return Passed(self.api.api, self.api.scope("GET", path))

    async def trying(self, path: str, key: str, **query: QueryValue) -> tuple[Any, JsonObject | None]:
        """What a GET answers under a key, or nothing and why: for a page of which this is one part of several."""
        try:
            return (await self.get(path, **query))[key], None
        except InquiryError as error:
            return None, error.problem

    async def names(self) -> Mapping[str, str]:
        """What the members are called, by their DIDs; of those that cannot be had there are none."""
        found, _ = await self.trying("/members", "members")
        return {one["did"]: one["name"] for one in found or ()}

    async def notices(self) -> list[HomeNotice]:
        """What all features have to say on the first page, what waits for the person first."""
        found: list[HomeNotice] = []
        for pages in self.features:
            if pages.notices is not None:
                with suppress(InquiryError):  # what the person may not see says nothing
                    found += await pages.notices(self)
        return sorted(found, key=lambda notice: TONES.index(notice.tone))

    def page(self, template: str, *, status: int = 200, **facts: Any) -> Response:  # noqa: ANN401 - what templates take
        """A page, or the part of one that htmx has asked for (`HX-Target` names the block)."""
        return HTMLResponse(self.renderer.render(template, self.frame, facts, self._block), status)

    @property
    def _block(self) -> str:
        return self.request.headers.get("hx-target", "") if self.request.headers.get("hx-request") else ""

    async def watched(self, template: str, facts: Callable[[], Awaitable[Mapping[str, Any]]]) -> Response:
        """A page that many have open, of which a block is loaded anew whenever what it shows changes.

        Its script names the `version` that it was told of; the block is made once for all who ask for it with the
        same address, language and scopes. So it may show nothing that is a person's own: their frame is not there.
        `facts` say of which `version` they are; a block of another one than was asked for is shown, but not kept.
        """
        version = self.query("version")[:LONGEST_VERSION]
        if not self._block or not version:
            return self.page(template, **await facts())

        async def make() -> Block:
            frame, found = replace(self.frame, person="", token="", page=""), await facts()
            return Block(self.renderer.render(template, frame, found, self._block), str(found["version"]) == version)

        key = (template, self._block, self.language, self.actor.scopes, str(self.request.query_params))
        return HTMLResponse(await self.blocks.block(key, make))

    def refused(self, template: str, error: InquiryError, **facts: Any) -> Response:  # noqa: ANN401 - as above
        """A form again, with what is wrong with it said first."""
        return self.page(template, status=error.status, problem=error.problem, **facts)

    def invalid(self, template: str, error: InvalidInputError, **facts: Any) -> Response:  # noqa: ANN401 - as above
        """A form again, where what was typed is wrong before anything is asked."""
        told = problem_of(error, self.language)
        return self.page(template, status=status_of(error), **facts | {"problem": told})

    def go(self, path: str, query: Mapping[str, str] | None = None) -> Response:
        """To another page, behind a form."""
        asked = f"?{urlencode(query)}" if query else ""
        return RedirectResponse(f"{ROOT}{path}{asked}", SEE_OTHER)
