"""Signing in and out: by a one-time link or a passkey; confirming a deed with a passkey; how pages look."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from medspace.app.doors.bodies import json_response, problem_of, read_body, status_of
from medspace.app.doors.portal.forms import read_form
from medspace.app.doors.portal.guarding import (
    HOME,
    LARGEST_ANSWER,
    SESSION,
    TOKEN_FIELD,
    TOKEN_HEADER,
    VISITOR,
    check_length,
    check_origin,
    check_token,
    cookie_of,
    forget,
    guarded,
    keep,
    kept,
    page_of,
    within,
)
from medspace.app.doors.portal.offline import clear
from medspace.app.doors.portal.shell import PortalShell
from medspace.core.canonical import JsonObject
from medspace.core.decoding import read_json
from medspace.core.errors import InvalidInputError, MedspaceError
from medspace.core.text import msgid
from medspace.services.accounts.errors import SessionEndedError
from medspace.services.accounts.model import Proof
from medspace.services.accounts.rules import confirmed, is_secret
from medspace.services.accounts.service import Visitor

FEW_FIELDS = 10
SEE_OTHER = 303
LONGEST = 512
Answered = Callable[[Request], Awaitable[Response]]


def address(back: str = "") -> str:
    """Where people sign in, and where they go from there: a page of the portal, never another site."""
    return "/portal/sign-in" + (f"?{urlencode({'next': back})}" if within(back) and back != HOME else "")


def to_confirm(back: str) -> Response:
    """To confirming with a passkey, and back to the page from which the form is sent again."""
    return RedirectResponse(f"/portal/confirm?{urlencode({'next': _back(back)})}", SEE_OTHER)


class AnswerFormError(InvalidInputError):
    """What the browser's script sent is not what the page asked for."""

    code = "portal.answer"
    sentence = msgid("The browser's answer cannot be read.")
    next_step = msgid("Open the page again and try once more.")


