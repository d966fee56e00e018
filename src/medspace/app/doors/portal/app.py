"""The application of the portal: pages and forms of all features, each behind a session and its scopes."""

from collections.abc import Awaitable, Callable
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from medspace.app.doors.management.actors import require
from medspace.app.doors.portal import home, offline, oidc, signing_in
from medspace.app.doors.portal.forms import read_form
from medspace.app.doors.portal.guarding import (
    BACK_FIELD,
    TOKEN_FIELD,
    TOKEN_HEADER,
    check_length,
    check_origin,
    check_token,
    guarded,
    page_of,
)
from medspace.app.doors.portal.incoming import IncomingForm
from medspace.app.doors.portal.live import live
from medspace.app.doors.portal.rendering import AddressError
from medspace.app.doors.portal.shelf import Shelf
from medspace.app.doors.portal.shell import PortalShell
from medspace.app.doors.portal.visit import ROOT
from medspace.app.node.pages import PortalAction, PortalPage
from medspace.core.errors import MedspaceError
from medspace.services.accounts.rules import confirmed
from medspace.services.accounts.service import Visitor

FOUND = 302
MOST_FIELDS = 5_000
LONGEST_PATH = 200


def portal_app(portal: PortalShell, shelf: Shelf) -> ASGIApp:
    """The application, to be put at /portal of the private listener."""

    async def static(request: Request) -> Response:
        return guarded(shelf.answer(request))

    door = signing_in.SigningIn(portal)
    routes: list[BaseRoute] = [
        Route(f"{ROOT}/static/{{name:path}}", static, methods=["GET"]),
        *signing_in.routes(door),
        *(oidc.routes(door, portal.login) if portal.login is not None else ()),
        *live(portal),
        *offline.routes(portal, shelf),
    ]
    for pages in ({"": home.PAGES} | dict(portal.pages)).values():
        routes += [_page(portal, page) for page in pages.pages]
        routes += [_action(portal, action) for action in pages.actions]

    async def lost(request: Request, error: Exception) -> Response:
        path = str(request.scope["path"])
        answer = portal.problem(request, await portal.seen(request), AddressError(path=path[:LONGEST_PATH]))
        if isinstance(error, HTTPException):  # 404, or 405 with what may be done there
            answer.status_code = error.status_code
            answer.headers.update(error.headers or {})
        return guarded(answer)

    async def broken(request: Request, _: Exception) -> Response:  # Starlette raises it again: it is in the log
        return guarded(portal.problem(request, await portal.seen(request), MedspaceError()))

    return Starlette(routes=routes, exception_handlers={HTTPException: lost, Exception: broken})


def _page(portal: PortalShell, page: PortalPage) -> Route:
    async def answer(request: Request) -> Response:
        seen = await portal.seen(request)
        if seen is None:
            return guarded(_sign_in(request))
        shown = partial(_shown, portal, page, request, seen)
        return guarded(await _told(portal, request, seen, shown), frozenset(page.islands))

    return Route(f"{ROOT}{page.path}", answer, methods=["GET"])


async def _shown(portal: PortalShell, page: PortalPage, request: Request, seen: Visitor) -> Response:
    if not page.everybody:
        require(seen.actor, *page.scopes)
    return await page.show(portal.visit(request, seen, islands=page.islands))


def _action(portal: PortalShell, action: PortalAction) -> Route:
    async def answer(request: Request) -> Response:
        seen = await portal.seen(request)
        done = partial(_done, portal, action, request, seen)
        return guarded(await _told(portal, request, seen, done))

    return Route(f"{ROOT}{action.path}", answer, methods=["POST"])


async def _done(portal: PortalShell, action: PortalAction, request: Request, seen: Visitor | None) -> Response:
    check_origin(request, portal.people.origin)
    if seen is None:
        return _sign_in(request)
    check_length(request, action.largest)
    require(seen.actor, *action.scopes)
    if action.streamed:
        return await _received(portal, action, request, seen)
    async with read_form(request, MOST_FIELDS, files=1) as form:
        given = form.get(TOKEN_FIELD, request.headers.get(TOKEN_HEADER, ""))
        check_token(seen.form, str(given))
        if action.confirmed and not confirmed(seen.session, portal.clock.now()):
            return signing_in.to_confirm(str(form.get(BACK_FIELD, "")))
        return await action.do(portal.visit(request, seen, form))


async def _received(portal: PortalShell, action: PortalAction, request: Request, seen: Visitor) -> Response:
    """A form with a large file: nothing of the file is taken before the form's token is right."""
    form = IncomingForm(request)
    try:
        fields = await form.fields()
        check_token(seen.form, str(fields.get(TOKEN_FIELD, "")))
        if action.confirmed and not confirmed(seen.session, portal.clock.now()):
            return signing_in.to_confirm(str(fields.get(BACK_FIELD, "")))
        visit = portal.visit(request, seen, fields)
        visit.incoming = form.file
        return await action.do(visit)
    finally:
        await form.drain()


async def _told(
    portal: PortalShell, request: Request, seen: Visitor | None, answer: Callable[[], Awaitable[Response]]
) -> Response:
    try:
        return await answer()
    except MedspaceError as error:
        return portal.problem(request, seen, error)


def _sign_in(request: Request) -> Response:
    """To signing in, and back to a page that was only to be read."""
    back = page_of(request) if request.method == "GET" else ROOT
    return RedirectResponse(str(signing_in.address(back)), FOUND)
