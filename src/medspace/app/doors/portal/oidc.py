"""Through the hospital's login and back: to sign in, or to confirm that it is still the same person.

A browser that comes from another site brings no strict cookie along, and the policy of a page lets no form lead to
another site. So the way there is a page that goes on by itself, the flow is in a lax cookie of its own, and the way
back ends on a page of ours, from which the browser goes on with the cookie of its new session.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from medspace.app.doors.portal.guarding import (
    HOME,
    SESSION,
    TOKEN_FIELD,
    check_token,
    cookie_of,
    forget,
    keep,
    kept,
    within,
)
from medspace.app.doors.portal.shell import Login
from medspace.app.doors.portal.signing_in import SEE_OTHER, SigningIn, address, host_of
from medspace.services.accounts.errors import SessionEndedError
from medspace.services.accounts.flows import FLOW_LIFE
from medspace.services.accounts.logins import BegunLogin, LoginAnswer

FLOW = "__Host-medspace-login"
_FIELDS = ("state", "code", "iss", "error")
LONGEST_FIELD = 8_192  # characters of what the login sends along


class OidcDoor:
    """The pages of one login; `door` is the way in and out that they are a part of."""

    def __init__(self, door: SigningIn, login: Login) -> None:
        self._door, self._login = door, login
        self._cookie = cookie_of(FLOW, door.portal.people.origin)

    async def begin(self, request: Request) -> Response:
        """On to the login, to sign in; a session that this browser has is over."""
        form = await self._door.form(request)
        begun = await self._login.begin(back_of(form.get("next", "")))
        await self._door.leave(request)
        return self._leaving(request, begun)

    async def confirm(self, request: Request) -> Response:
        """On to the login, to prove anew who one is."""
        seen, form = await self._door.seen(request), await self._door.form(request)
        check_token(seen.form, form.get(TOKEN_FIELD, ""))
        return self._leaving(request, await self._login.begin_confirmation(seen, back_of(form.get("next", ""))))

    async def callback(self, request: Request) -> Response:
        """Back from the login."""
        answer = answer_of(request.query_params)
        try:
            finished = await self._login.finish(kept(request, self._cookie), answer, host_of(request))
        except SessionEndedError:
            return RedirectResponse(address(), SEE_OTHER)  # not back to this page: its code counts once
        shown = self._page("arrived.html", request, to=back_of(finished.back))
        forget(shown, self._cookie)
        if finished.opened is not None:
            keep(shown, cookie_of(SESSION, self._door.portal.people.origin), finished.opened.secret)
        return shown

    def _leaving(self, request: Request, begun: BegunLogin) -> Response:
        shown = self._page("leaving.html", request, to=begun.address, name=self._login.name)
        keep(shown, self._cookie, begun.kept, int(FLOW_LIFE.total_seconds()), lax=True)
        return shown

    def _page(self, template: str, request: Request, **facts: Any) -> Response:  # noqa: ANN401 - what templates take
        portal = self._door.portal
        return HTMLResponse(portal.renderer.render(template, portal.frame(request), facts))


def answer_of(given: QueryParams) -> LoginAnswer:
    """What the login sent along; what it says twice it says not at all (RFC 6749 3.1)."""
    said = {name: all_of[0][:LONGEST_FIELD] for name in _FIELDS if len(all_of := given.getlist(name)) == 1}
    issuer = said.get("iss", "" if "iss" in given else None)
    return LoginAnswer(said.get("state", ""), said.get("code", ""), issuer, said.get("error", ""))


def back_of(path: str) -> str:
    """The page that somebody goes on to: one of the portal, never another site."""
    return path if within(path) else HOME


def routes(door: SigningIn, login: Login) -> list[Route]:
    """The routes of a login."""
    pages = OidcDoor(door, login)
    table: tuple[tuple[str, str, Callable[[Request], Awaitable[Response]]], ...] = (
        ("POST", "/oidc/begin", pages.begin),
        ("POST", "/oidc/confirm", pages.confirm),
        ("GET", "/oidc/callback", pages.callback),
    )
    return [
        Route(f"/portal{path}", door.answering(method, answer), methods=[method]) for method, path, answer in table
    ]
