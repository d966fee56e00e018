"""Live pages: the management API's event streams, for whoever is signed in.

A browser's EventSource can send no token, so it comes here with its session; the stream is asked for in the person's
name, and ends with the session. A page that stands open is no use of a session: it ends when nobody does anything.
"""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from medspace.app.doors.portal.guarding import guarded
from medspace.app.doors.portal.passing import Passed
from medspace.app.doors.portal.shell import PortalShell

SIGNED_OUT = 401
SEEN = frozenset({b"last-event-id"})


def live(portal: PortalShell) -> list[Route]:
    """The route of all streams."""

    async def stream(request: Request) -> Response:
        seen = await portal.seen(request, touch=False)
        if seen is None:
            return guarded(Response(status_code=SIGNED_OUT))
        path = f"/events/{quote(request.path_params['path'])}"
        asked = portal.visit(request, seen).api.scope("GET", path)
        return Passed(portal.api, {**asked, "query_string": request.scope["query_string"]}, SEEN)

    return [Route("/portal/events/{path:path}", stream, methods=["GET"])]
