"""What all pages of one connector share: who is signed in, the frame around a page, problems as pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

from medspace.app.doors.bodies import problem_of, request_language, status_of
from medspace.app.doors.callers import welcome
from medspace.app.doors.portal.guarding import BACK_FIELD, HOME, SESSION, cookie_of, kept, page_of, within
from medspace.app.doors.portal.inquiry import Inquiry, InquiryError
from medspace.app.doors.portal.rendering import AddressError, Frame, Renderer
from medspace.app.doors.portal.sharing import LooksTogether, SharedBlocks
from medspace.app.doors.portal.visit import ROOT, PortalVisit
from medspace.app.node.language import ENGLISH
from medspace.app.node.pages import MenuEntry, PortalPages, PortalRemedy
from medspace.core.actors import Actor
from medspace.core.clock import Clock
from medspace.core.errors import MedspaceError, RefusedError
from medspace.services.accounts.logins import BegunLogin, FinishedLogin, LoginAnswer
from medspace.services.accounts.passkeys import Passkeys
from medspace.services.accounts.service import Accounts, Opened, Visitor

NOT_FOUND = 404


class People(Protocol):
    """Who signs in. What opens something for nobody in particular counts wrong attempts by the address of `host`."""

    @property
    def accounts(self) -> Accounts:
        """Accounts and sessions."""
        ...

    @property
    def passkeys(self) -> Passkeys:
        """Their passkeys."""
        ...

    @property
    def origin(self) -> str:
        """Where the pages are (RFC 6454)."""
        ...

    async def enter(self, link: str, host: str) -> Opened:
        """Open a session with the text of a one-time link."""
        ...

    async def sign_in(self, visit: str, answer: bytes, host: str) -> Opened:
        """Open a session with what a passkey answered."""
        ...

    async def confirm(self, visitor: Visitor, answer: bytes, host: str) -> Visitor:
        """Confirm with what a passkey answered that it is still the same person."""
        ...


class Login(Protocol):
    """The hospital's login; what opens something counts wrong attempts by the address of `host`."""

    @property
    def name(self) -> str:
        """What it is called on pages."""
        ...

    async def begin(self, back: str) -> BegunLogin:
        """Send somebody to it."""
        ...

    async def begin_confirmation(self, visitor: Visitor, back: str) -> BegunLogin:
        """Send somebody who is signed in to prove anew who they are."""
        ...

    async def knows(self, account: str) -> bool:
        """Whether an account is that of somebody who comes in by it."""
        ...

    async def finish(self, kept: str, answer: LoginAnswer, host: str) -> FinishedLogin:
        """Take the answer with which a browser comes back."""
        ...


@dataclass(frozen=True, slots=True)
class PortalShell:
    """What all pages of one connector share."""

    people: People
    clock: Clock
    api: ASGIApp  # the management API, to be asked in process
    renderer: Renderer
    pages: Mapping[str, PortalPages]  # by feature
    participant: str
    looks: LooksTogether
    blocks: SharedBlocks
    login: Login | None = None  # the hospital's own, where there is one

    def frame(self, request: Request, seen: Visitor | None = None) -> Frame:
        """What stands around a page, for whoever asks."""
        path = str(request.scope["path"]).removeprefix(ROOT)
        if seen is None:
            return Frame(request_language(request), self.participant, path=path)
        account = seen.account
        return Frame(
            language=account.language or request_language(request),
            participant=self.participant,
            theme=account.theme,
            shortcuts=account.shortcuts,
            person=seen.name,
            token=seen.form,
            path=path,
            page=page_of(request),
            menu=self._menu(seen.actor),
            remedies=self._remedies(seen.actor),
        )

    def nobody(self) -> Frame:
        """What stands around a page that is the same for everybody."""
        return Frame(ENGLISH, self.participant)

    def _menu(self, actor: Actor) -> tuple[MenuEntry, ...]:
        entries = (entry for pages in self.pages.values() for entry in pages.menu)
        return tuple(entry for entry in entries if actor.may(entry.scopes))

    def _remedies(self, actor: Actor) -> tuple[PortalRemedy, ...]:
        found = (one for pages in self.pages.values() for one in pages.remedies)
        return tuple(one for one in found if actor.may(one.scopes))

    def session(self, request: Request) -> str:
        """The secret of the session that a browser has; "" where it has none."""
        return kept(request, cookie_of(SESSION, self.people.origin))

    async def seen(self, request: Request, *, touch: bool = True) -> Visitor | None:
        """Who is signed in; None for nobody. What nobody did by themselves does not `touch` their session."""
        try:
            found = await self.people.accounts.look(self.session(request), touch=touch)
        except RefusedError:
            return None
        welcome(request.scope)
        return found

    def visit(
        self, request: Request, seen: Visitor, form: FormData | None = None, islands: Sequence[str] = ()
    ) -> PortalVisit:
        """What a page is given."""
        frame = replace(self.frame(request, seen), islands=tuple(islands))
        if form is not None:  # the page that the form stands on is shown again where it is refused
            back = str(form.get(BACK_FIELD, ""))
            frame = replace(frame, page=back if within(back) else HOME)
        inquiry = Inquiry(self.api, seen.actor, partial(self._again, request), frame.language)
        return PortalVisit(
            request,
            seen.actor,
            inquiry,
            frame,
            self.renderer,
            self.blocks,
            tuple(self.pages.values()),
            form or FormData(),
        )

    async def _again(self, request: Request) -> Actor:
        return (await self.looks.look(self.session(request))).actor

    def problem(self, request: Request, seen: Visitor | None, error: MedspaceError) -> Response:
        """A page that says what went wrong, and what to do."""
        frame = self.frame(request, seen)
        if isinstance(error, InquiryError):
            told, status = error.problem, error.status
        else:
            told, status = problem_of(error, frame.language), status_of(error)
        status = NOT_FOUND if isinstance(error, AddressError) else status
        return HTMLResponse(self.renderer.render("problem.html", frame, {"problem": told}), status)