@dataclass(frozen=True, slots=True)
class SigningIn:
    """The way in and out of one portal."""

    portal: PortalShell

    def answering(self, method: str, answer: Answered) -> Answered:
        """An answer with its guards: a POST comes from a page of this portal; problems are told as it was asked."""

        async def answered(request: Request) -> Response:
            try:
                if method == "POST":
                    check_origin(request, self.portal.people.origin)
                    check_length(request, LARGEST_ANSWER)
                return guarded(await answer(request))
            except SessionEndedError as error:
                if method == "GET":
                    return guarded(RedirectResponse(address(page_of(request)), SEE_OTHER))
                return await self._refused(request, error)
            except MedspaceError as error:
                return await self._refused(request, error)

        return answered

    async def _refused(self, request: Request, error: MedspaceError) -> Response:
        if TOKEN_HEADER in request.headers:  # a script asked
            told = problem_of(error, self.portal.frame(request).language)
            return guarded(json_response(told, status_of(error)))
        return guarded(self.portal.problem(request, await self.portal.seen(request), error))

    def _page(self, template: str, request: Request, seen: Visitor | None = None, **facts: Any) -> Response:  # noqa: ANN401 - what templates take
        return HTMLResponse(self.portal.renderer.render(template, self.portal.frame(request, seen), facts))

    def _cookie(self, name: str) -> str:
        return cookie_of(name, self.portal.people.origin)

    async def seen(self, request: Request) -> Visitor:
        """Who is signed in.

        Raises:
            SessionEndedError: nobody.
        """
        seen = await self.portal.seen(request)
        if seen is None:
            raise SessionEndedError
        return seen

    async def form(self, request: Request) -> dict[str, str]:
        """The fields of a small form.

        Raises:
            FormUnreadableError: it is none.
        """
        async with read_form(request, FEW_FIELDS) as form:
            return {name: value for name, value in form.items() if isinstance(value, str)}

    async def sign_in(self, request: Request) -> Response:
        """The page where somebody signs in."""
        login = self.portal.login
        shown = self._page(
            "sign_in.html", request, login="" if login is None else login.name, to=_back_asked(request)
        )
        if not is_secret(kept(request, self._cookie(VISITOR))):
            keep(shown, self._cookie(VISITOR), self.portal.people.accounts.secret())
        return shown

    async def link(self, request: Request) -> Response:
        """The page of a one-time link: a button, so that nothing that only looks ahead uses it up."""
        link = request.query_params.get("link", "")[:LONGEST]
        return self._page("enter.html", request, link=link, to=_back_asked(request))

    async def enter(self, request: Request) -> Response:
        """Sign in with a one-time link."""
        form = await self.form(request)
        link = form.get("link", "")[:LONGEST]
        opened = await self.portal.people.enter(link, host_of(request))
        await self.leave(request)
        answer = RedirectResponse(_back(form.get("next", "")), SEE_OTHER)
        keep(answer, self._cookie(SESSION), opened.secret)
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Sign out."""
        seen, form = await self.seen(request), await self.form(request)
        check_token(seen.form, form.get(TOKEN_FIELD, ""))
        await self.portal.people.accounts.leave(self.portal.session(request))
        answer = RedirectResponse(address(), SEE_OTHER)
        forget(answer, self._cookie(SESSION))
        clear(answer)
        return answer

    async def confirm(self, request: Request) -> Response:
        """The page where somebody confirms with a passkey that it is still them."""
        seen = await self.seen(request)
        known = await self.portal.people.passkeys.of(seen.account.id)
        login = self.portal.login
        called = login.name if login is not None and await login.knows(seen.account.id) else ""
        return self._page("confirm.html", request, seen, known=bool(known), login=called, to=_back_asked(request))

    async def preferences(self, request: Request) -> Response:
        """How pages look, and the passkeys of whoever is signed in."""
        seen = await self.seen(request)
        facts = {
            "account": seen.account,
            "passkeys": await self.portal.people.passkeys.of(seen.account.id),
            "confirmed": confirmed(seen.session, self.portal.clock.now()),
            "by_login": seen.account.login or seen.session.proof is Proof.OIDC,
        }
        return self._page("preferences.html", request, seen, **facts)

    async def prefer(self, request: Request) -> Response:
        """Change how pages look."""
        seen, form = await self.seen(request), await self.form(request)
        check_token(seen.form, form.get(TOKEN_FIELD, ""))
        wishes = {"language": form.get("language", ""), "theme": form.get("theme", "")}
        await self.portal.people.accounts.preferences(seen.account.id, **wishes, shortcuts="shortcuts" in form)
        return RedirectResponse("/portal/preferences", SEE_OTHER)

    async def remove(self, request: Request) -> Response:
        """Remove a passkey of one's own, once confirmed with a passkey."""
        seen, form = await self.seen(request), await self.form(request)
        check_token(seen.form, form.get(TOKEN_FIELD, ""))
        if not confirmed(seen.session, self.portal.clock.now()):
            return to_confirm("/portal/preferences")
        await self.portal.people.passkeys.remove(seen, form.get("passkey", ""))
        return RedirectResponse("/portal/preferences", SEE_OTHER)

    async def begin_sign_in(self, request: Request) -> Response:
        """What the browser is asked for a passkey of anybody."""
        return json_response(await self.portal.people.passkeys.begin_sign_in(kept(request, self._cookie(VISITOR))))

    async def finish_sign_in(self, request: Request) -> Response:
        """Sign in with a passkey."""
        answer, told = await self._answer(request)
        visitor = kept(request, self._cookie(VISITOR))
        opened = await self.portal.people.sign_in(visitor, answer, host_of(request))
        await self.leave(request)
        response = json_response({"next": _back(str(told.get("next", "")))})
        keep(response, self._cookie(SESSION), opened.secret)
        forget(response, self._cookie(VISITOR))
        return response

    async def begin_confirmation(self, request: Request) -> Response:
        """What the browser is asked for a passkey of whoever is signed in."""
        seen = await self._checked(request)
        return json_response(await self.portal.people.passkeys.begin_confirmation(seen))

    async def finish_confirmation(self, request: Request) -> Response:
        """It is still the same person."""
        seen = await self._checked(request)
        answer, told = await self._answer(request)
        await self.portal.people.confirm(seen, answer, host_of(request))
        return json_response({"next": _back(str(told.get("next", "")))})

    async def begin_registration(self, request: Request) -> Response:
        """What the browser is asked to make a passkey."""
        seen = await self._checked(request)
        return json_response(await self.portal.people.passkeys.begin_registration(seen))

    async def finish_registration(self, request: Request) -> Response:
        """Keep a new passkey."""
        seen = await self._checked(request)
        answer, told = await self._answer(request)
        await self.portal.people.passkeys.finish_registration(seen, answer, str(told.get("label", "")))
        return json_response({"next": _back(str(told.get("next", "")) or "/portal/preferences")})

    async def leave(self, request: Request) -> None:
        """End the session that this browser had: nobody would sign out of it any more."""
        if is_secret(self.portal.session(request)):
            await self.portal.people.accounts.leave(self.portal.session(request))

    async def _checked(self, request: Request) -> Visitor:
        seen = await self.seen(request)
        check_token(seen.form, request.headers.get(TOKEN_HEADER, ""))
        return seen

    async def _answer(self, request: Request) -> tuple[bytes, JsonObject]:
        """What the browser's authenticator said, as bytes for whoever checks it, and what the script said besides."""
        try:
            told = read_json(await read_body(request, LARGEST_ANSWER))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise AnswerFormError from None
        if not isinstance(told, dict) or not isinstance(told.get("answer"), dict):
            raise AnswerFormError
        return msgspec.json.encode(told["answer"]), told


def host_of(request: Request) -> str:
    """The address of whoever asks."""
    return request.client.host if request.client else ""


def _back_asked(request: Request) -> str:
    """The page that somebody came from, who has to sign in or confirm first."""
    return _back(request.query_params.get("next", ""))


def _back(path: str) -> str:
    return path if within(path) else HOME


def routes(door: SigningIn) -> list[Route]:
    """The routes of everybody, signed in or not."""
    table: tuple[tuple[str, str, Answered], ...] = (
        ("GET", "/sign-in", door.sign_in),
        ("GET", "/enter", door.link),
        ("POST", "/enter", door.enter),
        ("POST", "/sign-out", door.sign_out),
        ("GET", "/confirm", door.confirm),
        ("GET", "/preferences", door.preferences),
        ("POST", "/preferences", door.prefer),
        ("POST", "/passkeys/remove", door.remove),
        ("POST", "/passkeys/sign-in/begin", door.begin_sign_in),
        ("POST", "/passkeys/sign-in", door.finish_sign_in),
        ("POST", "/passkeys/confirm/begin", door.begin_confirmation),
        ("POST", "/passkeys/confirm", door.finish_confirmation),
        ("POST", "/passkeys/register/begin", door.begin_registration),
        ("POST", "/passkeys/register", door.finish_registration),
    )
    return [
        Route(f"/portal{path}", door.answering(method, answer), methods=[method]) for method, path, answer in table
    ]
